"""What is called in a storm: drawn beforehand, so that a seed brings it back."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MODEL = "storm-"
# Odd ones, so that a wrong rounding or another's factor shows in every charge.
FACTORS_PPM = (1_000_001, 333_333, 2_500_007, 1)
SOUND = b"\0" * 16_000
PICTURE = b"\x89PNG\r\n\x1a\n"

# How often each is drawn. Cheap ones mostly: a storm is long.
OPERATIONS = {
    "chat": 30,
    "stream": 26,
    "embeddings": 12,
    "images": 7,
    "edits": 5,
    "speech": 5,
    "transcriptions": 4,
    "translations": 3,
    "videos": 3,
    "openai_videos": 2,
    "music": 3,
}
JOBS = ("videos", "openai_videos", "music")

# What the upstream does, and whether our ledger can know what that cost.
CLEAR = {"good": 52, "slow": 12, "busy": 3, "limited": 3, "refused": 2}
UNCLEAR = {
    "junk": 8,  # a usage that is none
    "broken": 2,  # 500, nothing charged
    "broken_charged": 3,
    "dropped": 2,  # charged, and not one byte
    "reset": 1,
    "silent": 1,
    "cut": 4,
    "stalled": 1,
    "no_json": 1,
    "error_in_200": 1,
}
# How a job goes on, where its submission went well.
LIVES = {"completes": 5, "fails": 2, "fails_charged": 2, "falters": 2, "grows": 2}

# What the client does: asks once, as an SDK again and again, under a key, or leaves.
MANNERS = {"plain": 5, "sdk": 3, "keyed": 2, "leaves": 1}


@dataclass(frozen=True)
class Plan:
    """One request: whose, what for, how it goes at the upstream and at the client."""

    number: int
    organization: int
    operation: str
    script: str
    life: str
    manners: str
    credits: int
    seed: int

    @property
    def model(self) -> str:
        """No other request's: by it the journal and the ledger tell whose they are."""
        return f"{MODEL}{self.number}"

    @property
    def is_job(self) -> bool:
        return self.operation in JOBS

    @property
    def is_unclear(self) -> bool:
        return self.script in UNCLEAR

    @property
    def is_impatient(self) -> bool:
        """Its client gives up on the first attempt, and only then the upstream answers:
        whether the answer or the timeout comes first is left to no chance."""
        return self.manners == "sdk" and self.script == "slow"

    @property
    def chance(self) -> random.Random:
        """The same at each use."""
        return random.Random(self.seed)

    @cached_property
    def request(self) -> Request:
        return _REQUESTS[self.operation](self, self.chance)


@dataclass(frozen=True)
class Request:
    """What goes over the wire, in httpx's words."""

    path: str
    body: dict[str, Any]
    files: dict[str, tuple[str, bytes, str]] | None = None


def drawn(count: int, chance: random.Random) -> list[Plan]:
    return [
        Plan(
            number=number,
            organization=chance.randrange(len(FACTORS_PPM)),
            operation=_one_of(OPERATIONS, chance),
            script=_one_of(CLEAR | UNCLEAR, chance),
            life=_one_of(LIVES, chance),
            manners=_one_of(MANNERS, chance),
            credits=chance.choice((0, 1, 1, 2, 3, 5, 7, 11)),
            seed=chance.randrange(2**32),
        )
        for number in range(count)
    ]


def number_of(model: str) -> int | None:
    """The number of the plan whose model this is; None for any other."""
    text = model.removeprefix(MODEL)
    return int(text) if model.startswith(MODEL) and text.isdigit() else None


def _one_of(weights: dict[str, int], chance: random.Random) -> str:
    [found] = chance.choices(list(weights), list(weights.values()))
    return found


# --- the requests ------------------------------------------------------------------


def _chat(plan: Plan, chance: random.Random) -> Request:
    content = "A gate in the wind. " * chance.randint(1, 5)
    body: dict[str, Any] = {
        "model": plan.model,
        "messages": [{"role": "user", "content": content.strip()}],
        "max_tokens": chance.choice((16, 64, 256)),
    }
    if plan.operation == "stream":
        body["stream"] = True
        if chance.random() < 0.5:
            body["stream_options"] = {"include_usage": True}
    return Request("chat/completions", body)


def _embeddings(plan: Plan, chance: random.Random) -> Request:
    texts = ["A gate in the wind."] * chance.randint(1, 3)
    return Request("embeddings", {"model": plan.model, "input": texts})


def _images(plan: Plan, chance: random.Random) -> Request:
    body = {"model": plan.model, "prompt": "A gate", "n": chance.randint(1, 2)}
    return Request("images/generations", {**body, "response_format": "url"})


def _edits(plan: Plan, chance: random.Random) -> Request:
    body = {"model": plan.model, "prompt": "A gate", "response_format": "url"}
    if chance.random() < 0.5:
        file = ("gate.png", PICTURE, "image/png")
        return Request("images/edits", body, {"image": file})
    return Request("images/edits", {**body, "image": "https://example.com/a.png"})


def _speech(plan: Plan, _chance: random.Random) -> Request:
    return Request("audio/speech", {"model": plan.model, "input": "A gate."})


def _recording(plan: Plan, chance: random.Random) -> Request:
    path = f"audio/{plan.operation}"
    if chance.random() < 0.5:
        file = ("gate.wav", SOUND, "audio/wav")
        return Request(path, {"model": plan.model}, {"file": file})
    sound = base64.b64encode(SOUND).decode()
    return Request(path, {"model": plan.model, "file": sound})


def _video(plan: Plan, chance: random.Random) -> Request:
    body = {"model": plan.model, "prompt": "A gate", "duration_seconds": 2}
    return Request(f"videos/generations{_awaited(chance)}", body)


def _openai_video(plan: Plan, _chance: random.Random) -> Request:
    body = {"model": plan.model, "prompt": "A gate", "seconds": "4"}
    return Request("videos", body)


def _music(plan: Plan, chance: random.Random) -> Request:
    body = {"model": plan.model, "prompt": "A gate", "duration_seconds": 10}
    return Request(f"music/generations{_awaited(chance)}", body)


def _awaited(chance: random.Random) -> str:
    """Whether the client waits for the job, as a query."""
    return "?async=false" if chance.random() < 0.3 else ""


_REQUESTS = {
    "chat": _chat,
    "stream": _chat,
    "embeddings": _embeddings,
    "images": _images,
    "edits": _edits,
    "speech": _speech,
    "transcriptions": _recording,
    "translations": _recording,
    "videos": _video,
    "openai_videos": _openai_video,
    "music": _music,
}
