"""`python -m tests.pictures`: takes the README's pictures of the portal: starts the
demo in a folder of its own, and Chromium, and writes `portal/pictures/`.

Names among the arguments choose some of them.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.support import sources
from tests.support.portal import browser
from tests.support.services.processes import free_port
from tests.support.services.requirements import find_program

FOLDER = sources.ROOT / "portal" / "pictures"
SCHEMES = ("light", "dark")
WIDTH, HEIGHT, QUALITY = 1180, 800, 82
DEMO_SECONDS = 240
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# What the demo prints when it serves.
PORTAL = re.compile(r"Portal +(\S+)")
SIGN_IN = re.compile(r"Sign in +(\S+) +(\S+)")
SERVES = "Serving until"

# Each is taken in both schemes: its name, and the page below `/o/<organization>/`.
PAGES = {
    "overview": "",
    "usage": "usage/?by=key",
    "activity": "activity/",
    "explain": "billing/explain/?range=previous-month",
    "keys": "keys/",
}


def file_names() -> list[str]:
    return [f"{name}-{scheme}.webp" for name in PAGES for scheme in SCHEMES]


class Demo(NamedTuple):
    """Where it serves, and who may sign in."""

    url: str
    email: str
    password: str


@contextmanager
def demo() -> Iterator[Demo]:
    """With six weeks of a team's work behind it."""
    with tempfile.TemporaryDirectory(prefix="tollgate-pictures-") as folder:
        environment = os.environ | {
            "VAR_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/pictures.sqlite3",
            "PORT": str(free_port()),
            "SANDBOX_PORT": str(free_port()),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [sys.executable, str(sources.ROOT / "manage.py"), "demo"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        late = threading.Timer(DEMO_SECONDS, process.kill)
        late.start()
        try:
            yield _welcome(process)
        finally:
            late.cancel()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def _welcome(process: subprocess.Popen[str]) -> Demo:
    """Raises: RuntimeError with what it said, if it ends before it serves."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if SERVES in line:
            break
    portal, sign_in = PORTAL.search(said), SIGN_IN.search(said)
    if portal is None or sign_in is None:
        raise RuntimeError(f"The demo does not serve:\n{said[-2000:]}")
    return Demo(portal[1], sign_in[1], sign_in[2])


def take(chromium: Browser, found: Demo, names: list[str]) -> None:
    """The pictures of these pages, in both schemes."""
    size = {"width": WIDTH, "height": HEIGHT}
    context = chromium.new_context(viewport=size, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    browser.sign_in(page, found.url, found.email, found.password)
    for name in names:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(found.url + PAGES[name])
            browser.listens(page)
            write(FOLDER / f"{name}-{scheme}.webp", page.screenshot())


def write(path: Path, png: bytes) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    sys.stdout.write(f"{sources.name_of(path)}  {path.stat().st_size:,} bytes\n")


def main() -> int:
    chosen = sys.argv[1:] or list(PAGES)
    if unknown := set(chosen) - PAGES.keys():
        sys.stderr.write(f"no such page: {', '.join(sorted(unknown))}\n")
        return 2
    path = find_program(*CHROMIUM)
    if path is None:
        sys.stderr.write("Chromium is not installed\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    with demo() as found, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=list(browser.ARGUMENTS)
        )
        take(chromium, found, chosen)
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
