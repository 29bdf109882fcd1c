"""LlamaIndex's agent and its OpenAI, which knows models by OpenAI's names only."""

from __future__ import annotations

import asyncio

from framework import (
    API_KEY,
    ASK,
    BASE_URL,
    LOOK,
    PICTURE,
    USE_TOOL,
    Town,
    tell,
    weather,
)
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai import OpenAI


async def main() -> None:
    model = OpenAI(model="gpt-4o-mini", api_base=BASE_URL, api_key=API_KEY)
    agent = FunctionAgent(tools=[weather], llm=model)
    blocks = [
        TextBlock(text=LOOK),
        ImageBlock(image=PICTURE, image_mimetype="image/png"),
    ]
    asked = [ChatMessage(role="user", content=ASK)]
    tell(
        plain=model.chat(asked).message.content,
        stream="".join(chunk.delta or "" for chunk in model.stream_chat(asked)),
        tool=str(await agent.run(USE_TOOL)),
        structured=model.structured_predict(Town, PromptTemplate(ASK)),
        image=model.chat([ChatMessage(role="user", blocks=blocks)]).message.content,
    )


asyncio.run(main())
