// Copy buttons. Without this file the text can still be selected by hand (one click
// on the key selects all of it), so the buttons stay hidden until it has run.
"use strict";

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

const announcement = document.querySelector("[data-copied]");
for (const button of document.querySelectorAll("[data-copy]")) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(document.getElementById(button.dataset.copy));
    const answer = copied ? "Copied" : "Selected: press Ctrl+C";
    button.textContent = answer;
    announcement.textContent = answer;
    window.setTimeout(() => {
      button.textContent = words;
      announcement.textContent = "";
    }, 2500);
  });
}
