"""How many tokens a reply may take: of two limits the smaller, unless the candidate thinks within its own."""

from __future__ import annotations

import pytest

from routerctl.providers.thinking import reply_limit, thinks
from routerctl.strategies.answer import first_request
from routerctl.types import Candidate, Effort, Message, Prompt, ReplySpec
from tests.conftest import Project

PROMPT = Prompt(system="", messages=(Message(role="user", content="x"),))


def _candidate(model: str, max_tokens: int | None = None, effort: Effort | None = None) -> Candidate:
    return Candidate(name="c", provider="p", model=model, max_tokens=max_tokens, effort=effort)


@pytest.mark.parametrize(
    ("model", "effort", "own", "of_class", "limit"),
    [
        ("claude-haiku-4-5-20251001", None, 2048, 16, 16),
        ("claude-haiku-4-5-20251001", None, 8, 16, 8),
        ("claude-haiku-4-5-20251001", "low", 2048, 16, 2048),  # whatever has an effort thinks
        ("claude-haiku-5-5", None, 2048, 16, 2048),
        ("claude-haiku-5-5", None, 8, 16, 8),
        ("claude-haiku-5-5", None, None, 16, 16),
        ("gpt-4.1-2025-04-14", None, 2048, 16, 16),
        ("gpt-5.2-2025-12-11", None, 2048, 16, 2048),
        ("o4-mini-2025-04-16", None, 2048, 16, 2048),
        ("openai/gpt-6-luna", None, 2048, 16, 2048),  # through a gateway
        ("smollm2-135m@sha256:0123456789ab", None, 2048, 16, 16),
        ("Qwen/Qwen3-8B", None, 2048, 16, 2048),
        ("Qwen/Qwen3-4B-Instruct-2507", None, 2048, 16, 16),
        ("qwen2.5-coder-0.5b", None, 64, 1024, 64),
    ],
)
def test_the_smaller_limit_holds_unless_the_model_thinks(
    model: str, effort: Effort | None, own: int | None, of_class: int, limit: int
) -> None:
    """What is sent is the smaller limit; a candidate that thinks first gets its own, since thinking counts."""
    candidate = _candidate(model, own, effort)
    assert reply_limit(candidate, ReplySpec(max_tokens=of_class)) == limit
    assert first_request(candidate, PROMPT, ReplySpec(max_tokens=of_class)).reply.max_tokens == limit


@pytest.mark.parametrize(
    "model", ["o", "octo-1", "gpt-4o-2024-08-06", "claude-opus-4-6", "mistral-small", "llama-o1-x"]
)
def test_what_is_not_known_to_think_does_not(model: str) -> None:
    """An id is matched from its start: a model that only sounds like one that thinks is none."""
    assert not thinks(_candidate(model))


def test_check_says_which_limit_holds(project: Project, in_process: None) -> None:
    """Both ways round, for the classes together; and that a model which thinks has too little room for it."""
    project.config["candidates"]["small"]["max_tokens"] = 99
    project.config["candidates"]["large"] |= {"max_tokens": 2048, "effort": "low"}
    project.config["candidates"]["tight"] = {"provider": "fake", "model": "model-large", "effort": "low"}
    project.save()
    project.eval_set("sums", 60, reply={"max_tokens": 16})
    project.eval_set("texts", 60, reply={"max_tokens": 400})
    said = project.run("check")
    assert (
        "ok: candidates.small.max_tokens: 99 holds for texts (400): the smaller one\n"
        "ok: candidates.small.max_tokens: not 99 but the class's limit holds for sums (16): the smaller one\n"
        "ok: candidates.large.max_tokens: 2048 holds for sums (16), texts (400): what it thinks counts too\n"
    ) in said.out
    assert (
        "warning: candidates.tight: it thinks within max_tokens, which is less than 512 for sums, texts: replies may "
        "be cut off before the answer; give the candidate a max_tokens\n"
    ) in said.err
