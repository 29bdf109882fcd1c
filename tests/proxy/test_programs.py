"""Which program calls: names as people know them, and never too many of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models.caller import CLIENT_MAX, SESSION_MAX, VERSION_MAX
from portal.tenants import key_format
from proxy.calls.origin import Origin, origin_of
from proxy.calls.programs import OTHER, UNKNOWN_MAX, Program, Programs, read

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name", "version"),
    [
        ("OpenAI/Python 2.54.0", "openai-python", "2.54.0"),
        ("AsyncOpenAI/Python 3.54.0", "openai-python", "3.54.0"),
        ("AsyncAzureOpenAI/Python 1.109.1", "azure-openai-python", "1.109.1"),
        ("OpenAI/JS 6.49.0", "openai-node", "6.49.0"),
        ("ai/6.0.326 ai-sdk/provider-utils/4.0.65 runtime/node.js/22", "AI SDK", ""),
        ("ai-sdk/openai-compatible/2.0.1 runtime/node.js/22", "AI SDK", "2.0.1"),
        ("langchain-partner-python-azure-openai", "LangChain", ""),
        ("langchainjs-openai/1.0.0 (node/22.1.0)", "LangChain.js", "1.0.0"),
        ("litellm/1.106.2", "LiteLLM", "1.106.2"),
        ("claude-cli/2.1.220 (external, cli)", "Claude Code", "2.1.220"),
        ("codex_cli_rs/0.144.6 (Ubuntu 22.4.0; x86_64) xterm", "Codex", "0.144.6"),
        ("codex-tui/0.142.0-alpha.10 (Mac OS 13)", "Codex", "0.142.0-alpha.10"),
        ("Cursor/1.7.3", "Cursor", "1.7.3"),
        ("opencode/1.2 ai-sdk/openai/3.0.1", "opencode", "1.2"),
        ("curl/8.5.0", "curl", "8.5.0"),
        ("python-httpx/0.28.1", "httpx", "0.28.1"),
        ("Python/3.11 aiohttp/3.9.5", "aiohttp", "3.9.5"),
        ("Go-http-client/2.0", "Go", "2.0"),
        (f"{CHROME} CherryStudio/1.5.1 Chrome/126.0 Electron/31", "Cherry Studio", ""),
        (f"{CHROME} Chrome/126.0 Safari/537.36", "browser", ""),
        ("acme-bot/1.4 python-httpx/0.28.1", "acme-bot", "1.4"),
        ("acme-bot/v1.4", "acme-bot", "1.4"),
        ("acme-bot/nightly", "acme-bot", ""),
        ("Acme/Python 1.2", "Acme", ""),
        ("", "", ""),
        ("   ", "", ""),
        ("(a comment)", "", ""),
        ("?", OTHER, ""),
        ("<script>alert(1)</script>", OTHER, ""),
        ("=HYPERLINK(1)", OTHER, ""),
        ("x" * 65, OTHER, ""),
        ("x" * 64, "x" * 64, ""),
    ],
)
def test_a_program_is_called_as_people_call_it(
    user_agent: str, name: str, version: str
) -> None:
    program = read(user_agent)
    assert program.name == name
    assert program.version == version or not version


@given(st.text(max_size=700))
def test_whatever_is_sent_is_a_short_harmless_name(user_agent: str) -> None:
    program = read(user_agent)
    assert len(program.name) <= CLIENT_MAX
    assert len(program.version) <= VERSION_MAX
    for text in (program.name, program.version):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set("<>&\"'=/\\,;")


def test_an_organization_has_so_many_unknown_names_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs, now = Programs(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    names = [f"bot-{number}" for number in range(UNKNOWN_MAX + 5)]
    for _ in range(2):
        found = [programs.bounded(1, read(name)).name for name in names]
        assert found == [*names[:UNKNOWN_MAX], *[OTHER] * 5]
    # Known ones go on, and so do other organizations.
    assert programs.bounded(1, read("curl/8")) == Program("curl", "8")
    assert programs.bounded(2, read(names[-1])).name == names[-1]

    now += 86_401
    assert programs.bounded(1, read(names[-1])).name == names[-1]


def origin(user_agent: str = "curl/8", session: str | None = None) -> Origin:
    sent = {} if session is None else {"HTTP_X_SESSION_ID": session}
    return origin_of({"HTTP_USER_AGENT": user_agent, **sent}, 1)


@pytest.mark.parametrize(
    ("session", "kept"),
    [
        (None, ""),
        ("", ""),
        ("  run 7 ", "run 7"),
        ("a" * SESSION_MAX, "a" * SESSION_MAX),
        ("nightly: 2026-11-27 #3", "nightly: 2026-11-27 #3"),
    ],
)
def test_a_session_is_kept_as_it_is_called(session: str | None, kept: str) -> None:
    assert origin(session=session) == Origin("curl", "8", kept, ())


@pytest.mark.parametrize(
    "session",
    [
        "a" * (SESSION_MAX + 1),
        "tab\there",
        "nul\0",
        "snow \u00e2\u0098\u0083",  # UTF-8, as it arrives
        pytest.param(f"key {key_format.generate()}", id="a key"),
        "sk-proj-0123456789abcdefXYZ",
        "Bearer abc",
    ],
)
def test_what_is_no_label_is_dropped_and_said(session: str) -> None:
    assert origin(session=session) == Origin("curl", "8", "", ("x-session-id",))


def test_a_key_in_the_user_agent_is_not_kept() -> None:
    assert origin(f"bot {key_format.generate()}").client == OTHER
    assert origin(key_format.generate()).client == OTHER
    assert origin("bot/1 \u00e9").client == OTHER


def test_without_a_user_agent_there_is_no_name() -> None:
    assert origin_of({}, 1) == Origin()
