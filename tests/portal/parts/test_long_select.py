"""A select of many options is what Django's own is, and escapes what it writes."""

from __future__ import annotations

import pytest
from django import forms

from portal.pages.parts.fields import LongSelect

CHOICES = [("", "—"), (1, "a & b"), ("<2>", "<script>"), (3, "three")]


@pytest.mark.parametrize("value", [None, "", 1, "<2>", "3", "no such"])
@pytest.mark.parametrize("attrs", [None, {"id": "id_key", "required": True}])
def test_it_reads_like_djangos(value: object, attrs: dict[str, object] | None) -> None:
    own = LongSelect(choices=CHOICES).render("key", value, attrs)
    theirs = forms.Select(choices=CHOICES).render("key", value, attrs)
    assert "".join(own.split()) == "".join(theirs.split())
    assert "<script>" not in own
