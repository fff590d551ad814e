"""What evidence was made with, told apart from what may change without it: policy, which is taken as it is now.

A field is policy where its metadata says so (`POLICY`): how many calls are in flight changes no answer, nor does where
else the same weights may be asked.
"""

from __future__ import annotations

from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from routerctl.types.asking import Candidate, ProviderSpec

Setting = TypeVar("Setting", Candidate, ProviderSpec)


def evidence_part(one: Setting) -> Setting:
    """Give a provider or a candidate with its policy at the defaults: two that are equal so give the same answers."""
    defaults: dict[str, Any] = {field.name: field.default for field in _policy_fields(type(one))}
    return replace(one, **defaults)


def with_policy_of(made: Setting, now: Setting | None) -> Setting:
    """Give what evidence was made with, its policy as it is now.

    Where the rest is not the same thing any more, all is as it was made: a new key is not for an old address.
    """
    if now is None or evidence_part(made) != evidence_part(now):
        return made
    policy: dict[str, Any] = {field.name: getattr(now, field.name) for field in _policy_fields(type(made))}
    return replace(made, **policy)


def _policy_fields(kind: type[Candidate | ProviderSpec]) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.metadata.get("policy")]


POLICY_FIELDS = frozenset(field.name for kind in (Candidate, ProviderSpec) for field in _policy_fields(kind))
