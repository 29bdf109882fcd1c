"""The only place where the sandbox's tests start a server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import openai
from openai.types.chat import ChatCompletionMessageParam

from tests.support.services import processes
from tests.support.services.warm import WarmProcess

KEY = "sandbox-test-key"
AUTHORIZED = {"authorization": f"Bearer {KEY}"}
START_SECONDS_MAX = 120
SAY_HI: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Say hi to the harbour master."}
]


@dataclass
class Sandbox:
    """A running sandbox and what a test wants of it."""

    base_url: str
    process: WarmProcess

    def openai(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key=key, max_retries=0)

    def http(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, headers={**AUTHORIZED, **headers})

    def chat(self, **fields: Any) -> httpx.Response:
        with self.http() as client:
            body = {"messages": SAY_HI, **fields}
            return client.post("/chat/completions", json=body)

    def post(self, path: str, **fields: Any) -> httpx.Response:
        with self.http() as client:
            return client.post(path, json=fields)

    def get(self, path: str) -> httpx.Response:
        with self.http() as client:
            return client.get(path)

    def submit(self, path: str, **fields: Any) -> dict[str, Any]:
        """A submission's AsyncJobResponse."""
        job: dict[str, Any] = self.post(path, **fields).raise_for_status().json()
        return job

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for the end of a job."""
        reply = self.get(f"/jobs/{job_id}?poll=true").raise_for_status()
        status: dict[str, Any] = reply.json()
        return status

    def charge(self, reply: httpx.Response) -> dict[str, Any]:
        """The only journal entry of a reply."""
        [entry] = self.entries(reply.headers["x-request-id"])
        return entry

    def journal(self, since: int = 0) -> dict[str, Any]:
        url = self.base_url.removesuffix("/api/v1") + f"/journal?since={since}"
        reply = httpx.get(url, headers=AUTHORIZED)
        page: dict[str, Any] = reply.raise_for_status().json()
        return page

    def entries(self, call_id: str) -> list[dict[str, Any]]:
        return [row for row in self.journal()["entries"] if row["id"] == call_id]

    def kill(self) -> None:
        """The whole process group at once: granian's worker outlives its parent."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serve(
    directory: Path, *, pace_ms: int = 0, job_seconds: float = 0.2
) -> Iterator[Sandbox]:
    """A sandbox of its own on a free port, with its journal in the directory."""
    arguments = ["sandbox", "--port", "0", "--pace-ms", str(pace_ms)]
    arguments += ["--journal", str(directory / "journal.jsonl")]
    arguments += ["--job-seconds", str(job_seconds)]
    environment = {
        **os.environ,
        "UPSTREAM_BASE_URL": "",
        "UPSTREAM_API_KEY": KEY,
        "VAR_DIR": str(directory),
    }
    log = directory / f"sandbox-{uuid4().hex}.log"
    errors = log.with_suffix(".errors")
    process = WarmProcess(arguments, environment=environment, stdout=log, stderr=errors)
    try:
        processes.wait_until(
            lambda: "\n" in log.read_text(), process=process, explain=errors.read_text
        )
        line = log.read_text().partition("\n")[0]
        assert line.startswith("Sandbox upstream on http://"), line
        sandbox = Sandbox(line.split()[-1], process)
        wait_until(lambda: is_listening(sandbox))
        yield sandbox
    finally:
        processes.end_group(process)


def is_listening(sandbox: Sandbox) -> bool:
    try:
        sandbox.journal()
    except httpx.TransportError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
