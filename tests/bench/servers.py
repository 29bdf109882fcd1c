"""Starting and stopping what is measured: stub, forwarder, Tollgate."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.bench import machine, wire

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 30
LOG_LINES_SHOWN = 15
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class Broken(Exception):
    """Something did not start, stop or answer as it must."""


@dataclass(frozen=True)
class Server:
    """Something that answers chat completions, and the processes to watch."""

    name: str
    port: int
    path: str
    api_key: str = ""
    pid: int = 0
    watch: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def environment(**more: str) -> dict[str, str]:
    """Our own environment, without proxies: all servers are on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in PROXY_VARIABLES
    }
    return kept | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    env: dict[str, str],
    cores: frozenset[int] | None = None,
    **popen: Any,
) -> Iterator[int]:
    """The command as a process group of its own; gone, children too, at the end."""
    with log.open("ab") as output, machine.pinned(cores):
        process = subprocess.Popen(  # noqa: S603  our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
            env=env,
            start_new_session=True,
            **popen,
        )
    try:
        yield process.pid
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    children = [member.pid for member in machine.family(process.pid)[1:]]
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # `start_new_session` made this group, so all that is left in it is ours.
    if any(os.path.exists(f"/proc/{pid}") for pid in children):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def log_tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES_SHOWN:])


def get_json(port: int, path: str) -> Any:
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310  loopback
        return json.load(reply)


def call(server: Server) -> None:
    """One chat completion.

    Raises: OSError while nobody listens; Broken for a reply that is not 200.
    """
    whole = wire.request(
        kind="json", port=server.port, path=server.path, api_key=server.api_key
    )
    request = urllib.request.Request(  # noqa: S310  loopback
        f"http://127.0.0.1:{server.port}{server.path}",
        data=whole.partition(wire.HEAD_END)[2],
        headers={
            "authorization": f"Bearer {server.api_key}",
            "content-type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            reply.read()
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        raise Broken(f"{server.name} answered {error.code}: {text[:500]}") from error


def memory(server: Server) -> machine.Memory:
    """Raises: Broken when the server is no more."""
    if not machine.is_alive(server.pid):
        raise Broken(f"{server.name} ended during the run")
    return machine.memory(server.pid)


def wait_ready(server: Server) -> None:
    """Raises: Broken when no call succeeds in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and machine.is_alive(server.pid):
        try:
            call(server)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Broken(f"{server.name} did not start")


@contextmanager
def stub(folder: Path) -> Iterator[Server]:
    """The upstream; asked directly it is also the first thing to measure."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.stub", str(port)]
    with running(command, log=folder / "stub.log", env=environment()) as pid:
        server = Server(
            name="direct",
            port=port,
            path="/direct/api/v1/chat/completions",
            pid=pid,
            watch={"stub": pid},
        )
        wait_ready(server)
        yield server


@dataclass(frozen=True)
class Site:
    """Where a gateway is set up: its files, its cores, its upstream."""

    folder: Path
    cores: machine.Cores
    upstream: Server

    def base_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.upstream.port}/{name}/api/v1"

    def calls(self, name: str) -> int:
        """How many calls the upstream served, and charged, to this gateway."""
        return int(get_json(self.upstream.port, "/counts").get(name, 0))


@contextmanager
def gateway(
    server: Server, command: list[str], site: Site, watch: dict[str, int]
) -> Iterator[Server]:
    """The command on the gateway's core, ready, with its process filled in."""
    log = site.folder / f"{server.name}.log"
    cores = site.cores.server
    with running(command, log=log, env=server.environment, cores=cores) as pid:
        watch = watch | {"server": pid, "stub": site.upstream.pid}
        server = replace(server, pid=pid, watch=watch)
        wait_ready(server)
        yield server


@contextmanager
def forwarder(site: Site) -> Iterator[Server]:
    server = Server(
        name="forwarder",
        port=free_port(),
        path="/v1/chat/completions",
        environment=environment(FORWARD_TO=site.base_url("forwarder")),
    )
    command = [sys.executable, "-m", "granian", "--interface", "asginl"]
    command += ["--loop", "uvloop", "--workers", "1", "--no-ws"]
    command += ["--host", "127.0.0.1", "--port", str(server.port)]
    command += ["--log-level", "warning", "tests.bench.forwarder:application"]
    with gateway(server, command, site, {}) as ready:
        yield ready
