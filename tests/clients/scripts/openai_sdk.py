"""The openai package, as people use it; the same lines for 1.x, 2.x and 3.x."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])
poor = client.with_options(api_key=os.environ["POOR_API_KEY"])
messages: list[Any] = [{"role": "user", "content": "Say hi."}]
seen: dict[str, Any] = {"version": openai.__version__}

chat = client.chat.completions.create(
    model="chat", messages=messages, max_completion_tokens=100
)
assert chat.usage
seen["chat"] = {
    "text": chat.choices[0].message.content,
    "tokens": chat.usage.total_tokens,
    "credits": (chat.usage.model_extra or {})["credits_used"],
}

stream = client.chat.completions.create(
    model="stream",
    messages=messages,
    stream=True,
    stream_options={"include_usage": True},
)
pieces, last = [], None
for chunk in stream:
    pieces += [choice.delta.content or "" for choice in chunk.choices]
    last = chunk
assert last is not None
assert last.usage
seen["stream"] = {
    "text": "".join(pieces),
    "tokens": last.usage.total_tokens,
    "credits": (last.usage.model_extra or {})["credits_used"],
}

vectors = client.embeddings.create(model="embed", input=["Ahoy", "there"])
seen["embeddings"] = [item.embedding for item in vectors.data]

seen["models"] = [model.id for model in client.models.list()]
seen["model"] = client.models.retrieve("openai/gpt-4o").id

try:
    poor.chat.completions.create(model="chat", messages=messages)
except openai.APIStatusError as error:
    seen["error"] = {
        "class": type(error).__name__,
        "status": error.status_code,
        "code": error.code,
        "type": error.type,
        "message": str(error),
        "tries": 1 + int(error.response.request.headers["x-stainless-retry-count"]),
    }

json.dump(seen, sys.stdout)
