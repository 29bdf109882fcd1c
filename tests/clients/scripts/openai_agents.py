"""OpenAI's agents for Python, by their default: the responses."""

from __future__ import annotations

import asyncio
from typing import Any

from agents import Agent, Runner, function_tool, set_tracing_disabled
from framework import ASK, LOOK, MODEL, PICTURE_URI, USE_TOOL, Town, tell, weather


async def main() -> None:
    set_tracing_disabled(True)
    agent = Agent(name="plain", model=MODEL)
    with_tool = Agent(name="tool", model=MODEL, tools=[function_tool(weather)])
    plain = await Runner.run(agent, ASK)
    stream = Runner.run_streamed(agent, ASK)
    streamed = ""
    async for event in stream.stream_events():
        data: Any = getattr(event, "data", None)
        if getattr(data, "type", "") == "response.output_text.delta":
            streamed += data.delta
    tool = await Runner.run(with_tool, USE_TOOL)
    again: list[Any] = [*tool.to_input_list(), {"role": "user", "content": ASK}]
    parts = [
        {"type": "input_text", "text": LOOK},
        {"type": "input_image", "image_url": PICTURE_URI, "detail": "auto"},
    ]
    look: list[Any] = [{"role": "user", "content": parts}]
    structured = Agent(name="structured", model=MODEL, output_type=Town)
    tell(
        plain=plain.final_output,
        stream=streamed,
        tool=tool.final_output,
        again=(await Runner.run(with_tool, again)).final_output,
        structured=(await Runner.run(structured, ASK)).final_output,
        image=(await Runner.run(agent, look)).final_output,
    )


asyncio.run(main())
