"""The worker outlives its broker: spoiled messages, a Redis that is frozen or ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection

from billing.tasks import verify_ledger
from portal.models import ScheduledTask
from portal.runtime.broker import Transport
from proxy.tasks import purge_replies
from tests.support.services.redis_server import RedisServer
from tests.support.services.worker import Worker
from tests.support.waiting import PATIENCE_SECONDS, wait_for

# Sent by a test; by itself it runs at night only.
VERIFY = "billing.tasks.verify_ledger"
PURGE = "proxy.tasks.purge_replies"  # by itself each minute
DUE_WORK_SECONDS = 30
JUNK: tuple[Any, ...] = (None, [], {}, 7, "x", [[]])

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("fresh_timetable")]


@pytest.fixture
def fresh_timetable(committed_db: None) -> Iterator[None]:
    ScheduledTask.objects.all().delete()
    yield
    ScheduledTask.objects.all().delete()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    with ExitStack() as stack:
        yield lambda **variables: stack.enter_context(Worker(tmp_path, **variables))


def files(folder: Path) -> Connection:
    options = {"folder": str(folder / "broker")}
    return Connection("filesystem://", transport=Transport, transport_options=options)


def send(connection: Connection, task: Any = verify_ledger) -> None:
    with connection:
        task.apply_async(connection=connection)


def spoiled(whole: bytes) -> Iterator[bytes]:
    """A task's message with junk in each of its places, one at a time."""

    def places(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
        for name, child in list(value.items()) if isinstance(value, dict) else ():
            yield value, name
            yield from places(child)

    yield from (b"", b"{", whole[: len(whole) // 2], b"null", b"[]", b"\xff")
    for number in range(len(list(places(json.loads(whole))))):
        for junk in JUNK:
            message = json.loads(whole)
            container, name = list(places(message))[number]
            container[name] = junk
            yield json.dumps(message).encode()


def a_message(folder: Path) -> bytes:
    """What a task's message looks like in the broker of files. The task takes no time:
    some spoiled ones are still good calls of it."""
    send(files(folder), purge_replies)
    [file] = (folder / "broker" / "messages").iterdir()
    content = file.read_bytes()
    file.unlink()
    return content


def test_spoiled_files_end_nothing(
    tmp_path: Path, workers: Callable[..., Worker]
) -> None:
    worker = workers(REDIS_URL="")
    worker.wait_runs()
    whole = a_message(tmp_path / "elsewhere")
    room = tmp_path / "broker" / "messages"
    for number, content in enumerate(spoiled(whole)):
        part = room / f"{number:04}_spoiled.celery.part"
        part.write_bytes(content)
        part.rename(part.with_suffix(".msg"))
    wait_for(lambda: not list(room.iterdir()), explain=worker.text)
    # Some of the spoiled ones are still good calls of that task: another one shows that
    # none of them keeps a place among the four that the worker may hold.
    for _ in range(6):
        send(files(tmp_path), purge_replies)
        worker.wait_runs(1, PURGE)
    worker.wait_runs()
    assert worker.process.poll() is None
    assert list((tmp_path / "broker" / "refused").iterdir())
    assert worker.stop() == 0


def test_spoiled_messages_in_redis_end_nothing(
    tmp_path: Path, redis_server: RedisServer, workers: Callable[..., Worker]
) -> None:
    worker = workers(REDIS_URL=redis_server.url)
    worker.wait_runs()
    whole = a_message(tmp_path / "elsewhere")
    with redis.Redis.from_url(redis_server.url) as client:
        for content in (b"", b"{", b"null", b"[]", b"\xff", b"7", whole[:40]):
            client.lpush("celery", content)
            send(Connection(redis_server.url))
            worker.wait_runs(1, VERIFY)
    assert worker.process.poll() is None
    assert worker.stop() == 0


def test_due_work_goes_on_while_redis_is_frozen_and_restarted(
    redis_server: RedisServer, workers: Callable[..., Worker]
) -> None:
    worker = workers(REDIS_URL=redis_server.url)
    send(Connection(redis_server.url))
    worker.wait_runs(1, VERIFY)
    for is_killed in (False, True):
        redis_server.process.send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        worker.wait_runs(5)
        assert time.monotonic() - frozen_at < DUE_WORK_SECONDS
        if is_killed:
            redis_server.process.kill()
            redis_server.process.wait()
            worker.wait_runs(3)
            redis_server.start()
        else:
            redis_server.process.send_signal(signal.SIGCONT)
        send(Connection(redis_server.url))
        worker.wait_runs(1, VERIFY)
        worker.wait_runs(1)
    assert worker.process.poll() is None
    assert worker.stop() == 0


def test_due_work_does_not_wait_for_a_broker(workers: Callable[..., Worker]) -> None:
    worker = workers(REDIS_URL="redis://127.0.0.1:9/0")  # nobody's port
    worker.wait_runs(3)
    assert worker.process.poll() is None


def test_a_worker_whose_redis_is_frozen_ends_when_told(
    redis_server: RedisServer, workers: Callable[..., Worker]
) -> None:
    worker = workers(REDIS_URL=redis_server.url)
    send(Connection(redis_server.url))
    worker.wait_runs(1, VERIFY)
    redis_server.process.send_signal(signal.SIGSTOP)
    worker.wait_runs(2)
    worker.process.terminate()
    worker.process.wait(PATIENCE_SECONDS)


def test_a_worker_that_cannot_work_says_so_with_its_exit_code(
    workers: Callable[..., Worker],
) -> None:
    worker = workers(REDIS_URL="nonsense://127.0.0.1")
    assert worker.process.wait(PATIENCE_SECONDS) != 0
