"""Falsifications of sums of days. Names in braces: `tampering.small_history`."""

from __future__ import annotations

from tests.support.ledger.falsified import case

A_DAY = "account_id = {with_days} AND day = '2020-02-28'"
DIFFERS = "UPDATE billing_usageday SET charged_micros = charged_micros + 1"
SUBJECTS = "key_id, project_id, holder_id, operation, model, client, session"
FIGURES = "requests, prompt_tokens, completion_tokens, charged_micros"
ANOTHER = (
    f"INSERT INTO billing_usageday (account_id, cut, day, {SUBJECTS}, {FIGURES}) "
    f"SELECT {{}}, cut, '2020-02-27', {SUBJECTS}, 0, 0, 0, 0 "
    f"FROM billing_usageday WHERE {A_DAY} AND cut = '{{}}'"
)
CUTS = (
    *("total", "model", "key", "project", "holder", "operation", "client"),
    *("all", "session"),
)

DAY_CASES = tuple(
    case("DAY_MISMATCH", sql)
    for sql in (
        *(f"{DIFFERS} WHERE {A_DAY} AND cut = '{cut}'" for cut in CUTS),
        *(
            f"DELETE FROM billing_usageday WHERE {A_DAY} AND cut = '{cut}'"
            for cut in ("total", "all", "session")
        ),
        # An empty row too many, of an account that has days, and of one without.
        *(
            ANOTHER.replace("{}", "{with_days}", 1).replace("{}", cut)
            for cut in ("key", "all", "session")
        ),
        ANOTHER.replace("{}", "{account}", 1).replace("{}", "all"),
        # All cuts agree, and not with the quarters.
        f"{DIFFERS} WHERE {A_DAY}",
        # Quarters, or single lines, that the days do not have.
        "UPDATE billing_usagedays SET until = '{an_hour_before}'",
        # Before the last entry is complete, and before another one's midnight.
        "UPDATE billing_usagedays SET until = '{other_quarter}'",
        "UPDATE billing_usagedays SET zone = 'UTC'",
        "UPDATE billing_usagedays SET zone = 'Asia/Kathmandu '",
        "UPDATE billing_usagedays SET zone = 'Asia'",
    )
)
