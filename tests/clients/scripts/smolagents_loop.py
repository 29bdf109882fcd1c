"""Hugging Face's smolagents: an agent that calls tools, and its model."""

from __future__ import annotations

import io
import json
from typing import Any

from framework import ASK, LOOK, MODEL, PICTURE, USE_TOOL, Town, tell, weather
from PIL import Image
from smolagents import OpenAIServerModel, ToolCallingAgent
from smolagents import tool as as_tool

model = OpenAIServerModel(model_id=MODEL)
agent = ToolCallingAgent(tools=[as_tool(weather)], model=model, max_steps=1)


def asked(*content: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": [*content]}]


text = {"type": "text", "text": ASK}
form = {
    "type": "json_schema",
    "json_schema": {"name": "town", "schema": Town.model_json_schema()},
}
structured = model.generate(asked(text), response_format=form).content
picture = {"type": "image", "image": Image.open(io.BytesIO(PICTURE))}
tell(
    plain=model.generate(asked(text)).content,
    stream="".join(delta.content or "" for delta in model.generate_stream(asked(text))),
    tool=str(agent.run(USE_TOOL)),
    structured=json.loads(str(structured)),
    image=model.generate(asked({"type": "text", "text": LOOK}, picture)).content,
)
