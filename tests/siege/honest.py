"""The honest tenant: 20 calls a second, whatever happens beside it.

`python -m tests.siege.honest URL KEY SECONDS` prints one JSON list: of each call when
it began (monotonic), how long it took, and the status, 0 where none came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp

CALLS_A_SECOND = 20
BODY = {"model": "any", "messages": [{"role": "user", "content": "Say hi."}]}

Called = tuple[float, float, int]


async def call(client: aiohttp.ClientSession, url: str) -> Called:
    began = time.monotonic()
    status = 0
    try:
        async with client.post(f"{url}/v1/chat/completions", json=BODY) as answer:
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass
    return began, time.monotonic() - began, status


async def calls(url: str, key: str, seconds: float) -> list[Called]:
    headers = {"authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
        running = []
        began = time.monotonic()
        for number in range(int(seconds * CALLS_A_SECOND)):
            await asyncio.sleep(began + number / CALLS_A_SECOND - time.monotonic())
            running.append(asyncio.create_task(call(client, url)))
        return await asyncio.gather(*running)


if __name__ == "__main__":
    found = asyncio.run(calls(sys.argv[1], sys.argv[2], float(sys.argv[3])))
    sys.stdout.write(json.dumps(found))
