"""Local models: what is refused without weights, and what a small real one answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl import errors
from routerctl.providers import base, local, weights
from routerctl.types import Message, Prompt, ProviderSpec, Reply, ReplySpec, Request, Sampling, StopReason

MODEL = weights.pin_of("smollm2-135m")
LABELS = ("positive", "negative", "neutral")
EXAMPLES = [
    ("The room smelled of damp and nobody answered the phone.", "negative"),
    ("A lovely evening from start to finish, the band was superb.", "positive"),
    ("The shop opens at nine on weekdays and closes at six.", "neutral"),
]
INPUTS = [
    "The film was far better than anyone had hoped.",
    "The film broke.",
    "A train.",
    "My neighbour's bike is blue.",
]

needs_llama = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs the extra routerctl[local]")


def prompt(value: str, *, system: str = "Label the sentiment in one word.", shots: bool = True) -> Prompt:
    """A few-shot prompt whose last turn alone differs between the requests of a class."""
    turns = [
        turn
        for text, label in EXAMPLES[: 3 if shots else 0]
        for turn in (Message(role="user", content=text), Message(role="assistant", content=label))
    ]
    return Prompt(system=system, messages=(*turns, Message(role="user", content=value)), shared=len(turns))


def labelled(value: str) -> Request:
    """One request of a class with a constrained reply."""
    return Request(model=MODEL, prompt=prompt(value), reply=ReplySpec(max_tokens=8, choices=LABELS))


def free(value: str, **more: Any) -> Request:
    """One request of another class, with free text."""
    spoken = prompt(value, system="Continue the text.", shots=False)
    return Request(model=MODEL, prompt=spoken, reply=ReplySpec(max_tokens=12), **more)


def provider_of(env: Mapping[str, str] = os.environ, *, concurrency: int = 1, **options: Any) -> local.LocalProvider:
    """A provider as the wire makes it."""
    spec = ProviderSpec(name="mine", kind="local", concurrency=concurrency, options=options)
    return local.LocalProvider(spec, base.Outside(env=env))


@pytest.fixture(scope="session")
def smollm() -> Path:
    """Give the weights of the smallest model."""
    return weights.fetch(weights.local_model("smollm2-135m"))


@pytest.fixture
async def provider(smollm: Path) -> AsyncIterator[local.LocalProvider]:
    """Give a provider with log probabilities and stop its server afterwards."""
    made = provider_of(logprobs=True)
    yield made
    await made.close()


# --- without weights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (("yes", "no"), 'root ::= "yes" | "no"'),
        (('say "no"', "back\\slash"), r'root ::= "say \"no\"" | "back\\slash"'),
        (("two\nlines\t", "ü"), r'root ::= "two\U0000000Alines\U00000009" | "ü"'),
        (('"\nroot ::= .*',), r'root ::= "\"\U0000000Aroot ::= .*"'),
    ],
)
def test_grammar_of(choices: tuple[str, ...], expected: str) -> None:
    """Every choice becomes one quoted literal, whatever it holds."""
    assert local.grammar_of(choices) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_grammar_literals_read_back(choice: str) -> None:
    """A literal is one line of printable characters that reads back as the choice."""
    literal = local.grammar_of((choice,)).removeprefix('root ::= "').removesuffix('"')
    assert literal.isprintable()
    assert not re.search(r'(?<!\\)(\\\\)*"', literal)

    def read(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else found[2]

    assert re.sub(r"\\(?:U([0-9A-F]{8})|(.))", read, literal) == choice


def test_default_threads_leave_a_core() -> None:
    """There is at least one thread, and one core stays free where there are two."""
    assert 1 <= local.default_threads() <= max(1, (os.cpu_count() or 1) - 1)


def test_requests_at_once_share_the_cores() -> None:
    """Several requests at once have one thread each at least, and no more threads together than there are cores."""
    cores = os.cpu_count() or 1
    for at_once in (2, 3, 64):
        threads = local.default_threads(at_once)
        assert threads == 1 or threads * at_once <= cores


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without llama.cpp the provider says in one line what to install."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(errors.InputError, match=re.escape("pip install 'routerctl[local]'")):
        provider_of()


@needs_llama
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"thread": 1}, "no option 'thread'; did you mean 'threads'?"),
        ({"threads": "two"}, "option 'threads' must be of type int"),
        ({"models": {"mine": 1}}, "options.models.mine is the path of a GGUF file"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    """An option that is unknown or of another type is refused when the provider is made."""
    with pytest.raises(errors.InputError, match=re.escape(expected)):
        provider_of(**options)


@needs_llama
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("smollm2-135m", "the weights of 'smollm2-135m' are not on this machine: routerctl models pull smollm2-135m"),
        ("smollm-135m", "no local model 'smollm-135m'; did you mean 'smollm2-135m'?"),
        ("smollm2-135m@sha256:000000000000", "the weights of 'smollm2-135m' have sha256 b179c9523d0e"),
        ("own", "is not pinned by 'own': expected the model id 'own@sha256:2c26b46b68ff'"),
        ("own@sha256:000000000000", "has other weights than 'own@sha256:000000000000' is pinned to"),
        ("gone@sha256:000000000000", "cannot read the weights: No such file"),
        ("own@sha256:2c26b46b68ff", "llama.cpp cannot load"),
    ],
)
async def test_weights_that_cannot_serve(tmp_path: Path, model: str, expected: str) -> None:
    """Weights that are unknown, absent, not pinned, changed or broken are a model that was not found."""
    (tmp_path / "own.gguf").write_bytes(b"foo")
    models = {"own": str(tmp_path / "own.gguf"), "gone": str(tmp_path / "gone.gguf")}
    provider = provider_of({"ROUTERCTL_CACHE_DIR": str(tmp_path)}, models=models)
    with pytest.raises(errors.ModelNotFound, match=re.escape(expected)) as caught:
        await provider.reply(Request(model=model, prompt=prompt("x"), reply=ReplySpec()))
    assert caught.value.ends_run
    await provider.close()


# --- with weights -----------------------------------------------------------------------------------------------------


async def _ask(provider: local.LocalProvider, requests: Iterable[Request]) -> dict[str, tuple[str, float | None]]:
    """Text and mean log probability by input and class."""
    told = {}
    for request in requests:
        reply = await provider.reply(request)
        told[request.prompt.system + request.prompt.messages[-1].content] = (reply.text, reply.mean_logprob)
    return told


@needs_llama
@pytest.mark.slow
async def test_replies_do_not_depend_on_what_was_asked_before(provider: local.LocalProvider) -> None:
    """In any order, interleaved, after a restart and with other threads, replies and log probabilities are equal."""
    one, other = [labelled(text) for text in INPUTS], [free(text) for text in INPUTS]
    first = await _ask(provider, one + other)
    assert len(first) == 2 * len(INPUTS)
    assert await _ask(provider, reversed(one + other)) == first
    assert await _ask(provider, [each for pair in zip(other, one, strict=True) for each in pair]) == first
    again = provider_of(logprobs=True, threads=2)
    try:
        assert await _ask(again, other[::-1] + one) == first
    finally:
        await again.close()


@needs_llama
@pytest.mark.slow
async def test_shared_prefix_is_computed_once(provider: local.LocalProvider) -> None:
    """Every request of a class takes exactly the same tokens from the saved state, the first one too."""
    replies = [await provider.reply(labelled(text)) for text in (*INPUTS, INPUTS[0])]
    reused = {reply.usage.cache_read_tokens for reply in replies}
    assert len(reused) == 1
    assert all(0 < reply.usage.cache_read_tokens < reply.usage.input_tokens for reply in replies)
    assert replies[0].usage == replies[-1].usage


@needs_llama
@pytest.mark.slow
async def test_forgotten_prefix_is_computed_again(
    provider: local.LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More prefixes than are kept push out the one longest unused, and replies stay the same."""
    monkeypatch.setattr(local, "PREFIXES", 1)
    first = await _ask(provider, [labelled(INPUTS[0]), free(INPUTS[0])])
    assert await _ask(provider, [labelled(INPUTS[0]), free(INPUTS[0])]) == first
    ((server,),) = provider._servers.values()
    assert len(list(server._states.iterdir())) == 1


@needs_llama
@pytest.mark.slow
async def test_requests_side_by_side(provider: local.LocalProvider) -> None:
    """Requests that come at once take turns: one server, the same replies, latency without the queue."""
    alone = await _ask(provider, [labelled(text) for text in INPUTS])
    replies = await asyncio.gather(*(provider.reply(labelled(text)) for text in INPUTS))
    assert [(reply.text, reply.mean_logprob) for reply in replies] == list(alone.values())
    assert [len(servers) for servers in provider._servers.values()] == [1]


@needs_llama
@pytest.mark.slow
async def test_several_servers_give_the_same_replies(provider: local.LocalProvider) -> None:
    """With two requests at once a second server starts, never a third, and whichever answers, the reply is the same."""
    alone = await _ask(provider, [labelled(text) for text in INPUTS])
    pair = provider_of(concurrency=2, logprobs=True)
    replies = await asyncio.gather(*(pair.reply(labelled(text)) for text in INPUTS))
    assert [len(servers) for servers in pair._servers.values()] == [2]
    assert [server.guests for servers in pair._servers.values() for server in servers] == [0, 0]
    await pair.close()
    assert [(reply.text, reply.mean_logprob) for reply in replies] == list(alone.values())


@needs_llama
@pytest.mark.slow
async def test_cancelled_request_leaves_no_trace(provider: local.LocalProvider) -> None:
    """A request cancelled in the middle does not change the next reply."""
    first = await _ask(provider, [free(INPUTS[0])])
    long = Request(model=MODEL, prompt=prompt("Tell a long story."), reply=ReplySpec(max_tokens=2000))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(provider.reply(long), 0.5)
    assert await _ask(provider, [free(INPUTS[0])]) == first


@needs_llama
@pytest.mark.slow
@pytest.mark.parametrize(
    "choices", [("positive", "negative"), ('say "no"',), ("two\nlines",), ("back\\slash",), ("日本", "Ünïcode 🙂")]
)
async def test_reply_is_one_of_the_choices(provider: local.LocalProvider, choices: tuple[str, ...]) -> None:
    """A reply with choices is exactly one of them, whatever characters they hold."""
    asked = Request(model=MODEL, prompt=prompt(INPUTS[0]), reply=ReplySpec(max_tokens=30, choices=choices))
    reply = await provider.reply(asked)
    assert reply.text in choices
    assert reply.stop_reason is StopReason.END


@needs_llama
@pytest.mark.slow
async def test_json_schema_is_obeyed(provider: local.LocalProvider) -> None:
    """A reply with a JSON schema is of that shape."""
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}},
        "required": ["mood", "stars"],
        "additionalProperties": False,
    }
    asked = Request(model=MODEL, prompt=prompt(INPUTS[0]), reply=ReplySpec(max_tokens=60, json_schema=schema))
    found = json.loads((await provider.reply(asked)).text)
    assert found["mood"] in ("good", "bad")
    assert 1 <= found["stars"] <= 5


@needs_llama
@pytest.mark.slow
async def test_samples_differ_and_repeat(provider: local.LocalProvider) -> None:
    """With a temperature, samples differ from each other and each one repeats exactly."""

    async def samples() -> list[str]:
        sampling = Sampling(temperature=1.0, seed=7)
        asked = [free(INPUTS[0], sampling=sampling, sample=number) for number in range(4)]
        return [(await provider.reply(request)).text for request in asked]

    first = await samples()
    assert len(set(first)) > 1
    assert await samples() == first


@needs_llama
@pytest.mark.slow
async def test_served_model_and_shape_of_a_reply(provider: local.LocalProvider) -> None:
    """The server itself says the pinned id; a reply that is cut off says so; a temperature of 0 is the default."""
    asked = replace(free(INPUTS[0]), reply=ReplySpec(max_tokens=4))
    reply: Reply = await provider.reply(asked)
    assert reply.served_model == MODEL
    assert reply.stop_reason is StopReason.MAX_TOKENS
    assert reply.usage.output_tokens == 4
    assert reply.mean_logprob is not None
    assert reply.mean_logprob < 0
    assert reply.text == (await provider.reply(replace(asked, sample=3))).text


@needs_llama
@pytest.mark.slow
async def test_bare_name_is_served_as_its_pin(provider: local.LocalProvider) -> None:
    """A catalog name without a digest is served, and what was served is said with it."""
    asked = Request(model="smollm2-135m", prompt=prompt("x"), reply=ReplySpec(max_tokens=2))
    assert (await provider.reply(asked)).served_model == MODEL


@needs_llama
@pytest.mark.slow
async def test_own_file_is_served_under_its_digest(smollm: Path) -> None:
    """A user's own GGUF file serves under the name and digest that its candidate is pinned to."""
    provider = provider_of(models={"mine": str(smollm)})
    try:
        model = "mine@sha256:b179c9523d0e6a0f"
        reply = await provider.reply(Request(model=model, prompt=prompt("x"), reply=ReplySpec(max_tokens=2)))
        assert reply.served_model == model
    finally:
        await provider.close()


@needs_llama
@pytest.mark.slow
async def test_too_long_prompt(smollm: Path) -> None:
    """A prompt that does not fit, in its shared part or its own, is a bad request that another model may take."""
    provider = provider_of(n_ctx=256)
    try:
        for asked in (
            labelled("word " * 400),
            Request(model=MODEL, prompt=prompt("x", system="y " * 400), reply=ReplySpec()),
        ):
            with pytest.raises(errors.BadRequest, match="exceeds the available context size"):
                await provider.reply(asked)
        assert (await provider.reply(labelled(INPUTS[0]))).text in LABELS
    finally:
        await provider.close()


def _native_threads() -> int:
    """How many threads of this process are not Python's; 0 where the platform does not tell."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) - threading.active_count() if tasks.is_dir() else 0


@needs_llama
@pytest.mark.slow
async def test_close_leaves_nothing(smollm: Path) -> None:
    """After close the port is shut, the saved states are gone and the server's threads have ended."""
    provider = provider_of()
    before = _native_threads()
    await provider.reply(labelled(INPUTS[0]))
    ((server,),) = provider._servers.values()
    root, states = server._root, server._states
    assert states.is_dir()
    await provider.close()
    assert not states.exists()
    port = int(root.rsplit(":", 1)[1])
    with pytest.raises(OSError, match=str(port)):
        await asyncio.open_connection("127.0.0.1", port)
    assert _native_threads() == before
    await provider.close()  # twice does no harm


_LONG_RUN = f"""
import asyncio, os
from routerctl.providers import base, local
from routerctl.types import *
async def main():
    provider = local.LocalProvider(ProviderSpec(name="mine", kind="local"), base.Outside(env=os.environ))
    turn = Message(role="user", content="Tell a long story.")
    spec = ReplySpec(max_tokens=3000)
    try:
        asked = Request(model={MODEL!r}, prompt=Prompt(system="", messages=(turn,)), reply=ReplySpec(max_tokens=2))
        await provider.reply(asked)
        print("ready", flush=True)
        await provider.reply(Request(model={MODEL!r}, prompt=Prompt(system="", messages=(turn,)), reply=spec))
    finally:
        await provider.close()
        print("closed", flush=True)
asyncio.run(main())
"""


@needs_llama
@pytest.mark.slow
def test_interrupt_ends_a_reply(smollm: Path) -> None:
    """Ctrl-C in the middle of a reply closes the server and ends the process."""
    code = [sys.executable, "-W", "error", "-c", _LONG_RUN]
    with subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=120)
    assert out == "closed\n"
    assert told.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT
