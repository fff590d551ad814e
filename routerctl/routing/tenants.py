"""A tenant's name -> its folder and the table of its tier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from routerctl.errors import InputError, nearest
from routerctl.notices import warn
from routerctl.routing.state import STATE_FILE, StateStore, open_state
from routerctl.table import load_table
from routerctl.types import Budget, Condition, ProviderSpec, Table, Tenant

TENANTS_FOLDER = ".routerctl/tenants"
DECISIONS_FILE = ".routerctl/decisions.sqlite"  # the decision log, below the folder of the project or the tenant


def tenant_of(table: Table, name: str | None) -> Tenant | None:
    """Give the tenant of a name; None for whoever has no entry under `tenants`."""
    return table.routing.tenants.get(name) if name is not None else None


def stranger(table: Table, name: str | None) -> str:
    """Say of a tenant's name that nothing knows it, with the nearest one that is known; "" where all is well.

    Known are the tenants and whoever a rule, a residency rule or a budget names. Where there are no tenants, a name is
    a label that anybody may choose.
    """
    routing = table.routing
    if name is None or not routing.tenants or name in routing.tenants:
        return ""
    conditions = [*(rule.when for rule in table.rules), *(rule.when for rule in routing.residency)]
    known = {*routing.tenants, *(one for budget in routing.budgets for one in budget.tenant), *_named(conditions)}
    return "" if name in known else f"no tenant {name!r}{nearest(name, known)}"


def _named(conditions: Iterable[Condition]) -> Iterator[str]:
    for one in conditions:
        yield from one.tenant
        yield from _named((*one.all_of, *one.any_of, *one.none_of))


def known_tenant(table: Table, name: str | None) -> Tenant | None:
    """Give the tenant that a command names; None where it names none.

    Raises: InputError for one that routerctl.yaml does not name.
    """
    if name is not None and name not in table.routing.tenants:
        raise InputError(f"no tenant {name!r}{nearest(name, table.routing.tenants)}")
    return tenant_of(table, name)


def folder_of(root: Path, tenant: Tenant | None) -> Path:
    """Give the folder below which a tenant's own files are; the project's for nobody in particular."""
    return root if tenant is None else root / TENANTS_FOLDER / tenant.name


def table_of(table: Table, root: Path, tenant: Tenant | None) -> Table:
    """Give the table that serves a tenant: its tier's, else the project's own.

    Raises: InputError for a tier's table that is not there.
    """
    if tenant is None or tenant.tier is None:
        return table
    return load_table(root / table.routing.tiers[tenant.tier].table)


def budgets_at(table: Table, budgets: Sequence[Budget], tenant: Tenant | None) -> list[Budget]:
    """Give the project's budgets as a tenant's table can keep them: it may be older than a change of `cheap`."""
    whose = f"tenant {tenant.name}" if tenant else "an experiment"
    again = f"--tier {tenant.tier}" if tenant and tenant.tier else "and start the experiment with it"
    for one in budgets:
        for name in sorted(set(one.cheap) - set(table.candidates)):
            warn(
                f"budget {one.name}: its cheap candidate {name} is not in the table of {whose}, where it cannot serve; "
                f"build it again: routerctl build-table {again}"
            )
    return [replace(one, cheap=tuple(name for name in one.cheap if name in table.candidates)) for one in budgets]


def with_own_key(spec: ProviderSpec, tenant: Tenant | None) -> ProviderSpec:
    """Give a provider as a tenant reaches it: by the tenant's own key, where it has one."""
    own: Mapping[str, str] = tenant.keys if tenant else {}
    return replace(spec, api_key_env=own[spec.name]) if spec.name in own else spec


class States:
    """The states that processes share, by tenant: one store each for all uses, so an outage is said once."""

    def __init__(self, project: Table, root: Path, env: Mapping[str, str]) -> None:
        """`root`: the folder of the project's own table."""
        self._project, self._root, self._env = project, root, env
        self._stores: dict[str | None, StateStore] = {}
        self._said = False

    def of(self, tenant: Tenant | None) -> StateStore:
        """Give the state of a tenant, or the project's where `tenant` is None; it is opened at its first use.

        Raises: InputError where the variable that holds its address is not set, or is no address.
        """
        name = tenant.name if tenant else None
        if name not in self._stores:
            self._stores[name] = self._opened(tenant)
        return self._stores[name]

    def known(self, tenant: Tenant | None) -> StateStore | None:
        """Give the state of a tenant; None where it has no file yet, or its address is wrong, which is said once."""
        is_there = self._project.routing.state or (folder_of(self._root, tenant) / STATE_FILE).exists()
        try:
            return self.of(tenant) if is_there else None
        except InputError as error:
            if not self._said:
                warn(f"it is not known whether an experiment is running: {error}")
            self._said = True
            return None

    def close(self) -> None:
        """Close what was opened."""
        for store in self._stores.values():
            store.close()

    def _opened(self, tenant: Tenant | None) -> StateStore:
        given = self._project.routing.state
        if given is None:
            return open_state(folder_of(self._root, tenant) / STATE_FILE, warn=warn)
        if given.startswith("$"):
            variable, given = given[1:], self._env.get(given[1:], "")
            if not given:
                raise InputError(f"set the environment variable {variable} to the redis:// URL of the shared state")
        url, _, project = given.partition("#")
        parts = [project or "default", *([tenant.name] if tenant else [])]
        return open_state(url, warn=warn, project="/".join(parts))


def state_of(table: Table, root: Path, tenant: Tenant | None) -> StateStore:
    """Give the state of a tenant of a project, by the environment of this process; as `States.of`."""
    return States(table, root, os.environ).of(tenant)
