"""What OpenAI's SDKs can call and this gateway does not have: what to use instead."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.urls import get_resolver

PREFIX = "/v1/"
IN_CHAT = "send chat completions to /v1/chat/completions"
STATELESS = f"nothing is kept between calls here; {IN_CHAT} with the whole conversation"
NO_FILES = "files are not kept here; send them with the call that uses them"
NOT_TUNED = "models cannot be tuned here; /v1/models lists those there are"
NOT_LIVE = (
    "there are no live sessions here; use /v1/audio/transcriptions, chat completions "
    "with stream=true, and /v1/audio/speech"
)
NOT_STORED = (
    "completions are not kept here, so none can be fetched, changed or deleted; the "
    "portal lists the calls"
)
NO_RESPONSES = (
    "responses are made with POST /v1/responses and not kept, so none can be fetched, "
    "cancelled or deleted"
)
VIDEOS = (
    "make videos with POST /v1/videos or /v1/videos/generations, follow them with GET "
    "/v1/videos/<id>, fetch them with GET /v1/videos/<id>/content; there are no lists "
    "of them, no remixes, edits, extensions or characters, and no deletion"
)
ADMINISTRATION = "keys, members and usage are managed in the portal"

# The first steps of a path → what to do instead. The longest match wins.
ADVICE = {
    "responses": NO_RESPONSES,
    "engines": f"engines are gone; {IN_CHAT} and name the model in the body",
    "edits": IN_CHAT,
    "moderations": "this upstream moderates nothing; ask a chat model to",
    **dict.fromkeys(("files", "uploads", "containers"), NO_FILES),
    "batches": "there are no batches here; make the calls one by one",
    **dict.fromkeys(("fine_tuning", "fine-tunes"), NOT_TUNED),
    **dict.fromkeys(("assistants", "threads", "conversations"), STATELESS),
    **dict.fromkeys(("chatkit", "agents", "skills"), STATELESS),
    "chat/completions": NOT_STORED,
    "vector_stores": "nothing is stored here; make vectors with /v1/embeddings and "
    "keep them in a database of your own",
    "evals": f"there are no evaluations here; {IN_CHAT} and compare the answers",
    "images/variations": "there are no variations; use /v1/images/edits with a prompt",
    "videos": VIDEOS,
    "audio": "use /v1/audio/speech, /v1/audio/transcriptions or /v1/audio/translations",
    **dict.fromkeys(("realtime", "live"), NOT_LIVE),
    **dict.fromkeys(("organization", "projects", "dashboard"), ADMINISTRATION),
    "messages": f"this speaks OpenAI's API and not Anthropic's: {IN_CHAT}",
    "v1": "the address has /v1 twice: set the SDK's base_url to end in it once",
}

# A stranger's path may have thousands.
STEPS_MAX = max(steps.count("/") + 1 for steps in ADVICE)

# Routes of ours for which OpenAI's SDKs have more methods (regular expressions): one of
# those is a call that does not exist here, not a slip to be answered with 405.
ADVICE_ON_METHODS = {
    "GET chat/completions": NOT_STORED,
    "DELETE models/.+": NOT_TUNED,
    ".* responses": NO_RESPONSES,
    ".* videos(/video_.*)?": VIDEOS,
}


def advice(path: str) -> str:
    """What to do instead of a call to `path`, and the routes there are."""
    if not f"{path}/".startswith(PREFIX):
        return _without_prefix(path)
    below = f"{path}/".removeprefix(PREFIX).lower()  # of /v1 itself nothing is left
    steps = [step for step in below.split("/") if step]
    route = PREFIX + "/".join(steps)
    # A route with a slash too many or in capitals is no foreign endpoint.
    if route == path or route not in routes():
        for count in range(min(len(steps), STEPS_MAX), 0, -1):
            if found := ADVICE.get("/".join(steps[:count])):
                return _sentences(found)
    return _sentences("")


def _without_prefix(path: str) -> str:
    """What to do instead of a call beside /v1."""
    if path.startswith("/openai/"):
        said = f"set base_url to {settings.PUBLIC_URL}/v1, with OpenAI's client"
        return _sentences(f"this is not Azure; {said} instead of Azure's")
    first = path.strip("/").partition("/")[0]
    also = ADVICE[first] + "; " if first == "messages" else ""
    said = f"set base_url to {settings.PUBLIC_URL}/v1"
    return _sentences(f"{also}the address lacks /v1: {said}")


def advice_on_method(method: str, path: str) -> str | None:
    """`advice`, where OpenAI's SDKs know a method of our route `path` that there is not
    here; None for a method that nobody has."""
    called = f"{method} {path.removeprefix(PREFIX)}"
    for pattern, said in ADVICE_ON_METHODS.items():
        if re.fullmatch(pattern, called, re.DOTALL):
            return _sentences(said)
    return None


def _sentences(said: str) -> str:
    available = f"Available: {', '.join(routes())}."
    return f"{said[0].upper()}{said[1:]}. {available}" if said else available


@cache
def routes() -> tuple[str, ...]:
    """The gateway's own routes, in its own order."""
    patterns = (str(each.pattern) for each in get_resolver("proxy.urls").url_patterns)
    return tuple(f"/{pattern}" for pattern in patterns if "<" not in pattern)
