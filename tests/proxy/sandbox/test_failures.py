"""Failures on demand do what their table says, to every kind of call."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from proxy.sandbox import answers, chat, errors, failures, tokens
from tests.support.sandbox.server import Sandbox, wait_until

CALLS = {
    "chat": ("/chat/completions", "messages"),
    "embeddings": ("/embeddings", "input"),
    "images": ("/images/generations", "prompt"),
    "edits": ("/images/edits", "prompt"),
    "videos at once": ("/videos/generations?async=false", "prompt"),
    "speech": ("/audio/speech", "input"),
    "transcriptions": ("/audio/transcriptions", "prompt"),
    "music as a job": ("/music/generations", "prompt"),
}
AT_ONCE = [name for name in CALLS if name != "music as a job"]
VIDEO = "/videos/generations"


def call(sandbox: Sandbox, name: str, mark: str, **more: Any) -> httpx.Response:
    path, field = CALLS[name]
    text = f"Waves [sandbox:{mark}]"
    fields: dict[str, Any] = {field: text}
    if field == "messages":
        fields = {"messages": [{"role": "user", "content": text}]}
    if "edits" in path:
        fields["image"] = "https://example.org/a.png"
    if "transcriptions" in path:
        fields["file"] = "https://example.org/a.mp3"
    return sandbox.post(path, **fields, **more)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("mark", "status", "code"),
    [
        ("500", 500, "internal_error"),
        ("503", 503, "overloaded"),
        ("429", 429, "rate_limit_exceeded"),
        ("refuse", 400, "content_policy_violation"),
        ("nonsense", 400, "invalid_request"),
    ],
)
def test_a_refusal_is_not_charged(
    sandbox: Sandbox, name: str, mark: str, status: int, code: str
) -> None:
    before = sandbox.journal()["count"]
    reply = call(sandbox, name, mark)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.headers.get("retry-after") == ("1" if status == 429 else None)
    assert sandbox.journal()["count"] == before


@pytest.mark.parametrize("name", CALLS)
def test_a_call_can_be_charged_and_then_fail(sandbox: Sandbox, name: str) -> None:
    before = sandbox.journal()["count"]
    reply = call(sandbox, name, "charge-then-500")
    assert reply.status_code == 500
    assert sandbox.charge(reply)["credits"] > 0
    assert sandbox.journal()["count"] == before + 1


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_call_can_be_charged_and_not_say_so(sandbox: Sandbox, name: str) -> None:
    reply = call(sandbox, name, "no-usage")
    assert reply.status_code == 200
    assert "usage" not in reply.json()
    assert sandbox.charge(reply)["credits"] > 0


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_connection_can_be_dropped_after_the_charge(
    sandbox: Sandbox, name: str
) -> None:
    before = sandbox.journal()["count"]
    with pytest.raises(httpx.RemoteProtocolError):
        call(sandbox, name, "cut")
    assert sandbox.journal()["count"] == before + 1


def test_a_cut_submission_starts_its_job(sandbox: Sandbox) -> None:
    before = sandbox.journal()["count"]
    with pytest.raises(httpx.RemoteProtocolError):
        call(sandbox, "music as a job", "cut")
    wait_until(lambda: sandbox.journal()["count"] == before + 1)


def test_a_stream_is_cut_in_the_middle_and_charged_for_that(sandbox: Sandbox) -> None:
    messages = [{"role": "user", "content": "[sandbox:cut]"}]
    answer = answers.write("openai/gpt-4o-mini", messages, index=0)
    before = sandbox.journal()["count"]
    parts: list[str] = []
    with pytest.raises(httpx.RemoteProtocolError):
        read_stream(sandbox, messages, parts)
    text = "".join(parts)
    assert text.count("data: ") > 1
    assert "[DONE]" not in text
    [entry] = sandbox.journal(since=before)["entries"]
    assert entry["cut"] is True
    half = tokens.count(answer) // 2
    assert half <= entry["completion_tokens"] < half + 2 * chat.CHUNK_TOKENS


def read_stream(
    sandbox: Sandbox, messages: list[dict[str, str]], parts: list[str]
) -> None:
    fields = {"messages": messages, "stream": True}
    with (
        sandbox.http() as client,
        client.stream("POST", "/chat/completions", json=fields) as reply,
    ):
        parts.extend(reply.iter_text())


def test_marks_in_the_history_of_a_chat_switch_nothing(sandbox: Sandbox) -> None:
    history = [
        {"role": "user", "content": "[sandbox:500]"},
        {"role": "assistant", "content": "[sandbox:503]"},
    ]
    messages = [*history, {"role": "user", "content": "And now?"}]
    assert sandbox.chat(messages=messages).status_code == 200
    assert sandbox.chat(messages=history).status_code == 500


def test_a_stream_can_keep_its_usage_to_itself(sandbox: Sandbox) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    plain = call(sandbox, "chat", "slow=0", **options)
    silent = call(sandbox, "chat", "no-usage", **options)
    assert "credits_used" in plain.text
    assert "credits_used" not in silent.text
    assert silent.text.endswith("data: [DONE]\n\n")
    assert sandbox.charge(silent)["credits"] > 0


def test_a_call_can_be_slow(sandbox: Sandbox) -> None:
    begin = time.monotonic()
    assert call(sandbox, "images", "slow=0.3").status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_a_transcription_reads_marks_in_its_url_and_language(sandbox: Sandbox) -> None:
    path, url = "/audio/transcriptions", "https://example.org/a.mp3"
    assert sandbox.post(path, file=f"{url}?[sandbox:503]").status_code == 503
    assert sandbox.post(path, file=url, language="[sandbox:503]").status_code == 503
    slow = sandbox.post(path, file=url, language="[sandbox:slow=0]").json()
    assert slow["language"] == "en"
    assert sandbox.post(path, file=url, language="de").json()["language"] == "de"


def job(sandbox: Sandbox, mark: str) -> dict[str, Any]:
    return sandbox.submit(VIDEO, prompt=f"[sandbox:{mark}]")


def test_a_job_can_fail_for_nothing_or_for_money(sandbox: Sandbox) -> None:
    for mark, charges in (("job-fails", 0), ("job-fails-charged", 1)):
        job_id = job(sandbox, mark)["id"]
        end = sandbox.ended(job_id)
        assert end["status"] == "failed"
        assert end["errorMessage"]
        assert "outputData" not in end
        entries = sandbox.entries(job_id)
        assert len(entries) == charges
        told = end.get("usage", {}).get("credits_used", 0)
        assert told == sum(entry["credits"] for entry in entries)


def test_a_job_can_be_charged_and_not_say_so(sandbox: Sandbox) -> None:
    job_id = job(sandbox, "job-no-usage")["id"]
    end = sandbox.ended(job_id)
    assert end["status"] == "completed"
    assert "usage" not in end
    assert len(sandbox.entries(job_id)) == 1


def test_a_job_can_be_in_no_known_state(sandbox: Sandbox) -> None:
    job_id = job(sandbox, "job-unknown")["id"]
    time.sleep(0.4)  # twice as long as a job takes
    assert sandbox.get(f"/jobs/{job_id}").json()["status"] == "paused"
    assert sandbox.entries(job_id) == []


def test_a_job_can_vanish(sandbox: Sandbox) -> None:
    job_id = job(sandbox, "job-vanishes")["id"]
    assert sandbox.ended(job_id)["status"] in {"pending", "processing"}
    assert sandbox.get(f"/jobs/{job_id}").status_code == 404
    time.sleep(0.4)  # twice as long as a job takes
    assert sandbox.entries(job_id) == []


def test_an_estimate_can_be_wrong(sandbox: Sandbox) -> None:
    started = job(sandbox, "estimate=7")
    assert started["estimated_credits"] == 7
    assert sandbox.ended(started["id"])["usage"]["credits_used"] == 100


@pytest.mark.parametrize(
    "mark",
    ["", "500x", "500=1", "slow", "slow=", "slow=x", "slow=1.2.3", "estimate=1.5"],
)
def test_a_mark_that_does_not_exist_is_refused(mark: str) -> None:
    text = f"[sandbox:{mark}]"
    if failures.MARK.search(text):
        with pytest.raises(errors.Refusal):
            failures.read(text)
    else:
        assert failures.read(text) == failures.Marks()
