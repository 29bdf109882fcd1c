"""A table of bad values: each is refused by its name, with what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_django import Settings

from portal.runtime import production
from portal.runtime.variables import Refused
from tests.support.portal.started import Start
from tests.support.services.commands import manage

PUBLIC = {
    "PUBLIC_URL": "https://ai.example.com",
    "SECRET_KEY": "7hqZ-Kd02mVx81LwPt5RzYc3NbUa9GfE",
}
POSTGRES = "postgres://u:p@db/n"
OIDC = {
    "OIDC_ISSUER": "http://login.example.com",
    "OIDC_CLIENT_ID": "tollgate",
    "OIDC_CLIENT_SECRET": "not-so-secret",
}

# variable, value, what the message says besides the variable's name
ALONE = [
    ("PORT", "abc", "from 1 to 65535"),
    ("PORT", "0", "from 1 to 65535"),
    ("PORT", "65536", "from 1 to 65535"),
    ("PORT", "8000 # ours", "in digits"),
    ("PORT", "٨٠٠٠", "in digits"),
    ("PORT", "8_000", "in digits"),
    ("PORT", "'8000'", "quotes"),
    ("PORT", "tcp://10.0.0.1:8000", "in digits"),
    ("PORT", "9" * 5000, "in digits"),
    ("WEB_CONCURRENCY", "0", "from 1 to 256"),
    ("WEB_CONCURRENCY", "auto", "in digits"),
    ("UPSTREAM_TOTAL_SECONDS", "570000", "from 1 to 7200"),
    ("UPSTREAM_TOTAL_SECONDS", "10m", "in digits"),
    ("UPSTREAM_TOTAL_SECONDS", "1e3", "in digits"),
    ("UPSTREAM_TOTAL_SECONDS", "-5", "from 1"),
    ("GATEWAY_BODY_BYTES_MAX", "20MiB", "in digits"),
    ("DATABASE_POOL_MAX", "0", "from 1 to"),
    ("NOTICE_DAYS", "ninety", "in digits"),
    ("DEBUG", "maybe", "true or false"),
    ("MANUAL_TOPUPS", "ture", "true or false"),
    ("OWN_ORGANIZATIONS", "2", "true or false"),
    ("LOG_LEVEL", "verbose", "one of DEBUG"),
    ("SIGNUP", "sometimes", "one of open"),
    ("UPSTREAM_TOOLS", "drop", "one of forward"),
    ("UPSTREAM_LACKS", "logprobs,toast", "one of response_format"),
    ("CORS_ORIGINS", "app.example.com", "https://app.example.com"),
    ("CORS_ORIGINS", "https://app.example.com/a", "origin alone"),
    ("HOST", "http://127.0.0.1", "alone"),
    ("HOST", "127.0.0.1:8000", "PORT"),
    ("HOST", "256.1.1.1", "alone"),
    ("HOST", "not a name", "alone"),
    ("PUBLIC_URL", "ai.example.com", "https://ai.example.com"),
    ("PUBLIC_URL", "https:/ai.example.com", "https://ai.example.com"),
    ("PUBLIC_URL", "ftp://ai.example.com", "https://ai.example.com"),
    ("PUBLIC_URL", "https://user:pass@ai.example.com", "take out"),
    ("PUBLIC_URL", "https://ai.example.com/?a=b", "take out"),
    ("PUBLIC_URL", "https://ai.example.com:x", "is not a URL"),
    ("PUBLIC_URL", "https://ai_1.example.com", "underscore"),
    ("PUBLIC_URL", "https://ai.example.com/v1", "leave it out"),
    ("PUBLIC_URL", "https://ai.example.com/a/../b", "path"),
    ("ALLOWED_HOSTS", "https://ai.example.com", "without https://"),
    ("ALLOWED_HOSTS", "ai.example.com:443", "without a port"),
    ("ALLOWED_HOSTS", "a.example.com b.example.com", "commas"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
    ("TRUSTED_PROXIES", "nginx", "addresses and networks"),
    ("SECRET_KEY", "${SECRET}", "write the value itself"),
    ("SECRET_KEY", "$SECRET", "write the value itself"),
    ("SECRET_KEY", "one\ntwo", "line break"),
    ("UPSTREAM_BASE_URL", "api.example.com/v1", "http(s) URL"),
    ("UPSTREAM_BASE_URL", "https://key@api.example.com", "take out"),
    ("UPSTREAM_BASE_URL", "https://api.example.com", "UPSTREAM_API_KEY is not"),
    ("UPSTREAM_API_KEY", "sk-123456\n", "line break"),
    ("UPSTREAM_API_KEY", "sk-123 456", "space"),
    ("UPSTREAM_API_KEY", "Bearer sk-123456", "space"),
    ("UPSTREAM_API_KEY", "sk-123\u200b456", "not seen"),
    ("UPSTREAM_API_KEY", "sk-1", "8 characters"),
    ("UPSTREAM_API_KEY", "sk-schlüssel", "copy it again"),
    ("DATABASE_URL", "mysql://u:p@db/n", "postgres://"),
    ("DATABASE_URL", "postgres://u:p#w/d@db/n", "%23"),
    ("DATABASE_URL", "postgres://db:port/n", "%23"),
    ("DATABASE_URL", "postgres://u:p@db", "/name"),
    ("DATABASE_URL", "sqlite://tollgate.sqlite3", "sqlite:///"),
    ("DATABASE_URL", "sqlite://:memory:", "sqlite:///"),
    ("DATABASE_URL", "postgres://u:${PASSWORD}@db/n", "write the value itself"),
    ("REDIS_URL", "localhost:6379", "redis://"),
    ("REDIS_URL", "redis://localhost:6379/zero", "redis://"),
    ("REDIS_URL", "redis://:p#w@host:6379", "%23"),
    ("EMAIL_URL", "mail.example.com", "smtp+tls://"),
    ("EMAIL_URL", "smtp://mail.example.com:submission", "smtp+tls://"),
    ("EMAIL_FROM", "Tollgate", "tollgate@example.com"),
    ("OIDC_ISSUER", "login.example.com", "http(s) URL"),
    ("OIDC_CLIENT_ID", "tollgate", "OIDC_ISSUER is not"),
    ("OIDC_GROUPS", "everybody", "group=role"),
    ("WEBHOOK_TRUSTED_HOSTS", "10.0.0.7", "host:port"),
    ("WEBHOOK_TRUSTED_HOSTS", "10.0.0.7:0", "host:port"),
    ("WEBHOOK_RETRY_SECONDS", "5,soon", "5,300"),
    ("WEBHOOK_RETRY_SECONDS", ",", "5,300"),
    ("EXPORT_STORAGE_URL", "bucket/folder", "s3://"),
    ("EXPORT_STORAGE_URL", "s3:///folder", "s3://"),
    ("EXPORT_STORAGE_URL", "s3://key:secret@bucket", "own variables"),
    ("EXPORT_STORAGE_URL", "file://folder", "file:///folder"),
    ("PAYMENT_CURRENCY", "dollars", "usd"),
    ("CREDIT_PRICE", "1 cent", "0.01"),
    ("CREDIT_PACKS", "1000:10", "1000=10"),
    ("TOPUP_CREDITS_MIN", "2000000", "TOPUP_CREDITS_MAX"),
    ("STRIPE_SECRET_KEY", "pk_live_0123456789", "sk_"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_short", "24 characters"),
    ("STRIPE_API_BASE", "127.0.0.1:8002", "http(s) URL"),
    ("VAR_DIR", "/dev/null/var", "folder"),
    ("VAR_DIR", "/tmp", "inside it"),
]
# The same where others come in: what is unsafe there.
IN_PRODUCTION = [
    ({"SECRET_KEY": "a"}, "SECRET_KEY", "random characters"),
    ({"SECRET_KEY": "ab" * 40}, "SECRET_KEY", "random characters"),
    ({"DEBUG": "true"}, "DEBUG", "DEBUG=false"),
    ({"DEBUG": "true", "PUBLIC_URL": "http://10.0.0.9"}, "DEBUG", "DEBUG=false"),
    (OIDC, "OIDC_ISSUER", "https://"),
    ({"EMAIL_URL": "smtp://u:pass@mail.example.com"}, "EMAIL_URL", "smtp+tls://"),
    ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS", "PUBLIC_URL"),
    ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES", "your own proxies"),
    ({"WEB_CONCURRENCY": "8"}, "WEB_CONCURRENCY", "REDIS_URL"),
    ({"DATABASE_URL": POSTGRES, "SECRET_KEY": ""}, "SECRET_KEY", "all machines"),
    (
        {"UPSTREAM_BASE_URL": "http://10.0.0.9/v1", "UPSTREAM_API_KEY": "sk-12345"},
        "UPSTREAM_BASE_URL",
        "https://",
    ),
    ({"UPSTREAM_IDLE_SECOND": "5"}, "UPSTREAM_IDLE_SECOND ", "UPSTREAM_IDLE_SECONDS"),
    ({"DATABASE_URI": "postgres://db/x"}, "DATABASE_URI", "DATABASE_URL"),
]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    return Start(monkeypatch, tmp_path)


def is_refused(refused: Refused, name: str, cure: str) -> bool:
    """In one line each, which is short and does not hold a secret whole."""
    lines = str(refused.code).splitlines()
    assert all(len(line) < 400 for line in lines)
    return any(name in line and cure in line for line in lines)


@pytest.mark.parametrize(("name", "value", "cure"), ALONE)
def test_a_bad_value_is_refused_by_name(
    start: Start, name: str, value: str, cure: str
) -> None:
    with pytest.raises(Refused) as refused:
        start(**{name: value})
    assert is_refused(refused.value, name, cure), refused.value.code


@pytest.mark.parametrize(("variables", "name", "cure"), IN_PRODUCTION)
def test_what_is_unsafe_stops_the_start_in_production(
    start: Start, variables: dict[str, str], name: str, cure: str
) -> None:
    assert start(**PUBLIC)["PUBLIC_URL"] == PUBLIC["PUBLIC_URL"]
    with pytest.raises(Refused) as refused:
        start(**PUBLIC | variables)
    assert is_refused(refused.value, name, cure), refused.value.code
    if not name.startswith("DEBUG"):
        start(**PUBLIC | variables | {"PUBLIC_URL": "http://localhost:8000"})


@pytest.mark.parametrize("name", ["sk_test_1", "rk_test_1", "sk_live_1", ""])
def test_cards_that_cost_nothing_are_remarked_upon(
    settings: Settings, name: str
) -> None:
    settings.PUBLIC_URL, settings.DEBUG = PUBLIC["PUBLIC_URL"], False
    settings.STRIPE_SECRET_KEY, settings.USES_SANDBOX = name, False
    found = [each.id for each in production.check_safety()]
    assert ("tollgate.W021" in found) == ("test" in name)


def test_the_table_is_long_enough() -> None:
    assert len(ALONE) + len(IN_PRODUCTION) >= 60


def test_all_that_is_wrong_is_said_at_once(start: Start) -> None:
    with pytest.raises(Refused) as refused:
        start(PORT="x", DEBUG="x", UPSTREAM_API_KEY="x")
    assert len(refused.value.wrong) == 3


def test_a_secret_is_not_repeated(start: Start) -> None:
    secret = "sk-do-not-show me"
    for name in ("UPSTREAM_API_KEY", "OIDC_CLIENT_SECRET", "STRIPE_SECRET_KEY"):
        with pytest.raises(Refused) as refused:
            start(**{name: secret})
        assert "do-not" not in str(refused.value.code)
    for name in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
        with pytest.raises(Refused) as refused:
            start(**{name: f"smtps://u:{secret}@h:port/x"})
        assert "do-not" not in str(refused.value.code)


@pytest.mark.once
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SECRET_KEY": "$SECRET"}, "SECRET_KEY holds $SECRET"),
        ({"PORT": "x", "PUBLIC_URL": "x"}, "PUBLIC_URL is not an http(s) URL"),
        (
            {"PUBLIC_URL": "https://ai.example.com", "SECRET_KEY": "a"},
            "SECRET_KEY is short or simple",
        ),
    ],
)
def test_a_start_ends_without_a_trace(variables: dict[str, str], told: str) -> None:
    done = manage("serve", **variables)
    assert done.returncode == 1
    assert told in done.stderr
    assert not re.search('Traceback|File "', done.stderr + done.stdout)
