"""Where a call comes from, as its headers say: which program, and which run of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.models.caller import SESSION_MAX
from portal.tenants.key_format import PATTERN as OUR_KEY
from proxy.calls.programs import programs, read

SESSION = "x-session-id"
# A label is shown to people: who pastes a key into it must not find it there.
SECRET = re.compile(rf"{OUR_KEY.pattern}|\bsk-[A-Za-z0-9_-]{{16,}}|Bearer ", re.I)


@dataclass(frozen=True, slots=True)
class Origin:
    """What the ledger keeps of a call beside whose it is. `ignored`: headers that could
    not be taken as they are; the reply names them."""

    client: str = ""
    client_version: str = ""
    session: str = ""
    ignored: tuple[str, ...] = ()


NOWHERE = Origin()


def origin_of(meta: Mapping[str, Any], account_id: int) -> Origin:
    """Of a request's headers. None of them can fail a call: a label that is no label
    changes neither its answer nor its price."""
    user_agent = meta.get("HTTP_USER_AGENT", "")
    is_plain = user_agent.isascii() and not SECRET.search(user_agent)
    program = programs.bounded(account_id, read(user_agent if is_plain else "?"))
    session = meta.get("HTTP_X_SESSION_ID", "").strip()
    ignored = () if _is_label(session) else (SESSION,)
    return Origin(program.name, program.version, "" if ignored else session, ignored)


def _is_label(text: str) -> bool:
    """Printable ASCII that is no secret; none at all is fine, too."""
    is_printable = text.isascii() and text.isprintable()
    return len(text) <= SESSION_MAX and is_printable and not SECRET.search(text)
