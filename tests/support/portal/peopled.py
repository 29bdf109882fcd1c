"""An organization with people, service accounts, projects and a key to change."""

from __future__ import annotations

from dataclasses import dataclass

from portal.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    Project,
    Role,
    ServiceAccount,
    User,
)
from portal.tenants import invitations, members, projects, service_accounts
from tests.support.cast import OPERATOR, make_key, make_member


@dataclass
class Scene:
    """What is to be changed."""

    organization: Organization
    project: Project
    archived: Project
    robot: ServiceAccount
    disabled_robot: ServiceAccount
    viewer: Membership
    disabled: Membership
    second_owner: Membership
    invitation: Invitation
    key: ApiKey


def make_scene(organization: Organization, alice: User) -> Scene:
    def member(name: str, role: Role) -> Membership:
        user = make_member(organization, f"{name}@example.com", role)
        return organization.memberships.get(user=user)

    def robot(name: str) -> ServiceAccount:
        return service_accounts.create(organization, name, actor=OPERATOR)

    made = Scene(
        organization,
        projects.create(organization, "Search", actor=OPERATOR),
        projects.create(organization, "Old", actor=OPERATOR),
        robot("CI"),
        robot("Old CI"),
        member("vera", Role.VIEWER),
        member("dora", Role.VIEWER),
        member("olga", Role.OWNER),
        invitations.invite(
            organization, "late@example.com", Role.VIEWER, actor=OPERATOR
        )[0],
        make_key(organization, alice)[0],
    )
    projects.archive(made.archived, actor=OPERATOR)
    service_accounts.disable(made.disabled_robot, actor=OPERATOR)
    members.disable(made.disabled, actor=OPERATOR)
    return made
