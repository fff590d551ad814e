"""The least that a gateway on this stack can do: a raw ASGI application that hands a request on and its answer back.

Reads the body, parses it and looks at model and stream, asks the upstream with headers of its own, and passes the
bytes on as they come, with one header added. The client is aiohttp with the settings of `providers/http_proxied.py`.
No disconnects are watched for, nothing is counted, no failure is handled.

    UPSTREAM=http://127.0.0.1:9100 uvicorn passthrough:app --loop uvloop --http httptools
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-none"}


class Passthrough:
    """The application, with its one session."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("user-agent", "accept", "accept-encoding"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None),
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._session.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        asked = json.loads(body)
        shape = b"stream" if asked.get("stream") else b"json"
        async with self._session.post(self._upstream + scope["path"], data=body, headers=HEADERS) as answer:
            headers = [(b"content-type", answer.headers["content-type"].encode()), (b"x-shape", shape)]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


app = Passthrough(os.environ.get("UPSTREAM", ""))
