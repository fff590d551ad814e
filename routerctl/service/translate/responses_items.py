"""The output items of a response: a message of text and refusal parts, a reasoning item, a function call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from routerctl.service.translate.blocks import BlockOpened, Kind
from routerctl.service.translate.signed_thinking import pack_thinking
from routerctl.service.translate.tool_names import chat_id

Body = dict[str, Any]
ItemEvents = list[tuple[str, Body]]  # events of an item: (name after `response.`, fields)


class Item(ABC):
    """An item that is open."""

    def __init__(self, made: str) -> None:
        self.id = made

    def takes(self, kind: Kind) -> bool:
        """Whether a block of that kind goes on in this item."""
        del kind
        return False

    @abstractmethod
    def opened(self) -> Body:
        """Give the item as it begins."""

    @abstractmethod
    def whole(self, status: str) -> Body:
        """Give the item as it ends."""

    def open_part(self, kind: Kind) -> ItemEvents:
        """Open a part."""
        del kind
        return []

    @abstractmethod
    def add(self, piece: tuple[str, str]) -> ItemEvents:
        """Add to the open part; `piece`: text, signature or sealed, and what it brings."""

    def close_part(self) -> ItemEvents:
        """Close the open part."""
        return []


class Message(Item):
    """A message: its parts are texts and refusals."""

    def __init__(self, made: str) -> None:
        super().__init__(made)
        self._parts: list[Body] = []

    def takes(self, kind: Kind) -> bool:
        """Whether it is a text or a refusal."""
        return kind in ("text", "refusal")

    def opened(self) -> Body:
        """Give it without content."""
        return self._shell("in_progress", [])

    def whole(self, status: str) -> Body:
        """Give it with its content."""
        return self._shell(status, self._parts)

    def _shell(self, status: str, parts: list[Body]) -> Body:
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": parts}

    def open_part(self, kind: Kind) -> ItemEvents:
        """Open a text or a refusal."""
        text = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._parts.append(text if kind == "text" else {"type": "refusal", "refusal": ""})
        return [("content_part.added", self._here() | {"part": dict(self._parts[-1])})]

    def add(self, piece: tuple[str, str]) -> ItemEvents:
        """Add to the part's text."""
        part, (kind, field, more) = self._parts[-1], self._kind()
        part[field] += piece[1]
        return [(f"{kind}.delta", self._here() | more | {"delta": piece[1]})]

    def close_part(self) -> ItemEvents:
        """Close it: the text whole, then the part."""
        part, (kind, field, more) = self._parts[-1], self._kind()
        done = self._here() | more | {field: part[field]}
        return [(f"{kind}.done", done), ("content_part.done", self._here() | {"part": dict(part)})]

    def _kind(self) -> tuple[str, str, Body]:
        is_text = self._parts[-1]["type"] == "output_text"
        return ("output_text", "text", {"logprobs": []}) if is_text else ("refusal", "refusal", {})

    def _here(self) -> Body:
        return {"content_index": len(self._parts) - 1}


class Reasoning(Item):
    """What was thought: as its summary, and with a signature in a form that the client can send back."""

    def __init__(self, made: str, model: str) -> None:
        super().__init__(made)
        self._model, self._said = model, {"text": "", "signature": "", "sealed": ""}

    def opened(self) -> Body:
        """Give it without a summary."""
        return {"id": self.id, "type": "reasoning", "summary": []}

    def whole(self, status: str) -> Body:
        """Give it with all that was thought."""
        del status
        text, signature, data = self._said["text"], self._said["signature"], self._said["sealed"]
        item = self.opened() | {"summary": [self._part(text)] if text else []}
        if signature or data:
            item["encrypted_content"] = pack_thinking(text=text, signature=signature, data=data, model=self._model)
        return item

    def add(self, piece: tuple[str, str]) -> ItemEvents:
        """Add to it; what is no text is seen at its end alone."""
        kind, told = piece
        begins = kind == "text" and not self._said["text"]
        self._said[kind] += told
        if kind != "text":
            return []
        added = [("reasoning_summary_part.added", {"summary_index": 0, "part": self._part("")})] if begins else []
        return [*added, ("reasoning_summary_text.delta", {"summary_index": 0, "delta": told})]

    def close_part(self) -> ItemEvents:
        """Close the summary, if there is one."""
        if not (text := self._said["text"]):
            return []
        return [
            ("reasoning_summary_text.done", {"summary_index": 0, "text": text}),
            ("reasoning_summary_part.done", {"summary_index": 0, "part": self._part(text)}),
        ]

    @staticmethod
    def _part(text: str) -> Body:
        return {"type": "summary_text", "text": text}


class Function(Item):
    """A function call."""

    def __init__(self, made: str, call_id: str, name: str) -> None:
        super().__init__(made)
        self._call_id, self._name, self._arguments = call_id, name, ""

    def opened(self) -> Body:
        """Give it without arguments."""
        return self._shell("in_progress", "")

    def whole(self, status: str) -> Body:
        """Give it with its arguments."""
        return self._shell(status, self._arguments)

    def _shell(self, status: str, arguments: str) -> Body:
        call = {"id": self.id, "call_id": self._call_id, "type": "function_call", "name": self._name}
        return call | {"arguments": arguments, "status": status}

    def add(self, piece: tuple[str, str]) -> ItemEvents:
        """Add to the arguments."""
        self._arguments += piece[1]
        return [("function_call_arguments.delta", {"delta": piece[1]})]

    def close_part(self) -> ItemEvents:
        """Give the arguments whole."""
        return [("function_call_arguments.done", {"name": self._name, "arguments": self._arguments})]


def item_of(step: BlockOpened, *, tail: str, names: Mapping[str, str], model: str) -> Item:
    """Give the item that a block begins; `tail`: what makes its id one of its own."""
    if step.tool:
        name = names.get(step.tool.name, step.tool.name)
        return Function(f"fc_{tail}", chat_id(step.tool.id), name)
    return Message(f"msg_{tail}") if step.kind in ("text", "refusal") else Reasoning(f"rs_{tail}", model)
