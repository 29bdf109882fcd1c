"""How to use a key, filled in: as people paste it into a shell, a file or a program."""

from __future__ import annotations

import re
from dataclasses import dataclass

from billing.pricing import tariffs
from billing.values import patterns
from portal.models import ApiKey
from portal.tenants import rules

# What goes into a shell and into programs without any quoting.
HARMLESS = re.compile(r"[A-Za-z0-9._:/@+-]{1,200}")
CHAT = "chat.completions"
USUAL = "openai/gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Tab:
    """One snippet; `name` is in ids, `file` says where it goes."""

    name: str
    label: str
    code: str
    file: str = ""


def model_for(key: ApiKey) -> str:
    """A model that the key may chat with, "" if it may not chat at all, or nobody can
    say with which."""
    levels = rules.of_key(key, [key.spender])
    if any(level.operations and CHAT not in level.operations for level in levels):
        return ""
    lists = [level.models for level in levels if level.models]
    priced = [row.model for row in tariffs.current() if row.operation == CHAT]
    named = [model for model in priced if "*" not in model]
    literal = [each for models in lists for each in models if "*" not in each]
    for model in (USUAL, *sorted(named), *literal):
        if HARMLESS.fullmatch(model) and all(
            patterns.matches(models, model) for models in lists
        ):
            return model
    return ""


def tabs(base_url: str, secret: str, model: str) -> list[Tab]:
    """In the order of who needs them most."""
    values = {"base_url": base_url, "secret": secret, "model": model or USUAL}
    return [
        Tab(name, label, _filled(code, values), file)
        for name, label, code, file in SNIPPETS
    ]


def _filled(code: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        code = code.replace(f"<{name}>", value)
    return code.strip("\n")


CURL = """
curl <base_url>/chat/completions \\
  -H "Authorization: Bearer <secret>" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "<model>", "messages": [{"role": "user", "content": "Hello"}]}'
"""
ENV = """
OPENAI_BASE_URL=<base_url>
OPENAI_API_KEY=<secret>
"""
PYTHON = """
from openai import OpenAI

client = OpenAI(
    base_url="<base_url>",
    api_key="<secret>",
)
answer = client.chat.completions.create(
    model="<model>",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
"""
JAVASCRIPT = """
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "<base_url>",
  apiKey: "<secret>",
});
const answer = await client.chat.completions.create({
  model: "<model>",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);
"""
LANGCHAIN = """
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="<base_url>",
    api_key="<secret>",
    model="<model>",
)
print(model.invoke("Hello").content)
"""
LITELLM = """
import litellm

answer = litellm.completion(
    model="openai/<model>",
    api_base="<base_url>",
    api_key="<secret>",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
"""
AI_SDK = """
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

const tollgate = createOpenAICompatible({
  name: "tollgate",
  baseURL: "<base_url>",
  apiKey: "<secret>",
});
const { text } = await generateText({ model: tollgate("<model>"), prompt: "Hello" });
console.log(text);
"""
SNIPPETS = (
    ("curl", "curl", CURL, ""),
    ("env", ".env", ENV, "Most OpenAI SDKs and tools read these two."),
    ("python", "Python", PYTHON, "pip install openai"),
    ("js", "JavaScript", JAVASCRIPT, "npm install openai"),
    ("langchain", "LangChain", LANGCHAIN, "pip install langchain-openai"),
    ("litellm", "LiteLLM", LITELLM, "pip install litellm"),
    ("ai-sdk", "AI SDK", AI_SDK, "npm install ai @ai-sdk/openai-compatible"),
)
