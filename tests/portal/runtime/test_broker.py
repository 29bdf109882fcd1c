"""The broker of files: what is spoiled is set aside, and the next message is read."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from portal.runtime.broker import Transport

# What a crash, a full disk or a hand leaves behind.
TORN = [b"", b"{", b'{"body": "W', b"\x00" * 40, b"\xff\xfe", b"null", b"[]", b"{}"]
TORN += [b'{"properties": null}', b'{"properties": {}}', b"[" * 5000, b"7"]

JUNK: tuple[Any, ...] = (None, [], {}, 7, "x", [[]])


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    options = {"folder": str(tmp_path), "polling_interval": 0.01}
    with Connection(
        "filesystem://", transport=Transport, transport_options=options
    ) as made:
        yield made


@pytest.fixture
def queue(connection: Connection) -> Iterator[SimpleQueue]:
    made = connection.SimpleQueue("things")
    yield made
    made.close()


def spoil(folder: Path, content: bytes, name: str = "00_spoiled") -> Path:
    """A message that sorts before every real one."""
    file = folder / "messages" / f"{name}.things.msg"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_messages_come_in_the_order_in_which_they_were_put(queue: SimpleQueue) -> None:
    for number in range(5):
        queue.put({"number": number})
    assert queue.qsize() == 5
    got = []
    for _ in range(5):
        message = queue.get(block=True, timeout=5)
        got.append(message.payload["number"])
        message.ack()
    assert sorted(got) == got == [0, 1, 2, 3, 4]
    with pytest.raises(Empty):
        queue.get(block=False)


@pytest.mark.parametrize("content", TORN, ids=lambda content: content[:12].decode("l1"))
def test_what_cannot_be_read_is_set_aside(
    queue: SimpleQueue,
    tmp_path: Path,
    content: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = spoil(tmp_path, content)
    queue.put({"good": True})
    with caplog.at_level(logging.ERROR):
        message = queue.get(block=True, timeout=5)
    assert message.payload == {"good": True}
    assert (tmp_path / "refused" / file.name).read_bytes() == content
    assert "cannot be read" in caplog.text


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: its container, and its name there."""
    children = value.items() if isinstance(value, dict) else ()
    for name, child in list(children):
        yield value, name
        yield from nodes(child)


def test_any_part_of_a_message_may_be_spoiled(
    queue: SimpleQueue, tmp_path: Path
) -> None:
    """Whatever stands in a place, the reader survives it and reads the next one."""
    queue.put({"good": 0})
    [file] = (tmp_path / "messages").iterdir()
    whole = file.read_bytes()
    file.unlink()
    places = len(list(nodes(json.loads(whole))))
    assert places > 8
    for number in range(places):
        for junk in JUNK:
            message = json.loads(whole)
            container, name = list(nodes(message))[number]
            container[name] = junk
            spoil(tmp_path, json.dumps(message).encode())
            queue.put({"good": number})
            # Undecoded: a body is for who takes it (`consumer.check`).
            got: list[bytes] = []
            channel: Any = queue.channel
            while message := channel.basic_get("things", no_ack=True):
                got.append(message.body)
            assert json.dumps({"good": number}).encode() in map(bytes_of, got)


def bytes_of(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def test_a_folder_in_a_messages_place_is_set_aside(
    queue: SimpleQueue, tmp_path: Path
) -> None:
    spoil(tmp_path, b"").unlink()
    (tmp_path / "messages" / "00_folder.things.msg").mkdir()
    queue.put({"good": True})
    assert queue.get(block=True, timeout=5).payload == {"good": True}


def test_a_removed_folder_is_made_again(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put({"lost": True})
    shutil.rmtree(tmp_path)
    with pytest.raises(Empty):
        queue.get(block=False)
    queue.put({"good": True})
    assert queue.get(block=True, timeout=5).payload == {"good": True}


def test_half_a_message_is_no_message_yet(queue: SimpleQueue, tmp_path: Path) -> None:
    spoil(tmp_path, b"").rename(tmp_path / "messages" / "00_x.things.msg.part")
    assert queue.qsize() == 0
