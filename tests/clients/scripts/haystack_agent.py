"""Haystack's generator and agent."""

from __future__ import annotations

import base64
from typing import Any

from framework import ASK, LOOK, MODEL, PICTURE, USE_TOOL, Town, tell, weather
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, ImageContent
from haystack.tools import create_tool_from_function

generator = OpenAIChatGenerator(model=MODEL)
pieces: list[str] = []


def said(*messages: ChatMessage, **options: Any) -> str:
    return str(generator.run([*messages], **options)["replies"][0].text)


agent = Agent(chat_generator=generator, tools=[create_tool_from_function(weather)])
tool = agent.run(messages=[ChatMessage.from_user(USE_TOOL)])["messages"]
picture = ImageContent(base64.b64encode(PICTURE).decode(), mime_type="image/png")
said(
    ChatMessage.from_user(ASK),
    streaming_callback=lambda chunk: pieces.append(chunk.content),
)
structured = said(
    ChatMessage.from_user(ASK), generation_kwargs={"response_format": Town}
)
tell(
    plain=said(ChatMessage.from_user(ASK)),
    stream="".join(pieces),
    tool=tool[-1].text,
    again=said(*tool, ChatMessage.from_user(ASK)),
    structured=Town.model_validate_json(structured),
    image=said(ChatMessage.from_user(content_parts=[LOOK, picture])),
)
