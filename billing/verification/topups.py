"""Top-ups against the ledger: what was paid was granted, once, and nothing else was."""

from __future__ import annotations

from collections.abc import Iterator

from billing.ledger import dialect, facts
from billing.models import TopUp
from billing.verification.registry import Wrong

ROWS_AT_ONCE = 500
_HEX = dialect.hex_text("p.id")
PASSES = {
    # One payment that gave credits for several top-ups.
    "PAYMENT_DUPLICATE": """
            SELECT provider, payment_ref AS payment, count(*) AS topups
            FROM billing_topup WHERE payment_ref <> ''
            GROUP BY provider, payment_ref HAVING count(*) > 1""",
    "TOPUP_MISMATCH": f"""
            SELECT p.id AS topup, p.status AS status, p.amount_micros AS amount,
                   g.amount_micros AS granted, g.account_id AS account
            FROM billing_topup p LEFT JOIN billing_grant g ON g.id = p.grant_id
            LEFT JOIN billing_transfer t ON t.id = g.transfer_id
            WHERE (p.grant_id IS NULL) <> (p.paid_at IS NULL)
               OR (p.grant_id IS NOT NULL
                   AND (g.id IS NULL OR g.account_id <> p.account_id
                        OR g.amount_micros <> p.amount_micros
                        OR g.source <> 'purchase'
                        OR t.reference <> 'grant:topup:' || {_HEX}))""",
    # Credits that say they were bought, and no top-up that was paid.
    "GRANT_WITHOUT_TOPUP": """
            SELECT g.id AS lot, t.reference AS reference
            FROM billing_grant g JOIN billing_transfer t ON t.id = g.transfer_id
            LEFT JOIN billing_topup p ON p.grant_id = g.id
            WHERE t.reference LIKE 'grant:topup:%%' AND p.id IS NULL""",
    # What it says was taken back is what its amendments took.
    "TOPUP_TAKEN_BACK": f"""
            SELECT p.id AS topup, p.taken_micros AS taken, p.changes AS changes,
                   count(m.id) AS amendments
            FROM billing_topup p LEFT JOIN billing_amendment m
                 ON m.reference LIKE 'topup:' || {_HEX} || ':%%'
            GROUP BY p.id, p.taken_micros, p.changes
            HAVING (p.taken_micros > 0 AND p.changes = 0)
                OR count(m.id) > p.changes""",
}


def wrong_seals() -> Iterator[Wrong]:
    """Top-ups whose rows are not as they were written."""
    for topup in TopUp.objects.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        if topup.seal != facts.seal_of_topup(topup):
            yield Wrong("TOPUP_SEAL", f"topup={topup.id} status={topup.status}")
