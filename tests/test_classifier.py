"""The trained classifier as it serves: its arithmetic, its store of words, and the file that holds it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.classify.classifier import NgramClassifier, digest_of, load_classifier
from routerctl.classify.classifier.calibrated import Deciding
from routerctl.classify.classifier.features import _TOKEN, MAX_CHARS, features, read_chunk
from routerctl.classify.classifier.files import file_text
from routerctl.errors import InputError

PRIORS = {"fruit": 0.75, "tools": 0.25}


def content(**changes: Any) -> dict[str, Any]:
    """Give a file's content in which the word apple speaks for fruit and hammer for tools, each by a logit of 4."""
    keys = sorted(
        {"apple": read_chunk("apple").plain[0], "hammer": read_chunk("hammer").plain[0]}.items(), key=lambda i: i[1]
    )
    rows = {"apple": (4000, 0, 0), "hammer": (0, 4000, 0)}
    numbers = [number for name, _ in keys for number in rows[name]]
    return {
        "classes": ["fruit", "tools"],
        "priors": PRIORS,
        "temperature": 1.0,
        "unknown": {"least_known": 0.6},
        "bias": [0.0, 0.0, 0.0],
        "scale": 0.001,
        "keys": b64encode(b"".join(key.to_bytes(4, "little") for _, key in keys)).decode(),
        "weights": b64encode(b"".join(number.to_bytes(2, "little", signed=True) for number in numbers)).decode(),
    } | changes


def made(folder: Path, **changes: Any) -> NgramClassifier:
    """Write and load that file."""
    path = folder / "classifier.json"
    path.write_text(file_text(content(**changes)), encoding="utf-8")
    return load_classifier(path)


def test_weights_become_probabilities(tmp_path: Path) -> None:
    """One known word: its class gets e^4 of e^4 + 1 + 1 with none of them, e^4 of e^4 + 1 without."""
    found = made(tmp_path).classify("apple")
    assert found.task_class == "fruit"
    assert found.known == pytest.approx(math.exp(4) / (math.exp(4) + 2))
    assert found.probabilities["fruit"] == pytest.approx(math.exp(4) / (math.exp(4) + 1))


@pytest.mark.parametrize("text", ["", " \n\t", "zzz", "\ud83d", "🙂", "\x00", "apple hammer", "12 34"])
def test_what_it_cannot_tell_is_unknown(text: str, tmp_path: Path) -> None:
    """No text makes it fail; where nothing speaks for one class, none is named."""
    found = made(tmp_path).classify(text)
    assert found.task_class is None
    assert sum(found.probabilities.values()) == pytest.approx(1)


@given(text=st.text(st.characters(codec=None), max_size=300))
def test_any_text_has_probabilities(text: str) -> None:
    """Probabilities sum to 1, lie in [0, 1] and are the same when asked again."""
    classifier = _shared()
    first, again = classifier.classify(text), classifier.classify(text)
    assert first == again
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in (*first.probabilities.values(), first.known))


@given(text=st.text(st.characters(codec=None), max_size=200) | st.text("apple hm.,?!1A\n", max_size=200))
def test_serving_adds_up_what_training_counted(text: str) -> None:
    """The logits are the features times the weights, although serving never makes the features."""
    classifier = _shared()
    expected = [0.0, 0.0, 0.0]
    for key, value in features(text).items():
        for place, weight in enumerate(_WEIGHTS.get(key, ())):
            expected[place] += 0.001 * weight * value
    assert classifier.logits(text) == pytest.approx(expected, abs=1e-4)


_MADE: list[NgramClassifier] = []
_WEIGHTS: dict[int, list[int]] = {}


def _shared() -> NgramClassifier:
    if not _MADE:
        given_ = content()
        keys = sorted({key for text in ("apple", "A hammer. 11, apples?\nhm!") for key in features(text)})
        numbers = [(place * 37 % 2001) - 1000 for place in range(3 * len(keys))]
        _WEIGHTS.update({key: numbers[3 * place : 3 * place + 3] for place, key in enumerate(keys)})
        deciding = Deciding(classes=("fruit", "tools"), temperature=0.7, least_known=0.5, priors=PRIORS)
        _MADE.append(
            NgramClassifier(
                deciding,
                bias=[0.0] * 3,
                scale=given_["scale"],
                keys=b"".join(key.to_bytes(4, "little") for key in keys),
                weights=b"".join(number.to_bytes(2, "little", signed=True) for number in numbers),
            )
        )
    return _MADE[0]


def test_a_long_text_is_looked_at_up_to_a_limit(tmp_path: Path) -> None:
    """Ten megabytes cost what 20,000 characters cost; what stands behind them changes nothing."""
    classifier = made(tmp_path)
    head = "apple " * (MAX_CHARS // 6 + 1)
    assert classifier.classify(head + "hammer " * 1_500_000) == classifier.classify(head)
    assert classifier.classify("x" * 10_000_000).task_class is None


@pytest.mark.parametrize("text", ["apple," * 3_333, "hammer." * 2_857, " ".join(f"apple{at}" for at in range(2_000))])
def test_extreme_texts_do_not_overflow(text: str, tmp_path: Path) -> None:
    """Sums of the greatest and the least weights of a whole text, in one chunk or in many, stay in their columns."""
    keys = sorted({key for one in ("apple,apple", "hammer.hammer", "apple1") for key in features(one)})
    rows = [32_767 if place % 2 else -32_768 for place in range(3 * len(keys))]
    deciding = Deciding(classes=("fruit", "tools"), temperature=1.0, least_known=0.5, priors=PRIORS)
    classifier = NgramClassifier(
        deciding,
        bias=[0.0] * 3,
        scale=1e-4,
        keys=b"".join(key.to_bytes(4, "little") for key in keys),
        weights=b"".join(number.to_bytes(2, "little", signed=True) for number in rows),
    )
    weights = {key: rows[3 * place : 3 * place + 3] for place, key in enumerate(keys)}
    expected = [0.0, 0.0, 0.0]
    for key, value in features(text).items():
        for place, weight in enumerate(weights.get(key, ())):
            expected[place] += 1e-4 * weight * value
    assert classifier.logits(text) == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_what_was_seen_is_kept_within_bounds(tmp_path: Path) -> None:
    """Many different words neither grow the store without end nor change an answer."""
    classifier = made(tmp_path)
    before = classifier.classify("apple")
    for start in range(0, 60_000, 2_000):
        classifier.classify(" ".join(f"w{number}" for number in range(start, start + 2_000)))
    assert len(classifier._kept) <= 14_000
    assert len(classifier._kept._elder) <= 14_000
    assert classifier.classify("apple") == before


@pytest.mark.parametrize(
    ("priors", "fruit"),
    [
        ({}, 0.5),
        ({"fruit": 0.75, "tools": 0.25}, 0.5),  # as trained
        ({"fruit": 0.25, "tools": 0.25}, 0.25),
        ({"tools": 0.75}, 0.25),
    ],
)
def test_priors_reweigh(priors: dict[str, float], fruit: float, tmp_path: Path) -> None:
    """A posterior is multiplied by new prior / training prior; what is unknown stays so."""
    found = made(tmp_path).classify("grape", priors)
    assert found.probabilities["fruit"] == pytest.approx(fruit)
    assert found.task_class is None


@pytest.mark.parametrize(
    ("priors", "said"),
    [({"friut": 0.5}, "did you mean 'fruit'"), ({"fruit": 0}, "above 0"), ({"fruit": float("nan")}, "above 0")],
)
def test_wrong_priors_are_refused(priors: dict[str, float], said: str, tmp_path: Path) -> None:
    """An unknown class or an impossible share is one clear line."""
    with pytest.raises(InputError, match=said):
        made(tmp_path).classify("apple", priors)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (b"", "not a classifier"),
        (b"[1, 2]", "features_version is missing"),
        (b"[" * 100_000, "not a classifier"),
        (b"\xff\xfe", "not a classifier"),
        ({"schema_version": 2}, "newer than this routerctl"),
        ({"features_version": 2}, "newer than this routerctl"),
        ({"features_version": 0}, "run `routerctl train`"),
        ({"features_version": "1"}, "features_version is missing"),
        ({"bias": [0.0, 0.0, "nan"]}, "damaged"),
        ({"classes": []}, "damaged"),
        ({"classes": 7}, "damaged"),
        ({"bias": [0.0]}, "damaged"),
        ({"weights": "AAAA"}, "damaged"),
        ({"weights": "!"}, "damaged"),
        ({"keys": None}, "damaged"),
        ({"temperature": 0}, "damaged"),
        ({"temperature": "nan"}, "damaged"),
        ({"scale": {}}, "damaged"),
        ({"unknown": None}, "damaged"),
        ({"family": "embedding"}, "of family 'embedding', .* reads 'ngrams' alone: run `routerctl train` again"),
        ({"family": ["x" * 999]}, "of family .* run `routerctl train` again"),
        ({"priors": {"fruit": 1}}, "damaged"),
        ({"priors": {"fruit": 1, "tools": 0}}, "damaged"),
    ],
    ids=str,
)
def test_a_file_that_is_none_is_refused(change: Any, said: str, tmp_path: Path) -> None:
    """Whatever is wrong with the file, the error names it in one line."""
    path = tmp_path / "classifier.json"
    path.write_bytes(change if isinstance(change, bytes) else file_text(content(**change)).encode())
    with pytest.raises(InputError, match=said) as caught:
        load_classifier(path)
    assert caught.value.file == str(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_writes_it(tmp_path: Path) -> None:
    """The error names the command."""
    with pytest.raises(InputError, match="routerctl train"):
        load_classifier(tmp_path / "classifier.json")


def test_only_the_pinned_file_is_loaded(tmp_path: Path) -> None:
    """One changed byte changes the digest."""
    made(tmp_path)
    path = tmp_path / "classifier.json"
    digest = digest_of(path)
    assert load_classifier(path, digest).classes == ("fruit", "tools")
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match="not the one that the table pins"):
        load_classifier(path, digest)


def test_the_file_says_on_its_first_line_who_made_it() -> None:
    """A reader of the file learns not to edit it."""
    first = file_text(content()).splitlines()[0]
    assert "Generated by routerctl train: do not edit" in first
    assert json.loads(file_text(content()))["schema_version"] == 1
    assert len(b64decode(content()["keys"])) == 8


def test_the_hot_path_is_the_standard_library(tmp_path: Path) -> None:
    """Loading and classifying imports no number cruncher, no YAML and no event loop."""
    made(tmp_path)
    code = (
        "import sys; from pathlib import Path; from routerctl.classify.classifier import load_classifier\n"
        "print(load_classifier(Path(sys.argv[1])).classify('apple').task_class)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "classifier.json")], capture_output=True, text=True, check=True
    )
    named, modules = done.stdout.splitlines()
    assert named == "fruit"
    heavy = {"numpy", "scipy", "sklearn", "yaml", "asyncio", "jinja2"}
    assert not heavy & set(json.loads(modules.replace("'", '"')))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Pay 15 euros", "Pay 99 euros", True),  # a number is like every other of as many digits
        ("Pay 15 euros", "Pay 1500 euros", False),
        ("one two", "two one", False),
        ("Is it?", "Is it", False),
        ("a\n\nb", "a b", False),  # lines are a trait
        ("a b\n", "a b", True),  # but not the end that a shell adds
        ("straße", "STRASSE", False),
    ],
)
def test_what_tells_texts_apart(one: str, other: str, same: bool) -> None:
    """Words, their order, signs and lines count; the value of a number does not."""
    assert (features(one) == features(other)) is same


@given(st.text(st.characters(codec=None), min_size=1))
def test_letters_alone_are_one_token(text: str) -> None:
    """The short cut past the tokenizer for a chunk of nothing but letters gives what the tokenizer would."""
    if text.isalpha():
        assert _TOKEN.findall(text) == [text]


def test_features_are_the_same_in_every_process() -> None:
    """They do not depend on Python's hash seed, so a file that was written on one machine serves on another."""
    code = "from routerctl.classify.classifier.features import features; print(sum(features('Ähm, the 2nd apple?')))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert all(0 <= key < 2**32 for key in features("Ähm, the 2nd apple?"))
