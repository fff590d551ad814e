"""The salt of users' digests in the names of budgets' books, which all processes of a project share."""

from __future__ import annotations

import secrets

from routerctl.routing.state import Documents, StateStore

_SALT = "salt/users"


def salt_of(store: StateStore) -> bytes:
    """Give the salt of users' digests that a project's processes share, made by the first one that wants it.

    Raises: StateDown.
    """

    def change(found: Documents) -> tuple[Documents, str]:
        salt = found[_SALT] or secrets.token_hex(16)
        return {_SALT: salt}, str(salt)

    return bytes.fromhex(store.update([_SALT], change))
