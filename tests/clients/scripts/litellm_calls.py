"""LiteLLM as a library, told that the gateway speaks OpenAI's language."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from typing import Any

# Else it asks the internet for prices of models.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # type: ignore[import-not-found]

litellm.telemetry = False
litellm.suppress_debug_info = True
where = {"api_base": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"]}
messages = [{"role": "user", "content": "Say hi."}]
seen: dict[str, Any] = {"version": metadata.version("litellm")}

chat = litellm.completion(
    model="openai/chat", messages=messages, max_tokens=100, **where
)
seen["chat"] = {
    "text": chat.choices[0].message.content,
    "tokens": chat.usage.total_tokens,
    "credits": chat.usage.credits_used,
}

stream = litellm.completion(
    model="openai/stream",
    messages=messages,
    stream=True,
    stream_options={"include_usage": True},
    **where,
)
text, tokens = "", None
for chunk in stream:
    text += "".join(choice.delta.content or "" for choice in chunk.choices)
    usage = getattr(chunk, "usage", None)
    tokens = usage.total_tokens if usage else tokens
seen["stream"] = {"text": text, "tokens": tokens}

vectors = litellm.embedding(model="openai/embed", input=["Ahoy", "there"], **where)
seen["embeddings"] = [item["embedding"] for item in vectors.data]

try:
    poor = {**where, "api_key": os.environ["POOR_API_KEY"]}
    litellm.completion(model="openai/chat", messages=messages, **poor)
except litellm.exceptions.APIError as error:
    seen["error"] = {
        "class": type(error).__name__,
        "status": error.status_code,
        "message": str(error),
    }

json.dump(seen, sys.stdout)
