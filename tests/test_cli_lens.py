"""`llprobe lens` and `llprobe doctor`."""

import re
from pathlib import Path

import pytest
from clihelp import Cli
from runhelp import inputs, run_cli, with_run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return run_cli(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def ready(shared: Cli) -> Cli:
    return with_run(shared)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_a_text_is_drawn_with_the_last_layer_on_top(ready: Cli) -> None:
    model, _ = inputs(ready)
    done = ready("lens", "the city of", "-m", model, "--top", "2", "--track", " city")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["layer", "the", "·city", "·of"]
    layers = [line.split()[0] for line in lines[1:] if re.match(r" *\d", line)]
    assert layers[:3] == ["3", "2", "1"]
    assert "rank of ·city after the last token" in lines


def test_a_text_is_told_in_numbers(ready: Cli) -> None:
    model, _ = inputs(ready)
    words = ("lens", "the city of", "-m", model, "--top", "3", "--layers", "0,-1")
    rows = ready(*words, "--track", " city", "--track", " of", "-F", "json").rows
    assert [(row["layer"], row["position"]) for row in rows] == [
        (layer, position) for layer in (0, 3) for position in range(3)
    ]
    for row in rows:
        chances = [top["p"] for top in row["top"]]
        assert chances == sorted(chances, reverse=True)
        assert len(chances) == 3
        assert 0 < sum(chances) <= 1
        assert row["rank"].keys() == {" city", " of"}
        assert row["entropy_bits"] > 0
    assert "".join(row["token"] for row in rows[:3]) == "the city of"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lens", "tuned"), "error: no lens 'tuned'; known: norm, paper, raw"),
        (("--layers", "4"), "error: --layers 4: this model has layers 0 to 3"),
        (("--ctx", "1"), "error: --ctx 1: a context holds at least 8 tokens"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(ready: Cli, words: tuple[str, ...], said: str) -> None:
    done = ready("lens", "the city", "-m", inputs(ready)[0], *words)
    assert (done.code, done.line) == (2, said)


def test_the_doctor_knows_machine_and_build(cli: Cli) -> None:
    done = cli("doctor", "-F", "json")
    facts = {row["what"]: row["value"] for row in done.rows}
    assert facts.keys() >= {"system", "cores", "memory", "python", "llama-cpp-python", "devices"}
    assert len(facts) == len(done.rows)
    assert not any("reference" in what for what in facts)


def test_the_doctor_compares_a_model_with_reference_mode(ready: Cli) -> None:
    done = ready("doctor", "-m", inputs(ready)[0])
    assert done.code == 0
    for lens in ("norm", "paper", "raw"):
        assert re.search(rf"lens {lens} +summed log-probs differ by at most \d", done.out)
        assert re.search(rf"^  {lens}:( \d\.\de[-+]\d+){{3}}$", done.err, re.MULTILINE)
