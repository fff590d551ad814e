"""One POST from the request that was read to the last byte of its answer, and what of it is billed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from routerctl.testing.emulator.course import Course, course_of
from routerctl.testing.emulator.faults import Fault
from routerctl.testing.emulator.frames import Frame
from routerctl.testing.emulator.http import END, Reader, chunk, response, stream_head
from routerctl.testing.emulator.said import Body, Said, Turn, encoded, spoken
from routerctl.testing.emulator.wires import Streaming, Wire
from routerctl.types import Usage

PAGE = b"<html><body>502 Bad Gateway</body></html>"
PING_GAP_S = 0.05  # of a stream that has no gap of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast answers come."""

    latency_s: float
    first_token_s: float
    chunk_gap_s: float
    chunks: int

    def under(self, fault: Fault) -> Pace:
        """Give it with what a fault states in its place."""
        return Pace(
            latency_s=self.latency_s if fault.latency_s is None else fault.latency_s,
            first_token_s=self.first_token_s if fault.first_token_s is None else fault.first_token_s,
            chunk_gap_s=self.chunk_gap_s if fault.chunk_gap_s is None else fault.chunk_gap_s,
            chunks=self.chunks if fault.chunks is None else fault.chunks,
        )


class Post:
    """Answers one POST; what it comes to stands in its fields."""

    def __init__(
        self, *, number: int, wire: Wire, body: Body, fault: Fault, serves: Mapping[str, str], pace: Pace
    ) -> None:
        """`fault`: what happens to it; `serves`: model -> which one answers in its place."""
        self.number, self.wire, self.body, self._serves = number, wire, body, serves
        self.model = served(body, serves)
        self.streaming = wire.streaming if body.get("stream") is True else None
        self.fault = fault if self.streaming else of_a_whole_answer(fault, anthropic=wire.anthropic)
        self.pace = pace.under(fault)
        self.usage = Usage()  # billed
        self.status = 0
        self.complete = False

    async def answer(self, say: Callable[[Body], str | Said], reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """Answer; False ends the connection."""
        instead = self._instead()
        turn = self._turn(say) if instead is None and self.fault.way != "silent" else None
        if await reader.leaves(self.pace.latency_s):
            self.usage = self._abandoned(turn)
            return False
        if instead is not None:
            self.status, sent, keep = instead
            writer.write(sent)
            await writer.drain()
            return keep
        if turn is None:
            await reader.leaves()
            return False
        if self.streaming is not None:
            return await self._stream(turn, self.streaming, reader, writer)
        return await self._whole(turn, reader, writer)

    def _instead(self) -> tuple[int, bytes, bool] | None:
        """What is sent in place of an answer, after its status and before whether the connection stays open."""
        fault = self.fault
        if fault.body is not None or fault.status != 200:
            body = self.wire.error(fault, self.number) if fault.body is None else fault.body
            headers = self.wire.headers(self.number) | dict(fault.headers)
            return fault.status, response(fault.status, body, headers), True
        if fault.way == "hang up":
            return 0, b"", False
        if fault.way == "not http":
            return 0, b"220 mail.example.org ESMTP\r\n\r\n", False
        pages = {
            "html": response(200, PAGE, {"content-type": "text/html"}),
            "not json": response(200, PAGE),
            "wrong shape": response(200, b'{"object":"list","data":[]}'),
        }
        return (200, pages[fault.way], True) if fault.way in pages else None

    def _turn(self, say: Callable[[Body], str | Said]) -> Turn:
        """Let the model speak, before anybody waits: a vendor generates a whole answer whether or not one does."""
        said = spoken(say(self.body), self.fault) if self.wire.streaming else Said()
        self.model = served(self.body, self._serves)  # who answers may have named another one in the body
        return Turn(
            number=self.number,
            model=self.model,
            body=self.body,
            said=said,
            usage=self.wire.usage(self.body, said),
            chunks=self.pace.chunks,
            fault=self.fault,
        )

    def _abandoned(self, turn: Turn | None) -> Usage:
        """What is billed of an answer that the client did not wait for: a whole one whole, a stream's input."""
        if turn is None:
            return Usage()
        return turn.usage if self.streaming is None else replace(turn.usage, output_tokens=0)

    async def _whole(self, turn: Turn, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        good, fault = self.wire.whole(turn), self.fault
        if fault.way == "failed within":
            good |= {"error": {"message": fault.message, "code": fault.code}}
        sent = response(200, encoded(good).encode(), self.wire.headers(self.number) | dict(fault.headers))
        self.status, self.usage = 200, turn.usage
        if fault.way in ("cut", "half open"):
            writer.write(sent[: len(sent) - 20])
            await writer.drain()
            return fault.way == "half open" and not await reader.leaves()
        writer.write(sent)
        await writer.drain()
        self.complete = fault.way != "failed within"
        return True

    async def _stream(self, turn: Turn, wire: Streaming, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        self.status, course = 200, course_of(turn, wire)
        writer.write(stream_head(self.wire.headers(self.number) | dict(self.fault.headers)))
        if not await self._steps(course, turn, reader, writer):
            return False
        if course.end in ("whole", "ended"):
            writer.write(END)
            await writer.drain()
            self.complete = course.end == "whole"
            return True
        if course.end == "cut":
            whole = chunk(course.cut)  # says the length of all of it, and half of it comes
            writer.write(whole[: len(whole) // 2])
            await writer.drain()
            return False
        ping = chunk(wire.ping.sent) if course.end == "pings" else b""
        while not await reader.leaves(self.pace.chunk_gap_s or PING_GAP_S if ping else None):
            writer.write(ping)
            await writer.drain()
        return False

    async def _steps(self, course: Course, turn: Turn, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """Send what comes before the end; False if the client has left."""
        pace, sent, waits = self.pace, 0, iter((0.0, self.pace.first_token_s))
        if not pace.first_token_s and not pace.chunk_gap_s:
            steps: Sequence[Sequence[Frame]] = [course.frames]
        else:
            steps = [*course.steps()]
        for step in steps:
            if await reader.leaves(next(waits, pace.chunk_gap_s)):
                self._bill(turn, course, sent, left=True)
                return False
            writer.write(b"".join([chunk(frame.sent) for frame in step]))
            sent += sum(frame.delta for frame in step)
            self._bill(turn, course, sent, left=False)
            await writer.drain()
        return True

    def _bill(self, turn: Turn, course: Course, sent: int, *, left: bool) -> None:
        """Bill the input and what is generated so far; a stream that failed before it said anything costs nothing."""
        if sent or left or course.end == "whole":
            generated = course.generated(sent, turn.usage.output_tokens)
            self.usage = replace(turn.usage, output_tokens=generated)


def served(body: Body, serves: Mapping[str, str]) -> str:
    """Give the model that answers a request."""
    asked = str(body.get("model"))
    return serves.get(asked, asked)


def of_a_whole_answer(fault: Fault, *, anthropic: bool) -> Fault:
    """Give what a fault of streams is where no stream was asked for."""
    if fault.way in ("error first", "error event"):
        return replace(fault, way="", status=529 if anthropic else 500)
    same = {"ended": "cut", "only pings": "silent", "odd chunk": "wrong shape", "broken chunk": "not json"}
    return replace(fault, way=same.get(fault.way, fault.way))
