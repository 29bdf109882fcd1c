"""What the portal refuses. The modules of `portal/operator` have one more each."""

from __future__ import annotations

from typing import ClassVar


class PortalError(Exception):
    """The base of all refusals; the message is for people."""

    message: ClassVar[str] = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.message)


class KeyRefused(PortalError):
    """A credential that may not be used: 401 at the gateway. `code` is stable."""

    code: ClassVar[str]
    spender_id: int | None = None  # of the ledger's, where it is a key of ours


class MalformedKey(KeyRefused):
    """Not one of ours by shape or checksum: no query was made."""

    code = "malformed_api_key"
    message = (
        "This is not a Tollgate API key: it should look like tg_live_… and its "
        "checksum must fit. Was it cut or mistyped when it was copied?"
    )


class UnknownKey(KeyRefused):
    code = "invalid_api_key"
    message = "No API key like this exists here. Was it issued by another Tollgate?"


class RevokedKey(KeyRefused):
    code = "key_revoked"
    message = "This API key was revoked. Create a new one on the API keys page."


class DisabledKey(KeyRefused):
    code = "key_disabled"
    message = (
        "This API key is disabled. Whoever holds it, or an owner or admin, can enable "
        "it again on the API keys page; or use another key."
    )


class ExpiredKey(KeyRefused):
    code = "key_expired"
    message = "This API key has expired. Create a new one on the API keys page."


class ClosedRun(KeyRefused):
    code = "envelope_closed"
    message = (
        "This API key is of a run (an envelope) that was closed or has expired, and "
        "gave back what it had left. Open a new one: POST /v1/envelopes."
    )


class ArchivedProject(KeyRefused):
    code = "project_archived"
    message = (
        "The project of this API key is archived. Restore it, or use a key of another "
        "project."
    )


class DisabledHolder(KeyRefused):
    code = "key_holder_disabled"
    message = (
        "The member or service account that holds this API key is disabled in its "
        "organization."
    )


class InvalidName(PortalError):
    """A name that cannot be shown or stored safely."""


class InvalidTimeZone(PortalError):
    message = "There is no such time zone: use a name such as Europe/Berlin."


class KeyNotActive(PortalError):
    message = (
        "This needs an active key whose secret is still the one that you saw: it was "
        "rotated, disabled or revoked in the meantime, or has expired."
    )


class InvalidExpiry(PortalError):
    message = "A key expires in the future, at most ten years from now, or never."


class NameTaken(PortalError):
    message = "Another one of the organization is called the same."


class ProjectNotActive(PortalError):
    message = "The project is archived: restore it first."


class DefaultProject(PortalError):
    message = "The default project cannot be archived."


class HolderNotActive(PortalError):
    message = "Whoever is to hold the key is disabled."


class UnfitHeir(PortalError):
    message = (
        "Keys are handed over to an active member who may make keys in their project, "
        "or to an active service account."
    )


class AlreadyMember(PortalError):
    message = "This person is a member of the organization already."


class LastOwner(PortalError):
    message = "An organization needs at least one owner: name another owner first."


class WorksEverywhere(PortalError):
    message = "This member uses all projects: limit them to some first."


class AlreadyInvited(PortalError):
    message = "This address is invited already: make another link for it."


class InvalidInvitation(PortalError):
    """One that makes no sense. Nothing was written."""


class InvitationOver(PortalError):
    """It cannot be accepted: it was accepted or revoked, or has expired."""

    message = "This invitation is over: ask for another one."


class OtherAddress(PortalError):
    message = "This invitation is for another address than the one you signed in with."


class InvalidSlug(PortalError):
    """One that cannot be in an address. Nothing was changed."""


class SlugTaken(PortalError):
    message = "Another organization has, or had, this address: choose another one."


class TooManyOrganizations(PortalError):
    message = "You own as many organizations as one person may."


class InvalidBudget(PortalError):
    """A limit or a raise that makes no sense. Nothing was written."""


class NoSuchBudget(PortalError):
    message = "The organization has no such limit in force."


class AlreadyAsked(PortalError):
    message = "You have asked for more of this limit already: it waits for an answer."


class AlreadyDecided(PortalError):
    message = "This request has been answered already."


class NotAllowed(PortalError):
    message = "Your role does not allow this change."


class OwnLimit(NotAllowed):
    message = (
        "Nobody raises or removes their own limit, or says when its day begins: ask "
        "somebody else who may."
    )


class NoSecondFactor(PortalError):
    message = (
        "Add a second factor to your own account first, then ask it of the others."
    )


class SecondFactorNeeded(PortalError):
    """Of a member, before they see anything of an organization that requires it."""

    message = "This organization asks its members for a second factor."


class InvalidLabel(PortalError):
    """A cost centre or tags that cannot be kept. Nothing was changed."""


class TooManyExports(PortalError):
    message = "So many exports are being made already: wait for one of them."


class FormatNotHere(PortalError):
    """A format that this installation cannot write."""


class MonthNotClosable(PortalError):
    """A month that is not over, or that there never was."""
