"""`manage.py explain`, as an operator uses it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.values.orders import CREDIT
from portal.models import Organization, User
from tests.support.cast import make_call, make_key
from tests.support.ledger.tampering import no_guards

pytestmark = pytest.mark.once
DAY = timedelta(days=1)


def run(*options: str) -> str:
    out = StringIO()
    begins = f"--from={timezone.now() - DAY:%Y-%m-%dT%H:%M}Z"
    call_command("explain", "--organization=acme", begins, *options, stdout=out)
    return out.getvalue()


def test_it_says_what_happened_and_in_json(
    organization: Organization, alice: User
) -> None:
    make_call(make_key(organization, alice)[0], charged=3)
    lines = [line.split() for line in run().splitlines()]
    assert ["opening", "0"] in lines
    assert ["purchase", "1", "1000"] in lines
    assert ["usage", "1", "-3"] in lines
    assert ["closing", "2", "997"] in lines
    found = json.loads(run("--json"))
    assert found["closing"]["micros"] == 997 * CREDIT
    assert (found["organization"], found["time_zone"]) == ("acme", "UTC")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--until=2001-01-01", "not after"),
        ("--until=soon", "Write a date"),
        ("--until=2190-01-01", "in the future"),
        ("--organization=nowhere", "no organization"),
    ],
    ids=("reversed", "words", "future", "unknown"),
)
def test_what_makes_no_sense_is_refused(
    organization: Organization, option: str, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        run(option)


def test_what_does_not_add_up_ends_with_an_error(
    organization: Organization, alice: User
) -> None:
    """The lines of usage say more than the entries that moved the balance."""
    make_call(make_key(organization, alice)[0], charged=3)
    more = (
        "UPDATE billing_usagerecord SET charged_micros = charged_micros + 2000000, "
        "price_micros = price_micros + 2000000 "
        f"WHERE account_id = {organization.account_id}"
    )
    with no_guards(more), pytest.raises(CommandError, match="does not add up by -2"):
        run()
