"""Writers of the audit trail at once: no number twice, no gap, and no ring of waiters.

Costs 1 s.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from django.db import connections, transaction

from billing import budgets
from portal.models import AuditChain, AuditEvent, Organization, Role
from portal.tenants import audit, chain
from tests.support.cast import OPERATOR, make_member, make_organization, make_user


def together(works: list[Callable[[], None]]) -> list[BaseException]:
    """Do all of them at once; what they raised."""
    failures: list[BaseException] = []
    start = Barrier(len(works))

    def begin(work: Callable[[], None]) -> None:
        try:
            start.wait(10)
            work()
        except BaseException as error:  # noqa: BLE001  the test names it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=begin, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


def test_writers_of_all_chains_at_once_wait_for_no_ring(committed_db: None) -> None:
    """Some record first and lock the account afterwards, others the other way round,
    and each writes to several chains, in any order."""
    owner = make_user("chain-owner@example.com")
    one, two = (make_organization(name, owner) for name in ("Chain 1", "Chain 2"))
    make_member(one, "chain-dev@example.com", Role.DEVELOPER)
    before = {end.id: end.number for end in AuditChain.objects.all()}
    rounds = 8

    def writer(*chains: Organization | None, first: bool) -> Callable[[], None]:
        def work() -> None:
            for _ in range(rounds):
                with transaction.atomic():
                    if not first:
                        budgets.lock(one.account_id)
                    for each in chains:
                        audit.record("test.act", actor=OPERATOR, organization=each)
                    if first:
                        budgets.lock(one.account_id)

        return work

    failures = together(
        [
            writer(one, two, None, first=True),
            writer(None, two, one, first=False),
            writer(two, one, None, first=True),
            writer(one, one, first=False),
        ]
    )
    assert failures == []
    after = {end.id: end.number for end in AuditChain.objects.all()}
    assert after[one.pk] - before[one.pk] == 5 * rounds
    assert after[two.pk] - before[two.pk] == 3 * rounds
    for organization in (one, two):
        assert list(chain.wrong_in(organization.pk)) == []
        rows = AuditEvent.objects.filter(organization=organization).order_by("number")
        found = list(rows.values_list("number", flat=True))
        assert found == list(range(1, after[organization.pk] + 1))
