"""A server that is told to end does so, whichever of its threads the signal reaches."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from portal.runtime.server import Server
from tests.support import sources
from tests.support.waiting import PATIENCE_SECONDS

# Its main thread takes no SIGTERM: the system gives it to the other one.
SERVER = """
import signal, threading
from portal.runtime.server import Server

server = Server("nowhere:application")
signal.signal(signal.SIGTERM, server.signal_handler_interrupt)
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
server.main_loop_interrupt.wait()
print("woken", flush=True)
"""


def test_a_signal_that_reaches_another_thread_is_noticed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=sources.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        server.send_signal(signal.SIGTERM)
        try:
            assert server.wait(PATIENCE_SECONDS) == 0
        finally:
            server.kill()
        assert server.stdout.read() == "woken\n"


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_an_interrupt_is_not_forgotten_when_a_worker_has_just_been_replaced(
    is_forgotten: bool,
) -> None:
    server = Server("nowhere:application")
    server.signal_handler_interrupt(signal.SIGTERM)
    if is_forgotten:  # as granian does after it has started a worker anew
        server.main_loop_interrupt.clear()
    waiting = threading.Thread(target=server.main_loop_interrupt.wait, daemon=True)
    waiting.start()
    waiting.join(PATIENCE_SECONDS)
    assert not waiting.is_alive()
