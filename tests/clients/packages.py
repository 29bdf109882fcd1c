"""The clients people have, each with what it needs in a folder of its own.

Installed once per machine, under `CLIENT_PACKAGES_DIR` (`.clients/` in the checkout,
ignored by git). Nothing of them reaches the project's environment, and nothing of the
project's environment reaches them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.support.services import requirements

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = Path(__file__).resolve().parent / "scripts"
INSTALL_SECONDS_MAX = 500
RUN_SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Client:
    """One version of one package, and the script that uses it."""

    package: str
    version: str
    script: str
    beside: tuple[str, ...] = ()  # what npm installs with it, as `<name>@<version>`

    @property
    def is_node(self) -> bool:
        return self.script.endswith(".mjs")

    def __str__(self) -> str:
        return f"{self.package} {self.version}{' (node)' if self.is_node else ''}"


def run(client: Client, **variables: str) -> str:
    """What the client's script prints. Raises: AssertionError with its errors."""
    command = _node_command if client.is_node else _python_command
    arguments, environment = command(client)
    done = subprocess.run(
        [*arguments, str(SCRIPTS / client.script)],
        # Not ours: what a developer's machine says to OpenAI's clients stays out.
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
        | environment
        | variables,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _python_command(client: Client) -> tuple[list[str], dict[str, str]]:
    if _own_version(client.package) == client.version:
        return [sys.executable], {}
    folder = folder_of(client, pip_install)
    # -S: without the site-packages of this very environment.
    return [sys.executable, "-S"], {"PYTHONPATH": str(folder)}


def _node_command(client: Client) -> tuple[list[str], dict[str, str]]:
    return [node()], {"PACKAGES": str(installed(client))}


def installed(client: Client) -> Path:
    """The folder of its packages."""
    return folder_of(client, _npm_install if client.is_node else pip_install)


def node() -> str:
    """The program; the test ends without it."""
    found = requirements.find_program("node", "nodejs")
    if found is None or requirements.find_program("npm") is None:
        requirements.missing("node with npm (Debian: nodejs, npm)")
    return found


def _own_version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def folder_of(client: Client, install: Callable[[Client, Path], list[str]]) -> Path:
    """Where the client is, installed now if it was not; the test ends without it."""
    home = Path(os.environ.get("CLIENT_PACKAGES_DIR") or ROOT / ".clients")
    kind = "node-" if client.is_node else ""
    folder = home / f"{kind}{client.package}-{client.version}"
    if folder.exists():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    # Under another name until it is complete: what is there can be used.
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    try:
        done = subprocess.run(
            install(client, partial),
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.splitlines()
            why = next((line for line in lines if "error" in line.lower()), "")
            requirements.missing(f"{client} ({why[:200]})")
        with suppress(OSError):  # somebody else was faster
            partial.rename(folder)
    except subprocess.TimeoutExpired:
        requirements.missing(f"{client} (too slow a network)")
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def pip_install(client: Client, folder: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    wanted = f"{client.package}=={client.version}"
    # Few retries: a machine without a network is told so soon.
    # Not compiled: most of it is never imported.
    options = ["--quiet", "--no-compile", "--retries", "2", "--target", str(folder)]
    return [*pip, *options, wanted]


def _npm_install(client: Client, folder: Path) -> list[str]:
    npm = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(folder)]
    return [*npm, f"{client.package}@{client.version}", *client.beside]
