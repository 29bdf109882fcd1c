"""axe-core in a page of a real browser, and what else is looked at there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

WIDE, NARROW = 1280, 320
# Style sheets are not loaded a second time: no rule that is on reads them.
ONLY_VIOLATIONS: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
CONTRAST = {**ONLY_VIOLATIONS, "runOnly": ["color-contrast"]}
ALL_BUT_CONTRAST = {**ONLY_VIOLATIONS, "rules": {"color-contrast": {"enabled": False}}}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RUN = "options => axe.run(options).then(({violations}) => ({violations}))"
# Most of what a page shows was there before: the frame on the last page, a row above.
# Colours of a sight are looked at once in each look: of an element with these styles
# inside elements with theirs. What was seen is kept in the tab.
RUN_ON_NEW_SIGHTS = """([look, options]) => {
  const seen = new Set(JSON.parse(sessionStorage.getItem(look) || "[]"));
  const repeated = [];
  const shown = ["display", "visibility", "position", "color", "backgroundColor",
    "backgroundImage", "opacity", "filter", "fontSize", "fontWeight", "textShadow"];
  const hash = text => {
    let [a, b] = [0xdeadbeef, 0x41c6ce57];
    for (let i = 0; i < text.length; i++) {
      a = Math.imul(a ^ text.charCodeAt(i), 2654435761);
      b = Math.imul(b ^ text.charCodeAt(i), 1597334677);
    }
    return (a >>> 0).toString(36) + (b >>> 0).toString(36);
  };
  const hasNew = (element, around) => {
    const style = getComputedStyle(element);
    const own = shown.map(name => style[name]).join();
    const sight = hash([around, element.tagName, element.className, own].join());
    let isNew = !seen.has(sight);
    seen.add(sight);
    const known = [];
    for (const each of element.children)
      if (hasNew(each, sight)) isNew = true; else known.push(each);
    if (isNew) repeated.push(...known);
    return isNew;
  };
  const isNew = hasNew(document.documentElement, "");
  sessionStorage.setItem(look, JSON.stringify([...seen]));
  return isNew ? axe.run({ include: [document], exclude: repeated }, options)
    .then(({ violations }) => ({ violations })) : { violations: [] };
}"""
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
            for result in results(page, f"{theme} {width}"):
                found.append(f"{theme} {width}: {result.generate_report()}")
        broad = page.evaluate("document.documentElement.scrollWidth")
        if broad > width:
            found.append(f"{broad} px broad where there are {width}")
    page.set_viewport_size({"width": WIDE, "height": 800})
    show(page, "light")
    return found


def results(page: Page, look: str) -> Iterator[AxeResults]:
    """What is wrong in this look. Not by the library: it sends half a megabyte of
    script for each run, and takes as much back of what is right."""
    looked = [page.evaluate(RUN_ON_NEW_SIGHTS, [look, CONTRAST])]
    if look.startswith("light"):
        looked.append(page.evaluate(RUN, ALL_BUT_CONTRAST))
    for each in map(AxeResults, looked):
        if each.violations_count:
            yield each


def show(page: Page, theme: Literal["light", "dark"]) -> None:
    """Without the fading from one to the other, in which axe would find no contrast."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
