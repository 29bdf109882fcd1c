"""The upstream as a process of its own: `python -m tests.support.upstream --port N`.

Its first line of output is its URL; `GET /journal` shows what it charged.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.support.upstream import Upstream


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.upstream")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--credits", type=int, default=None, help="price of a call")
    options = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with Upstream(port=options.port, default_credits=options.credits) as upstream:
        sys.stdout.write(f"{upstream.url}\n")
        sys.stdout.flush()
        over.wait()


if __name__ == "__main__":
    main()
