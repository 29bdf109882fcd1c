"""What the scripts of agents' frameworks have in common: what they ask, and what they
print. The sandbox calls the tool where it is asked to by its mark."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

from pydantic import BaseModel

BASE_URL, API_KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
os.environ |= {"OPENAI_BASE_URL": BASE_URL, "OPENAI_API_KEY": API_KEY}
os.environ |= {"OPENAI_API_BASE": BASE_URL, "DO_NOT_TRACK": "1"}
MODEL = "openai/gpt-4o-mini"
ASK = "Say hi."
USE_TOOL = "What is the weather? [sandbox:tool]"
LOOK = "What is this?"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA"
    "AABJRU5ErkJggg=="
)
PICTURE_URI = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"

called: list[str] = []  # what the tool was called with


class Town(BaseModel):
    """What structured answers are asked for."""

    name: str
    inhabitants: int


def weather(town: str) -> str:
    """The weather in a town.

    Args:
        town: Its name.
    """
    called.append(town)
    return "It rains."


def tell(**seen: Any) -> None:
    """Print what was seen; a structured answer as its fields."""
    town = seen.get("structured")
    if isinstance(town, BaseModel):
        seen["structured"] = town.model_dump()
    json.dump({**seen, "called": called}, sys.stdout)
