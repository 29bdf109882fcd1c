"""A bucket of one's own network, which speaks http."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pytest_django.fixtures import Settings

from portal.documents import storage

pytestmark = pytest.mark.once


class Bucket(ThreadingHTTPServer):
    """Takes what is put, as S3 does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Put)
        self.taken: dict[str, bytes] = {}


class Put(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_PUT(self) -> None:
        length = int(self.headers["content-length"])
        self.server.taken[self.path] = self.rfile.read(length)
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: its journal is `taken`."""


@pytest.fixture
def bucket(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    settings.EXPORT_STORAGE_URL = "s3://bucket/folder"
    with Bucket() as server:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_it_takes_files_where_that_is_allowed(
    bucket: Bucket, settings: Settings
) -> None:
    settings.EXPORT_STORAGE_HTTP = True
    storage.put_bytes("usage.csv", b"day,credits")
    assert bucket.taken == {"/bucket/folder/usage.csv": b"day,credits"}


def test_elsewhere_nothing_goes_unencrypted(bucket: Bucket) -> None:
    with pytest.raises(storage.StorageDown):
        storage.put_bytes("usage.csv", b"day,credits")
    assert not bucket.taken
