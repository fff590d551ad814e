"""An inquiry -> the table that serves it: its tenant's, or the one that an experiment tries on it.

Whatever is routed and whatever is explained is asked for here, so both are told of the same table. Place: the request
line, first step; it calls nobody.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from routerctl.classify.decide import TextClassifier, classifier_of
from routerctl.errors import InputError
from routerctl.notices import warn
from routerctl.routing.experiments.active import ActiveExperiment, Assignment
from routerctl.routing.state.base import StateStore
from routerctl.routing.tenants import DECISIONS_FILE, folder_of, stranger, table_of, tenant_of
from routerctl.table import load_table
from routerctl.types import Decision, Experiment, Inquiry, Table, Tenant

_MOST_PLAIN = 10_000  # names


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """What serves an inquiry."""

    tenant: Tenant | None  # None: nobody that routerctl.yaml names
    table: Table
    classifier: TextClassifier | None  # the trained one that the table names
    experiment: ActiveExperiment
    assignment: Assignment | None = None  # None: no experiment is on
    other: Table | None = None  # the other arm's

    def with_arm(self, decision: Decision) -> Decision:
        """Write the arm into a decision, with the chance that the inquiry had of this class's first rung."""
        if self.assignment is None or self.other is None:
            return decision
        route = self.other.routes.get(decision.task_class)
        same = route is not None and route.rungs[:1] == decision.rungs[:1]  # whom both arms choose has the chance 1
        chance = 1.0 if same else self.assignment.propensity
        return replace(decision, arm=self.assignment.arm, unit=self.assignment.unit, propensity=chance)

    def reasons(self) -> list[str]:
        """Say by which arm of which experiment a table serves; nothing where none is on."""
        if self.assignment is None:
            return []
        experiment, arm = self.assignment.experiment, self.assignment.arm
        by = f"by chance, without {experiment.key}" if self.assignment.by_chance else f"by {experiment.key}"
        return [f"experiment {experiment.name}: arm {arm[-1]} ({by}; {experiment.share:.0%} are served by arm B)"]


class Tables:
    """The tables of a project: its own, its tiers', and those that experiments try; each read once."""

    def __init__(self, project: Table, root: Path, state: Callable[[Tenant | None], StateStore | None]) -> None:
        """`root`: the folder of `project`, the project's own table; `state`: None where nothing was ever shared."""
        self._project, self._root, self._state = project, root, state
        self._own: dict[str | None, Table] = {}  # by tier
        self._tried: dict[str, Table] = {}  # by digest
        self._plain: dict[str | None, Assigned] = {}  # by the name of a tenant: what serves where no experiment is on
        self._experiments: dict[str | None, ActiveExperiment] = {}  # by tenant
        self._strangers: set[str | None] = set()  # tenants that nothing knows, once said
        self._classifiers: dict[str, TextClassifier | None] = {}  # by the table's digest

    def of(self, inquiry: Inquiry) -> Assigned:
        """Give what serves an inquiry, by what is known of experiments (`experiment_for`, refreshed).

        Raises: InputError for a tier's table or a classifier that is not there, or a tenant that nothing knows.
        """
        plain = self._plain.get(inquiry.tenant)
        if plain is not None and not plain.experiment.is_on:
            return plain
        tenant = self._tenant_of(inquiry)
        own, experiment = self._of_tenant(tenant), self._experiment_of(tenant)
        assignment = experiment.assignment_of(inquiry, _new_id)
        if assignment is not None:
            try:
                tried = self._of_experiment(assignment.experiment)
                classifier = self._classifier_of(tried)
            except InputError as error:
                experiment.leave(assignment.experiment, str(error))
                assignment = None
        if assignment is None or not assignment.in_b:
            classifier = self._classifier_of(own)
        in_b = assignment is not None and assignment.in_b
        assigned = Assigned(
            tenant=tenant,
            table=tried if in_b else own,
            classifier=classifier,
            experiment=experiment,
            assignment=assignment,
            other=None if assignment is None else own if in_b else tried,
        )
        if assignment is None and len(self._plain) < _MOST_PLAIN:
            self._plain[inquiry.tenant] = assigned
        return assigned

    def experiment_for(self, inquiry: Inquiry) -> ActiveExperiment:
        """Give the experiment that an inquiry may be part of; where it is stale, `refresh` it first.

        Raises: InputError for a tenant that nothing knows.
        """
        plain = self._plain.get(inquiry.tenant)
        return plain.experiment if plain else self._experiment_of(self._tenant_of(inquiry))

    def _experiment_of(self, tenant: Tenant | None) -> ActiveExperiment:
        name = tenant.name if tenant else None
        if name not in self._experiments:
            log, digest = folder_of(self._root, tenant) / DECISIONS_FILE, self._of_tenant(tenant).digest
            self._experiments[name] = ActiveExperiment(lambda: self._state(tenant), log, digest)
        return self._experiments[name]

    def _tenant_of(self, inquiry: Inquiry) -> Tenant | None:
        """Give an inquiry's tenant; of one that nothing knows it is said once, where it is not refused."""
        problem = stranger(self._project, inquiry.tenant)
        if problem and self._project.routing.unknown_tenant == "refuse":
            raise InputError(f"{problem} (routing.unknown_tenant: warn would serve it as the project's own)")
        if problem and inquiry.tenant not in self._strangers:
            self._strangers.add(inquiry.tenant)
            warn(f"{problem}; it is served with the project's own table, keys and log")
        return tenant_of(self._project, inquiry.tenant)

    def _of_tenant(self, tenant: Tenant | None) -> Table:
        tier = tenant.tier if tenant else None
        if tier not in self._own:
            self._own[tier] = table_of(self._project, self._root, tenant)
        return self._own[tier]

    def _classifier_of(self, table: Table) -> TextClassifier | None:
        if table.digest not in self._classifiers:
            self._classifiers[table.digest] = classifier_of(table, self._root)
        return self._classifiers[table.digest]

    def _of_experiment(self, experiment: Experiment) -> Table:
        if experiment.digest_b not in self._tried:
            table = load_table(self._root / experiment.table)
            if table.digest != experiment.digest_b:
                raise InputError("is not the table that the experiment began with", file=experiment.table)
            self._tried[experiment.digest_b] = table
        return self._tried[experiment.digest_b]
