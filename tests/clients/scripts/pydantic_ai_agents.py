"""Pydantic AI by its default for OpenAI: the responses."""

from __future__ import annotations

import asyncio

from framework import ASK, LOOK, MODEL, PICTURE, USE_TOOL, Town, tell, weather
from pydantic_ai import Agent, BinaryContent


async def main() -> None:
    name = f"openai:{MODEL}"
    agent = Agent(name)
    plain = await agent.run(ASK)
    async with agent.run_stream(ASK) as stream:
        streamed = [text async for text in stream.stream_text(delta=True)]
    tool = await Agent(name, tools=[weather]).run(USE_TOOL)
    again = await agent.run(ASK, message_history=tool.all_messages())
    structured = await Agent(name, output_type=Town).run(ASK)
    picture = BinaryContent(PICTURE, media_type="image/png")
    tell(
        plain=plain.output,
        stream="".join(streamed),
        tool=tool.output,
        again=again.output,
        structured=structured.output,
        image=(await agent.run([LOOK, picture])).output,
    )


asyncio.run(main())
