"""LangChain's ChatOpenAI and OpenAIEmbeddings with another base_url."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from typing import Any

import openai
from langchain_openai import (  # type: ignore[import-not-found]
    ChatOpenAI,
    OpenAIEmbeddings,
)

base_url, api_key = os.environ["BASE_URL"], os.environ["API_KEY"]
where = {"base_url": base_url, "api_key": api_key}
seen: dict[str, Any] = {"version": metadata.version("langchain-openai")}

said = ChatOpenAI(model="chat", max_tokens=100, **where).invoke("Say hi.")
seen["chat"] = {
    "text": said.content,
    "tokens": said.usage_metadata["total_tokens"],
    "credits": said.response_metadata["token_usage"]["credits_used"],
}

pieces = list(ChatOpenAI(model="stream", stream_usage=True, **where).stream("Say hi."))
usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
seen["stream"] = {
    "text": "".join(piece.content for piece in pieces),
    "tokens": usage[-1]["total_tokens"],
}

embeddings = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **where)
seen["embeddings"] = embeddings.embed_documents(["Ahoy", "there"])

try:
    poor = {**where, "api_key": os.environ["POOR_API_KEY"]}
    ChatOpenAI(model="chat", **poor).invoke("Say hi.")
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
