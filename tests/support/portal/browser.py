"""A real browser: the machine's own Chromium, driven by Playwright.

While it is open its event loop runs in this thread, and Django refuses the database
there: make all rows before opening it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browsing(path: str, **options: Any) -> Iterator[BrowserContext]:
    """A fresh profile; `options` are Playwright's of a new context."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        context = browser.new_context(**options)
        yield context
        context.close()
        browser.close()


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
