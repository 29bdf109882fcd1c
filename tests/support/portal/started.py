"""Reading the settings from variables of one's own, as a start would."""

from __future__ import annotations

import re
import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.test import override_settings

from portal.runtime.variables import Refused
from tests.support import sources

KNOWN = re.findall(
    r"^#?\s*([A-Z][A-Z0-9_]*)=",
    (sources.ROOT / ".env.example").read_text(),
    re.MULTILINE,
)
# The part of what a start looks at that needs nothing but the settings.
OF_OURS = ("portal.runtime",)
# Changed beneath the running tests they would take their services away.
LEFT = {"LOGGING", "INSTALLED_APPS", "CACHES"}


class Start:
    """What a start with these variables, and no other setting, says and knows."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch, self._folder = patch, folder

    def __call__(self, **variables: str) -> dict[str, Any]:
        """The settings. Raises: Refused, with what the checks find wrong, too."""
        for name in KNOWN:
            self._patch.delenv(name, raising=False)
        self._patch.setenv("VAR_DIR", str(self._folder))
        for name, value in variables.items():
            self._patch.setenv(name, value)
        found = runpy.run_path(str(sources.ROOT / "portal" / "settings.py"))
        read = {name: value for name, value in found.items() if name.isupper()}
        if wrong := _checked(read):
            raise Refused(wrong)
        return read


def _checked(read: dict[str, Any]) -> list[str]:
    current = {name: getattr(settings, name, None) for name in read}
    changed = {
        name: value
        for name, value in read.items()
        if name not in LEFT and value != current[name]
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of DATABASES: only its name is read
        with override_settings(**changed):
            found = [
                message
                for check in checks.registry.registry.get_checks()
                if check.__module__.startswith(OF_OURS)
                for message in check(app_configs=None, databases=None)
            ]
    return [f"{each.msg} {each.hint}" for each in found if each.level >= checks.ERROR]
