"""What an HTTP client gives to whoever passes requests on, whichever client it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class NotConnected(ConnectionError):
    """No connection was made: nothing has left."""


class BrokenResponse(ConnectionError):
    """The connection ended before the answer did, or what came is no HTTP; `is_silent`: nothing at all had come."""

    def __init__(self, problem: str, *, is_silent: bool = False) -> None:
        self.is_silent = is_silent
        super().__init__(problem)


class HttpResponse(Protocol):
    """What a far side answers; it may still be coming."""

    @property
    def status(self) -> int:
        """Its HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in lower case."""

    @property
    def url(self) -> str:
        """The address that was asked."""

    @property
    def was_resent(self) -> bool:
        """Whether the request had left before, on a connection that was closed without a byte of an answer."""

    async def read(self) -> bytes:
        """Give all of it; raises BrokenAnswer."""

    async def readany(self) -> bytes:
        """Give what has come, b"" at its end; raises BrokenAnswer where there is none."""

    def close(self) -> None:
        """Want no more of it: where it has not ended, its connection does."""


class HttpClient(Protocol):
    """Posts to one API."""

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], query: str) -> HttpResponse:
        """Send a request; raises NotConnected, BrokenAnswer."""

    async def close(self) -> None:
        """Close the connections."""
