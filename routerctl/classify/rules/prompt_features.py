"""An inquiry -> what rules look at, each worked out once and only where a rule asks for it.

On the hot path of every request.
"""

from __future__ import annotations

from functools import cached_property

from routerctl.classify.rules import code, keywords, texts
from routerctl.types import Inquiry
from routerctl.types.asking import Json


def inquiry_text(prompt: Json) -> str:
    """Give the text that rules look at: the prompt itself, or the values of its fields, one a line."""
    if isinstance(prompt, dict):
        return "\n".join(str(part) for part in prompt.values())
    return str(prompt)


class PromptFeatures:
    """One inquiry as rules see it."""

    def __init__(self, inquiry: Inquiry) -> None:
        """Look at nothing yet but the text."""
        self.inquiry = inquiry
        self.text = inquiry_text(inquiry.prompt)

    @cached_property
    def folded(self) -> str:
        """The text as keywords are looked for in it."""
        return keywords.folded(self.text)

    @cached_property
    def spaced(self) -> str:
        """The same with one blank between words."""
        return keywords.spaced(self.folded)

    def has_keyword(self, keyword: str) -> bool:
        """Whether a keyword stands in the text."""
        sought = keywords.folded_keyword(keyword)
        if " " not in sought:
            return keywords.has_keyword(self.folded, sought)
        return sought[: sought.index(" ")] in self.folded and keywords.has_keyword(
            self.spaced, sought
        )  # few texts need to be spaced

    @cached_property
    def word_count(self) -> int:
        """How many words the text has."""
        return texts.count_words(self.text)

    def has_at_most(self, most: int) -> bool:
        """Whether the text has so many words or fewer; of a text with more, no more than these are looked at."""
        if "word_count" not in self.__dict__ and self.text.isascii():
            return len(self.text.split(None, most)) <= most
        return self.word_count <= most

    @cached_property
    def is_json(self) -> bool:
        """Whether the text is JSON."""
        return texts.is_json(self.text)

    @cached_property
    def has_code(self) -> bool:
        """Whether there is program code in the text."""
        return code.has_code(self.utf8)

    @cached_property
    def language(self) -> str | None:
        """The text's language as ISO 639-1 code; None = too short to tell."""
        from routerctl.classify.rules.languages import language_of  # only a rule with a language needs it

        return language_of(self.text)

    @cached_property
    def utf8(self) -> bytes:
        """The text as RE2 takes it."""
        return keywords.composed(self.text).encode("utf-8", "replace")

    @cached_property
    def marked_utf8(self) -> bytes:
        """The same with marks where words begin and end."""
        from routerctl.classify.rules.patterns import marked  # only text that is not ASCII pays for it

        return marked(keywords.composed(self.text)).encode("utf-8", "replace")
