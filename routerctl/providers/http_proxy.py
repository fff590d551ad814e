"""POSTs through the proxies that the environment names, by aiohttp: for endpoints that are not reached directly."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from routerctl.providers.http_client import BrokenResponse, HttpResponse, NotConnected

_SKIPPED = ("User-Agent", "Accept-Encoding", "Accept")
_BROKEN = (aiohttp.ClientError, HttpProcessingError)  # the second: what is wrong in the framing of a body
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ClientProxyConnectionError, aiohttp.InvalidURL)


class ProxiedClient:
    """Posts to one API; its connections are opened at the first call, in the loop of that call."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connect_s: float) -> None:
        """`url`: that paths are added to; `headers`: of every request."""
        self._url, self._headers, self._connect_s = url, dict(headers), connect_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], query: str) -> HttpResponse:
        """Send a request; raises NotConnected, BrokenAnswer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
                skip_auto_headers=_SKIPPED,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s, sock_read=None),
            )
        url = URL(f"{self._url}{path}{f'?{query}' if query else ''}", encoded=True)
        try:
            answer = await self._session.post(
                url, data=body, headers={**self._headers, **headers}, allow_redirects=False
            )
        except _NEVER_LEFT as problem:
            raise NotConnected(f"{type(problem).__name__}: {problem}") from None
        except _BROKEN as problem:
            raise BrokenResponse(f"{type(problem).__name__}: {problem}") from None
        return _Proxied(answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class _Proxied:
    """What came through a proxy."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer, self.status, self.url = answer, answer.status, str(answer.url)
        self.was_resent = False
        self.headers = {name.lower(): value for name, value in answer.headers.items()}

    async def read(self) -> bytes:
        """Give all of it; raises BrokenAnswer."""
        try:
            return await self._answer.read()
        except _BROKEN as problem:
            raise BrokenResponse(f"{type(problem).__name__}: {problem}") from None

    async def readany(self) -> bytes:
        """Give what has come, b"" at its end; raises BrokenAnswer where there is none."""
        try:
            return await self._answer.content.readany()
        except _BROKEN as problem:
            raise BrokenResponse(f"{type(problem).__name__}: {problem}") from None

    def close(self) -> None:
        """Want no more of it."""
        self._answer.close()
