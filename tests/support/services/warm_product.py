"""The product's own modules, imported without settings, for `warm.py`.

They are the same in every process, and importing them was most of what a start of a
gateway costs, in each of its processes. What reads a setting while it is imported would
keep it in every copy: only what `portal/settings.py` says for everyone is there to be
read, and of the database no more than its kind, which is this run's. Anything else is
an error here.
"""

from __future__ import annotations

import ast
import gc
import os
import pkgutil
from importlib import import_module, reload
from typing import Any

from django.apps import apps
from django.conf import global_settings, settings
from django.db import connections
from django.utils.functional import empty

from billing.values import crashpoints
from tests.support.services import warm_libraries
from tests.support.services.warm import kind_of_database
from tests.support.sources import ROOT

ROOTS = (
    "portal.management.commands.serve",
    "portal.runtime.door",
    "portal.urls",
    "proxy.asgi",
    "proxy.urls",
)
FOLDERS = (
    "billing.migrations",
    "django.contrib.auth.migrations",
    "django.contrib.contenttypes.migrations",
    "django.contrib.sessions.migrations",
    "allauth.account.migrations",
    "allauth.mfa.migrations",
    "allauth.socialaccount.migrations",
    "django.templatetags",
    "portal.migrations",
    "portal.templatetags",
    "proxy.migrations",
)
ENGINES = {
    "sqlite": "portal.runtime.fair_sqlite3",
    "postgres": "django.db.backends.postgresql",
}


class Constants:
    """The settings that no variable changes."""

    def __init__(self) -> None:
        tree = ast.parse((ROOT / "portal/settings.py").read_text())
        self.varying: set[str] = set()
        self.values: dict[str, Any] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._learn(node, is_always=node in tree.body)
        kind = kind_of_database(os.environ)
        self._given = {
            "DATABASES": {"default": {"ENGINE": ENGINES[kind], "NAME": ""}},
            "DEBUG": False,  # signals ask, for what they check of their receivers
            "SOCIALACCOUNT_PROVIDERS": {},  # where a class could be named
        }

    def _learn(self, node: ast.Assign, *, is_always: bool) -> None:
        names = {each.id for each in node.targets if isinstance(each, ast.Name)}
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            is_always = False
        if is_always:
            self.values |= dict.fromkeys(names, value)
        else:
            self.varying |= names

    def __getattr__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        if name in self.varying:
            raise LookupError(f"{name} is read while a module is imported")
        if name in self.values:
            return self.values[name]
        return getattr(global_settings, name)


def load() -> None:
    settings.configure(default_settings=Constants())
    apps.populate(settings.INSTALLED_APPS)
    for name in ROOTS:
        import_module(name)
    named = [*settings.MIDDLEWARE, *settings.PASSWORD_HASHERS]
    for path in (*named, *settings.AUTHENTICATION_BACKENDS):
        import_module(path.rpartition(".")[0])
    for folder in FOLDERS:
        package = import_module(folder)
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{folder}.{module.name}")
    gc.collect()
    gc.freeze()


def forget() -> None:
    """In a copy: it has no settings yet, and no connection."""
    settings._wrapped = empty
    connections.__init__()  # type: ignore[misc]
    # A cached property, of the settings that are forgotten.
    connections.__dict__.pop("settings", None)
    reload(crashpoints)  # what it reads is no setting


assert warm_libraries.NAMES
load()
