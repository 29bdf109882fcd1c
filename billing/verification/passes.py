"""The passes of `verify_ledger`: a code, and a query for the rows that break it.

Plain SQL that both databases take. Every stored balance, counter or sum of the
ledger has a pass here, or in `corrected.py`; `tests/billing` tampers with each and
expects its code.
"""

from __future__ import annotations

from django.apps import apps
from django.db.models import ForeignKey

from billing.ledger.dialect import pinned_parts, quarter_of
from billing.models.caller import CALLER
from billing.models.transfer import ENDS
from billing.verification import budgets, checkpoints
from billing.verification.corrected import AMENDMENTS, CORRECTIONS

# Kind of transfer, of its source, of its destination.
TYPED = ", ".join(
    f"('{kind.value}', '{source.value}', '{destination.value}')"
    for kind, (source, destination) in ENDS.items()
)

ROLLUP_GROUP = (
    "account_id, spender_id, project_id, holder_id, operation, model, client, basis"
)

OTHER_CALLER = " OR ".join(
    f"coalesce(u.{name}, 0) <> coalesce(h.{name}, 0)"
    if name.endswith("_id")
    else f"u.{name} <> h.{name}"
    for name in CALLER
)

TRANSFERS = {
    "SUM_NOT_ZERO": """
        SELECT sum(balance_micros) AS total FROM billing_account
        HAVING sum(balance_micros) <> 0""",
    "TRANSFER_UNBALANCED": """
        SELECT t.id AS transfer, count(e.version) AS entries
        FROM billing_transfer t LEFT JOIN billing_entry e ON e.transfer_id = t.id
        GROUP BY t.id, t.amount_micros, t.source_id, t.destination_id
        HAVING count(e.version) <> 2
            OR sum(CASE WHEN e.account_id = t.source_id
                             AND e.amount_micros = -t.amount_micros
                        THEN 1 ELSE 0 END) <> 1
            OR sum(CASE WHEN e.account_id = t.destination_id
                             AND e.amount_micros = t.amount_micros
                        THEN 1 ELSE 0 END) <> 1""",
    "BALANCE_MISMATCH": """
        SELECT a.id AS account, a.balance_micros AS stored,
               coalesce(sum(e.amount_micros), 0) AS derived
        FROM billing_account a LEFT JOIN billing_entry e ON e.account_id = a.id
        GROUP BY a.id, a.balance_micros
        HAVING a.balance_micros <> coalesce(sum(e.amount_micros), 0)""",
    "SEQ_GAP": """
        SELECT a.id AS account, a.version AS stored, count(e.version) AS entries,
               max(e.version) AS latest
        FROM billing_account a LEFT JOIN billing_entry e ON e.account_id = a.id
        GROUP BY a.id, a.version
        HAVING a.version <> count(e.version)
            OR a.version <> coalesce(max(e.version), 0)""",
    "AFTER_MISMATCH": """
        SELECT account_id AS account, version, balance_after_micros AS stored,
               derived
        FROM (SELECT account_id, version, balance_after_micros,
                     sum(amount_micros) OVER
                         (PARTITION BY account_id ORDER BY version) AS derived
              FROM billing_entry) AS running
        WHERE balance_after_micros <> derived""",
    "AMOUNT_RANGE": """
        SELECT id AS transfer, amount_micros AS amount FROM billing_transfer
        WHERE amount_micros < 1 OR amount_micros > 1000000000000000000""",
    # Its kind fixes the kinds of both accounts, and both are of one tenant.
    "TRANSFER_KIND": f"""
        SELECT t.id AS transfer, t.kind AS kind, s.id AS source, d.id AS destination
        FROM billing_transfer t JOIN billing_account s ON s.id = t.source_id
        JOIN billing_account d ON d.id = t.destination_id
        WHERE (t.kind, s.kind, d.kind) NOT IN (VALUES {TYPED})
           OR t.source_kind <> s.kind OR t.destination_kind <> d.kind
           OR coalesce(t.source_tenant_id, 0) <> coalesce(s.tenant_id, 0)
           OR coalesce(t.destination_tenant_id, 0) <> coalesce(d.tenant_id, 0)
           OR s.tenant_id <> d.tenant_id""",
    "ACCOUNT_TENANT": """
        SELECT a.id AS account, a.kind AS kind, a.tenant_id AS tenant
        FROM billing_account a LEFT JOIN billing_account o
             ON o.kind = 'organization' AND o.usage_account_id = a.id
        WHERE coalesce(a.tenant_id, 0) <> CASE a.kind WHEN 'organization' THEN a.id
              WHEN 'usage' THEN coalesce(o.id, 0)
              WHEN 'debt' THEN coalesce((SELECT t.id FROM billing_account t
                   WHERE t.id = a.tenant_id AND t.kind = 'organization'), -1)
              ELSE 0 END""",
    "DEBT_MISMATCH": """
        SELECT a.id AS account, a.owed_micros AS stored,
               coalesce(-d.balance_micros, 0) AS derived
        FROM billing_account a LEFT JOIN billing_account d
             ON d.kind = 'debt' AND d.tenant_id = a.id
        WHERE a.owed_micros <> coalesce(-d.balance_micros, 0)""",
    # An entry is made when its transfer is, and never before the one it follows.
    "TIME_RUNS_BACK": """
        SELECT account_id AS account, version, created_at AS stored
        FROM (SELECT e.account_id, e.version, e.created_at,
                     t.created_at AS transferred_at,
                     lag(e.created_at) OVER
                         (PARTITION BY e.account_id ORDER BY e.version) AS before
              FROM billing_entry e JOIN billing_transfer t ON t.id = e.transfer_id)
             AS timed
        WHERE created_at < before OR created_at < transferred_at""",
    "LAST_ENTRY": """
        SELECT a.id AS account, a.last_entry_at AS stored, e.created_at AS latest
        FROM billing_account a LEFT JOIN billing_entry e
             ON e.account_id = a.id AND e.version = a.version
        WHERE a.last_entry_at <> e.created_at
           OR (a.last_entry_at IS NULL) <> (e.created_at IS NULL)""",
    "NEGATIVE_BALANCE": """
        SELECT id AS account, balance_micros AS balance, held_micros AS held
        FROM billing_account
        WHERE held_micros < 0 OR (kind = 'debt' AND balance_micros > 0)
           OR (kind = 'organization'
               AND (balance_micros < 0 OR balance_micros < held_micros))""",
}

HOLDS = {
    "HELD_MISMATCH": """
        SELECT a.id AS account, a.held_micros AS stored,
               coalesce(sum(h.amount_micros), 0) AS derived
        FROM billing_account a LEFT JOIN billing_hold h
             ON h.account_id = a.id AND h.state IN ('open', 'in_doubt')
        GROUP BY a.id, a.held_micros
        HAVING a.held_micros <> coalesce(sum(h.amount_micros), 0)""",
    "HOLD_LOTS_MISMATCH": f"""
        SELECT h.id AS hold, h.amount_micros AS stored,
               coalesce(sum(l.amount_micros), 0) AS pinned
        FROM billing_hold h LEFT JOIN ({pinned_parts()}) AS l ON l.hold_id = h.id
        GROUP BY h.id, h.amount_micros
        HAVING h.amount_micros <> coalesce(sum(l.amount_micros), 0)""",
    "DOUBLE_RESOLUTION": """
        SELECT hold_id AS hold, kind, count(*) AS transfers FROM billing_transfer
        WHERE hold_id IS NOT NULL GROUP BY hold_id, correction_id, kind
        HAVING count(*) > 1""",
    "RESOLUTION_MISMATCH": """
        SELECT h.id AS hold, h.state AS state, u.basis AS basis
        FROM billing_hold h
        LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
        WHERE (h.state = 'settled' AND u.hold_id IS NULL)
           OR (h.state IN ('open', 'in_doubt') AND u.hold_id IS NOT NULL)
           OR (h.state = 'released' AND u.price_micros <> 0)""",
    # Beyond its hold a call may only take what it is flagged for.
    "HOLD_OVERCAPTURE": """
        SELECT h.id AS hold, h.amount_micros AS held, u.price_micros AS price
        FROM billing_hold h JOIN billing_usagerecord u ON u.hold_id = h.id
        WHERE u.price_micros > h.amount_micros
          AND u.flags NOT LIKE '%%hold_overrun%%'""",
}

GRANTS = {
    "GRANT_RANGE": """
        SELECT id AS lot, amount_micros AS amount, remaining_micros AS remaining,
               held_micros AS held
        FROM billing_grant
        WHERE held_micros < 0 OR remaining_micros < held_micros
           OR amount_micros < remaining_micros""",
    "GRANT_SUM": """
        SELECT a.id AS account, a.balance_micros AS balance,
               coalesce(sum(g.remaining_micros), 0) AS remaining
        FROM billing_account a LEFT JOIN billing_grant g ON g.account_id = a.id
        WHERE a.kind = 'organization' GROUP BY a.id, a.balance_micros
        HAVING a.balance_micros <> coalesce(sum(g.remaining_micros), 0)""",
    "GRANT_HELD_MISMATCH": f"""
        SELECT g.id AS lot, g.held_micros AS stored,
               coalesce(sum(pinned.amount_micros), 0) AS derived
        FROM billing_grant g LEFT JOIN
             ({pinned_parts()} WHERE h.state IN ('open', 'in_doubt')) AS pinned
             ON pinned.grant_id = g.id
        GROUP BY g.id, g.held_micros
        HAVING g.held_micros <> coalesce(sum(pinned.amount_micros), 0)""",
    "GRANT_WITHOUT_TRANSFER": """
        SELECT g.id AS lot, g.amount_micros AS amount,
               t.amount_micros AS transferred
        FROM billing_grant g LEFT JOIN billing_transfer t
             ON t.id = g.transfer_id AND t.kind IN ('grant', 'credit', 'refund')
             AND t.destination_id = g.account_id
        WHERE t.id IS NULL OR t.amount_micros <> g.amount_micros""",
    "GRANT_REMAINING_MISMATCH": """
        SELECT g.id AS lot, g.remaining_micros AS stored,
               g.amount_micros - coalesce(sum(b.amount_micros), 0) AS derived
        FROM billing_grant g LEFT JOIN billing_burn b ON b.grant_id = g.id
        GROUP BY g.id, g.remaining_micros, g.amount_micros
        HAVING g.remaining_micros
               <> g.amount_micros - coalesce(sum(b.amount_micros), 0)""",
    # What an organization pays comes out of its grants, what it gets back goes there.
    "BURN_MISMATCH": """
        SELECT t.id AS transfer, t.kind AS kind, t.amount_micros AS amount,
               coalesce(sum(b.amount_micros), 0) AS burnt
        FROM billing_transfer t LEFT JOIN billing_burn b ON b.transfer_id = t.id
        LEFT JOIN billing_grant g ON g.transfer_id = t.id
        GROUP BY t.id, t.kind, t.amount_micros, g.id
        HAVING coalesce(sum(b.amount_micros), 0) <> t.amount_micros * CASE
            WHEN t.kind IN ('usage', 'expire', 'debit', 'reversal', 'clawback',
                            'repayment') THEN 1
            WHEN t.kind = 'refund' AND g.id IS NULL THEN -1 ELSE 0 END""",
    "BURN_OF_STRANGER": """
        SELECT b.transfer_id AS transfer, b.grant_id AS lot
        FROM billing_burn b JOIN billing_transfer t ON t.id = b.transfer_id
        JOIN billing_grant g ON g.id = b.grant_id
        WHERE g.account_id <> coalesce(t.source_tenant_id, 0)""",
}

USAGE = {
    "USAGE_WITHOUT_TRANSFER": """
        SELECT u.hold_id AS hold, u.charged_micros AS charged,
               t.amount_micros AS transferred
        FROM billing_usagerecord u LEFT JOIN billing_transfer t
             ON t.hold_id = u.hold_id AND t.kind = 'usage'
             AND t.correction_id IS NULL
        WHERE u.charged_micros <> coalesce(t.amount_micros, 0)""",
    "TRANSFER_WITHOUT_USAGE": """
        SELECT t.id AS transfer, t.hold_id AS hold FROM billing_transfer t
        LEFT JOIN billing_usagerecord u ON u.hold_id = t.hold_id
        WHERE t.kind IN ('usage', 'absorb') AND t.correction_id IS NULL
          AND u.hold_id IS NULL""",
    "SPLIT_MISMATCH": """
        SELECT u.hold_id AS hold, u.price_micros AS price,
               u.charged_micros AS charged, u.absorbed_micros AS absorbed,
               coalesce(t.amount_micros, 0) AS transferred
        FROM billing_usagerecord u LEFT JOIN billing_transfer t
             ON t.hold_id = u.hold_id AND t.kind = 'absorb'
             AND t.correction_id IS NULL
        WHERE u.price_micros <> u.charged_micros + u.absorbed_micros
           OR u.absorbed_micros <> coalesce(t.amount_micros, 0)""",
    "CROSS_TENANT": """
        SELECT h.id AS hold, h.account_id AS account, s.account_id AS spender_of,
               u.account_id AS usage_of, t.source_id AS paid_by
        FROM billing_hold h
        JOIN billing_spender s ON s.id = h.spender_id
        LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
        LEFT JOIN billing_transfer t ON t.hold_id = h.id AND t.kind = 'usage'
             AND t.correction_id IS NULL
        WHERE s.account_id <> h.account_id
           OR u.account_id <> h.account_id OR u.spender_id <> h.spender_id
           OR t.source_id <> h.account_id""",
    # Where a call was made and who held its key are of its organization, and its
    # usage says of its caller what its hold does.
    "CALLER_MISMATCH": f"""
        SELECT h.id AS hold, h.project_id AS project, h.holder_id AS holder
        FROM billing_hold h
        LEFT JOIN billing_unit p ON p.id = h.project_id
        LEFT JOIN billing_unit o ON o.id = h.holder_id
        LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
        WHERE p.account_id <> h.account_id OR p.kind <> 'project'
           OR o.account_id <> h.account_id OR o.kind = 'project'
           OR (u.hold_id = h.id AND ({OTHER_CALLER}))""",
    "LOT_OF_STRANGER": f"""
        SELECT l.hold_id AS hold, l.grant_id AS lot FROM ({pinned_parts()}) AS l
        LEFT JOIN billing_grant g ON g.id = l.grant_id
        WHERE coalesce(g.account_id, 0) <> l.account_id""",
    # What the upstream named, at the factor agreed with the hold, rounded up. In
    # two parts, so that no product leaves 64 bits.
    "PRICE_MISMATCH": """
        SELECT u.hold_id AS hold, u.price_micros AS price,
               u.upstream_micros AS upstream, h.price_factor_ppm AS factor
        FROM billing_usagerecord u JOIN billing_hold h ON h.id = u.hold_id
        WHERE u.price_micros
              <> u.upstream_micros / 1000000 * h.price_factor_ppm
                 + (u.upstream_micros %% 1000000 * h.price_factor_ppm + 999999)
                   / 1000000""",
    "BREAKDOWN_MISMATCH": """
        SELECT u.hold_id AS hold, u.upstream_micros AS upstream,
               sum(c.upstream_micros) AS derived
        FROM billing_usagerecord u
        JOIN billing_usagecomponent c ON c.usage_id = u.hold_id
        WHERE u.flags NOT LIKE '%%breakdown_mismatch%%'
        GROUP BY u.hold_id, u.upstream_micros
        HAVING u.upstream_micros <> sum(c.upstream_micros)""",
    "ROLLUP_MISMATCH": f"""
        SELECT account_id AS account, spender_id AS spender, project_id AS project,
               holder_id AS holder, operation, model, client, basis, starts_at,
               sum(requests) AS requests_over, sum(charged_micros) AS charged_over
        FROM (SELECT {ROLLUP_GROUP}, starts_at, requests,
                     prompt_tokens, completion_tokens,
                     price_micros, charged_micros, absorbed_micros
              FROM billing_usagerollup
              UNION ALL
              SELECT {ROLLUP_GROUP}, {quarter_of("settled_at")}, -1,
                     -prompt_tokens, -completion_tokens,
                     -price_micros, -charged_micros, -absorbed_micros
              FROM billing_usagerecord
              UNION ALL
              SELECT {ROLLUP_GROUP}, {quarter_of("ended_at")}, -requests,
                     -prompt_tokens, -completion_tokens,
                     -charged_micros - absorbed_micros,
                     -charged_micros, -absorbed_micros
              FROM billing_correction WHERE state = 'posted') AS difference
        GROUP BY {ROLLUP_GROUP}, starts_at
        HAVING sum(requests) <> 0 OR sum(prompt_tokens) <> 0
            OR sum(completion_tokens) <> 0 OR sum(price_micros) <> 0
            OR sum(charged_micros) <> 0 OR sum(absorbed_micros) <> 0""",
}

# What refers to what without a foreign key (`UNCHECKED` in the models says why): table
# and column, target and its key.
REFERENCES = [
    (
        model._meta.db_table,
        field.column,
        field.target_field.model._meta.db_table,
        field.target_field.column,
    )
    for model in apps.get_app_config("billing").get_models()
    for field in model._meta.concrete_fields
    if isinstance(field, ForeignKey) and not field.db_constraint  # type: ignore[attr-defined]  # the stubs lack it
]
DANGLING = " UNION ALL ".join(
    f"SELECT '{table}.{column}' AS reference, CAST(r.{column} AS text) AS missing "
    f"FROM {table} r LEFT JOIN {target} t ON t.{key} = r.{column} "
    f"WHERE t.{key} IS NULL AND r.{column} IS NOT NULL"
    for table, column, target, key in REFERENCES
)

ERRORS = (
    TRANSFERS
    | HOLDS
    | GRANTS
    | USAGE
    | CORRECTIONS
    | budgets.PASSES
    | AMENDMENTS
    | checkpoints.PASSES
    | {"DANGLING_REFERENCE": DANGLING}
)

WARNINGS = {
    "STALE_HOLD": """
        SELECT id AS hold, account_id AS account, due_at FROM billing_hold
        WHERE state = 'open' AND due_at < %s""",
    "IN_DOUBT": """
        SELECT h.id AS hold, h.account_id AS account, h.state AS state,
               h.amount_micros AS held, h.reason AS reason
        FROM billing_hold h LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
        LEFT JOIN billing_acknowledgement a ON a.hold_id = h.id
        WHERE (h.state = 'in_doubt' OR u.basis = 'in_doubt') AND a.hold_id IS NULL
          AND NOT EXISTS (SELECT 1 FROM billing_correction c
                          WHERE c.hold_id = h.id AND c.state = 'posted'
                          AND c.kind <> 'refund')""",
    # A price that was said after the call's end, and that nobody has decided on.
    "LATE_WORD": """
        SELECT id AS correction, hold_id AS hold, account_id AS account,
               said_micros AS said, noted_at
        FROM billing_correction WHERE state = 'pending'""",
    # Calls are refused because the operator bore too much: he has to look.
    "PAUSED": """
        SELECT id AS pause, account_id AS account, operation, model,
               borne_micros AS borne
        FROM billing_pause WHERE released_at IS NULL""",
}
