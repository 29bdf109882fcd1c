"""What people may call things: shown in pages, logs and exports, so kept harmless."""

from __future__ import annotations

import unicodedata

from portal.tenants.errors import InvalidName

LENGTH_MAX = 100
# Control, surrogate, line and paragraph separators; and format characters, which
# turn text around or hide in it. The two joiners are ordinary spelling.
REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = frozenset({"\u200c", "\u200d"})


def clean(text: str) -> str:
    """The name in its one normal form (NFC, no space around it).

    Raises: InvalidName.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InvalidName("A name is needed.")
    if len(name) > LENGTH_MAX:
        raise InvalidName(f"A name has at most {LENGTH_MAX} characters.")
    if any(unicodedata.category(c) in REFUSED and c not in JOINERS for c in name):
        raise InvalidName("A name cannot contain control or invisible characters.")
    return name
