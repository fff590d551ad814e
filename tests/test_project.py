"""routerctl.yaml: all of it arrives, and each mistake is one line that helps."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.project import load_project
from routerctl.types import Candidate, ProviderSpec, Sampling, Strategy

GOOD = """\
schema_version: 1
ladder: main
providers:
  far: {kind: anthropic, api_key_env: FAR_KEY, base_url: "https://far.example/v1"}
  near:
    kind: local
    usd_per_hour: 0.05
candidates:
  small: {provider: near, model: smollm2-135m}
  voter:
    provider: near
    model: smollm2-135m
    strategy: {name: self_consistency, samples: 3}
    sampling: {temperature: 0.7}
  large: {provider: far, model: claude-opus-5-5, effort: low}
ladders:
  main: [small, voter, large]
prices:
  - {provider: far, model: claude-opus-5-5, date: 2026-11-23, source: paper, input_mtok_usd: 1, output_mtok_usd: 0.10}
rules:
  - {name: short, class: topic, max_chars: 10}
default_class: topic
"""


VOTES = "self_consistency votes among an odd number of samples from 3; other strategies take none"
SAME = "self_consistency on a local model needs a temperature above 0, or all samples are the same"
EFFORTS = "expected one of: high, low, max, medium, xhigh"
SECOND_PRICE = (
    "{provider: far, model: claude-opus-5-5, date: 2026-11-24, source: x, input_mtok_usd: 2, output_mtok_usd: 2}"
)

RISING = "the tiers stand shortest prompt first"
DEARER = "a longer prompt cannot cost less than a shorter one"
TIER_KEY = "20: prices.0.tiers.0.above_tokens: unknown key; did you mean 'above_input_tokens'?"
LONG = "above_input_tokens: 1000, input_mtok_usd: 2, output_mtok_usd: 1"
TIERS = [  # of a price of 1 and 0.10, and what is said of them
    ("above_input_tokens: 1000, input_mtok_usd: 2", "20: prices.0.tiers.0: 'output_mtok_usd' is missing"),
    (LONG.replace("input_tokens", "tokens"), TIER_KEY),
    (
        LONG.replace("1000", "0"),
        f"20: prices.0.tiers.0.above_input_tokens: expected more tokens than 0, got 0; {RISING}",
    ),
    (LONG.replace("1000", "1e3"), "20: prices.0.tiers.0.above_input_tokens: expected a whole number, got 1E+3"),
    (
        f"{LONG}}}, {{{LONG}",
        f"20: prices.0.tiers.1.above_input_tokens: expected more tokens than 1000, got 1000; {RISING}",
    ),
    (f"{LONG}, cache_read_mtok_usd: -1", "20: prices.0.tiers.0.cache_read_mtok_usd: a price cannot be negative"),
    (
        LONG.replace("usd: 2", "usd: 0.5"),
        f"20: prices.0.tiers.0.input_mtok_usd: {DEARER}: input_mtok_usd is 0.5, and 1 before",
    ),
    (
        f"{LONG}, cache_write_mtok_usd: 0.9",
        f"20: prices.0.tiers.0.cache_write_mtok_usd: {DEARER}: cache_write_mtok_usd is 0.9, and 1 before",
    ),
    (
        f"{LONG}}}, {{{LONG.replace('1000', '2000').replace('output_mtok_usd: 1', 'output_mtok_usd: 0.99')}",
        f"20: prices.0.tiers.1.output_mtok_usd: {DEARER}: output_mtok_usd is 0.99, and 1 before",
    ),
]


@pytest.fixture
def error_of(tmp_path: Path) -> Callable[..., str]:
    """Load the good project with one text replaced by another and give the error's line."""

    def load(old: str, new: str) -> str:
        assert GOOD.count(old) == 1, old
        (tmp_path / "routerctl.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            load_project(tmp_path)
        assert caught.value.exit_code == 2
        return str(caught.value)

    return load


def test_the_good_project(tmp_path: Path) -> None:
    """Everything in routerctl.yaml arrives: names from keys, exact money, defaults where nothing is said."""
    (tmp_path / "routerctl.yaml").write_text("\ufeff" + GOOD.replace("\n", "\r\n"), encoding="utf-8")
    project = load_project(tmp_path)
    assert project.ladder_named(None) == ("main", ("small", "voter", "large"))
    assert project.providers["near"] == ProviderSpec(
        name="near", kind="local", concurrency=1, usd_per_hour=Decimal("0.05")
    )
    assert project.candidates["voter"] == Candidate(
        name="voter",
        provider="near",
        model="smollm2-135m",
        strategy=Strategy(name="self_consistency", samples=3),
        sampling=Sampling(temperature=0.7),
    )
    assert str(project.prices[0].output_mtok_usd) == "0.10"
    assert (project.mode, project.risk, project.margin, project.root) == ("proven", 0.05, 0.03, tmp_path)


@pytest.mark.parametrize(
    ("section", "form"),
    [
        (
            "prices:\n  large: {input_mtok_usd: 1}",
            "{provider: ..., model: ..., input_mtok_usd: ..., output_mtok_usd: ..., date: ..., source: ...}, got a map",
        ),
        ("rules: plus", "rules: expected a list of - {name: ..., class: ...}, got 'plus'"),
        ("ladders:\n  main: {small: 1}", "ladders.main: expected a list, got a mapping"),
    ],
)
def test_a_list_of_entries_shows_the_form_of_one(section: str, form: str, tmp_path: Path) -> None:
    """With every key that an entry needs, whatever was written in its place."""
    (tmp_path / "routerctl.yaml").write_text(f"schema_version: 1\n{section}\n", "utf-8")
    with pytest.raises(InputError) as caught:
        load_project(tmp_path)
    assert form in str(caught.value)


def test_the_prices_of_the_scaffold_are_of_that_form(tmp_path: Path) -> None:
    """Without its comment sign the example is read."""
    text = (Path(__file__).parents[1] / "routerctl/scaffold/routerctl.yaml").read_text("utf-8")
    example = text.replace("# prices:\n#   -", "prices:\n  -")
    assert example != text
    (tmp_path / "routerctl.yaml").write_text(example, "utf-8")
    (price,) = load_project(tmp_path).prices
    assert (price.model, str(price.output_mtok_usd)) == ("my-model", "0.40")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ladder: main\n", "", "'ladder' is missing"),
        ("default_class:", "defualt_class:", "22: defualt_class: unknown key; did you mean 'default_class'?"),
        ("api_key_env", "api_key", "4: providers.far.api_key: unknown key; did you mean 'api_key_env'?"),
        ("kind: local", "knid: local", "6: providers.near.knid: unknown key; did you mean 'kind'?"),
        ("kind: local", "timeout_s: 5", "5: providers.near: 'kind' is missing"),
        ("0.05", "cheap", "7: providers.near.usd_per_hour: expected a number, got 'cheap'"),
        ("0.05", "-1", "7: providers.near.usd_per_hour: expected a number from 0"),
        ("0.05", "0.05\n    concurrency: 0", "8: providers.near.concurrency: expected a whole number from 1"),
        ("0.05", "0.05\n    concurrency: 1.5", "8: providers.near.concurrency: expected a whole number, got 1.5"),
        ("0.05", "0.05\n    max_attempts: 0", "8: providers.near.max_attempts: expected a whole number from 1"),
        ("0.05", "0.05\n    timeout_s: 0", "8: providers.near.timeout_s: expected a number of seconds above 0"),
        ("0.05", "0.05\n    kind: openai", "8: duplicate key 'kind' (first on line 6)"),
        ("0.05\n", "0.05\n  far: {kind: fake}\n", "8: duplicate key 'far' (first on line 4)"),
        (
            "provider: far, model: claude-opus-5-5, effort",
            "provider: fra, model: x, effort",
            "15: candidates.large.provider: no provider 'fra'; did you mean 'far'?",
        ),
        ("effort: low", "effort: extreme", "15: candidates.large.effort: 'extreme' is not known here; " + EFFORTS),
        ("effort: low", "effort: hihg", "15: candidates.large.effort: 'hihg' is not known here; did you mean 'high'?"),
        ("effort: low", "effort: 3", "15: candidates.large.effort: 3 is not known here; " + EFFORTS),
        (
            "effort: low",
            "sampling: {temperature: 0}",
            "15: candidates.large.sampling: this provider's API has no sampling parameters; leave it out",
        ),
        ("effort: low", "max_tokens: 0", "15: candidates.large.max_tokens: expected a whole number from 1"),
        ("effort: low", "name: big", "15: candidates.large.name: leave it out: the key 'large' says it"),
        ("effort: low", "strategy: reflexion", "15: candidates.large.strategy: expected a mapping, got 'reflexion'"),
        (
            "effort: low",
            "strategy: {name: reflection}",
            "15: candidates.large.strategy.name: 'reflection' is not known here; did you mean 'reflexion'?",
        ),
        ("samples: 3", "samples: 4", "13: candidates.voter.strategy.samples: " + VOTES),
        ("samples: 3", "samples: 1", "13: candidates.voter.strategy.samples: " + VOTES),
        (", samples: 3", "", "13: candidates.voter.strategy.samples: " + VOTES),
        ("name: self_consistency", "name: reflexion", "13: candidates.voter.strategy.samples: " + VOTES),
        ("temperature: 0.7", "temperature: 0", "14: candidates.voter.sampling: " + SAME),
        ("temperature: 0.7", "top_p: 0.5", "14: candidates.voter.sampling: " + SAME),
        (
            "temperature: 0.7",
            "temperature: -0.1",
            "14: candidates.voter.sampling.temperature: expected a number from 0 to 2, got -0.1",
        ),
        (
            "temperature: 0.7",
            "temperature: warm",
            "14: candidates.voter.sampling.temperature: expected a number, got 'warm'",
        ),
        (
            "temperature: 0.7",
            "temperature: 0.7, top_p: 1.5",
            "14: candidates.voter.sampling.top_p: expected a number above 0 and up to 1, got 1.5",
        ),
        (
            "temperature: 0.7",
            "temprature: 0.7",
            "14: candidates.voter.sampling.temprature: unknown key; did you mean 'temperature'?",
        ),
        ("[small, voter, large]", "[small, lagre]", "17: ladders.main.1: no candidate 'lagre'; did you mean 'large'?"),
        ("[small, voter, large]", "[small, large, small]", "17: ladders.main.2: 'small' stands on the ladder twice"),
        ("[small, voter, large]", "[]", "17: ladders.main: expected at least one candidate"),
        ("[small, voter, large]", "small", "17: ladders.main: expected a list, got 'small'"),
        ("ladder: main", "ladder: mian", "2: ladder: no ladder 'mian'; did you mean 'main'?"),
        ("ladder: main", "ladder: main\nrisk: 0", "3: risk: expected a number between 0 and 1, got 0.0"),
        ("ladder: main", "ladder: main\nrisk: 1", "3: risk: expected a number between 0 and 1, got 1.0"),
        (
            "ladder: main",
            "ladder: main\nrisk: 5",
            "3: risk: expected a number between 0 and 1, got 5.0; did you mean 0.05?",
        ),
        ("ladder: main", "ladder: main\nmargin: 0", "3: margin: expected a number between 0 and 1, got 0.0"),
        (
            "ladder: main",
            "ladder: main\nobjective: {within: 1, of: large}",
            "3: objective.within: expected a share from 0 to below 1, got 1.0",
        ),
        (
            "ladder: main",
            "ladder: main\nobjective: {within: 0.01, of: larg}",
            "3: objective.of: no candidate 'larg'; did you mean 'large'?",
        ),
        (
            "ladder: main",
            "ladder: main\nobjective: {within: 0.01, of: today}",
            "3: objective.of: no candidate serves today: write `today: NAME` beside it",
        ),
        ("ladder: main", "ladder: main\nmode: prooven", "3: mode: 'prooven' is not known here; did you mean 'proven'?"),
        ("ladder: main", "ladder: main\nseed: 0.5", "3: seed: expected a whole number, got 0.5"),
        (
            "- {provider: far, model",
            "- {provider: frr, model",
            "19: prices.0.provider: no provider 'frr'; did you mean 'far'?",
        ),
        ("2026-11-23", "23.11.2026", "19: prices.0.date: expected a day like 2026-11-23, got '23.11.2026'"),
        ("2026-11-23", "2026-02-30", "19: prices.0.date: expected a day like 2026-11-23, got '2026-02-30'"),
        ("input_mtok_usd: 1", "input_mtok_usd: -1", "19: prices.0.input_mtok_usd: a price cannot be negative"),
        ("input_mtok_usd: 1, ", "", "19: prices.0: 'input_mtok_usd' is missing"),
        *(
            (", output_mtok_usd: 0.10}", f",\n     output_mtok_usd: 0.10, tiers: [{{{tiers}}}]}}", message)
            for tiers, message in TIERS
        ),
        ("rules:", f"  - {SECOND_PRICE}\nrules:", "20: prices.1: two prices of 'claude-opus-5-5' of provider 'far'"),
        (", max_chars: 10", "", "21: rules.0: rule 'short' has no condition"),
        ("max_chars: 10", "keywords: []", "21: rules.0: rule 'short' has no condition"),
        ("max_chars: 10", "keywords: [a, ' ']", "21: rules.0.keywords: a keyword is empty"),
        (
            "max_chars: 10",
            "min_chars: 11, max_chars: 10",
            "21: rules.0: no text has 11 or more and 10 or fewer characters",
        ),
        ("max_chars: 10", "max_chars: -1", "21: rules.0.max_chars: expected a whole number from 0, got -1"),
        ("max_chars: 10", "min_words: -2", "21: rules.0.min_words: expected a whole number from 0, got -2"),
        (
            "max_chars: 10",
            "min_words: 2, max_words: 1",
            "21: rules.0: no text has 2 or more and 1 or fewer words",
        ),
        (
            "max_chars: 10",
            "regex: '(a'",
            "21: rules.0.regex: not a regular expression of RE2: missing ): (a",
        ),
        (
            "max_chars: 10",
            "regex: '(?<=a)b'",
            "21: rules.0.regex: not a regular expression of RE2: invalid perl operator: (?<=",
        ),
        (
            "max_chars: 10",
            "regex: 'a{9999}'",
            "21: rules.0.regex: not a regular expression of RE2: invalid repetition size: {9999}",
        ),
        (
            "{name: short, class: topic, max_chars: 10}",
            "name: short\n    class: topic\n    any_of:\n      - tenant: [a]\n      - none_of:\n          - regex: '['",
            "26: rules.0.any_of.1.none_of.0.regex: not a regular expression of RE2: missing ]: [",
        ),
        ("max_chars: 10", "all_of: [{min_chars: 1}, {}]", "21: rules.0.all_of.1: has no condition"),
        ("max_chars: 10", "any_of: [{min_char: 1}]", "any_of.0.min_char: unknown key; did you mean 'min_chars'?"),
        ("max_chars: 10", "any_of: []", "21: rules.0: rule 'short' has no condition"),
        ("max_chars: 10", "tenant: [a, '']", "21: rules.0.tenant: a tenant is empty"),
        ("max_chars: 10", "attachments: ['']", "21: rules.0.attachments: a kind of attachment is empty"),
        (
            "max_chars: 10",
            "features: {plan: []}",
            "21: rules.0.features.plan: expected a value, or a list of accepted values",
        ),
        (
            "max_chars: 10",
            "language: [de, fre]",
            "rules.0.language: no language 'fre' among the ISO 639-1 codes that can be detected; did you mean 'fr'?",
        ),
        (
            "max_chars: 10",
            "language: [nb]",
            "21: rules.0.language: 'nb' cannot be distinguished from other Norwegian; write 'no'",
        ),
        (
            "default_class:",
            "  - {name: short, class: sum, is_json: true}\ndefault_class:",
            "22: rules.1: two rules are named 'short'",
        ),
        ("max_chars: 10", "is_json: yes", "21: rules.0.is_json: expected true or false, got 'yes'"),
        ("class: topic, max", "task_class: topic, max", "21: rules.0.task_class: unknown key; did you mean 'class'?"),
        (
            "schema_version: 1",
            "schema_version: 2",
            "1: schema_version: 2 is newer than this routerctl knows (1); upgrade routerctl",
        ),
        ("schema_version: 1", "schema_version: '1'", "1: schema_version: expected 1, got '1'"),
        ("schema_version: 1", "schema_version: 0", "1: schema_version: expected 1, got 0"),
        ("schema_version: 1\n", "", "1: 'schema_version' is missing"),
        (
            "ladder: main",
            "ladder: !!python/name:os.system x",
            "2: the tag tag:yaml.org,2002:python/name:os.system is not supported",
        ),
    ],
)
def test_refusals(error_of: Callable[..., str], old: str, new: str, message: str) -> None:
    """Each mistake gives one line: file, line, path, what was expected, the nearest right name."""
    found = error_of(old, new)
    assert found.startswith("routerctl.yaml:")
    assert found.endswith(message)
    assert "\n" not in found


@pytest.mark.parametrize("secret", ["sk-ant-api03-SECRET-AA", "hunter2 SECRET", "SECRET="])
def test_a_pasted_key_is_refused_and_not_shown(error_of: Callable[..., str], secret: str) -> None:
    """A key in the place of its variable's name would travel into routes.yaml; nor may the error show it."""
    found = error_of("FAR_KEY", f"'{secret}'")
    assert found.startswith("routerctl.yaml:4: providers.far.api_key_env: expected the name of an environment variable")
    assert "SECRET" not in found


@pytest.mark.parametrize(
    "address", ["https://me:SECRET@far.example/v1", "far.example", "ftp://far.example", "https://"]
)
def test_an_address_without_password(error_of: Callable[..., str], address: str) -> None:
    """A base_url is http or https, and holds no password, which would be written into routes.yaml."""
    found = error_of("https://far.example/v1", address)
    assert found.startswith("routerctl.yaml:4: providers.far.base_url: expected an address like https://host/v1")
    assert "SECRET" not in found


@pytest.mark.parametrize("ends", ["/chat/completions", "/v1/messages/", "/v1/completions", "/messages"])
def test_an_endpoint_is_no_base_url(error_of: Callable[..., str], ends: str) -> None:
    """The SDK adds it itself: such an address would be asked for it twice, and every call be a 404."""
    found = error_of("https://far.example/v1", f"https://far.example{ends}")
    assert found.startswith("routerctl.yaml:4: providers.far.base_url: expected the address that the endpoint is added")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "routerctl.yaml:1: expected a mapping that starts with schema_version"),
        (b"- a", "routerctl.yaml:1: expected a mapping that starts with schema_version"),
        (b"a: 1\nb: \xff\n", "routerctl.yaml:2: not UTF-8 (byte 0xff)"),
        (GOOD.encode("utf-16"), "routerctl.yaml:1: not UTF-8 (byte 0xff)"),
        (b"a: [1\n", "routerctl.yaml:2: not YAML: did not find expected ',' or ']'"),
        (b"a: \x00", "routerctl.yaml:1: not YAML: "),
    ],
)
def test_not_a_project(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is empty, not UTF-8 or not YAML is refused in one line."""
    (tmp_path / "routerctl.yaml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_project(tmp_path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_no_project(tmp_path: Path) -> None:
    """Where there is no file the error names the command that writes one; a folder in its place is said to be one."""
    with pytest.raises(InputError, match=r"^routerctl\.yaml: no such file here; `routerctl init` writes one$"):
        load_project(tmp_path)
    (tmp_path / "routerctl.yaml").mkdir()
    with pytest.raises(InputError, match=r"^routerctl\.yaml: cannot be read: Is a directory$"):
        load_project(tmp_path)


def test_an_unknown_ladder(tmp_path: Path) -> None:
    """A ladder asked for by a wrong name gives the nearest right one."""
    (tmp_path / "routerctl.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(InputError, match=r"^routerctl\.yaml: no ladder 'mein'; did you mean 'main'\?$"):
        load_project(tmp_path).ladder_named("mein")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("routing: {tiers: {gold: {table: XXX.yaml}}}", "routing.tiers.gold.table: expected a file name such as"),
        ("classifier: {file: XXX.json}", "classifier.file: expected the name of a file"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(more: str, said: str, error_of: Callable[..., str]) -> None:
    """Before it is looked for, which would be an error of the system's."""
    line = error_of("default_class: topic\n", "default_class: topic\n" + more.replace("XXX", "x" * 300) + "\n")
    assert line.split(": ", 1)[1].startswith(said)
