"""A process that spools or replays: `python -m tests.support.ledger.spooler …`.

`append` settles, at one microcredit, each hold that a line of its input names: an
account's id and the hold's.
"""

from __future__ import annotations

import sys

import django

django.setup()

from billing.ledger import spool  # noqa: E402
from billing.values.orders import Settle, Usage  # noqa: E402


def append_all() -> None:
    for line in sys.stdin:
        account_id, hold_id = line.split()
        spool.append(Settle(hold_id, int(account_id), Usage("upstream", 1, 1)))


if __name__ == "__main__":
    if sys.argv[1] == "append":
        append_all()
    else:
        spool.replay()
