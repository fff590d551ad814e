"""A decision and its inquiry -> one flat row, and what a file of the first shape holds -> the same.

Pure. The columns and their meaning are in `columns`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from routerctl.classify.rules import inquiry_text
from routerctl.errors import InputError
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document
from routerctl.redaction import redacted
from routerctl.routing.decision_log.columns import COLUMNS
from routerctl.types import Decision, Hop, Inquiry, StopReason, Usage

Cell = str | int | float | None
Cells = Mapping[str, Cell]  # by column
_NOT_CALLED = frozenset(("skipped", "over budget"))
_NOBODY_WAITED = "cancelled"
_NOT_FAILED = _NOT_CALLED | {"served", "not confident", _NOBODY_WAITED, "classified"}
_TRUNCATED = (StopReason.MAX_TOKENS, StopReason.CONTEXT_FULL)
_NANO = 9  # digits after the point of a nano-dollar
_QUOTED = 9  # characters of a prompt in a row, blanks apart, that make a message a quotation of it
_LEAST_QUOTED = 4  # of a prompt that is shorter
_MOST_DETAIL = 1_000  # characters of a message: each is looked for in the prompt
_BLANK = re.compile(r"\s|\\[nrt]")  # a message has one blank, or an escape, where a prompt has line breaks
_ABOUT_PROMPT = frozenset(("BadRequest",))  # outcomes whose message speaks of what was asked, as 400 and 422 do
_HEAD = re.compile(r"(?:[^:]{1,60}: )?\d{3}(?= )|[^:]{1,60}(?=: )")  # of a message: provider, HTTP status


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAnswer:
    """What is noted of the answer, beside what the hops say."""

    reply: str | None  # None = nobody replied
    stop_reason: StopReason | None = None
    usage: Usage | None = None


def stamp(at: str) -> str:
    """Write a moment so that text sorts by time: UTC, to the millisecond; one without an offset is in UTC.

    Raises: ValueError for what is no ISO 8601.
    """
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def digest_of(text: str, salt: bytes) -> str:
    """Digest a prompt with the log's own salt: equal prompts are seen to be equal within one log only.

    Who has the file has the salt, and can try a guess; what the salt prevents is a table of digests made in advance,
    and joining two logs by their prompts. The text is hashed first, so that a log of unsalted digests can be salted.
    """
    return _salted(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), salt)


def _salted(digest: bytes, salt: bytes) -> str:
    return "hmac-sha256:" + hmac.digest(salt, digest, "sha256").hex()


def row_of(  # one value a column
    decision: Decision,
    inquiry: Inquiry,
    delivered: LoggedAnswer,
    *,
    decision_id: str,
    at: str,
    asked: Cells,
    private: bool,
) -> tuple[Cell, ...]:
    """Give the row of a decision; `asked`: the inquiry's cells.

    `private`: what a provider's message quotes of the prompt is struck out.
    """
    return _row(
        {
            **asked,
            **_of_decision(decision),
            **_of_hops(_private(decision.hops, inquiry) if private else decision.hops),
            **_of_answer(delivered),
            "id": decision_id,
            "at": stamp(at),
        }
    )


def note_of(decision: Decision, hops: tuple[Hop, ...], inquiry: Inquiry, *, at: str, asked: Cells) -> str:
    """Write down of a decision under way, with the hops so far, what `row_of_note` needs and cannot work out."""
    known = {**asked, **_of_decision(decision), "id": decision.id, "at": at}
    return json_text({**known, "hops": encode(_private(hops, inquiry))})


def row_of_note(note: str) -> tuple[Cell, ...]:
    """Give the row of a decision whose process ended before there was an answer."""
    known = json.loads(note)
    hops = decode(tuple[Hop, ...], Document(file="under_way", value=known["hops"], lines={}))
    return _row({**known, **_of_hops(hops), **_of_answer(LoggedAnswer(reply=None)), "at": stamp(known["at"])})


def _row(values: Cells) -> tuple[Cell, ...]:
    cells = map(values.get, COLUMNS)
    return tuple([storable(cell) if type(cell) is str and not cell.isascii() else cell for cell in cells])


def storable(text: str) -> str:
    """Give text as SQLite takes it: half of a surrogate pair is no text there, and stands as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def cells_of(inquiry: Inquiry, salt: bytes) -> Cells:
    """Give what a row has of an inquiry."""
    prompt = inquiry_text(inquiry.prompt)
    return {
        "inquiry_id": inquiry.id and redacted(inquiry.id),
        "tenant": inquiry.tenant and redacted(inquiry.tenant),
        "step": inquiry.step and redacted(inquiry.step),
        "prompt_chars": len(prompt),
        "prompt_digest": digest_of(prompt, salt),
    }


def _of_answer(delivered: LoggedAnswer) -> Cells:
    usage, reply = delivered.usage, delivered.reply
    return {
        "stop_reason": delivered.stop_reason and delivered.stop_reason.value,
        "refused": int(delivered.stop_reason is StopReason.REFUSAL),
        "truncated": int(delivered.stop_reason in _TRUNCATED),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "reply_chars": None if reply is None else len(reply),
    }


def _of_decision(decision: Decision) -> Cells:
    return {
        "task_class": decision.task_class,
        "source": decision.decided_by.partition(" ")[0],
        "decided_by": decision.decided_by,
        "top_score": max(decision.scores.values(), default=None),
        "propensity": decision.propensity,
        "arm": decision.arm,
        "unit": decision.unit,
        "table_version": decision.table_version,
        "table_digest": decision.table_digest,
        "level": decision.level,
        "chosen": decision.rungs[0] if decision.rungs else None,
        "decision_s": decision.decision_s,
        "total_s": decision.total_s,
        "rungs": json_text(decision.rungs),
        "scores": json_text(decision.scores) if decision.scores else "{}",
    }


def _of_hops(hops: tuple[Hop, ...]) -> Cells:
    served = next((hop for hop in hops if hop.outcome == "served"), None)
    cost_usd = sum((hop.cost_usd for hop in hops), Decimal(0))
    perhaps_usd = sum((hop.perhaps_usd for hop in hops), Decimal(0))
    signal, confidence = _first_confidence(hops)
    outcomes, whys = [hop.outcome for hop in hops], [hop.why for hop in hops]
    return {
        "served": served.candidate if served else None,
        "served_provider": (served.provider or None) if served else None,
        "pinned_model": (served.model or None) if served else None,
        "served_model": served.served_model if served else None,
        "why": served.why if served else None,
        "latency_s": served.latency_s if served else None,
        "hop_count": len(hops),
        "attempts": sum(hop.attempts for hop in hops),
        "failed_hops": sum(outcome not in _NOT_FAILED for outcome in outcomes),
        "skipped_hops": sum(outcome in _NOT_CALLED for outcome in outcomes),
        "unsure_hops": outcomes.count("not confident"),
        "fallbacks": whys.count("fallback"),
        "escalations": whys.count("escalation"),
        "redirects": whys.count("redirect"),
        "hedges": whys.count("hedge"),
        "signal": signal,
        "confidence": confidence,
        "cost_usd": format(cost_usd, "f"),
        "cost_nano_usd": nano_usd(cost_usd),
        "perhaps_usd": format(perhaps_usd, "f"),
        "perhaps_nano_usd": nano_usd(perhaps_usd),
        "hops": json_text(encode(hops)),
    }


def nano_usd(amount: Decimal) -> int:
    """Give an amount in whole nano-dollars, rounded to even."""
    return int(amount.scaleb(_NANO).to_integral_value())


def _first_confidence(hops: tuple[Hop, ...]) -> tuple[str | None, float | None]:
    """The least confident signal of the first reply that was measured."""
    measured = next((hop.confidence for hop in hops if hop.confidence), None)
    if measured is None:
        return None, None
    return min(measured.items(), key=lambda item: item[1])


def _private(hops: tuple[Hop, ...], inquiry: Inquiry) -> tuple[Hop, ...]:
    """Strike out of hops what providers' messages quote of the prompt; why nobody waited is said in our own words."""
    if not any(map(_may_quote, hops)):
        return hops
    prompt = inquiry_text(inquiry.prompt)
    return tuple(_struck(hop, prompt) if _may_quote(hop) else hop for hop in hops)


def _may_quote(hop: Hop) -> bool:
    return bool(hop.detail) and hop.outcome != _NOBODY_WAITED


def _struck(hop: Hop, prompt: str) -> Hop:
    """Strike out of a hop's detail what it quotes of the prompt: providers' messages do that.

    Of a message about the prompt itself only who said it and the HTTP status stay: a few words of a prompt, or what
    they mean, cannot be told from the rest.
    """
    detail = hop.detail[:_MOST_DETAIL]
    if hop.outcome in _ABOUT_PROMPT:
        head = _HEAD.match(detail)
        return replace(hop, detail=f"{head[0]} [...]" if head else "[...]")
    return replace(hop, detail=_without(detail, "".join(_BLANK.sub(" ", prompt).split())))


def _without(detail: str, prompt: str) -> str:
    """Strike out what stands in a prompt, which has no blanks, whatever blanks there are in the detail."""
    spaced = _BLANK.sub(lambda found: " " * len(found[0]), detail)
    places = [place for place, char in enumerate(spaced) if char != " "]
    text = "".join(spaced[place] for place in places)
    least = max(_LEAST_QUOTED, min(_QUOTED, len(prompt)))
    kept, done, at = list[str](), 0, 0
    while at + least <= len(text):
        length = _quoted(text, at, prompt, least)
        if length:
            kept += [detail[done : places[at]], "[...]"]
            done = places[at + length - 1] + 1
        at += length or 1
    return "".join([*kept, detail[done:]])


def _quoted(text: str, place: int, prompt: str, least: int) -> int:
    """How many characters of a text from a place on stand in the prompt in a row; 0 where they are few."""
    end = place + least
    if text[place:end] not in prompt:
        return 0
    while end < len(text) and text[place : end + 1] in prompt:
        end += 1
    return end - place


def row_of_first_shape(row: Mapping[str, Any], salt: bytes, path: Path) -> tuple[Cell, ...]:
    """Give the row of a decision that was logged before the log had a version; what that did not hold is NULL.

    Raises: InputError where a row is damaged.
    """
    try:
        hops = decode(tuple[Hop, ...], Document(file=str(path), value=json.loads(row["hops"]), lines={}))
        rungs, at = tuple(json.loads(row["rungs"])), stamp(row["at"])
        digest = bytes.fromhex(row["prompt_digest"].removeprefix("sha256:"))
    except (ValueError, TypeError, InputError) as error:
        raise InputError(f"decision {row['id']} in it is damaged ({error}); move it away", file=str(path)) from None
    hops = tuple(hop if number == 0 else replace(hop, why="fallback") for number, hop in enumerate(hops))
    decision = Decision(
        task_class=row["task_class"],
        decided_by=row["decided_by"],
        rungs=rungs,
        hops=hops,
        table_version=row["table_version"],
        table_digest=row["table_digest"],
    )
    return _row(
        {
            **_of_decision(decision),
            **_of_hops(hops),
            "id": row["id"],
            "at": at,
            "tenant": row["tenant"],
            "refused": 0,
            "truncated": 0,
            "prompt_chars": row["prompt_chars"],
            "prompt_digest": _salted(digest, salt),
        }
    )
