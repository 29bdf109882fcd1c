"""Guessing is slow; strangers lock nobody out; hashing has its bounds. Costs 3 s."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.core.cache import cache
from django.db import connections
from django.test import Client, RequestFactory

from billing.values import clock
from portal.models import Attempt, User
from portal.signing_in import hashing, limits
from tests.support.cast import PASSWORD
from tests.support.portal import pages
from tests.support.portal.accounts import (
    add_app,
    app_code,
    recovery_codes,
    sign_in,
)

RULE = limits.Rule("test", 3, 60)
SECOND = "/account/sign-in/second-factor"


@pytest.mark.django_db
@pytest.mark.once
def test_strangers_behind_the_same_proxy_do_not_lock_the_owner_out(carol: User) -> None:
    """All requests come from one address, as behind a proxy nobody told us about."""
    owner, stranger = Client(), Client()
    sign_in(owner, carol.email)
    owner.post("/account/sign-out")
    for _ in range(limits.PASSWORD.most):
        sign_in(stranger, carol.email, "wrong")
    assert sign_in(stranger, carol.email).status_code == 429
    assert sign_in(owner, carol.email).status_code == 302
    assert sign_in(stranger, carol.email).status_code == 429


@pytest.mark.django_db
@pytest.mark.once
def test_a_known_device_is_of_one_account_and_ends_with_the_password(
    carol: User,
) -> None:
    device = Client()
    sign_in(device, carol.email)
    device.post("/account/sign-out")
    for _ in range(limits.PASSWORD.most):
        sign_in(device, "dave@example.com", "wrong")
    assert sign_in(device, "dave@example.com", "wrong").status_code == 429
    carol.set_password("another passphrase")
    carol.save()
    for _ in range(limits.PASSWORD.most):
        sign_in(Client(), carol.email, "wrong")
    assert sign_in(device, carol.email, "another passphrase").status_code == 429
    device.cookies["device"] = f"{device.cookies['device'].value}x"
    assert sign_in(device, "erin@example.com", "x").status_code == 200


@pytest.mark.django_db
@pytest.mark.once
def test_junk_does_not_evict_a_counter(client: Client) -> None:
    for _ in range(limits.PASSWORD.most):
        sign_in(client, "carol@example.com", "", REMOTE_ADDR="203.0.113.1")
    for number in range(320):
        cache.add(f"junk-{number}", 1)
        limits.take(limits.SIGN_UP, number)
    answer = sign_in(client, "carol@example.com", "", REMOTE_ADDR="203.0.113.1")
    assert answer.status_code == 429


@pytest.mark.django_db
@pytest.mark.once
def test_a_network_tries_so_many_accounts_and_a_flood_writes_nothing() -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="2001:db8::1")
    other = RequestFactory().post("/", REMOTE_ADDR="2001:db8::2")  # the same /64
    for number in range(limits.NETWORK.most):
        assert limits.allow_password(request, f"{number}@example.com")
    assert not limits.allow_password(other, "new@example.com")
    before = Attempt.objects.count()
    for number in range(3):
        assert not limits.allow_password(other, f"more-{number}@example.com")
    assert Attempt.objects.count() == before


@pytest.mark.django_db
def test_a_window_ends_and_is_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [limits.take(RULE, "x") for _ in range(5)] == [True] * 3 + [False] * 2
    later = clock.now() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "source", lambda: later)
    assert limits.take(RULE, "x")
    much_later = later + timedelta(seconds=61)
    monkeypatch.setattr(clock, "source", lambda: much_later)
    assert limits.purge() == 1


def test_processes_count_together(committed_db: None) -> None:
    """Several connections at the same moment lose none of each other's tries."""
    rule, start = limits.Rule("together", 10, 600), Barrier(4)
    allowed: list[bool] = []

    def work() -> None:
        try:
            start.wait(30)
            for _ in range(5):
                allowed.append(limits.take(rule, "one"))
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    limits.forget(rule, "one")
    assert (len(allowed), sum(allowed)) == (20, 10)


@pytest.mark.django_db
@pytest.mark.once
def test_codes_are_guessed_slowly_and_open_once(carol: User) -> None:
    add_app(carol)
    client, code = Client(), app_code()
    assert sign_in(client, carol.email)["location"] == SECOND
    assert client.post(SECOND, {"code": "000000"}).status_code == 200
    assert client.post(SECOND, {"code": code}).status_code == 302
    other = Client()
    sign_in(other, carol.email)
    assert "used already" in pages.read(other.post(SECOND, {"code": code})).text or (
        "not right" in pages.read(other.post(SECOND, {"code": code})).text
    )
    for _ in range(limits.CODE.most):
        other.post(SECOND, {"code": "000000"})
    refused = other.post(SECOND, {"code": recovery_codes(carol)[0]})
    assert "Too many wrong codes" in pages.read(refused).text
    # The owner's own browser is not stopped by it.
    client.post("/account/sign-out")
    sign_in(client, carol.email)
    first = recovery_codes(carol)[0]
    assert client.post(SECOND, {"code": first}).status_code == 302
    assert first not in recovery_codes(carol)


@pytest.mark.once
def test_so_many_hash_at_once_so_many_wait_and_others_are_told() -> None:
    turns = hashing.Turns(at_once=1, waiting_max=1, wait_seconds=0.01)
    with turns.one():
        with pytest.raises(hashing.Busy), turns.one():  # waited
            pass
        turns._inside = 2
        with pytest.raises(hashing.Busy), turns.one():  # not even that
            pass
        turns._inside = 1
    with turns.one():
        pass


@pytest.mark.django_db
@pytest.mark.once
def test_a_busy_machine_answers_and_changes_nothing(
    carol: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = ["portal.signing_in.hashing.BoundedArgon2"]
    stored = make_password(PASSWORD)
    assert "m=19456,t=2,p=1" in stored
    assert check_password(PASSWORD, stored)
    User.objects.filter(pk=carol.pk).update(password=stored)
    monkeypatch.setattr(hashing, "turns", hashing.Turns(0, 0, 0.0))
    answer = sign_in(Client(), carol.email)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "One moment" in pages.read(answer).text
