"""Our charges beside the sandbox's own: the same calls, the same credits."""

from __future__ import annotations

from billing.models import UsageRecord
from billing.values.orders import CREDIT
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.sandbox.server import Sandbox


def assert_charges_are_the_journals(customer: Customer, sandbox: Sandbox) -> None:
    """Call by call, by the upstream's own names for them; none is a guess."""
    entries = sandbox.journal()["entries"]
    holds = {hold.id: hold for hold in customer.holds()}
    assert {hold.state for hold in holds.values()} == {"settled"}
    records = UsageRecord.objects.filter(hold_id__in=holds)
    jobs = dict(Job.objects.filter(id__in=holds).values_list("id", "upstream_id"))
    ours = [
        (jobs.get(record.hold_id, record.upstream_id), record.charged_micros)
        for record in records
    ]
    theirs = [(row["id"], row["credits"] * CREDIT) for row in entries]
    assert sorted(ours) == sorted(theirs)
    assert not [record for record in records if record.basis == "estimated"]


def operations(sandbox: Sandbox) -> list[str]:
    """What the sandbox charged for, in order."""
    return [row["operation"] for row in sandbox.journal()["entries"]]
