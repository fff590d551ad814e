"""The kind of a provider -> its class: ours by name, others' by entry point.

A class is named, not imported: the SDKs take seconds to import and most commands never call a model. `wire.Wire` makes
providers of these classes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from routerctl import errors

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from routerctl.providers.base import Outside, Provider
    from routerctl.types import ProviderSpec

KINDS: Mapping[str, str] = {
    "anthropic": "routerctl.providers.anthropic:AnthropicProvider",
    "openai": "routerctl.providers.openai:OpenAIProvider",
    "local": "routerctl.providers.local:LocalProvider",
    "fake": "routerctl.providers.fake:FakeProvider",
}
PLUGIN_GROUP = "routerctl.providers"  # entry point name = kind, value = "module:Class"


def kind_class(kind: str) -> Callable[[ProviderSpec, Outside], Provider]:
    """Find the class of a kind of provider: ours, else a plug-in's.

    Raises:
        InputError: nobody registered this kind.
    """
    plugins = check_kind(kind)
    if kind not in KINDS:
        return plugins[kind].load()  # type: ignore[no-any-return]  # a plug-in promises the same shape
    module, _, name = KINDS[kind].partition(":")
    found: Any = getattr(importlib.import_module(module), name)
    return found  # type: ignore[no-any-return]  # the registry holds classes of this shape


def check_kind(kind: str) -> Mapping[str, EntryPoint]:
    """See that a kind of provider is known, without importing it; give the plug-ins, where it is none of ours.

    Raises:
        InputError: nobody registered this kind.
    """
    from importlib.metadata import entry_points

    if kind in KINDS:
        return {}
    if kind == "imported":
        raise errors.InputError(
            "a model whose outcomes were imported cannot be called: add it to routerctl.yaml (a provider, and a "
            "candidate with its pinned id), import again and rebuild the table"
        )
    plugins = {point.name: point for point in entry_points(group=PLUGIN_GROUP)}
    if kind not in plugins:
        raise errors.InputError(f"no provider kind '{kind}'{errors.nearest(kind, [*KINDS, *plugins])}")
    return plugins
