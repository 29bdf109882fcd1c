"""The passes over what was corrected: of calls, and of credits outside any call."""

from __future__ import annotations

CORRECTIONS = {
    # What is posted moved what it says, and nothing else moved anything.
    "CORRECTION_MISMATCH": """
        SELECT c.id AS correction, c.state AS state, c.charged_micros AS charged,
               c.absorbed_micros AS absorbed
        FROM billing_correction c LEFT JOIN billing_transfer t
             ON t.correction_id = c.id
        GROUP BY c.id, c.state, c.charged_micros, c.absorbed_micros, c.hold_id
        HAVING c.charged_micros <> coalesce(sum(CASE t.kind
                   WHEN 'usage' THEN t.amount_micros
                   WHEN 'refund' THEN -t.amount_micros ELSE 0 END), 0)
            OR c.absorbed_micros <> coalesce(sum(CASE t.kind
                   WHEN 'absorb' THEN t.amount_micros
                   WHEN 'relief' THEN -t.amount_micros ELSE 0 END), 0)
            OR sum(CASE WHEN t.hold_id <> c.hold_id THEN 1 ELSE 0 END) > 0
            OR (c.state <> 'posted' AND count(t.id) > 0)""",
    "TRANSFER_WITHOUT_CORRECTION": """
        SELECT t.id AS transfer, t.correction_id AS correction
        FROM billing_transfer t LEFT JOIN billing_correction c
             ON c.id = t.correction_id
        LEFT JOIN billing_amendment m ON m.id = t.correction_id
        WHERE c.id IS NULL AND m.id IS NULL AND (t.correction_id IS NOT NULL
              OR t.kind IN ('refund', 'relief', 'credit', 'debit', 'reversal',
                            'clawback', 'debt', 'write_off'))""",
    # It speaks of a call that has ended, and says whose it was as the call does.
    "CORRECTION_OF_STRANGER": """
        SELECT c.id AS correction, h.id AS hold, h.state AS state
        FROM billing_correction c LEFT JOIN billing_hold h ON h.id = c.hold_id
        WHERE h.id IS NULL OR h.account_id <> c.account_id
           OR h.spender_id <> c.spender_id OR h.model <> c.model
           OR h.client <> c.client
           OR coalesce(h.project_id, 0) <> coalesce(c.project_id, 0)
           OR coalesce(h.holder_id, 0) <> coalesce(c.holder_id, 0)
           OR h.operation <> c.operation OR h.state IN ('open', 'in_doubt')""",
    # More was given back than was charged, or than the operator bore.
    "OVERREFUND": """
        SELECT c.hold_id AS hold, sum(c.charged_micros) AS corrected,
               sum(c.absorbed_micros) AS relieved
        FROM billing_correction c LEFT JOIN billing_usagerecord u
             ON u.hold_id = c.hold_id
        WHERE c.state = 'posted'
        GROUP BY c.hold_id, u.charged_micros, u.absorbed_micros
        HAVING sum(c.charged_micros) + coalesce(u.charged_micros, 0) < 0
            OR sum(c.absorbed_micros) + coalesce(u.absorbed_micros, 0) < 0""",
}

AMENDMENTS = {
    # It moved what it says, of the organization that it says.
    "AMENDMENT_MISMATCH": """
        SELECT m.id AS amendment, m.moved_micros AS moved, m.owed_micros AS owed
        FROM billing_amendment m LEFT JOIN billing_transfer t
             ON t.correction_id = m.id
        GROUP BY m.id, m.account_id, m.moved_micros, m.owed_micros
        HAVING m.moved_micros <> coalesce(sum(t.amount_micros * CASE
                   WHEN t.destination_kind = 'organization' THEN 1
                   WHEN t.source_kind = 'organization' THEN -1 ELSE 0 END), 0)
            OR m.owed_micros <> coalesce(sum(t.amount_micros * CASE
                   WHEN t.destination_kind = 'debt' THEN -1
                   WHEN t.source_kind = 'debt' THEN 1 ELSE 0 END), 0)
            OR sum(CASE WHEN t.hold_id IS NOT NULL
                     OR coalesce(t.source_tenant_id, t.destination_tenant_id)
                        <> m.account_id THEN 1 ELSE 0 END) > 0""",
    # More of a grant was taken back than there was.
    "GRANT_OVERREVERSED": """
        SELECT g.id AS lot, g.account_id AS account, g.amount_micros AS amount,
               sum(m.amount_micros) AS taken
        FROM billing_amendment m JOIN billing_grant g ON g.id = m.grant_id
        GROUP BY g.id, g.account_id, g.amount_micros
        HAVING sum(m.amount_micros) > g.amount_micros
            OR sum(CASE WHEN m.account_id <> g.account_id THEN 1 ELSE 0 END) > 0""",
}
