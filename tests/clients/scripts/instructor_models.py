"""Instructor, which makes objects of answers by calls of tools."""

from __future__ import annotations

from typing import Any

import instructor
import openai
from framework import ASK, LOOK, MODEL, PICTURE_URI, Town, tell

client = instructor.from_openai(openai.OpenAI())
completions: Any = client.chat.completions


def asked(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


last = None
for partial in completions.create_partial(
    model=MODEL, messages=asked(ASK), response_model=Town
):
    last = partial
town = completions.create(model=MODEL, messages=asked(ASK), response_model=Town)
picture = instructor.Image.from_base64(PICTURE_URI)
tell(
    stream_structured=last.model_dump() if last else None,
    structured=town,
    image_structured=completions.create(
        model=MODEL, messages=asked([LOOK, picture]), response_model=Town
    ).model_dump(),
    plain=completions.create(model=MODEL, messages=asked(ASK), response_model=None)
    .choices[0]
    .message.content,
)
