"""A pattern -> what finds it, by RE2, in text of any script; or why it is refused.

The only file that may import RE2, which takes linear time on any text and is imported when the first rule that needs it
is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from routerctl.errors import InputError

_MOST_MEMORY = 64 << 20  # bytes of a compiled pattern: the letters of all scripts take some


@lru_cache(maxsize=512)
def in_all_scripts(pattern: str) -> tuple[str, str | None]:
    r"""Give a pattern for text in any script and, where it has a `\b`, the one for text that is marked for it.

    What the first does not find, the second does not: few texts have to be marked.

    Raises: InputError where it has letters of other scripts and cannot be told of them.
    """
    from routerctl.classify.rules import patterns  # only text that is not ASCII pays for it

    try:
        return patterns.for_all_scripts(pattern), (
            patterns.for_marked(pattern) if patterns.has_boundary(pattern) else None
        )
    except patterns.UntranslatableError:
        if pattern.isascii():
            return pattern, None
        raise


def knows_all_scripts(pattern: str) -> bool:
    """Tell whether a pattern can be told of the letters of all scripts, or has nothing to be told."""
    from routerctl.classify.rules import patterns

    try:
        patterns.for_all_scripts(pattern)
    except patterns.UntranslatableError:
        return False
    return True


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Callable[[bytes], bool]:
    """Give what finds an RE2 pattern in UTF-8.

    Raises: InputError for what RE2 refuses.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = True
    options.max_mem = _MOST_MEMORY
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        raise InputError(f"not a regular expression of RE2: {_words_of(error)}") from None
    except UnicodeEncodeError:
        raise InputError("not a regular expression of RE2: half of a surrogate pair") from None
    return lambda text: search(text) is not None


def refusal(pattern: str) -> str | None:
    """Say why RE2 refuses a pattern; None where it takes it."""
    try:
        compiled(pattern)
        for translated in in_all_scripts(pattern):
            compiled(translated or "")
    except InputError as error:
        return error.problem
    return None


def _words_of(error: Exception) -> str:
    said_by_re2 = error.args[0] if error.args else ""
    return said_by_re2.decode("utf-8", "replace") if isinstance(said_by_re2, bytes) else str(said_by_re2)
