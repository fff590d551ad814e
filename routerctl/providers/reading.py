"""What a far side sent -> values that were checked; where it is odd, which field was, and what was expected there.

Nothing of a body is trusted: any field may be absent, null or of another type. For the providers whose replies are
JSON; knows no vendor's fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from routerctl import costs
from routerctl.notices import warn
from routerctl.types import Json, RawRequest, Reply, Request, StopReason, Usage

MOST_TOKENS = 10**9  # of one call: a count beyond is none
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class Odd(ValueError):
    """A body is not of the API's shape; says which field is not."""


class Far:
    """A value somewhere in a body, and where; below what is not there everything is None."""

    __slots__ = ("_key", "_whole", "value")

    def __init__(self, value: Json, key: str | int = "", whole: Far | None = None) -> None:
        """`key`: under which it stands in `whole`."""
        self.value, self._key, self._whole = value, key, whole

    @property
    def path(self) -> str:
        """Where it stands; only worked out where something is odd."""
        above = self._whole.path if self._whole else ""
        return f"{above}[{self._key}]" if isinstance(self._key, int) else f"{above}.{self._key}".strip(".")

    def __getitem__(self, key: str | int) -> Far:
        """Give a field or an item."""
        value = self.value
        if isinstance(key, int):
            return Far(value[key] if isinstance(value, list) and len(value) > key else None, key, self)
        return Far(value.get(key) if isinstance(value, dict) else None, key, self)

    def odd(self, expected: str) -> Odd:
        """Make the error that says what was expected here."""
        got = "nothing" if self.value is None else type(self.value).__name__
        return Odd(f"{self.path or 'the body'}: expected {expected}, got {got}")

    def mapping(self) -> Far:
        """Give the value itself, which is an object; raises Odd."""
        if not isinstance(self.value, dict):
            raise self.odd("dict")
        return self

    def items(self) -> list[Far]:
        """Give the items of a list; raises Odd."""
        if not isinstance(self.value, list):
            raise self.odd("list")
        return [self[number] for number in range(len(self.value))]

    def text(self) -> str:
        """Give a text, halves of characters replaced: nobody could write them down; raises Odd."""
        if not isinstance(self.value, str):
            raise self.odd("str")
        return whole_text(self.value)

    def text_or(self, other: str) -> str:
        """Give a text, or another one where there is nothing; raises Odd."""
        return other if self.value is None else self.text()

    def name(self) -> str:
        """Give a name, "" where there is none that can be read."""
        return whole_text(self.value) if isinstance(self.value, str) else ""

    def one_of(self, words: Mapping[str, StopReason]) -> StopReason:
        """Give what a word stands for, OTHER for one that is not known."""
        return words.get(self.value, StopReason.OTHER) if isinstance(self.value, str) else StopReason.OTHER

    def count(self) -> int | None:
        """Give a number of tokens, None where there is none; raises Odd."""
        number = self.value
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if number is None:
            return None
        if not isinstance(number, int) or isinstance(number, bool):
            raise self.odd("int")
        if not 0 <= number <= MOST_TOKENS:
            raise Odd(f"{self.path}: expected a number of tokens, got one {'below 0' if number < 0 else 'too great'}")
        return number


def body_of(content: bytes) -> Far:
    """Read a body; raises Odd for what is no JSON."""
    try:
        return Far(value_of(content))
    except RecursionError:
        raise Odd("not JSON that can be read: nested too deeply") from None
    except ValueError:
        raise Odd(f"not JSON: {content[:1000].decode(errors='replace') or 'nothing'}") from None


_decode = json.JSONDecoder().raw_decode


def value_of(content: bytes) -> Json:
    """Read JSON in UTF-8, as nearly all is, without the detours of `json.loads`; raises ValueError, RecursionError."""
    try:
        text = content.decode()
        value, end = _decode(text)
    except ValueError:  # blanks before it, another encoding, or no JSON at all
        return json.loads(content)
    return json.loads(content) if end < len(text) and text[end:].strip() else value


def whole_text(text: str) -> str:
    """Give a text without halves of characters (lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


# --- tokens -----------------------------------------------------------------------------------------------------------


def is_failure(word: str) -> bool:
    """Tell whether a word for why a reply ended says that it broke off."""
    return word in _BROKE_OFF or (word[-5:].lower() == "error" and word[-6:-5] in ("", "_"))


_BROKE_OFF = ("abort", "insufficient_system_resource")  # vLLM's and SGLang's; DeepSeek's


def counted(usage: Far, *, total: Far, output: Far, read: Far, written: Far, beside: bool = False) -> tuple[Usage, str]:
    """Give the tokens of a call as far as they were told, and what is odd or lacking ("": nothing).

    A count that is lacking is 0. `beside`: cached tokens are not in `total`.
    """
    if not isinstance(usage.value, dict):
        return Usage(estimated=True), str(usage.odd("dict"))
    words: list[str] = []

    def told(field: Far, *, needed: bool = False) -> int:
        try:
            number = field.count()
        except Odd as problem:
            words.append(str(problem))
            return 0
        if number is None and needed:
            words.append(str(field.odd("int")))
        return number or 0

    counts = [told(total, needed=True), told(output, needed=True), told(read), told(written)]
    cached = counts[2] + counts[3]
    if beside:
        counts[0] += cached
    elif cached > counts[0]:
        words.append(f"{total.path}: {cached} cached tokens of {counts[0]}")
        counts[2] = counts[3] = 0
    return Usage(**dict(zip(_COUNTS, counts, strict=True)), estimated=bool(words)), "; ".join(words)


def completed(reply: Reply, request: Request | RawRequest, *, thought: bool) -> Reply:
    """Give the reply with the tokens estimated that nobody counted: the most that they can be, as budgets reserve them.

    No prompt is without tokens, and no text: a 0 there was not counted. `thought`: it may have written more than text.
    """
    usage = reply.usage
    no_input, no_output = not usage.input_tokens, not usage.output_tokens and bool(reply.text or thought)
    if not (usage.estimated or no_input or no_output):
        return reply
    asked, most = costs.most_tokens(request)
    full = thought or reply.stop_reason is StopReason.MAX_TOKENS
    wrote = most if full else min(most, len(reply.text.encode()))
    usage = replace(
        usage,
        input_tokens=asked if no_input else usage.input_tokens,
        output_tokens=wrote if no_output else usage.output_tokens,
        estimated=True,
    )
    return replace(reply, usage=usage)


class Once:
    """Says of a provider's models what a person should hear, each thing once."""

    def __init__(self, provider: str) -> None:
        self._provider, self._said = provider, set[tuple[str, str]]()

    def say(self, model: str, what: str, words: str) -> None:
        """Warn, unless `what` was said of this model."""
        if (model, what) not in self._said:
            self._said.add((model, what))
            warn(f"{self._provider}: {words}")

    def say_of(self, reply: Reply, model: str, odd: str) -> None:
        """Warn of a reply whose tokens were estimated or that names no model."""
        if reply.usage.estimated:
            why = f" ({odd})" if odd else ""
            self.say(
                model,
                "usage",
                f"it does not count the tokens of {model}'s replies{why}: their cost is estimated from the texts, at "
                "the most that it can be",
            )
        if not reply.served_model:
            self.say(
                model, "model", f"it does not say which model served {model}: that it was the pinned one is not known"
            )


def checked(reply: Any) -> Reply:
    """See that what a provider gave is a reply that can be priced and written down; raises Odd."""
    if not isinstance(reply, Reply):
        raise Odd(f"expected a Reply, got {type(reply).__name__}")
    text, served, detail = (Far(getattr(reply, name), name).text() for name in ("text", "served_model", "detail"))
    usage, latency_s = reply.usage, reply.latency_s
    if not isinstance(usage, Usage):
        raise Far(usage, "usage").odd("Usage")
    for name in _COUNTS:
        number = getattr(usage, name)
        is_count = type(number) is int and 0 <= number <= MOST_TOKENS  # as nearly every one is
        if not is_count and Far(number, f"usage.{name}").count() is None:
            raise Far(None, f"usage.{name}").odd("int")
    if usage.cache_read_tokens + usage.cache_write_tokens > usage.input_tokens:
        raise Odd("usage.input_tokens: fewer than those cached")
    if not isinstance(latency_s, int | float) or not 0 <= latency_s < float("inf"):
        raise Odd("latency_s: expected seconds")
    if not isinstance(reply.stop_reason, StopReason):
        raise Far(reply.stop_reason, "stop_reason").odd("StopReason")
    if (text, served, detail) == (reply.text, reply.served_model, reply.detail):
        return reply
    return replace(reply, text=text, served_model=served, detail=detail)
