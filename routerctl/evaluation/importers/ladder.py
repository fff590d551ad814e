"""Models of a foreign file and what the user says of them -> the ladder of their run.

A model that routerctl.yaml has as a candidate is that candidate, with its pins, provider and price; where all are
candidates of the ladder, the run fits beside the project's own. Any other gets a provider of kind "imported", which
nobody can call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from routerctl.costs import Pricer, known_prices, pricer_of
from routerctl.errors import InputError, nearest
from routerctl.evaluation.eval_sets import EVALS_FOLDER
from routerctl.evaluation.importers.as_run import Lineup
from routerctl.evaluation.importers.prices import Costed, StatedModel
from routerctl.evaluation.importers.values import as_number, as_usd
from routerctl.evaluation.project import PROJECT_FILE, Project, load_project
from routerctl.evaluation.run.header import pinned_candidate, prices_of
from routerctl.evaluation.run_files import read_header, run_folders
from routerctl.notices import info
from routerctl.scorers import IMPORTED
from routerctl.types import Candidate, Price, ProviderSpec, RunHeader


def project_here(root: Path) -> Project | None:
    """Read routerctl.yaml where there is one; a folder with eval sets must have one.

    Raises: InputError.
    """
    needed = (root / PROJECT_FILE).exists() or any((root / EVALS_FOLDER).glob("*.yaml"))
    return load_project(root) if needed else None


def known_model(name: str, models: Collection[str], flag: str) -> str:
    """Give the model of a name, blanks around it or not.

    Raises: InputError with the nearest right one where no file has it.
    """
    found = name if name in models else name.strip()
    if found not in models:
        raise InputError(f"{flag}: no model {found!r} in the files{nearest(found, models)}")
    return found


# --- what the user says -----------------------------------------------------------------------------------------------


def told(
    models: Sequence[str],
    costs: Sequence[str],
    prices: Sequence[str],
    latencies: Sequence[str],
    project: Project | None,
    same: Sequence[str],
    on: date,
) -> dict[str, StatedModel]:
    """Read --cost, --price and --latency, and add what the project knows of each model's price.

    Raises: InputError for what is no amount or names no model.
    """
    cost_usd = {name: _amount(text, "--cost", name) for name, text in _pairs(costs, models, "--cost").items()}
    mtok_usd = {name: _amounts(text, name) for name, text in _pairs(prices, models, "--price").items()}
    latency_s = {name: _seconds(text, name) for name, text in _pairs(latencies, models, "--latency").items()}
    pricers = _pricers(project, matches(models, project, same), on) if project else {}
    return {
        name: StatedModel(
            cost_usd=cost_usd.get(name),
            input_mtok_usd=mtok_usd[name][0] if name in mtok_usd else None,
            output_mtok_usd=mtok_usd[name][1] if name in mtok_usd else None,
            latency_s=latency_s.get(name),
            project=pricers.get(name),
        )
        for name in models
    }


def _pairs(texts: Sequence[str], models: Collection[str], flag: str) -> dict[str, str]:
    """Read MODEL=VALUE; a model's name may hold an equals sign, a value does not."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise InputError(f"{flag}: expected MODEL=VALUE, got {text!r}")
        model = known_model(name, models, flag)
        if model in found:
            raise InputError(f"{flag}: {model!r} is named twice")
        found[model] = value.strip()
    return found


def _amount(text: str, flag: str, name: str) -> Decimal:
    found = as_usd(text)
    if found is None:
        raise InputError(f"{flag} {name}: expected an amount of USD from 0, like 0.0247, got {text!r}")
    return found


def _amounts(text: str, name: str) -> tuple[Decimal, Decimal]:
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(f"--price {name}: expected INPUT,OUTPUT in USD per million tokens, like 0.25,2, got {text!r}")
    return _amount(parts[0], "--price", name), _amount(parts[1], "--price", name)


def _seconds(text: str, name: str) -> float:
    found = as_number(text)
    if found is None or found < 0:
        raise InputError(f"--latency {name}: expected seconds from 0, like 1.5, got {text!r}")
    return found


# --- models -> candidates ---------------------------------------------------------------------------------------------


def matches(models: Sequence[str], project: Project, same: Sequence[str]) -> dict[str, str]:
    """Say which candidate of the project a model is, for those that are one.

    Raises: InputError where --as names nothing, a model may be several candidates, or two models are the same one.
    """
    said = _pairs(same, models, "--as")
    found: dict[str, str] = {}
    for model in models:
        if model in said and said[model] not in project.candidates:
            near = nearest(said[model], project.candidates)
            raise InputError(f"--as: no candidate {said[model]!r} in {PROJECT_FILE}{near}")
        names = [said[model]] if model in said else _alike(model, project)
        if len(names) > 1:
            either = " or ".join(names)
            raise InputError(f"the model {model!r} may be the candidate {either}: say --as {model}=CANDIDATE")
        if names and names[0] in found.values():
            raise InputError(
                f"two models of the files are the candidate {names[0]!r}; name the one to use with --order"
            )
        if names:
            found[model] = names[0]
    return found


def _alike(model: str, project: Project) -> list[str]:
    """The candidates of this model id, written in full or without the runner's prefix, else the one of this name."""
    ids = {model, model.rpartition("/")[2], model.rpartition(":")[2]}
    by_id = [name for name, item in project.candidates.items() if item.model in ids]
    return by_id or [name for name in project.candidates if name == model]


def _pricers(project: Project, names: Mapping[str, str], on: date) -> dict[str, Pricer]:
    found = {}
    for model, name in names.items():
        candidate = pinned_candidate(project, name)
        price = prices_of(project, {name: candidate}, on)[name]
        found[model] = pricer_of(price, project.providers[candidate.provider], candidate.model)
    return found


def line_up(
    models: Sequence[str],
    costed: Costed,
    project: Project | None,
    root: Path,
    *,
    ladder: str | None,
    ordered: bool,
    same: Sequence[str],
    on: date,
) -> Lineup:
    """Put the models on the project's ladder where all of them are on it, else on one of their own.

    `ordered`: the user gave their order. Raises: InputError as `matches`, or for --ladder and --as without a project.
    """
    if project is None:
        for flag, given in (("--ladder", ladder), ("--as", same)):
            if given:
                raise InputError(f"{flag} names candidates of {PROJECT_FILE}, and there is no such file here")
        return _own_ladder(models, costed, {}, {}, {}, ordered)
    found = matches(models, project, same)
    ladder_name, rungs = project.ladder_named(ladder)
    names = [found.get(model) for model in models]
    places = [rungs.index(name) for name in names if name in rungs]
    if len(places) == len(models) and (not ordered or places == sorted(places)):
        made = _on_ladder(project, root, ladder_name, rungs, found, on)
        return replace(made, prices={**made.prices, **_unknown(costed, found)})
    strangers = [model for model, name in zip(models, names, strict=True) if name not in rungs]
    why = f"not on ladder {ladder_name!r}: {', '.join(strangers)}" if strangers else "--order is not the ladder's order"
    info(f"{why}; so these outcomes get a ladder of their own and cannot be in one table with other runs")
    candidates = {model: pinned_candidate(project, name) for model, name in found.items()}
    prices = prices_of(project, {item.name: item for item in candidates.values()}, on)
    return _own_ladder(models, costed, candidates, project.providers, prices, ordered)


def _unknown(costed: Costed, names: Mapping[str, str]) -> dict[str, Price]:
    """Mark, by candidate, the costs that are not known: the project's price does not help without token counts."""
    return {names[model]: costed.prices[model] for model in costed.missing}


def _on_ladder(
    project: Project, root: Path, ladder_name: str, rungs: tuple[str, ...], found: Mapping[str, str], on: date
) -> Lineup:
    candidates = {name: pinned_candidate(project, name) for name in rungs}
    providers = {item.provider: project.providers[item.provider] for item in candidates.values()}
    part = tuple(name for name in rungs if name in found.values())
    made = Lineup(
        ladder_name=ladder_name,
        ladder=rungs,
        rungs=part if len(part) < len(rungs) else (),
        providers=providers,
        candidates=candidates,
        prices=prices_of(project, candidates, on),
        names=found,
    )
    # Runs go into one table if they name the same prices, and the day is a part of a price.
    newest = next((header for header in map(read_header, run_folders(root)) if _same_ladder(header, made)), None)
    known = known_prices(newest.prices) if newest else {}
    if not known:
        return made
    earlier = prices_of(project, candidates, date.fromisoformat(next(iter(known.values())).date))
    return replace(made, prices=earlier) if earlier == {**earlier, **known} else made


def _same_ladder(header: RunHeader, made: Lineup) -> bool:
    names = ("ladder_name", "ladder", "candidates", "providers")
    return header.finished and all(getattr(header, name) == getattr(made, name) for name in names)


def _own_ladder(
    models: Sequence[str],
    costed: Costed,
    known: Mapping[str, Candidate],
    providers: Mapping[str, ProviderSpec],
    prices: Mapping[str, Price],
    ordered: bool,
) -> Lineup:
    candidates = {model: known.get(model) or Candidate(name=model, provider=IMPORTED, model=model) for model in models}
    usual = models if ordered else _cheapest_first(models, costed.mean_usd)
    specs = {IMPORTED: ProviderSpec(name=IMPORTED, kind=IMPORTED), **providers}
    names = {model: item.name for model, item in candidates.items()}
    twice = next((name for name, count in Counter(names.values()).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"two models are called {twice!r}: say --as MODEL=CANDIDATE, or name one with --order")
    priced = {names[model]: price for model, price in costed.prices.items()} | dict(prices)
    return Lineup(
        ladder_name=IMPORTED,
        ladder=tuple(names[model] for model in usual),
        rungs=(),
        providers={item.provider: specs[item.provider] for item in candidates.values()},
        candidates={item.name: item for item in candidates.values()},
        prices=priced | _unknown(costed, names),
        names=names,
    )


def _cheapest_first(models: Sequence[str], mean_usd: Mapping[str, Decimal]) -> list[str]:
    """Order the models of known cost among themselves; the others stay where they are."""
    known = iter(sorted((name for name in models if name in mean_usd), key=mean_usd.__getitem__))
    return [next(known) if name in mean_usd else name for name in models]
