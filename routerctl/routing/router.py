"""A prompt and routes.yaml -> an answer with the decision behind it: the one door to the request line.

Whoever brings a prompt (a program, stdin, a service) brings it here; `explain` says what `route` would do, by the same
table. Importing it loads no SDK, no template engine and no event loop: what serving needs comes with the first prompt
that is served. Place: the head of the request line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from routerctl.classify.decide import decide
from routerctl.classify.rules import inquiry_text
from routerctl.errors import InputError, RouterctlError, nearest
from routerctl.notices import alarm
from routerctl.routing.clock import Clock, SystemClock
from routerctl.routing.explain import explain
from routerctl.routing.tables import Tables
from routerctl.routing.tenants import States
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Decision, Inquiry, Json, Table

if TYPE_CHECKING:
    from routerctl.providers.base import Provider
    from routerctl.routing.route import Routed
    from routerctl.routing.runtime import Runtime

T = TypeVar("T")
Prompt = str | Mapping[str, Json]  # a text, or the fields of the class's template
_DEEPEST = 100  # levels of a prompt's fields: whoever looks at it goes down into it, a few calls a level


class Asked(TypedDict, total=False):
    """What may be said with a prompt; rules, residency, budgets and experiments look at it, a model does not."""

    task_class: str | None  # None: rules, the classifier or the default name it
    id: str | None  # the caller's own, for the log
    tenant: str | None
    user: str | None  # whom the tenant asks for
    step: str | None  # of an agent's toolchain
    features: Mapping[str, Json]  # whatever the application knows
    attachments: Sequence[str]  # what comes beside the prompt, by kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would be decided for a prompt, and why; nobody was asked."""

    decision: Decision
    reasons: tuple[str, ...]  # lines


class Router:
    """Routes prompts by a table; an async context manager, to be used in one event loop."""

    def __init__(
        self,
        table: Table,
        root: Path,
        *,
        env: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
        clock: Clock | None = None,
        serves: bool = False,
    ) -> None:
        """`root`: the folder of the table, below which log and state are; `open` finds both.

        `serves`: many applications at once, see `Runtime`.
        """
        self._serves = serves
        env = os.environ if env is None else env  # not in the signature, where help() would print every key
        self.table, self._root, self._env, self._ready = table, root, env, providers or {}
        self._is_open = self._was_closed = False
        self._clock = clock or SystemClock()
        self.states = States(table, root, env)
        self.tables = Tables(table, root, self.states.known)
        self._runtime: Runtime | None = None

    @classmethod
    def open(
        cls,
        table: str | Path = TABLE_FILE,
        *,
        keys: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Read a routing table, for `async with`; log, state and health stand in `.routerctl` beside it.

        `keys`: by the variables that the table names (`{"ANTHROPIC_API_KEY": ...}`), before those of the environment.
        `providers` (by name, in place of those that the table describes), `clock`: for tests, see `routerctl.testing`.

        Raises: InputError where the table cannot be read.
        """
        made = load_table(Path(table))
        _check_names(made, keys or {}, providers or {})
        env = {**os.environ, **keys} if keys else None
        return cls(made, Path(table).absolute().parent, env=env, providers=providers, clock=clock)

    @classmethod
    def open_sync(
        cls,
        table: str | Path = TABLE_FILE,
        *,
        keys: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
        clock: Clock | None = None,
    ) -> SyncRouter:
        """Read a routing table, for `with` in scripts and notebooks; as `open`."""
        return SyncRouter(cls.open(table, keys=keys, providers=providers, clock=clock))

    async def route(self, prompt: Prompt, **asked: Unpack[Asked]) -> Routed:
        """Serve one prompt; its decision is in the log before the answer is given.

        Raises:
            InputError: the prompt, or what is said with it, cannot be meant; nobody was asked.
            EveryRungFailed: nobody on the class's route replied; its `decision` tells each hop.
            BudgetSpent: nobody on it could be paid for.
        """
        routed = await self.serve(_inquiry(prompt, asked))
        for words in routed.alarms:
            alarm(words)
        return routed

    async def serve(self, inquiry: Inquiry) -> Routed:
        """Serve one inquiry; as `route`, but its alarms are left to the caller."""
        return await self.runtime().serve(self.tables, inquiry)

    def runtime(self) -> Runtime:
        """Give everything that serving needs, opened with the first prompt.

        Raises: RouterctlError where the router is not open.
        """
        if not self._is_open:
            raise RouterctlError("the router is not open: use it inside `async with Router.open(...)`")
        if self._runtime is None:
            from routerctl.routing.runtime import Runtime

            self._runtime = Runtime(
                self.table,
                self._root,
                env=self._env,
                states=self.states,
                providers=self._ready,
                clock=self._clock,
                serves=self._serves,
            )
        return self._runtime

    def explain(self, prompt: Prompt, **asked: Unpack[Asked]) -> Explanation:
        """Say what `route` would decide and why; a classifier that is a model is not asked, and nothing is logged.

        Raises: InputError.
        """
        return self.explain_inquiry(_inquiry(prompt, asked))

    def explain_inquiry(self, inquiry: Inquiry) -> Explanation:
        """Say what `serve` would decide and why; as `explain`."""
        experiment = self.tables.experiment_for(inquiry)
        if experiment.is_stale():
            experiment.refresh()
        assigned = self.tables.of(inquiry)
        table = assigned.table
        decision = assigned.with_arm(decide(table, inquiry, assigned.classifier))
        lines = explain(table, inquiry, decision, self._clock.now().date())
        return Explanation(decision=decision, reasons=(*assigned.reasons(), *lines))

    async def __aenter__(self) -> Self:
        """Give the router; nothing is opened before the first prompt.

        Raises: RouterctlError where it was closed.
        """
        if self._was_closed:
            raise RouterctlError("the router was closed: open another one")
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        self._is_open, self._was_closed = False, True
        if self._runtime:
            await self._runtime.close()
        self.states.close()


class SyncRouter:
    """Routes prompts by a table, without `await`; a context manager, safe to use from several threads."""

    def __init__(self, router: Router) -> None:
        """`router`: used by nobody else."""
        import asyncio
        import threading

        self._router, self._asyncio = router, asyncio
        self._lock, self._is_open = threading.Lock(), False
        self._loop: asyncio.AbstractEventLoop | None = None  # of its own: a notebook has one already
        self._thread: threading.Thread | None = None
        self._process: int | None = None

    def route(self, prompt: Prompt, **asked: Unpack[Asked]) -> Routed:
        """Serve one prompt; as `Router.route`."""
        return self._run(lambda: self._router.route(prompt, **asked))

    def explain(self, prompt: Prompt, **asked: Unpack[Asked]) -> Explanation:
        """Say what `route` would decide and why; as `Router.explain`."""
        return self._router.explain(prompt, **asked)

    def __enter__(self) -> Self:
        """Start the loop, in a thread.

        Raises: RouterctlError where it was closed.
        """
        import threading

        if self._thread:
            raise RouterctlError("the router was entered before: open another one")
        self._loop = self._asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="routerctl", daemon=True)
        self._thread.start()
        self._is_open, self._process = True, os.getpid()
        self._run(self._router.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up the calls of other threads, close what was opened, and end the loop."""
        with self._lock:
            self._is_open = False
            if not (self._loop and self._thread):
                return
            closing = self._asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        try:
            closing.result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        tasks = self._asyncio.all_tasks() - {self._asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await self._asyncio.gather(*tasks, return_exceptions=True)
        await self._router.__aexit__(None, None, None)

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        from concurrent.futures import CancelledError

        with self._lock:  # what is begun before the end is ended by it
            if self._process not in (None, os.getpid()):
                raise RouterctlError("the router was opened in another process: open one after the fork")
            if not (self._is_open and self._loop):
                raise RouterctlError("the router is not open: use it inside `with Router.open_sync(...)`")
            future = self._asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RouterctlError("the router was closed before the answer came") from None
        except BaseException:
            future.cancel()  # Ctrl-C while it waits: the call is given up, too
            raise


_TEXTS = ("task_class", "id", "tenant", "user", "step")


def _inquiry(prompt: Prompt, asked: Asked) -> Inquiry:
    """Check what a program says as `--jsonl` checks a line.

    Raises: InputError naming the argument, what was expected and the nearest right name.
    """
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    for name, value in given.items():
        if name not in Asked.__annotations__:
            raise InputError(f"no argument {name!r}{nearest(name, Asked.__annotations__)}")
        if name in _TEXTS and not isinstance(value, str):
            raise InputError(f"{name}: expected a text, got {value!r}")
    features, kinds = given.pop("features", {}), given.pop("attachments", ())
    if not (isinstance(features, Mapping) and (not features or _is_json(dict(features)))):
        raise InputError(f"features: expected a mapping of JSON values by name, got {features!r}")
    if isinstance(kinds, str) or not all(isinstance(kind, str) for kind in kinds):
        raise InputError(f"attachments: expected a list of kinds such as ['pdf'], got {kinds!r}")
    text = dict(prompt) if isinstance(prompt, Mapping) else prompt
    problem = prompt_problem(text) or ("" if isinstance(text, str) or _is_json(text) else "expected JSON values")
    if problem:
        raise InputError(f"prompt: {problem}")
    return Inquiry(prompt=text, features=dict(features), attachments=tuple(kinds), **given)


def _is_json(value: Json) -> bool:
    """Tell whether a value can be written as JSON, at no great depth."""
    import json

    try:
        return not is_deep(value) and bool(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False


def _check_names(table: Table, keys: Mapping[str, str], providers: Mapping[str, object]) -> None:
    """Refuse what would be ignored: a key that goes by its provider's name, a provider that no table has.

    Raises: InputError.
    """
    for name, value in keys.items():
        if name in table.providers or not isinstance(value, str):
            raise InputError(f"keys: expected texts, by variables such as ANTHROPIC_API_KEY; got {name!r}")
    for name in providers:
        if name not in table.providers and not table.routing.tiers:  # a tier's table may have others
            raise InputError(f"providers: no provider {name!r} in the table{nearest(name, table.providers)}")


def prompt_problem(prompt: Json) -> str:
    """Say why something cannot be a prompt; "" where it can."""
    if not isinstance(prompt, str | dict) or not prompt or not inquiry_text(prompt).strip():
        return "expected a text or an object with the template's fields"
    if is_deep(prompt, _DEEPEST):
        return "nested too deeply"
    try:
        inquiry_text(prompt).encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no text"
    return ""


def is_deep(value: Json, most: int = _DEEPEST) -> bool:
    """Tell whether there are more than `most` levels in a value."""
    if not isinstance(value, dict | list):
        return False
    return most == 0 or any(is_deep(item, most - 1) for item in (value.values() if isinstance(value, dict) else value))
