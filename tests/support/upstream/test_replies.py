"""Every scripted misbehaviour of a JSON reply arrives as scripted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.upstream import (
    Ending,
    Gate,
    Raw,
    ScriptedReply,
    Upstream,
    chat_json,
    error_json,
    gzipped,
    html,
    json_reply,
    redirect,
)
from tests.support.upstream.conftest import Ask
from tests.support.waiting import PATIENCE_SECONDS

# A client that gives up on the answer soon, and on nothing else.
SOON = httpx.Timeout(PATIENCE_SECONDS, read=0.2)


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        ({"credits_used": -1}, b'{"credits_used":-1}'),
        ({"credits_used": 1.5}, b'{"credits_used":1.5}'),
        ({"credits_used": "3"}, b'{"credits_used":"3"}'),
        ({"credits_used": True}, b'{"credits_used":true}'),
        ({"credits_used": 2**63}, b'{"credits_used":9223372036854775808}'),
        ({"credits_used": None}, b'{"credits_used":null}'),
        ({}, b"{}"),
        ({"credits_used": Raw(b"NaN")}, b'{"credits_used":NaN}'),
        ({"credits_used": Raw(b"1e400")}, b'{"credits_used":1e400}'),
        (Raw(b'{"credits_used":1,"credits_used":2}'), b'"credits_used":2}'),
    ],
)
def test_usage_may_be_any_nonsense(
    upstream: Upstream, ask: Ask, usage: object, written: bytes
) -> None:
    upstream.on(model="odd", reply=chat_json(credits=4, usage=usage))

    assert written in ask("odd").content
    assert upstream.total_credits() == 4


def test_usage_may_be_missing(upstream: Upstream, ask: Ask) -> None:
    upstream.on(model="odd", reply=chat_json(credits=4, usage=None))

    assert "usage" not in ask("odd").json()
    assert upstream.total_credits() == 4


def test_models_and_markers_choose_the_reply(upstream: Upstream, ask: Ask) -> None:
    upstream.on(model="m-1", reply=chat_json(text="by model"))
    upstream.on(marker="magic", reply=chat_json(text="by marker"))
    upstream.on(path="/embeddings", reply=chat_json(text="by path"))

    def said(reply: httpx.Response) -> str:
        content: str = reply.json()["choices"][0]["message"]["content"]
        return content

    assert said(ask("m-1")) == "by model"
    assert said(ask("m-1", "a magic word")) == "by marker"
    assert said(ask("m-1", route="/embeddings")) == "by path"
    assert said(ask("m-2")) == "You said: Hi"


def test_a_list_of_replies_is_used_in_turn_and_the_last_repeats(
    upstream: Upstream, ask: Ask
) -> None:
    upstream.on(model="m", reply=[error_json(503), chat_json(credits=2)])

    assert [ask("m").status_code for _ in range(3)] == [503, 200, 200]
    assert upstream.total_credits() == 4


def test_a_function_may_answer_from_the_journal_entry(
    upstream: Upstream, ask: Ask
) -> None:
    upstream.on(model="m", reply=lambda entry: chat_json(text=str(entry.body["seed"])))

    assert ask("m", seed=5).json()["choices"][0]["message"]["content"] == "5"


def test_errors_charge_only_when_told(upstream: Upstream, ask: Ask) -> None:
    refusal = error_json(429, headers={"retry-after": "2"})
    upstream.on(model="refused", reply=refusal)
    upstream.on(model="worked", reply=error_json(500, credits=9))

    assert ask("refused").headers["retry-after"] == "2"
    assert upstream.total_credits() == 0
    assert ask("worked").json()["error"]["code"] == "upstream_error"
    assert upstream.total_credits() == 9


def test_wrong_kinds_of_answers(upstream: Upstream, ask: Ask) -> None:
    upstream.on(model="html", reply=html(502))
    upstream.on(model="redirect", reply=redirect("http://127.0.0.1:9/canary"))
    upstream.on(model="gzip", reply=gzipped(chat_json(text="small")))
    upstream.on(model="text", reply=chat_json().but(content_type="text/plain"))
    upstream.on(model="huge", reply=json_reply(b'"' + b"x" * 3_000_000 + b'"'))

    assert ask("html").headers["content-type"] == "text/html"
    assert ask("redirect").headers["location"].endswith("/canary")
    assert ask("gzip").headers["content-encoding"] == "gzip"
    assert ask("text").headers["content-type"] == "text/plain"
    assert len(ask("huge").content) == 3_000_002


def test_a_delayed_reply_is_charged_before_it_is_sent(
    upstream: Upstream, ask: Ask
) -> None:
    upstream.on(model="slow", reply=chat_json(credits=2).delayed(0.2))

    started = time.monotonic()
    assert ask("slow").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_held_reply_waits_for_its_gate(
    upstream: Upstream, http: httpx.Client
) -> None:
    gate = Gate()
    upstream.on(model="held", reply=chat_json().held(gate))

    with pytest.raises(httpx.ReadTimeout):
        http.post("/chat/completions", json={"model": "held"}, timeout=SOON)
    gate.set()
    assert http.post("/chat/completions", json={"model": "held"}).status_code == 200


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (chat_json().dropped(), "dropped"),
        (chat_json().dropped(Ending.RESET), "dropped"),
        (chat_json().cut_after_bytes(0), "cut"),
        (chat_json().cut_after_bytes(20), "cut"),
    ],
)
def test_the_connection_closes_too_early(
    upstream: Upstream, ask: Ask, reply: ScriptedReply, state: str
) -> None:
    upstream.on(model="bad", reply=reply)

    with pytest.raises(httpx.TransportError):
        ask("bad")
    [entry] = upstream.journal.wait_finished()
    assert entry.state == state


def test_a_stalled_reply_ends_when_the_client_gives_up(
    upstream: Upstream, http: httpx.Client
) -> None:
    upstream.on(model="stuck", reply=chat_json().dropped(Ending.STALL))

    with pytest.raises(httpx.ReadTimeout):
        http.post("/chat/completions", json={"model": "stuck"}, timeout=SOON)
    [entry] = upstream.journal.wait_finished()
    assert entry.state == "client_gone"


def test_a_reset_ends_replies_under_way(upstream: Upstream, ask: Ask) -> None:
    upstream.on(model="stuck", reply=chat_json().dropped(Ending.STALL))
    with ThreadPoolExecutor() as pool:
        call = pool.submit(ask, "stuck")
        upstream.journal.wait_until(
            lambda all_: any(e.state == "stalled" for e in all_)
        )
        upstream.reset()
        assert isinstance(call.exception(PATIENCE_SECONDS), httpx.TransportError)

    assert len(upstream.journal) == 0
    assert ask("stuck").status_code == 200
