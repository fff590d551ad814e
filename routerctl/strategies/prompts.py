"""A prompt specification and an input -> the prompt that is sent.

`evaluation` and `routing` use the same function, so that what was measured is what is served. Importing it imports
jinja2 (0.1 s): `routing` does so only when it really calls.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment

from routerctl.errors import InputError
from routerctl.types import Json, Message, Prompt, PromptSpec


class _Environment(ImmutableSandboxedEnvironment):
    """A sandbox in which `input.items` is the input's field of that name, not the method of a dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look a mapping's keys up first."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _value_only(value: Any) -> Any:
    """Refuse a method (`input.title` of a text): it would be sent as `<built-in method ...>`."""
    if callable(value) and not isinstance(value, Undefined):
        raise TypeError(f"{getattr(value, '__name__', value)!r} is not a field of the input")
    return value


_ENVIRONMENT = _Environment(undefined=StrictUndefined, keep_trailing_newline=True, finalize=_value_only)


def render_prompt(spec: PromptSpec, value: Json) -> Prompt:
    """Turn an input (a text or a mapping) into a prompt: the examples as earlier turns, then the input.

    Raises: InputError where the template does not fit the input.
    """
    turns = []
    for example in spec.examples:
        turns.append(Message(role="user", content=render_input(spec.template, example.input)))
        turns.append(Message(role="assistant", content=example.reply))
    turns.append(Message(role="user", content=render_input(spec.template, value)))
    return Prompt(system=spec.system, messages=tuple(turns), shared=2 * len(spec.examples))


def render_input(template: str, value: Json) -> str:
    """Fill the template; it sees `input`, and the keys of a mapping by their own names as well.

    Raises: InputError where the template does not fit the input.
    """
    names = {key: item for key, item in value.items() if key != "input"} if isinstance(value, dict) else {}
    try:
        return _template(template).render(names, input=value)
    except TemplateError as error:
        raise InputError(f"the prompt template does not fit the input: {error}") from None
    except (TypeError, ArithmeticError, LookupError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"the prompt template fails on the input: {type(error).__name__}: {error}") from None


def check_template(template: str) -> None:
    """Refuse what is no template for any input.

    Raises: InputError.
    """
    try:
        _template(template)
    except TemplateError as error:
        raise InputError(f"not a jinja2 template: {error}") from None


@lru_cache(maxsize=256)
def _template(text: str) -> JinjaTemplate:
    return _ENVIRONMENT.from_string(text)
