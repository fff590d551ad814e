"""Who serves a class: the cheapest that is proven or provisional, else the best there is, the cheapest of equals."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.evaluation.selection import Choice, Outcome, Shown, best_available, choose
from routerctl.types import Verdict

P, W, V = Verdict.PROVEN, Verdict.WITHIN_MARGIN, Verdict.PROVISIONAL
B, N, X = Verdict.BELOW, Verdict.NOT_PROVEN, Verdict.NOT_REACHED
R = Verdict.REFERENCE


def shown(
    verdict: Verdict, cost: str | None = "1", values: Sequence[float] = (1,) * 10, start: int = 0, *, weight: float = 1
) -> Shown:
    """What a candidate came to on the cases from `start` on, each of which cost so much."""
    places = range(start, start + len(values))
    return Shown(
        verdict=verdict,
        outcomes={place: Outcome(value=value, weight=weight) for place, value in zip(places, values, strict=True)},
        costs=None if cost is None else dict.fromkeys(places, Decimal(cost)),
    )


def scored(passed: int, cases: int = 100) -> list[int]:
    """So many passes, then failures: who passes more passes all that the others do."""
    return [1] * passed + [0] * (cases - passed)


def chosen(choice: Choice) -> tuple[str, str, str]:
    """A choice in short."""
    return choice.chosen, choice.level, "".join(choice.rungs)


# --- somebody qualifies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param({"a": (P, "1")}, ("a", "proven", "abc"), id="first passes, the rest was not run"),
        pytest.param({"a": (V, "1")}, ("a", "provisional", "abc"), id="also if it is provisional"),
        pytest.param({"a": (B, "1"), "b": (P, "3")}, ("b", "proven", "bc"), id="those that failed below do not serve"),
        pytest.param({"a": (N, "1"), "b": (W, "3")}, ("b", "proven", "bc"), id="not even if merely open"),
        pytest.param({"a": (V, "1"), "b": (P, "3")}, ("a", "provisional", "abc"), id="provisional and cheaper"),
        pytest.param({"a": (V, "4"), "b": (P, "3")}, ("b", "proven", "bac"), id="provisional below falls back"),
        pytest.param({"a": (P, "1"), "b": (N, "3"), "c": (P, "5")}, ("a", "proven", "abc"), id="open above may"),
        pytest.param({"a": (P, "1"), "b": (B, "3"), "c": (P, "5")}, ("a", "proven", "ac"), id="below above may not"),
        pytest.param({"a": (V, "1"), "b": (X, "3"), "c": (X, "5")}, ("a", "provisional", "a"), id="nor not reached"),
        pytest.param(
            {"a": (P, "4"), "b": (P, "3"), "c": (P, "5")}, ("b", "proven", "bac"), id="measured cheaper, higher up"
        ),
        pytest.param(
            {"a": (P, "4"), "b": (V, "5"), "c": (P, "3")}, ("c", "proven", "cab"), id="the top is the cheapest"
        ),
        pytest.param({"a": (P, "3"), "b": (P, "3.0"), "c": (N, "1")}, ("a", "proven", "abc"), id="tie: ladder order"),
        pytest.param({"a": (P, None), "b": (P, "1")}, ("a", "proven", "abc"), id="a missing cost: ladder order"),
        pytest.param({"a": (P, "2"), "b": (P, "1"), "c": (P, None)}, ("a", "proven", "abc"), id="missing anywhere"),
        pytest.param(
            {"a": (B, None), "b": (P, "2"), "c": (P, "1")}, ("c", "proven", "cb"), id="but not of a failed one"
        ),
        pytest.param({"a": (P, "0"), "b": (P, "0")}, ("a", "proven", "abc"), id="free is a cost"),
        pytest.param({"a": (X, "1"), "z": (P, "0")}, ("a", "best available", "a"), id="off the ladder plays no part"),
    ],
)
def test_choose(seen: dict[str, tuple[Verdict, str | None]], expected: tuple[str, str, str]) -> None:
    """Ladder a, b, c, all right on the same ten cases: who is chosen, at what level, and who stands behind it."""
    assert chosen(choose("abc", {name: shown(*found) for name, found in seen.items()})) == expected


def test_the_cost_is_that_of_an_accepted_answer() -> None:
    """Half as dear a call, but right on a third of what the other is right on: it is the dearer one."""
    seen = {"a": shown(V, "1", scored(4, 10)), "b": shown(V, "2", scored(10, 10))}
    assert choose("ab", seen).chosen == "b"
    assert choose("ab", seen | {"a": shown(V, "1", scored(6, 10))}).chosen == "a"


def test_costs_are_compared_on_common_cases() -> None:
    """A candidate that met the dear cases is not called dearer for it; what only one has met plays no part."""
    one = Shown(
        verdict=P,
        outcomes={place: Outcome(value=1) for place in range(4)},
        costs={place: Decimal(9 if place > 1 else 2) for place in range(4)},
    )
    seen = {"a": one, "b": shown(P, "3", [1, 1])}
    assert choose("ab", seen).chosen == "a"
    assert choose("ab", seen | {"b": shown(P, "3", [1, 1], start=2)}).chosen == "b"


def test_without_a_common_case_ladder_order_decides() -> None:
    """Prices of different cases are not comparable: the ladder says who is cheaper."""
    seen = {"a": shown(P, "3", [1] * 5), "b": shown(P, "1", [1] * 5, start=5)}
    assert choose("ab", seen).chosen == "a"
    assert choose("ba", seen).chosen == "b"


def test_where_none_of_the_common_cases_was_accepted_ladder_order_decides() -> None:
    """An answer that was never accepted has no price."""
    seen = {"a": shown(V, "3", [0, 1, 1, 1]), "b": shown(V, "1", [0])}
    assert choose("ab", seen).chosen == "a"


verdicts = st.sampled_from([P, W, V, B, N, X])


@settings(max_examples=300, deadline=None)
@given(
    seen=st.dictionaries(
        st.sampled_from("abcde"),
        st.tuples(verdicts, st.integers(1, 4), st.lists(st.sampled_from([0.0, 1.0]), min_size=1)),
    ),
    top_rung=st.booleans(),
)
def test_choose_invariants(seen: dict[str, tuple[Verdict, int, list[float]]], top_rung: bool) -> None:
    """The chosen serves first and nobody twice; who missed the bar serves only where nobody qualifies."""
    found = {name: shown(verdict, str(cost), values) for name, (verdict, cost, values) in seen.items()}
    choice = choose("abcde", found, when_unproven="top_rung" if top_rung else "provisional")
    assert choice.rungs[0] == choice.chosen
    assert len(set(choice.rungs)) == len(choice.rungs)
    able = [name for name, (verdict, *_) in seen.items() if (verdict.settled if top_rung else verdict.passes)]
    if able:
        assert choice.chosen in able
        assert choice.level == seen[choice.chosen][0].level
        assert not any(seen[rung][0] in (B, X) for rung in choice.rungs if rung in seen)
        before = [rung for rung in choice.rungs if rung < choice.chosen]
        assert not top_rung or all(seen[rung][0].settled for rung in before)
    elif top_rung or not seen:
        assert choice.rungs == ("e",)
    else:
        assert set(choice.rungs) <= set(seen)
        assert choice.level == "best available"


@settings(max_examples=200, deadline=None)
@given(seen=st.dictionaries(st.sampled_from("abcde"), st.tuples(verdicts, st.integers(1, 4)), min_size=1))
def test_the_chosen_costs_least(seen: dict[str, tuple[Verdict, int]]) -> None:
    """Where all are right on the same cases, nobody that qualifies, or is as good, is cheaper than the chosen."""
    choice = choose("abcde", {name: shown(verdict, str(cost)) for name, (verdict, cost) in seen.items()})
    rivals = [cost for verdict, cost in seen.values() if verdict.passes] or [cost for _, cost in seen.values()]
    assert seen[choice.chosen][1] == min(rivals)


# --- nothing but proof counts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param({"a": V, "b": P}, ("b", "proven", "bc"), id="provisional is not enough, nor to fall back to"),
        pytest.param({"a": P, "b": V, "c": N}, ("a", "proven", "abc"), id="but above the chosen it is, and open"),
        pytest.param({"a": V, "b": R, "c": X}, ("b", "reference", "b"), id="who sets the bar needs no proof"),
        pytest.param({"a": V, "b": X, "c": B}, ("c", "best available", "c"), id="nothing proven: the top rung"),
        pytest.param({"a": V, "b": V, "c": V}, ("c", "provisional", "c"), id="which may be provisional itself"),
        pytest.param({"a": X}, ("c", "best available", "c"), id="or was not run"),
        pytest.param({}, ("c", "best available", "c"), id="nothing was run"),
    ],
)
def test_where_nothing_but_proof_counts(seen: dict[str, Verdict], expected: tuple[str, str, str]) -> None:
    """`top_rung`: only who is proven is chosen for its cost; else the last rung serves, whatever the scores."""
    found = {name: shown(verdict, "1", scored(9 if name == "a" else 1, 10)) for name, verdict in seen.items()}
    assert chosen(choose("abc", found, when_unproven="top_rung")) == expected


def test_the_untested_top_rung_serves_where_nobody_qualifies() -> None:
    """It was left out because it serves then: scores of the others do not change that."""
    found = {"a": shown(X, "1", scored(9, 10)), "b": shown(B, "3", scored(8, 10))}
    assert chosen(choose("abc", found, untested=("c",))) == ("c", "best available", "c")
    assert chosen(choose("abc", found | {"b": shown(V, "3")}, untested=("c",))) == ("b", "provisional", "bc")


# --- nobody at the bar ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "costs", "expected"),
    [
        pytest.param((70, 75, 80), "135", ("c", "c"), id="the best score, where it is better"),
        pytest.param((70, 80, 75), "135", ("b", "b"), id="not the dearest because it is dearest"),
        pytest.param((78, 75, 80), "135", ("a", "ac"), id="two points less are as good: the cheapest of them"),
        pytest.param((77, 75, 80), "135", ("c", "c"), id="three are not"),
        pytest.param((80, 80, 80), "135", ("a", "abc"), id="equals: the cheapest"),
        pytest.param((80, 80, 80), "513", ("b", "bac"), id="by what was measured, not by the ladder"),
        pytest.param((80, 80, 80), "111", ("a", "abc"), id="equally dear: ladder order"),
        pytest.param((0, 0, 0), "135", ("a", "abc"), id="nobody ever right: the cheapest"),
    ],
)
def test_the_best_available(scores: Sequence[int], costs: str, expected: tuple[str, str]) -> None:
    """Of 100 cases so many passed, none at the bar: who serves, and who is as good and stands behind it."""
    seen = {name: shown(X, cost, scored(score)) for name, score, cost in zip("abc", scores, costs, strict=True)}
    assert chosen(choose("abc", seen)) == (expected[0], "best available", expected[1])


def test_who_is_as_good_is_told_by_pairs() -> None:
    """What differs in the cases they met, not in them, is no difference; cases that only one has say nothing of it."""
    best, other = shown(X, "5", scored(40, 50)), shown(X, "1", [*scored(40, 50), *scored(0, 50)])
    assert best_available("ab", {"a": other, "b": best}) == ("a", ("a", "b"))
    apart = shown(X, "1", scored(39, 50), start=50)
    assert best_available("ab", {"a": apart, "b": best}) == ("b", ("b",))


def test_without_costs_the_first_of_the_best_serves() -> None:
    """Ladder order stands for the costs that nobody knows."""
    seen = {"a": shown(B, "9", scored(10)), "b": shown(X, None, scored(79)), "c": shown(X, "1", scored(80))}
    assert chosen(choose("abc", seen)) == ("b", "best available", "bc")


def test_the_cheapest_of_the_best_is_so_by_case() -> None:
    """Who fails dearly is not spared: every case counts, accepted or not."""
    seen = {"a": shown(X, "1", scored(79)), "b": shown(X, "1.02", scored(80))}
    assert choose("ab", seen).chosen == "a"


def test_weights_count_in_scores() -> None:
    """Right on the heavy cases is better than right on as many light ones."""

    def half(heavy: int) -> Shown:
        outcomes = {k: Outcome(value=float((k % 2) == heavy), weight=9.0 if k % 2 else 1.0) for k in range(20)}
        return Shown(verdict=X, outcomes=outcomes, costs=dict.fromkeys(range(20), Decimal(1)))

    assert best_available("ab", {"a": half(0), "b": half(1)}) == ("b", ("b",))


def test_choose_needs_a_ladder() -> None:
    """Without a candidate there is no route."""
    with pytest.raises(ValueError, match="at least one"):
        choose([], {})
