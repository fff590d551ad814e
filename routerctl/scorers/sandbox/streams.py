"""The standard streams of the process that runs a reply's code: kept for the tests, asked of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

_PRINTED_BYTES = 1_000_000  # that are kept of what is printed


class _Kept(io.RawIOBase):
    """The beginning of what is written."""

    def __init__(self) -> None:
        self.kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.kept += bytes(data)[: max(0, _PRINTED_BYTES - len(self.kept))]
        return len(data)


class Printed(io.TextIOWrapper):
    """The standard output of the reply's process."""

    def __init__(self) -> None:
        self._raw = _Kept()
        super().__init__(io.BufferedWriter(self._raw), encoding="utf-8", errors="surrogatepass", write_through=True)

    def take(self) -> str:
        """Give what was printed since the last time."""
        self.flush()
        text = self._raw.kept.decode("utf-8", "replace")
        self._raw.kept.clear()
        return text


class Lines(io.TextIOBase):
    """The standard input of the reply's process: each line is asked of the tests, which may have set one."""

    def __init__(self, line: Callable[[], str]) -> None:
        """`line`: gives the next one; "" where there is none."""
        self._line = line

    def readline(self, size: int = -1) -> str:  # type: ignore[override]  # IOBase's is of bytes
        """Give one line."""
        del size
        return self._line()

    def read(self, size: int | None = -1) -> str:
        """Give everything."""
        del size
        return "".join(self._all())

    def _all(self) -> Iterator[str]:
        while line := self.readline():
            yield line
