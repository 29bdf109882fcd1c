"""The demonstration is told what happens: a receiver on the loopback gets events, and
verifies them by the SDK, as anybody's program would."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openai import OpenAI

from billing.reports.balance import balance_of
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.notices import alerts, endpoints
from portal.notices.alerts import Setting
from portal.notices.watching import rounds
from portal.tenants.audit import Actor
from proxy.demo.lines import Line

NAME = "The demo's receiver"
LOW, VIDEO = "balance.low", "video.completed"
SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Came:
    """One request: its headers, and its body as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Where events come; `secret` verifies them once its endpoint is made."""

    host: str
    secret: str = ""
    came: list[Came] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For the server and the worker: this host may be inside, and without TLS."""
        return {"WEBHOOK_TRUSTED_HOSTS": self.host}


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a free port, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    made = Receiver(f"127.0.0.1:{server.server_address[1]}")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            names = {name.lower(): value for name, value in self.headers.items()}
            made.came.append(Came(names, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server.RequestHandlerClass = Handler
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def listen(
    client: OpenAI, receiver: Receiver, organization: Organization, actor: Actor
) -> Line:
    """An endpoint by the SDK's own call. And what is there now is enough, but less is
    low: the demo's calls bring the alert."""
    for old in endpoints.of_organization(organization.pk).filter(name=NAME):
        endpoints.delete(old, actor=actor)
    types: Any = [VIDEO, LOW]
    made = client.webhooks.create(
        name=NAME, url=f"http://{receiver.host}/", event_types=types
    )
    receiver.secret = made.signing_secret
    alerts.change(organization, "balance", Setting(low_days=0), actor=actor)
    rounds.look(organization)  # enough again, whatever an earlier demo has left
    available = balance_of(organization.account_id).available_micros
    low = Setting(low_micros=available, low_days=0)
    alerts.change(organization, "balance", low, actor=actor)
    text = f"low is below {credits_text(available)}"
    return Line("webhook, alert set", text, charged="free")


def told(client: OpenAI, receiver: Receiver) -> Iterator[Line]:
    """What came of the alert and of the video, verified."""
    for type, call in ((VIDEO, "webhook of the video"), (LOW, "low balance, webhook")):
        event = _wait_for(client, receiver, type)
        outcome = f"{type}, verified" if event else f"{type} did NOT come"
        yield Line(call, outcome, charged="free", is_right=event is not None)


def _wait_for(client: OpenAI, receiver: Receiver, type: str) -> object | None:
    """The first verified event of that type. One that does not verify raises."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        for came in list(receiver.came):
            event = client.webhooks.unwrap(
                came.body, came.headers, secret=receiver.secret
            )
            if str(event.type) == type:
                return event
        time.sleep(0.1)
    return None
