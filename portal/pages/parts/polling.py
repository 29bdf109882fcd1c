"""Parts of a page that are asked for again and again by `live.js`.

In the template, inside the page that also works without it:

    <div id="calls" hx-get="?part=calls" hx-trigger="poll" hx-swap="innerHTML">…</div>
    <button type="button" class="pill" data-new="calls" hidden></button>

with `{% include "components/live.html" %}` in the block `scripts`; rows have a
`data-row` of their own.
"""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse


def unless_known(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """`answer`, or 204 where the page shows it already: then nothing is touched."""
    etag = f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
    known = request.headers.get("If-None-Match", "").removeprefix("W/")
    if known == etag:
        return HttpResponse(status=204)
    answer["ETag"] = etag
    return answer
