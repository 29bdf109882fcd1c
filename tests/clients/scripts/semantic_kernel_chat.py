"""Microsoft's Semantic Kernel: a chat with a plugin, called by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from framework import (
    API_KEY,
    ASK,
    BASE_URL,
    LOOK,
    MODEL,
    PICTURE_URI,
    USE_TOOL,
    Town,
    tell,
    weather,
)
from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.connectors.ai import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import (
    OpenAIChatCompletion,
    OpenAIChatPromptExecutionSettings,
)
from semantic_kernel.contents import (
    ChatHistory,
    ChatMessageContent,
    ImageContent,
    TextContent,
)
from semantic_kernel.functions import kernel_function

client = AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY)
service = OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)


class Plugin:
    @kernel_function(description="Of a town.")  # type: ignore[untyped-decorator]
    def weather(self, town: str) -> str:
        return str(weather(town))


def history(text: str) -> ChatHistory:
    asked = ChatHistory()
    asked.add_user_message(text)
    return asked


async def said(asked: ChatHistory, kernel: Any = None, **options: Any) -> str:
    settings = OpenAIChatPromptExecutionSettings(**options)
    found = await service.get_chat_message_content(asked, settings, kernel=kernel)
    return str(found)


async def main() -> None:
    kernel = Kernel()
    kernel.add_plugin(Plugin(), "town")
    settings = OpenAIChatPromptExecutionSettings()
    pieces = service.get_streaming_chat_message_content(history(ASK), settings)
    look = ChatHistory()
    items: list[Any] = [TextContent(text=LOOK), ImageContent(data_uri=PICTURE_URI)]
    look.add_message(ChatMessageContent(role="user", items=items))
    tell(
        plain=await said(history(ASK)),
        stream="".join([str(piece) async for piece in pieces]),
        tool=await said(
            history(USE_TOOL),
            kernel,
            function_choice_behavior=FunctionChoiceBehavior.Auto(),
        ),
        structured=Town.model_validate_json(
            await said(history(ASK), response_format=Town)
        ),
        image=await said(look),
    )


asyncio.run(main())
