"""LangChain's agent, which is a LangGraph, with its ChatOpenAI."""

from __future__ import annotations

from typing import Any

from framework import ASK, LOOK, MODEL, PICTURE_URI, USE_TOOL, Town, tell, weather
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]

model = ChatOpenAI(model=MODEL)
agent: Any = create_agent(model, [weather])


def said(messages: Any) -> str:
    return str(agent.invoke({"messages": messages})["messages"][-1].content)


def streamed() -> str:
    chunks = agent.stream({"messages": [("user", ASK)]}, stream_mode="messages")
    return "".join(chunk.content for chunk, _ in chunks)


parts = [
    {"type": "text", "text": LOOK},
    {"type": "image_url", "image_url": {"url": PICTURE_URI}},
]
tool = agent.invoke({"messages": [("user", USE_TOOL)]})["messages"]
tell(
    plain=said([("user", ASK)]),
    stream=streamed(),
    tool=tool[-1].content,
    again=said([*tool, ("user", ASK)]),
    structured=model.with_structured_output(Town).invoke(ASK),
    image=said([{"role": "user", "content": parts}]),
)
