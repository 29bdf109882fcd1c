"""Places where a test can have this process killed, as if its machine had gone.

`CRASHPOINT=name` in the environment kills it when it first passes that place, and
`CRASHPOINT=name:3` when it passes the third time. Without it passing costs nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable


def _pass(name: str) -> None:
    """Nothing happens here."""


def _armed(setting: str) -> Callable[[str], None]:
    wanted, _, number = setting.partition(":")
    last, passes = int(number or 1), itertools.count(1)

    def crash(name: str) -> None:
        if name == wanted and next(passes) == last:
            # Not an exception: nothing may be tidied up, closed or flushed.
            os.kill(os.getpid(), signal.SIGKILL)

    return crash


_setting = os.environ.get("CRASHPOINT")
crashpoint = _armed(_setting) if _setting else _pass
