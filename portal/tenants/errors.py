"""Everything the portal refuses, and nothing else.

PortalError
├── KeyRefused              a credential that may not be used; 401 at the gateway
│   ├── MalformedKey        not one of ours by shape or checksum: no query was made
│   ├── UnknownKey          well-formed, and nobody has it
│   ├── RevokedKey
│   └── ExpiredKey
├── InvalidName             a name that cannot be shown or stored safely
├── KeyNotActive            revoked, expired or already rotated: nothing to rotate
├── DoubtStands             in portal/operator/doubts.py, which has more of them
├── AlreadyMember
├── LastOwner               an organization always has an owner
└── NotAllowed              the actor's role does not cover the change
"""

from __future__ import annotations

from typing import ClassVar


class PortalError(Exception):
    """The base of all refusals; `code` is stable, the message is for people."""

    code: ClassVar[str] = "refused"
    message: ClassVar[str] = "The request was refused."

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.message)


class KeyRefused(PortalError):
    """The presented API key may not be used."""


class MalformedKey(KeyRefused):
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


class ExpiredKey(KeyRefused):
    code = "key_expired"
    message = "This API key has expired. Create a new one on the API keys page."


class InvalidName(PortalError):
    code = "invalid_name"


class KeyNotActive(PortalError):
    code = "key_not_active"
    message = "Only an active key that was not rotated yet can be rotated."


class AlreadyMember(PortalError):
    code = "already_member"
    message = "This person is a member of the organization already."


class LastOwner(PortalError):
    code = "last_owner"
    message = "An organization needs at least one owner: name another owner first."


class NotAllowed(PortalError):
    code = "not_allowed"
    message = "Your role does not allow this change."
