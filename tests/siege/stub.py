"""An upstream that answers at once, but the model `slow` after a minute.

`python -m tests.siege.stub PORT`, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

SLOW_SECONDS = 60
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "credits_used": 1}
MODELS = [{"id": name, "object": "model"} for name in ("any", "slow")]


def answer(path: str, body: bytes) -> bytes:
    if path.endswith("/models"):
        return json.dumps({"object": "list", "data": MODELS}).encode()
    message = {"role": "assistant", "content": "Hello."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "any",
            "choices": [choice],
            "usage": {**USAGE, "total_tokens": 6},
        }
    ).encode()


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            sizes = [
                int(line.split(":")[1])
                for line in head.split("\r\n")
                if line.startswith("content-length:")
            ]
            body = await reader.readexactly(sizes[0]) if sizes else b""
            if b'"slow"' in body[:4096]:
                await asyncio.sleep(SLOW_SECONDS)
            content = answer(head.split()[1], body)
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(content), content)
            )
            await writer.drain()
    writer.close()


async def serve(port: int) -> None:
    server = await asyncio.start_server(
        serve_one, "127.0.0.1", port, limit=2**20, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
