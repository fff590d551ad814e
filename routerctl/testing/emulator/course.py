"""The course that a stream takes: which events are sent, in which steps, and how it ends.

Turns (the frames of a good stream, a fault) into a `Course`. What went over the wire, and when, is `post`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from routerctl.testing.emulator.faults import Fault
from routerctl.testing.emulator.frames import Frame
from routerctl.testing.emulator.said import Turn
from routerctl.testing.emulator.wires import Streaming

End = Literal["whole", "ended", "cut", "silent", "pings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is sent, and what happens then."""

    frames: Sequence[Frame]
    end: End = "whole"
    cut: bytes = b""  # the event within which the connection breaks
    deltas: int  # of the good stream

    def generated(self, sent: int, output_tokens: int) -> int:
        """Give the output tokens that are generated once so many deltas were sent."""
        return output_tokens * sent // self.deltas if self.deltas else output_tokens

    def steps(self) -> Iterator[Sequence[Frame]]:
        """Part the frames where a model would let wait: before each delta. The first step may be empty."""
        step: list[Frame] = []
        for frame in self.frames:
            if frame.delta:
                yield step
                step = []
            step.append(frame)
        yield step


def course_of(turn: Turn, wire: Streaming) -> Course:
    """Give the course of a reply's stream under the turn's fault."""
    fault, frames = turn.fault, [*wire.frames(turn)]
    deltas = sum(frame.delta for frame in frames)
    if fault.way == "only pings":
        return Course(frames=(), end="pings", deltas=deltas)
    if fault.way == "error first":
        return Course(frames=[wire.failed_first(fault)], end="ended", deltas=deltas)
    place = _place(frames, fault)
    before = frames[:place]
    if fault.way in ("error event", "failed within"):
        return Course(frames=[*before, wire.failed(fault, turn, place)], end="ended", deltas=deltas)
    if fault.way == "ended":
        return Course(frames=before, end="ended", deltas=deltas)
    if fault.way == "half open":
        return Course(frames=before, end="silent", deltas=deltas)
    if fault.way == "cut":
        return Course(frames=before, end="cut", cut=frames[place].sent, deltas=deltas)
    if fault.way in ("odd chunk", "broken chunk"):
        wrong = wire.odd if fault.way == "odd chunk" else wire.broken
        return Course(frames=[*before, wrong, *frames[place:]], deltas=deltas)
    return Course(frames=frames, deltas=deltas)


def _place(frames: Sequence[Frame], fault: Fault) -> int:
    """Where it goes wrong: at the delta after the stated share of them, else at the terminal event."""
    spots = [index for index, frame in enumerate(frames) if frame.delta]
    before = int(fault.at * len(spots))
    return spots[before] if before < len(spots) else len(frames) - 1
