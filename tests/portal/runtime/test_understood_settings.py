"""Values that people write otherwise than we do, and that are understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portal.runtime import variables
from tests.support.portal.started import Start

UNDERSTOOD = [
    ("SECRET_KEY", "$ecret-and-literally-so", "$ecret-and-literally-so"),
    ("SECRET_KEY", "a$b", "a$b"),
    ("UPSTREAM_API_KEY", "  sk-12345678 ", "sk-12345678"),
    ("PORT", "", 8000),
    ("PORT", " 9000 ", 9000),
    ("DEBUG", "On", True),
    ("LOG_LEVEL", "warning", "WARNING"),
    ("HOST", "[::1]", "::1"),
    ("HOST", "Localhost", "localhost"),
    ("ALLOWED_HOSTS", "a, B.example.com ,", ["a", "b.example.com", "127.0.0.1"]),
    ("ALLOWED_HOSTS", "::1", ["[::1]", "127.0.0.1"]),
    ("PUBLIC_URL", "HTTPS://AI.Example.com:443/", "https://ai.example.com"),
    ("PUBLIC_URL", "https://bücher.example", "https://xn--bcher-kva.example"),
    ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
    ("PUBLIC_URL", "https://example.com/tollgate/", "https://example.com/tollgate"),
    ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", ["10.0.0.0/8", "::1/128"]),
    ("UPSTREAM_BASE_URL", "", "http://127.0.0.1:8001/api/v1"),
]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    return Start(monkeypatch, tmp_path)


@pytest.mark.parametrize(("name", "value", "meaning"), UNDERSTOOD)
def test_a_value_is_understood(
    start: Start, name: str, value: str, meaning: Any
) -> None:
    # Long enough for every address.
    more = {"SECRET_KEY": "7hqZ-Kd02mVx81LwPt5RzYc3NbUa9GfE"} | {name: value}
    assert start(**more)[name] == meaning


def test_a_public_url_is_taken_apart(start: Start) -> None:
    found = start(
        PUBLIC_URL="https://AI.example.com:8443/a/b/",
        SECRET_KEY="7hqZ-Kd02mVx81LwPt5RzYc3NbUa9GfE",
    )
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://ai.example.com:8443"]
    assert found["ALLOWED_HOSTS"][-1] == "ai.example.com"
    assert found["SESSION_COOKIE_PATH"] == "/a/b/"
    assert found["STATIC_URL"] == "/a/b/static/"
    assert found["FORCE_SCRIPT_NAME"] == "/a/b"
    assert found["SECURE_HSTS_SECONDS"] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost"])  # noqa: S104
def test_the_default_public_url_can_be_opened(start: Start, host: str) -> None:
    url = start(HOST=host)["PUBLIC_URL"]
    assert url in {
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "http://localhost:8000",
    }


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("PORT=9000\n# a word\n\nexport HOST=::1\n", []),
        ("\ufeffPORT=9000\n", ["line 1"]),
        ("PORT = 9000\n", ["line 1"]),
        ("HOST=::1\nPORT: 9000\n", ["line 2"]),
        ("UPSTREAM_API_KAY=x\n", ["UPSTREAM_API_KEY"]),
        ("UPSTREAM_RETRIES=3\n", ["UPSTREAM_RETRIES"]),
        ("upstream_api_key=12345678\n", ["UPSTREAM_API_KEY"]),
        ("OPENAI_API_KEY=x\nPGDATA=/x\n", []),
    ],
)
def test_a_file_is_read_whole_or_refused(
    tmp_path: Path, text: str, wrong: list[str]
) -> None:
    file = tmp_path / ".env"
    file.write_text(text, encoding="utf-8")
    env = variables.Env({})
    env.read_file(file)
    for name in ("HOST", "UPSTREAM_API_KEY"):
        env.str(name, default="")
    env.int("PORT", default=8000)
    try:
        env.refuse()
        found = []
    except variables.Refused as refused:
        found = refused.wrong
    assert len(found) == len(wrong)
    assert all(mark in line for mark, line in zip(wrong, found, strict=True))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
    for path in (tmp_path / ".env", tmp_path):
        env = variables.Env({})
        env.read_file(path)
        assert len(env.wrong) == 1
    env = variables.Env({})
    env.read_file(tmp_path / "missing")
    assert not env.wrong


def test_variables_of_others_are_left_alone(start: Start) -> None:
    found = start(
        STRIPE_API_KEY="x",
        AWS_SECRET_KEY="x",
        GATEWAY_SERVICE_HOST="10.0.0.1",
        REDIS_PORT="tcp://10.0.0.1:6379",
        UPSTREAM_RETRIES="3",
    )
    assert [each.name for each in found["UNKNOWN_VARIABLES"]] == ["UPSTREAM_RETRIES"]
