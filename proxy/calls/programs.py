"""Which program calls, by its User-Agent: by the name that people know it by.

A program may call itself what it likes, and a random name with every call would make a
row of sums with every call: of names that are not in the table, an organization has so
many a day and process, and the rest are `OTHER`.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import NamedTuple

from billing.models.caller import CLIENT_MAX, VERSION_MAX

OTHER = "other"
UNKNOWN_MAX, UNKNOWN_SECONDS = 20, 86_400
ORGANIZATIONS_MAX = 10_000
READ_MAX = 512  # characters: what is behind them names no program


class Program(NamedTuple):
    """Its name and version, either "" where nobody says."""

    name: str = ""
    version: str = ""
    is_known: bool = True


# The name that people know → the first words of its User-Agent, in small letters.
NAMES: dict[str, tuple[str, ...]] = {
    # SDKs and frameworks
    "openai-python": ("openai/python", "asyncopenai/python", "openai-python"),
    "openai-node": ("openai/js", "openai-node"),
    "openai-go": ("openai/go",),
    "openai-java": ("openai/java", "openai/kotlin"),
    "openai-ruby": ("openai/ruby", "openai::client/ruby"),
    "openai-dotnet": ("openai/.net",),
    "azure-openai-python": ("azureopenai/python", "asyncazureopenai/python"),
    "azure-openai-node": ("azureopenai/js",),
    "AI SDK": ("ai", "ai-sdk", "@ai-sdk"),
    "LangChain": ("langchain", "langchain-partner-python-azure-openai"),
    "LangChain.js": ("langchainjs", "langchainjs-openai", "langchainjs-azure-openai"),
    "LlamaIndex": ("llamaindex", "llama-index", "llama_index"),
    "LiteLLM": ("litellm",),
    "Pydantic AI": ("pydantic-ai",),
    "CrewAI": ("crewai",),
    "Haystack": ("haystack",),
    "Semantic Kernel": ("semantic-kernel",),
    # programs that write code
    "Claude Code": ("claude-cli", "claude-code"),
    "Codex": ("codex_cli_rs", "codex-cli", "codex-tui", "codex_exec", "codex"),
    "Codex for VS Code": ("codex_vscode",),
    "Cursor": ("cursor",),
    "Cline": ("cline",),
    "Roo Code": ("roocode", "roo-code", "roo-cline"),
    "Kilo Code": ("kilocode", "kilo-code"),
    "opencode": ("opencode",),
    "aider": ("aider",),
    "Continue": ("continue", "continuedev"),
    "Zed": ("zed",),
    "goose": ("goose",),
    "Gemini CLI": ("geminicli", "gemini-cli"),
    "GitHub Copilot Chat": ("githubcopilotchat",),
    "OpenHands": ("openhands",),
    "Windsurf": ("windsurf",),
    # programs to talk with, and to automate
    "Open WebUI": ("open-webui", "openwebui"),
    "LibreChat": ("librechat",),
    "Cherry Studio": ("cherrystudio",),
    "n8n": ("n8n",),
    "Postman": ("postmanruntime",),
    "Insomnia": ("insomnia",),
    "HTTPie": ("httpie",),
    "Bruno": ("bruno-runtime",),
    # what sends requests and says no more
    "curl": ("curl", "libcurl"),
    "Wget": ("wget",),
    "requests": ("python-requests",),
    "httpx": ("python-httpx",),
    "urllib": ("python-urllib",),
    "aiohttp": ("aiohttp",),
    "axios": ("axios",),
    "node": ("node", "undici", "node-fetch", "node.js"),
    "Bun": ("bun",),
    "Deno": ("deno",),
    "Go": ("go-http-client",),
    "OkHttp": ("okhttp",),
    "Java": ("java-http-client", "java"),
    "Apache HttpClient": ("apache-httpclient",),
    "reqwest": ("reqwest",),
    "Ruby": ("ruby",),
    "Guzzle": ("guzzlehttp",),
}
KNOWN = {word: name for name, words in NAMES.items() for word in words}

# Words of a User-Agent: name[/…/version], and Stainless's "OpenAI/Python 2.54.0".
_SDK = re.compile(r"([A-Za-z:]+/[A-Za-z.]+) (\d\S*)")
_WORD = re.compile(r"(@?[A-Za-z][A-Za-z0-9._+-]*)(?:/(\S+))?")
_COMMENT = re.compile(r"\([^()]*\)")
_VERSION = re.compile(r"v?(\d[A-Za-z0-9.+_-]*)")


@lru_cache(maxsize=1024)
def read(user_agent: str) -> Program:
    """The program that a User-Agent names: by its first word, behind which others tell
    what the program is built on. A browser's words are many, and a program that is
    built on one is a word that is known."""
    text = _COMMENT.sub(" ", user_agent[:READ_MAX]).strip()
    if not text:
        return Program()
    sdk = _SDK.match(text)
    if sdk and (name := KNOWN.get(sdk[1].lower())):
        return Program(name, _version(sdk[2]))
    words = [_WORD.fullmatch(each) for each in text.split()]
    is_browser = text.startswith("Mozilla/")
    for found in words:
        word, rest = found.groups("") if found else ("", "")
        if name := KNOWN.get(word.lower()):
            return Program(name, _version(rest.rpartition("/")[2]))
        if is_browser or word.lower() == "python":
            continue
        if not word or len(word) > CLIENT_MAX:
            return Program(OTHER)
        return Program(word, _version(rest.rpartition("/")[2]), is_known=False)
    return Program("browser" if is_browser else "Python")


def _version(text: str) -> str:
    found = _VERSION.match(text)
    return found[1][:VERSION_MAX] if found else ""


class Programs:
    """The unknown names that organizations' calls have had in the last day."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, set[str]]] = {}

    def bounded(self, account_id: int, program: Program) -> Program:
        """The program, or `OTHER` for one name too many."""
        if program.is_known:
            return program
        until, names = self._seen.get(account_id, (0.0, set()))
        if until < time.monotonic():
            self._seen.pop(account_id, None)
            if len(self._seen) >= ORGANIZATIONS_MAX:
                self._seen.pop(next(iter(self._seen)))
            until, names = time.monotonic() + UNKNOWN_SECONDS, set()
            self._seen[account_id] = until, names
        if program.name not in names and len(names) >= UNKNOWN_MAX:
            return Program(OTHER)
        names.add(program.name)
        return program


programs = Programs()
