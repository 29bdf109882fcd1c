"""Places where a test can have this process killed, as if its machine had gone.

`CRASHPOINT=name` in the environment kills it when it first passes that place, and
`CRASHPOINT=name:3` when it passes the third time.
"""

from __future__ import annotations

import itertools
import os
import signal

_wanted, _, _number = os.environ.get("CRASHPOINT", "").partition(":")
_last, _passes = int(_number or 1), itertools.count(1)


def crashpoint(name: str) -> None:
    """Die here, if it was asked for."""
    if name == _wanted and next(_passes) == _last:
        # Not an exception: nothing may be tidied up, closed or flushed.
        os.kill(os.getpid(), signal.SIGKILL)
