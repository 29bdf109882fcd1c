// Copy buttons, and the keyboard. Every page works without this file.
"use strict";

// --- copying: the text can also be selected by hand, so buttons are hidden until here

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // No clipboard outside https and localhost: the old way still works there.
    select(element);
    return document.execCommand("copy");
  }
}

function enableCopying(within) {
  for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
}

async function copyBy(button) {
  const announcement = document.querySelector("[data-copied]");
  const words = button.dataset.words ?? button.textContent;
  button.dataset.words = words;
  const copied = await copy(document.getElementById(button.dataset.copy));
  button.textContent = announcement.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
  window.setTimeout(() => {
    button.textContent = words;
    announcement.textContent = "";
  }, 2500);
}

enableCopying(document);
document.addEventListener("htmx:afterSettle", (event) => enableCopying(event.target));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copyBy(button);
});

// --- the palette: the search page's list, in a dialog

const palette = document.getElementById("palette");
let asking = null;

async function find() {
  asking?.abort();
  asking = new AbortController();
  const form = palette.querySelector("form");
  const query = new URLSearchParams(new FormData(form));
  query.set("part", "1");
  try {
    const answer = await fetch(`${form.action}?${query}`, { signal: asking.signal });
    if (answer.ok) palette.querySelector("[data-found]").innerHTML = await answer.text();
  } catch (error) {
    if (error.name !== "AbortError") form.submit(); // the page says what is wrong
  }
}

function openPalette() {
  palette.showModal();
  palette.querySelector("input").select();
  find();
}

function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const input = palette.querySelector("input");
  const stops = [input, ...palette.querySelectorAll("[data-found] a")];
  if (step) {
    const at = stops.indexOf(document.activeElement) + step;
    stops[(at + stops.length) % stops.length].focus();
  } else if (event.key === "Enter" && document.activeElement === input && stops[1]) {
    stops[1].click();
  } else return;
  event.preventDefault();
}

if (palette) {
  let typed;
  palette.addEventListener("input", () => {
    window.clearTimeout(typed);
    typed = window.setTimeout(find, 120);
  });
  palette.addEventListener("keydown", walk);
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close(); // beside it
  });
  document.querySelector("[data-palette]")?.addEventListener("click", (event) => {
    event.preventDefault();
    openPalette();
  });
}

// --- keys: g and a letter opens a page, "/" and Ctrl+K the palette, "?" too

let isGoing = false;

document.addEventListener("keydown", (event) => {
  const isPalette = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
  if (!palette || palette.open) return;
  // Its own field may keep the focus for a moment after it was closed.
  const isWriting =
    !palette.contains(event.target) &&
    event.target.closest?.("input, select, textarea, [contenteditable]");
  if (!isPalette && (isWriting || event.ctrlKey || event.metaKey || event.altKey)) return;
  const went = isGoing;
  isGoing = event.key === "g";
  if (isGoing) window.setTimeout(() => (isGoing = false), 1500);
  if (isPalette || event.key === "/" || event.key === "?") openPalette();
  else if (went) {
    const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    link.click();
  } else return;
  event.preventDefault();
});
