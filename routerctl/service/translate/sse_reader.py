"""Bytes of a server-sent event stream -> its events, however they are cut into chunks.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import codecs

from routerctl.providers.reading import Odd

MOST_BYTES = 32 * 2**20  # of one event: beyond it is none that a model sends


class Events:
    """Cuts a stream into events: (name, data); "" = no name."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line that has not ended
        self._size = 0
        self._name, self._data = "", list[str]()
        self._is_first = True  # line: a byte order mark may stand before it

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Give the events that more bytes complete; raises Odd for one without end."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise Odd("an event of a size that no model sends")
        if b"\n" not in data and b"\r" not in data and not self._pieces[-2:][0].endswith(b"\r"):
            return []
        text = b"".join(self._pieces)
        held = text.endswith(b"\r")  # perhaps half of a line's end
        lines = text[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + (b"\r" if held else b"")
        self._pieces, self._size = [rest], len(rest) + sum(map(len, self._data))
        return self._events(lines)

    def end(self) -> list[tuple[str, str]]:
        """Give the last event, which some servers do not end with a blank line."""
        return self._events([b"".join(self._pieces).rstrip(b"\r"), b""])

    def _events(self, lines: list[bytes]) -> list[tuple[str, str]]:
        found = []
        if self._is_first and lines:
            lines[0], self._is_first = lines[0].removeprefix(codecs.BOM_UTF8), False
        for line in lines:
            if not line:
                if self._data:
                    found.append((self._name, "\n".join(self._data)))
                self._name, self._data = "", []
                continue
            field, _, value = line.partition(b":")
            text = value.removeprefix(b" ").decode(errors="replace")
            if field == b"data":
                self._data.append(text)
            elif field == b"event":
                self._name = text
        return found
