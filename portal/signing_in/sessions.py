"""Sessions in the database, by person: each sees and ends their own."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from billing import purging
from portal.models import Session, User
from portal.tenants import audit

# How exactly it is known when a session was last seen: each look writes a row.
SEEN = timedelta(minutes=10)
# As Django makes them, and some of their length may change.
KEY = re.compile(r"[a-z0-9]{8,40}")
ADDRESS, CLIENT, SINCE = "address", "client", "since"


class SessionStore(DatabaseStore):
    """Django's, in a table whose rows name their person."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie may hold anything, a NUL for one, which PostgreSQL refuses."""
        return bool(key) and KEY.fullmatch(str(key)) is not None

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row: Any = super().create_model_instance(data)
        user_id = data.get("_auth_user_id")
        row.user_id = None if user_id is None else int(user_id)
        row.address, row.client = data.get(ADDRESS), data.get(CLIENT, "")
        since = data.get(SINCE)
        row.signed_in_at = None if since is None else _moment(since)
        row.seen_at = timezone.now()
        return cast(Session, row)

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]
        now = timezone.now()
        if row is not None and (row.seen_at is None or row.seen_at < now - SEEN):
            Session.objects.filter(pk=row.pk).update(seen_at=now)
        return row


def note(request: HttpRequest) -> None:
    """Write into the session that begins where it is used from."""
    request.session[ADDRESS] = audit.address_of(request)
    agent = request.META.get("HTTP_USER_AGENT", "")
    request.session[CLIENT] = "".join(c for c in agent if c.isprintable())[:200]
    request.session[SINCE] = timezone.now().timestamp()


def of(user: User) -> QuerySet[Session]:
    """The person's sessions that still open something, the latest first."""
    alive = Session.objects.filter(user_id=user.pk, expire_date__gt=timezone.now())
    return alive.order_by("-seen_at", "session_key")


@transaction.atomic
def end(name: str, *, actor: audit.Actor) -> bool:
    """End one of the actor's sessions, by what `name_of` calls it."""
    assert actor.user is not None
    for session in of(actor.user):
        if name_of(session) == name:
            session.delete()
            audit.record_of_person("user.end_session", actor.user, actor=actor)
            return True
    return False


@transaction.atomic
def end_others(key: str | None, *, actor: audit.Actor) -> int:
    """End all of the actor's sessions but the one of this key; how many."""
    assert actor.user is not None
    ended = forget_others(actor.user, key)
    audit.record_of_person("user.end_sessions", actor.user, actor=actor, ended=ended)
    return ended


def forget_others(user: User, key: str | None) -> int:
    """The same without a word: part of something that says more."""
    others = Session.objects.filter(user_id=user.pk).exclude(session_key=key or "")
    return others.delete()[0]


def purge() -> int:
    """Delete the sessions whose time is over; how many."""
    return purging.purge(Session.objects.filter(expire_date__lt=timezone.now()))


def name_of(session: Session) -> str:
    """For pages: the key itself opens the session, and is shown nowhere."""
    return salted_hmac("portal.session", session.session_key).hexdigest()[:24]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def last_seen(user_ids: Collection[int]) -> dict[int, datetime]:
    """When each of these was last here, of whom it is known: to the minutes of `SEEN`
    while they are signed in, else when they last signed in."""
    people = User.objects.filter(pk__in=user_ids, last_login__isnull=False)
    found = {pk: at for pk, at in people.values_list("pk", "last_login") if at}
    rows = Session.objects.filter(user_id__in=user_ids, seen_at__isnull=False)
    for pk, at in rows.values_list("user_id").annotate(Max("seen_at")):
        found[pk] = max(at, found.get(pk, at))
    return found
