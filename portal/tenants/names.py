"""What people may call things: shown in pages, logs and exports, so kept harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import chain, count

from django.utils.text import slugify

from portal.tenants.errors import InvalidName

LENGTH_MAX, SLUG_LENGTH_MAX = 100, 60
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


def slug_of(name: str, otherwise: str) -> str:
    """For an address; a name without a letter that fits one has the other."""
    return slugify(name)[:SLUG_LENGTH_MAX].strip("-_") or otherwise


def free_slug(wanted: str, taken: Iterable[str]) -> str:
    """The wanted one, or the first of -2, -3 … that nobody has."""
    known = set(taken)
    numbered = (f"{wanted[:50]}-{number}" for number in count(2))
    return next(slug for slug in chain([wanted], numbered) if slug not in known)
