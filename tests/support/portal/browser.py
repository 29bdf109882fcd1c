"""A real browser: the machine's own Chromium, driven by Playwright.

While it is open its event loop runs in this thread, and Django refuses the database
there: make all rows before opening it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    sync_playwright,
)

ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Shared:
    """One Chromium for all tests of a process: to start it costs more than most of what
    is looked at in it. Between two tests its event loop stands still, so that the
    thread may use the database, and other loops."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def awake(self, path: str) -> Iterator[Browser]:
        if self._browser is not None and not self._browser.is_connected():
            self.end()  # a test has killed it, or it fell
        if self._playwright is None or self._browser is None:
            self._playwright = sync_playwright().start()
            self._loop = asyncio.get_running_loop()
            self._browser = self._playwright.chromium.launch(
                executable_path=path, args=list(ARGUMENTS)
            )
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            asyncio._set_running_loop(None)

    def end(self) -> None:
        if self._playwright is not None:
            asyncio._set_running_loop(self._loop)
            self._playwright.stop()
            asyncio._set_running_loop(None)
        self._playwright = self._browser = self._loop = None


shared = Shared()


@contextmanager
def browsing(path: str, **options: Any) -> Iterator[BrowserContext]:
    """A fresh profile; `options` are Playwright's of a new context."""
    with shared.awake(path) as browser, browser.new_context(**options) as context:
        yield context


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(url)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/o/**")


def listens(page: Page) -> None:
    """Wait until the page takes keys: its scripts have run, and it was painted once.
    Chromium drops what is pressed between a page's arrival and its first picture."""
    page.wait_for_load_state()
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame("
        "() => requestAnimationFrame(() => done(true))))"
    )


def complaints(page: Page) -> list[str]:
    """Collects what the console says from now on: blocked scripts, failed loads."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
