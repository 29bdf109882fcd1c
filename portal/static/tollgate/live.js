// What is polled: an element with hx-get and hx-trigger="poll". Every 3 seconds while
// somebody is there, for a while; else every minute. The server answers 204 when nothing
// has changed. Rows are never moved under a pointer: a button says how many are new.
"use strict";

const QUICK = 3000, SLOW = 60000, QUOTA = 20;
let quota = QUOTA, timer = null;

function poll() {
  if (!document.hidden && quota > 0) quota -= 1;
  for (const element of document.querySelectorAll("[hx-trigger~=poll]")) htmx.trigger(element, "poll");
  timer = window.setTimeout(poll, quota > 0 && !document.hidden ? QUICK : SLOW);
}

function refill() {
  const wasAway = quota <= 0;
  quota = QUOTA;
  if (!wasAway) return;
  window.clearTimeout(timer);
  poll();
}

for (const sign of ["pointermove", "keydown", "scroll"]) document.addEventListener(sign, refill, { passive: true });
document.addEventListener("visibilitychange", () => document.hidden || refill());
timer = window.setTimeout(poll, QUICK);

document.addEventListener("htmx:configRequest", ({ target, detail }) => {
  if (target.dataset.etag) detail.headers["If-None-Match"] = target.dataset.etag;
});

function newRows(element, html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return [...page.querySelectorAll("[data-row]")].filter(
    (row) => !element.querySelector(`[data-row="${CSS.escape(row.dataset.row)}"]`)
  ).length;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const element = event.target, { xhr } = event.detail;
  if (!element.matches("[hx-trigger~=poll]") || xhr.status !== 200) return;
  const etag = xhr.getResponseHeader("ETag") ?? "";
  const pill = document.querySelector(`[data-new="${CSS.escape(element.id)}"]`);
  const count = newRows(element, xhr.responseText);
  if (count && pill && element.matches(":hover, :focus-within")) {
    event.detail.shouldSwap = false;
    pill.textContent = `${count} new`;
    pill.hidden = false;
    pill.onclick = () => {
      element.innerHTML = xhr.responseText;
      element.dataset.etag = etag;
      pill.hidden = true;
    };
    return;
  }
  element.dataset.etag = etag;
  if (pill) pill.hidden = true;
});
