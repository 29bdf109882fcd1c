"""Paths that nobody answers: what there is instead.

OpenAI's SDKs call more than this upstream has. Whoever does is told what to use.
"""

from __future__ import annotations

import re
from functools import cache

from django.urls import get_resolver

PREFIX = "/v1/"
IN_CHAT = "send chat completions to /v1/chat/completions"
STATELESS = f"nothing is kept between calls here; {IN_CHAT} with the whole conversation"
NO_FILES = "files are not kept here; send them with the call that uses them"
NOT_LIVE = "there are no live sessions here; use /v1/audio/transcriptions, chat "
NOT_LIVE += "completions with stream=true, and /v1/audio/speech"
ADMINISTRATION = "keys, members and usage are managed in the portal"

# What a path begins with, in whole steps → what to do instead. The longest wins.
ADVICE = {
    "responses": "use chat completions: client.chat.completions.create(…) in OpenAI's "
    "SDKs, openai.chat(…) in the AI SDK",
    "completions": f"{IN_CHAT}, with the prompt as a user's message",
    "engines": f"engines are gone; {IN_CHAT} and name the model in the body",
    "edits": IN_CHAT,
    "moderations": "this upstream moderates nothing; ask a chat model to",
    "files": NO_FILES,
    "uploads": NO_FILES,
    "containers": NO_FILES,
    "batches": "there are no batches here; make the calls one by one",
    "fine_tuning": "models cannot be tuned here; /v1/models lists those there are",
    "fine-tunes": "models cannot be tuned here; /v1/models lists those there are",
    "assistants": STATELESS,
    "threads": STATELESS,
    "conversations": STATELESS,
    "chatkit": STATELESS,
    "agents": STATELESS,
    "skills": STATELESS,
    "chat/completions": "completions are not kept here, so none can be fetched, "
    "changed or deleted; the portal lists the calls",
    "vector_stores": "nothing is stored here; make vectors with /v1/embeddings and "
    "keep them in a database of your own",
    "evals": f"there are no evaluations here; {IN_CHAT} and compare the answers",
    "images/variations": "there are no variations; use /v1/images/edits with a prompt",
    "videos": "make films with POST /v1/videos or /v1/videos/generations, follow them "
    "with GET /v1/videos/<id>, fetch them with GET /v1/videos/<id>/content; there are "
    "no lists of them, no remixes, edits, extensions or characters, and no deletion",
    "audio": "use /v1/audio/speech, /v1/audio/transcriptions or /v1/audio/translations",
    "realtime": NOT_LIVE,
    "live": NOT_LIVE,
    "organization": ADMINISTRATION,
    "projects": ADMINISTRATION,
    "dashboard": ADMINISTRATION,
    "v1": "the address has /v1 twice: set the SDK's base_url to end in it once",
}

# Routes of ours where OpenAI's SDKs know more methods: a list, a deletion, a remix.
LESS_THAN_OPENAIS = re.compile(r"/v1/videos(/video_.*)?", re.DOTALL)


def is_less_than_openais(path: str) -> bool:
    """Whether a wrong method there is a call that OpenAI has and this gateway not."""
    return bool(LESS_THAN_OPENAIS.fullmatch(path))


def advice(path: str) -> str:
    """What to do instead, as a sentence that names all there is."""
    below = f"{path}/".removeprefix(PREFIX).lower()  # /v1 itself is nothing below
    steps = [step for step in below.split("/") if step]
    route = PREFIX + "/".join(steps)
    # A route with a slash too many or in capitals is no foreign endpoint.
    is_slip = route != path and route in routes()
    for count in () if is_slip else range(len(steps), 0, -1):
        if found := ADVICE.get("/".join(steps[:count])):
            return f"{found[0].upper()}{found[1:]}. Available: {', '.join(routes())}."
    return f"Available: {', '.join(routes())}."


@cache
def routes() -> tuple[str, ...]:
    """The gateway's own routes, in its own order."""
    patterns = (str(each.pattern) for each in get_resolver("proxy.urls").url_patterns)
    return tuple(f"/{pattern}" for pattern in patterns if "<" not in pattern)
