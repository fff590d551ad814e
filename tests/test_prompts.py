"""Templates and few-shot examples as the messages that a model gets."""

from __future__ import annotations

from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.strategies.prompts import check_template, render_input, render_prompt
from routerctl.types import Example, Message, Prompt, PromptSpec


def test_examples_come_first() -> None:
    """The examples are earlier turns in the template's own words; `shared` counts them."""
    spec = PromptSpec(system="S", template="Q: {{ input }}", examples=(Example(input="one", reply="1"),))
    assert render_prompt(spec, "two") == Prompt(
        system="S",
        messages=(
            Message(role="user", content="Q: one"),
            Message(role="assistant", content="1"),
            Message(role="user", content="Q: two"),
        ),
        shared=2,
    )


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("{{ input }}", "x", "x"),
        ("{{ input }}\n", "x", "x\n"),
        ("{{ input }}", "{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
        ("{{ input }}", "<b>&", "<b>&"),
        ("{{ input.a }}/{{ b }}", {"a": 1, "b": 2}, "1/2"),
        ("{{ input.a.b }}", {"a": {"b": "deep"}}, "deep"),
        ("{{ input }}", {"input": "inner"}, "{'input': 'inner'}"),
        ("{{ input.items }} {{ input.keys }} {{ items }}", {"items": "pens", "keys": "door"}, "pens door pens"),
        ("{% for k, v in input.items() %}{{ k }}={{ v }};{% endfor %}", {"a": 1, "b": 2}, "a=1;b=2;"),
        ("{{ input.title() }}", "two words", "Two Words"),
        ("{{ input | length }}", ["a", "b"], "2"),
        ("{# a note #}{{ input }}", "x", "x"),
    ],
)
def test_rendering(template: str, value: Any, text: str) -> None:
    """The template sees the input and a mapping's keys; what stands in an input is never a template itself."""
    assert render_input(template, value) == text


@pytest.mark.parametrize(
    ("template", "value", "part"),
    [
        ("{{ inptu }}", "x", "does not fit the input: 'inptu' is undefined"),
        ("{{ input.qestion }}", {"question": "x"}, "'dict object' has no attribute 'qestion'"),
        ("{{ input.question }}", "text", "has no attribute 'question'"),
        ("{{ input.title }}", "text", "'title' is not a field of the input"),
        ("{{ input.items }}", {"a": 1}, "'items' is not a field of the input"),
        ("{{ input", "x", "does not fit the input"),
        ("{% for x in input %}", "x", "Unexpected end of template"),
        ("{{ input | nosuch }}", "x", "No filter named 'nosuch'"),
        ("{{ input + 1 }}", "x", "TypeError"),
        ("{{ 1 / 0 }}", "x", "ZeroDivisionError"),
        ("{{ range(999999999) | list }}", "x", "OverflowError"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "x", "RecursionError"),
        ("{% include '/etc/passwd' %}", "x", "no loader"),
    ],
)
def test_what_does_not_fit(template: str, value: Any, part: str) -> None:
    """A template that does not fit an input is one line of the user's error, never a silent text or a traceback."""
    with pytest.raises(InputError) as caught:
        render_input(template, value)
    assert str(caught.value).startswith("the prompt template ")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ input.__class__ }}",
        "{{ input.__init__.__globals__ }}",
        "{{ input['__class__'] }}",
        "{{ input | attr('__class__') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(input) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ namespace.__init__.__globals__ }}",
        "{% set x = input.clear() %}",
        "{{ input.update({'a': 2}) }}",
    ],
)
def test_the_sandbox_holds(template: str) -> None:
    """No template reaches Python's insides or changes its input."""
    value = {"a": 1}
    with pytest.raises(InputError):
        render_input(template, value)
    assert value == {"a": 1}


def test_a_template_is_checked_without_an_input() -> None:
    """What is wrong for any input is found without one; an unknown name is not, it depends on the input."""
    check_template("{{ input.question }} {{ whatever }}")
    with pytest.raises(InputError, match=r"^not a jinja2 template: unexpected '}'$"):
        check_template("{{ input }")
