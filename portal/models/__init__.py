"""The tables of tenants: people, organizations, keys, and what was done by whom."""

from __future__ import annotations

from portal.models.alert import (
    AlertSetting,
    AlertState,
    MailState,
    NoticeMail,
    Watch,
)
from portal.models.api_key import ApiKey, KeySecret
from portal.models.audit_event import AuditChain, AuditEvent
from portal.models.cost_label import CostLabel
from portal.models.export import Every, Export, ExportSchedule, ExportState
from portal.models.invitation import Invitation
from portal.models.key_rights import KeyRights
from portal.models.key_sighting import KeySighting
from portal.models.organization import (
    FormerMember,
    FormerSlug,
    Membership,
    Organization,
    Project,
    ProjectMember,
    Role,
    ServiceAccount,
)
from portal.models.raise_request import RaiseRequest, RequestState
from portal.models.refused import RefusedCount, RefusedRequest
from portal.models.rules import Rules
from portal.models.run_request import RunRequest
from portal.models.saved_view import SavedView
from portal.models.scheduled_task import ScheduledTask
from portal.models.session import Attempt, GroupMembership, Session, SignUp
from portal.models.user import User
from portal.models.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EndpointKind,
    WebhookEndpoint,
    WhyDisabled,
)

__all__ = [
    "AlertSetting",
    "AlertState",
    "ApiKey",
    "Attempt",
    "AuditChain",
    "AuditEvent",
    "CostLabel",
    "Every",
    "Export",
    "ExportSchedule",
    "ExportState",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "EndpointKind",
    "FormerMember",
    "FormerSlug",
    "GroupMembership",
    "Invitation",
    "KeyRights",
    "KeySecret",
    "KeySighting",
    "MailState",
    "Membership",
    "NoticeMail",
    "Organization",
    "Project",
    "ProjectMember",
    "RaiseRequest",
    "RefusedCount",
    "RefusedRequest",
    "RequestState",
    "Role",
    "Rules",
    "RunRequest",
    "SavedView",
    "ScheduledTask",
    "ServiceAccount",
    "Session",
    "SignUp",
    "User",
    "Watch",
    "WebhookEndpoint",
    "WhyDisabled",
]
