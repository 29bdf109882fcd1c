"""Chance that can be had again: a failed test shows the seed it was drawn with."""

from __future__ import annotations

import os
import random
import sys


def drawn(variable: str) -> random.Random:
    """Chance with a new seed, or with the one that the environment names."""
    seed = int(os.environ.get(variable) or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"{variable}={seed}\n")  # pytest shows it when the test fails
    return random.Random(seed)  # noqa: S311  a test's choice, no secret
