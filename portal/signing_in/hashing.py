"""Passwords are hashed by Argon2, a few at a time.

A hash is meant to be dear, and whoever is not signed in yet may ask for one: so the
memory of one and the number at once are bounded. Who waits too long, or behind too many
others, is told to come back; nobody else's request pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 2  # in one process, 19 MiB each
WAITING_MAX = 6
WAIT_SECONDS = 5.0


class Busy(Exception):
    """Too many passwords are being hashed: try again in a moment."""


class Turns:
    """So many at once; so many more wait, and not for long."""

    def __init__(self, at_once: int, waiting_max: int, wait_seconds: float) -> None:
        self._free = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._inside = 0
        self._inside_max = at_once + waiting_max
        self._wait_seconds = wait_seconds

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises: Busy."""
        with self._lock:
            if self._inside >= self._inside_max:
                raise Busy
            self._inside += 1
        try:
            if not self._free.acquire(timeout=self._wait_seconds):
                raise Busy
            try:
                yield
            finally:
                self._free.release()
        finally:
            with self._lock:
                self._inside -= 1


turns = Turns(AT_ONCE, WAITING_MAX, WAIT_SECONDS)


class BoundedArgon2(Argon2PasswordHasher):
    """Argon2id with OWASP's 19 MiB and two passes. Hashes with other parameters are
    still understood, and made anew when their owner next signs in."""

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with turns.one():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with turns.one():
            return super().verify(password, encoded)
