"""Bytes of a provider's stream -> the bytes that the client gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from routerctl.service.translate import StreamReader, StreamWriter


class StreamTransform(Protocol):
    """Turns a provider's stream into the client's."""

    def feed(self, piece: bytes) -> bytes:
        """Give what may be passed on."""

    def end(self) -> bytes:
        """Give what is left at the end of the stream."""


class TranslatedEvents:
    """Translates one API's events into another's."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def feed(self, piece: bytes) -> bytes:
        """Write the events that a piece completes."""
        return b"".join(map(self._writer.write, self._reader.feed(piece)))

    def end(self) -> bytes:
        """Write the last ones."""
        return b"".join(map(self._writer.write, self._reader.end()))
