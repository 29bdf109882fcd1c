"""Clients that share what they need: frameworks, installed together and quickly.

Each bundle is a folder below `.clients/`, as in `packages`. For Python its packages are
pinned, all of them, in `requirements/`; `uv` installs them in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import packages
from tests.clients.packages import Client

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
UV = Client("uv", "0.13.9", "")
AT_ONCE = 2  # scripts


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is installed together, and the scripts that use it."""

    name: str
    scripts: tuple[str, ...]
    npm: tuple[str, ...] = ()  # `<name>@<version>`; none: Python, by requirements

    @property
    def pinned(self) -> str:
        """All that decides what is installed."""
        if self.npm:
            return " ".join(self.npm)
        return (REQUIREMENTS / f"{self.name}.txt").read_text()

    def __str__(self) -> str:
        return self.name


def run(bundle: Bundle, **variables: str) -> dict[str, Any]:
    """What each script prints. Raises: AssertionError with the errors of one."""
    digest = hashlib.sha256(bundle.pinned.encode()).hexdigest()[:12]
    kind = "node-" if bundle.npm else ""
    client = Client(f"{kind}{bundle.name}", digest, "")
    install = _npm_install if bundle.npm else _uv_install
    folder = packages.folder_of(client, lambda _, path: install(bundle, path))
    if bundle.npm:
        command = [packages.node()]
        variables |= {"PACKAGES": str(folder)}
    else:
        command = [sys.executable, "-S"]
        variables |= {"PYTHONPATH": str(folder)}

    def say(script: str) -> dict[str, Any]:
        return _run([*command, str(packages.SCRIPTS / script)], variables)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(bundle.scripts, pool.map(say, bundle.scripts), strict=True))


def _run(command: list[str], variables: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "HOME": home, **variables},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=packages.RUN_SECONDS_MAX,
            check=False,
        )
    assert done.returncode == 0, f"{command[-1]}\n{done.stderr[-4000:]}"
    # What a framework writes for people comes before it.
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def _uv_install(bundle: Bundle, folder: Path) -> list[str]:
    uv = packages.folder_of(UV, packages.pip_install) / "bin" / "uv"
    command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    pinned = REQUIREMENTS / f"{bundle.name}.txt"
    return [*command, "--target", str(folder), "--requirement", str(pinned)]


def _npm_install(bundle: Bundle, folder: Path) -> list[str]:
    npm = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(folder)]
    return [*npm, *bundle.npm]
