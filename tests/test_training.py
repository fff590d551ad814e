"""Training the classifier: what is learned from, how it is checked, and when it leaves a prompt to others."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.classify.classifier import load_classifier
from routerctl.classify.classifier.features import features
from routerctl.errors import InputError
from routerctl.tuning.classifier import Labelled, Trained, classifier_text, load_background, load_labelled, train
from routerctl.tuning.classifier.calibration import fit_temperature, least_known, probabilities, reliability
from routerctl.tuning.classifier.corpus import Material, read_decisions
from routerctl.tuning.classifier.cross_validation import make_folds
from routerctl.tuning.classifier.families import feature_rows, fit_linear, length, sample_weights
from routerctl.tuning.classifier.groups import ALIKE, group_for_folds, group_texts, pieces
from routerctl.tuning.classifier.metrics import score
from routerctl.tuning.classifier.page import render_classifier
from tests.conftest import Project

FRUIT = ["apple", "pear", "plum", "cherry", "grape", "melon", "quince"]
TOOLS = ["hammer", "saw", "drill", "chisel", "plane", "wrench", "file"]
BACKGROUND = ("Tell me a story about owls.", "Why is the sky blue?", "Translate this into Dutch.", "hey, how are you?")


def material(count: int = 30, seed: int = 0) -> Material:
    """Make texts of two classes that can be told apart by their nouns."""
    generator = random.Random(seed)  # noqa: S311 - not a secret
    texts = []
    for name, nouns in (("fruit", FRUIT), ("tools", TOOLS)):
        for number in range(count):
            words = generator.sample(nouns, 4)
            text = f"{words[0].title()} number {number * 37}: the {words[1]} beside a {words[2]}, no {words[3]}."
            texts.append(Labelled(text=text, task_class=name, origin=f"evals/{name}.yaml {number}"))
    return Material(
        texts=tuple(texts), descriptions={"fruit": "Fruit <b>.", "tools": "Tools."}, digests={"a": "sha256:0"}
    )


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Train once on texts that can be told apart."""
    return train(material(), BACKGROUND * 3)


# --- what is learned from ---------------------------------------------------------------------------------------------


def test_eval_sets_and_decisions_are_read(project: Project) -> None:
    """The inputs of the eval sets, then the labelled decisions, each with the place it stands in."""
    project.eval_set("more", 12)
    row = {"prompt": {"a": "x", "b": 1}, "class": "more", "other": [1]}
    given_ = project.write("labelled.jsonl", json.dumps(row) + "\n")
    found = load_labelled(project.root, given_)
    assert found.classes == ("more", "sums")
    assert len(found.texts) == 73
    assert (found.texts[-1].text, found.texts[-1].origin) == ("x\n1", f"{given_}:1")
    assert {"evals/more.yaml", "evals/sums.yaml", "decisions"} == set(found.digests)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{}", 'expected {"prompt"'),
        ("[1]", 'expected {"prompt"'),
        ('{"prompt": 3, "class": "sums"}', "expected a text"),
        ('{"prompt": "x", "class": "sum"}', "did you mean 'sums'"),
        ('{"prompt": "x", "class": null}', "no task class"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_decision_is_named_with_its_line(line: str, said: str) -> None:
    """File and line, and what was expected."""
    with pytest.raises(InputError, match=said) as caught:
        read_decisions(f'{{"prompt": "x", "class": "sums"}}\n{line}', "labelled.jsonl", ["sums"])
    assert (caught.value.file, caught.value.line) == ("labelled.jsonl", 2)


def test_too_little_to_learn_from_is_said(project: Project) -> None:
    """One class, or fewer than ten texts of one, is a line that says what is missing."""
    with pytest.raises(InputError, match="two task classes"):
        load_labelled(project.root)
    project.eval_set("few", 9)
    with pytest.raises(InputError, match="'few' has 9 texts, at least 10"):
        load_labelled(project.root)


def test_the_background_is_none_of_the_shipped_out_of_domain_texts() -> None:
    """What "none of the classes" is learned from and what it is measured on have no text in common."""
    listed = (Path(__file__).parent / "data/out_of_domain.txt").read_text(encoding="utf-8").splitlines()
    held = [line for line in listed if line and not line.startswith("#")]
    background = load_background()
    assert len(held) >= 150
    assert len(background) >= 200
    groups = group_texts([*background, *held], [""] * (len(background) + len(held)))
    assert not set(groups[: len(background)]) & set(groups[len(background) :])


# --- groups and folds -------------------------------------------------------------------------------------------------


def test_near_duplicates_and_clusters_are_grouped() -> None:
    """Case, digits and spaces make no difference; a chain of likeness and a shared cluster tie texts together."""
    texts = [
        "Please send 12 boxes of apples to Mr Smith today.",
        "please send 99 boxes of apples  to Mr Smith today",
        "A different matter altogether, about a violin.",
        "Nothing like the others: rain in the mountains.",
        "",
        "",
    ]
    first, second, third, fourth, *empty = group_texts(texts, ["", "", "song", "song", "", ""])
    assert first == second
    assert third == fourth != first
    assert empty[0] == empty[1]


_WORDS = st.lists(st.sampled_from([*FRUIT, *TOOLS]), min_size=3, max_size=5).map(" ".join)


@settings(max_examples=40, deadline=None)  # nothing here is about time
@given(texts=st.lists(_WORDS, min_size=30, max_size=60), seed=st.integers(0, 9))
def test_no_near_duplicate_is_on_both_sides(texts: list[str], seed: int) -> None:
    """In every fold, no text that is scored overlaps by half with one that was fitted on."""
    clusters = [f"c{place % 40}" if place % 3 == 0 else "" for place in range(len(texts))]
    groups = group_texts(texts, clusters)
    if len(set(groups)) < 5:
        return
    labels = [0, 1] * (len(texts) // 2) + [0] * (len(texts) % 2)
    sets = [pieces(text) for text in texts]
    scored_once = []
    for fit, scored in make_folds(labels, groups, seed):
        scored_once += scored
        for one in scored:
            assert not any(_alike(sets[one], sets[other]) for other in fit)
            assert not any(clusters[one] and clusters[one] == clusters[other] for other in fit)
    assert sorted(scored_once) == list(range(len(texts)))


@pytest.mark.parametrize(
    ("texts", "alike"),
    [
        ([f"{word} {word[::-1]} {word * 2}" for word in (*FRUIT, *TOOLS)], 0.5),
        ([f"Please put one {word} into my basket" for word in (*FRUIT, *TOOLS)], 0.7),
        ([f"What is {number} + 4?" for number in range(10, 24)], None),  # digits aside, all are the same
    ],
)
def test_a_class_of_one_form_still_has_groups(texts: list[str], alike: float | None) -> None:
    """Where every text of a class is like the others, near-duplicates are told more finely, and how finely is given."""
    groups, told = group_for_folds(texts, [""] * 14, [0] * 7 + [1] * 7, classes=2, folds=5)
    assert told == alike
    assert len(set(groups[:7])) >= 5 <= len(set(groups[7:]))


def test_too_few_clusters_are_refused() -> None:
    """Texts that the user tied together are never parted, so a class of four clusters cannot be checked."""
    tied = tuple(
        replace(text, cluster=f"c{place % 4}" if text.task_class == "tools" else "")
        for place, text in enumerate(material().texts)
    )
    with pytest.raises(InputError, match="'tools' has 4 different texts or clusters, at least 5"):
        train(replace(material(), texts=tied), BACKGROUND * 3)


def _alike(one: frozenset[int], other: frozenset[int]) -> bool:
    return len(one & other) / len(one | other) >= ALIKE


# --- the arithmetic ---------------------------------------------------------------------------------------------------


def test_scores_are_as_counted_by_hand() -> None:
    """Three of four right: F1 of 2/3 and 0.8."""
    found = score([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 3], 2, seed=0)
    assert found.accuracy == 0.75
    assert found.f1 == pytest.approx((2 / 3, 0.8))
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert found.confusion == ((1, 1), (0, 2))
    assert found.interval[0] <= found.macro_f1 <= found.interval[1]


def test_intervals_know_of_groups() -> None:
    """The same outcomes in five groups of twenty are less certain than in a hundred groups of one."""
    truth, predicted = [0, 1] * 50, [0, 1] * 40 + [1, 1] * 10
    alone = score(truth, predicted, list(range(100)), 2, seed=0).interval
    tied = score(truth, predicted, [place // 20 for place in range(100)], 2, seed=0).interval
    assert tied[1] - tied[0] > 1.5 * (alone[1] - alone[0])


def test_a_temperature_undoes_false_certainty() -> None:
    """Logits that are three times too large get a temperature near three, and their calibration error falls."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 4)) * 1.5
    labels = [int(generator.choice(4, p=row)) for row in probabilities(logits, 1.0)]
    found = fit_temperature(3 * logits, labels, [1.0] * 4000)
    assert found == pytest.approx(3, rel=0.1)
    before, after = (reliability(probabilities(3 * logits, one), labels) for one in (1.0, found))
    assert after.error < 0.03 < before.error
    assert after.log_loss < before.log_loss
    assert sum(one.count for one in after.bins) == 4000


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=200),
    rate=st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.5]),
)
def test_the_threshold_keeps_to_its_rate(scores: list[float], rate: float) -> None:
    """At most the stated share lies below it; a rate of 0 lets everything pass."""
    least = least_known(scores, rate)
    below = sum(round(one, 6) < least for one in scores)
    assert below <= rate * (len(scores) + 1)
    assert rate > 0 or least == 0


def test_the_background_never_outweighs_the_classes() -> None:
    """However long the list of the background is, it counts as one class and a half."""
    assert sum(sample_weights([0] * 10 + [1] * 10 + [2] * 500, 2)[20:]) == pytest.approx(15)
    assert sample_weights([0, 1, 2], 2) == [1.0, 1.0, 1.0]


def test_a_fit_of_two_classes_is_that_of_scikit_learn() -> None:
    """Two classes come back as one row of weights; made into two logits they give the same probabilities."""
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(1)
    rows, labels = generator.normal(size=(60, 3)), [0, 1] * 30
    ours = fit_linear(rows, labels, [1.0] * 60, 2, 1.0)
    theirs = LogisticRegression(C=1.0, max_iter=300).fit(rows, labels)
    assert probabilities(ours.logits(rows), 1.0) == pytest.approx(theirs.predict_proba(rows), abs=1e-6)


# --- the line from texts to file --------------------------------------------------------------------------------------


def test_it_learns_and_the_baselines_do_not(trained: Trained) -> None:
    """Classes that differ in their words are told apart; length alone and the majority cannot do that."""
    assert trained.ngrams.scores.macro_f1 > 0.95
    assert [one.family for one in trained.baselines] == ["length", "majority"]
    assert max(one.scores.macro_f1 for one in trained.baselines) < 0.8
    assert trained.ngrams.abstained <= 0.05


def test_the_file_says_what_scikit_learn_says(trained: Trained, tmp_path: Path) -> None:
    """Logits of the exported file are those of the fit, within what int16 resolves."""
    path = tmp_path / "classifier.json"
    path.write_text(classifier_text(trained), encoding="utf-8")
    loaded = load_classifier(path)
    texts = [*(text.text for text in trained.material.texts), *BACKGROUND, "", "9 apples?\n\nOr a saw!"]
    rows = feature_rows([features(text) for text in texts], trained.fitted.vocabulary)
    expected = trained.fitted.logits(rows)
    assert [loaded.logits(text) for text in texts] == [pytest.approx(list(row), abs=2e-3) for row in expected]
    shares = probabilities(expected, trained.ngrams.temperature)
    assert [loaded.classify(text).known for text in texts] == pytest.approx(list(shares[:, :2].max(1)), abs=2e-3)
    assert loaded.classify("Apple number 5: the pear beside a plum, no melon.").task_class == "fruit"
    assert loaded.classify("Why is the sky blue?").task_class is None


def test_the_same_texts_give_the_same_bytes(trained: Trained) -> None:
    """Training again changes nothing; another seed changes the folds, so the file says so."""
    assert classifier_text(train(material(), BACKGROUND * 3)) == classifier_text(trained)
    assert classifier_text(train(material(), BACKGROUND * 3, seed=1)) != classifier_text(trained)


def test_a_higher_rate_says_unknown_more_often(trained: Trained) -> None:
    """The stated rate moves the threshold."""
    careful = train(material(), BACKGROUND * 3, rate=0.3)
    assert careful.ngrams.least_known > trained.ngrams.least_known
    assert 0.2 < careful.ngrams.abstained <= 0.31


def test_a_class_that_cannot_be_told_does_not_lower_the_threshold() -> None:
    """A few texts that could be of any class are called unknown; they do not let strangers in for the other classes."""
    words = ["again", "hour", "street", "window", "paper", "river", "letter", "minute", "garden", "music", "winter"]
    generator = random.Random(0)  # noqa: S311 - texts, not secrets

    def texts(nouns: list[str], count: int, own: int) -> list[str]:
        return [" ".join(generator.sample(nouns, own) + generator.sample(words, 6 - own)) for _ in range(count)]

    made = {"fruit": texts(FRUIT, 40, 3), "odd": texts(FRUIT + TOOLS, 12, 2), "tools": texts(TOOLS, 40, 3)}
    labelled = tuple(Labelled(text=text, task_class=name, origin=name) for name in made for text in made[name])
    found = train(Material(texts=labelled, descriptions={}), texts(FRUIT + TOOLS, 60, 2), rate=0.1)
    assert found.mostly_unknown == ("odd",)
    assert found.ngrams.abstained_right <= 0.1 < found.ngrams.abstained
    assert found.ngrams.background_abstained is not None
    assert found.ngrams.background_abstained > 0.9
    assert found.ngrams.answered_right > found.ngrams.scores.accuracy


def test_an_unfitted_class_has_no_probability() -> None:
    """A fold may lack the background; its logit is then far below all others."""
    logits = length(["a", "bb", "ccc", "dddd"], 2)([0, 1, 2, 3], [0, 0, 1, 1], [0, 3])
    assert probabilities(logits, 1.0)[:, 2] == pytest.approx([0, 0], abs=1e-9)


def test_the_report_keeps_prompts_harmless(trained: Trained) -> None:
    """Markup in a prompt or a description is shown, never run; control characters are made visible."""
    hostile = "<script>alert(1)</script> \x1b[31m \u202e \ud83d"
    texts = tuple(
        Labelled(text=hostile + text.text, task_class=text.task_class, origin="<img src=x>")
        for text in trained.material.texts
    )
    changed = Material(texts=texts, descriptions=trained.material.descriptions, digests={"<i>": "sha256:0"})
    page = render_classifier(train(changed, BACKGROUND * 3), digest="sha256:1", size=3)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>." not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    page.encode()
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
