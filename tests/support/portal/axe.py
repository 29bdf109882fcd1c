"""axe-core in a page of a real browser, and what else is looked at there."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

WIDE, NARROW = 1280, 320
# Style sheets are not loaded a second time: no rule that is on reads them.
ONLY_VIOLATIONS: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
CONTRAST = {**ONLY_VIOLATIONS, "runOnly": ["color-contrast"]}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RUN = "options => axe.run(options).then(({violations}) => ({violations}))"
MOVE_MAX = 0.01  # of the screen times the way: less than anybody sees
# Moves of what was there already; a person's own clicks do not count.
SHIFTS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) sum += each.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 30);
})"""


def look(page: Page) -> list[str]:
    """What is wrong with the page that is open: in light and dark, wide and narrow, all
    of it unfolded. Colours are the only thing that the theme changes."""
    found = []
    if (moved := page.evaluate(SHIFTS)) > MOVE_MAX:
        found.append(f"moves by {moved} while it loads")
    unfold = (
        "for (const each of document.querySelectorAll('main details')) each.open = true"
    )
    page.evaluate(unfold)
    page.evaluate(AXE_SCRIPT)
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 800})
        for theme in THEMES:
            show(page, theme)
            options = ONLY_VIOLATIONS if theme == "light" else CONTRAST
            # Not by the library: it sends half a megabyte of script for each run, and
            # takes as much back of what is right.
            result = AxeResults(page.evaluate(RUN, options))
            if result.violations_count:
                found.append(f"{theme} {width}: {result.generate_report()}")
        broad = page.evaluate("document.documentElement.scrollWidth")
        if broad > width:
            found.append(f"{broad} px broad where there are {width}")
    page.set_viewport_size({"width": WIDE, "height": 800})
    show(page, "light")
    return found


def show(page: Page, theme: Literal["light", "dark"]) -> None:
    """Without the fading from one to the other, in which axe would find no contrast."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
