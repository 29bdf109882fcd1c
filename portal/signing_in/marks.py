"""Django's cache, as it is needed here: marks that something was done once.

They are counters of the database (`limits.py`): a form's ticket, a code of a second
factor or a token of an identity provider is used once, whichever process is asked, also
after a restart, and while Redis is away. Nothing evicts them.
"""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from billing.values import clock
from portal.models import Attempt
from portal.signing_in.limits import Rule, forget, key_of, take


class Marks(BaseCache):
    """A mark has no value: what is added is 1 until its time is over."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        lasts = LONGEST_SECONDS if seconds is None else max(1, int(seconds))
        rule = Rule(RULE.name, RULE.most, lasts)
        return take(rule, self.make_key(key, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        now = int(clock.now().timestamp())
        mark = key_of(RULE, self.make_key(key, version))
        row = Attempt.objects.filter(key=mark, ends_at__gt=now)
        return 1 if row.exists() else default

    def delete(self, key: Any, version: int | None = None) -> bool:
        forget(RULE, self.make_key(key, version))
        return True


RULE = Rule("mark", 1, 0)
LONGEST_SECONDS = 366 * 24 * 3600  # of what has no end, in a cache's words
