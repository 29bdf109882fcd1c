"""Who is signed in where, and what was tried too often."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.base_session import BaseSessionManager as SessionManager
from django.db import models

from portal.models.organization import Membership, Organization


class Session(AbstractBaseSession):
    """One browser's session; it names its person, so that they can see and end all of
    theirs. No foreign key: what a browser still carries may outlive the person."""

    user_id = models.BigIntegerField(null=True, db_index=True)
    address = models.GenericIPAddressField(null=True)
    client = models.CharField(max_length=200, blank=True)  # its User-Agent
    signed_in_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # to the minutes of `sessions.SEEN`

    objects: ClassVar[SessionManager[Session]] = SessionManager()  # type: ignore[assignment]

    class Meta(AbstractBaseSession.Meta):
        db_table = "portal_session"


class Attempt(models.Model):
    """A counter of tries. `key` is a digest: what was tried is not kept here."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    ends_at = models.BigIntegerField(db_index=True)  # seconds since 1970

    class Meta:
        db_table = "portal_attempt"

    def __str__(self) -> str:
        return f"{self.count} until {self.ends_at}"


class GroupMembership(models.Model):
    """A membership that a group of the identity provider gave: it ends with the group.
    What people give each other has no such row, and no group changes it."""

    membership = models.OneToOneField(
        Membership, on_delete=models.CASCADE, related_name="given_by_group"
    )
    groups = models.JSONField(default=list)  # which, when they last signed in
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "portal_groupmembership"

    def __str__(self) -> str:
        return f"{self.membership} by {self.groups}"


class SignUp(models.Model):
    """An organization that somebody made by signing up: one for each person, ever, so
    that what the operator gives newcomers is given once."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_up"
    )
    organization = models.OneToOneField(Organization, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "portal_signup"

    def __str__(self) -> str:
        return f"{self.organization} of {self.user}"
