"""`llprobe models`: list, inspect, quantise and remove, on tiny models and a cache of their own."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from clihelp import Cli, tiny_model, worker_of, write_questions
from tinygguf import WIDE

from llprobe.model import read_model


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def ladder(cli: Cli) -> list[dict[str, object]]:
    rows = cli("models", "ls", "-F", "json").rows
    return [row for row in rows if str(row["path"]).startswith(str(cli.folder))]


def cache_files(cli: Cli) -> list[str]:
    return sorted(str(p.name) for p in (cli.folder / "cache").rglob("*") if p.is_file())


def test_the_catalog_is_listed(cli: Cli) -> None:
    rows = cli("models", "ls", "-F", "json").rows
    default = next(row for row in rows if row["name"] == "smollm2-135m")
    assert (default["quant"], default["here"], default["bytes"]) == ("Q4_1", False, 98_362_432)
    assert default["licence"] == "Apache-2.0"
    assert all(row["good_for"] for row in rows)
    table = cli("models", "ls").out
    assert all(str(row["name"]) in table for row in rows)


def test_a_model_is_inspected(cli: Cli) -> None:
    path = tiny_model(cli.folder, quant="Q8_0", output_quant="F16")
    (facts,) = cli("models", "inspect", path, "-F", "json").rows
    info = read_model(path)
    assert (facts["architecture"], facts["layers"], facts["width"]) == ("llama", 3, 64)
    assert (facts["vocabulary"], facts["context"]) == (384, 512)
    assert (facts["quant"], facts["chat_template"]) == ("Q8_0", "no")
    assert facts["fingerprint"] == info.fingerprint
    assert facts["output_tensors"] == "1 x F16"
    assert facts["attention_tensors"] == "12 x Q8_0"
    assert facts["bits_per_weight"].startswith(f"{info.bits_per_weight:.2f} (8.5")
    table = cli("models", "inspect", path).out
    assert re.search(r"^chat template +no$", table, re.MULTILINE)
    with_template = tiny_model(cli.folder, "chat", chat_template="{{ messages }}", tied=True)
    (facts,) = cli("models", "inspect", with_template, "-F", "json").rows
    assert facts["chat_template"] == "yes"
    assert facts["output_matrix"] == "the embedding's (tied)"


def test_a_ladder_of_quants_is_made_listed_probed_and_removed(cli: Cli) -> None:
    path = tiny_model(cli.folder, "wide", **WIDE)
    done = cli("models", "quantize", path, "--to", "q8_0,Q4_K_M")
    assert done.code == 0, done.err
    assert "requantisation" not in done.err
    assert "restores nothing" not in done.err
    assert "fell back" not in done.err
    rows = ladder(cli)
    assert [(row["quant"], row["here"]) for row in rows] == [("Q4_K_M", True), ("Q8_0", True)]
    assert len(cache_files(cli)) == 2
    name = str(rows[1]["name"])
    assert re.fullmatch(r"wide-[0-9a-f]{8}:Q8_0", name)
    (facts,) = cli("models", "inspect", name, "-F", "json").rows
    assert (facts["quant"], facts["attention_tensors"]) == ("Q8_0", "12 x Q8_0")

    again = cli("models", "quantize", path, "--to", "Q8_0")
    assert (again.code, "is here already" in again.err) == (0, True)

    questions = write_questions(cli.folder / "q.jsonl", 6)
    done = cli.run(Path(f"{path}:q8_0"), questions, "-F", "json")
    assert [row["model"] for row in done.rows] == [name]

    removed = cli("models", "rm", name, "-y")
    assert (removed.code, "removed " in removed.err) == (0, True)
    assert [row["quant"] for row in ladder(cli)] == ["Q4_K_M"]
    assert path.exists()


def test_a_requantisation_above_its_source_is_called_that(cli: Cli) -> None:
    path = tiny_model(cli.folder, "wide", quant="Q8_0", **WIDE)
    done = cli("models", "quantize", path, "--to", "F32")
    assert done.code == 0, done.err
    assert "a requantisation: its source wide is Q8_0 already" in done.err
    assert "above its source (32.00 against 8.50 bits per weight in blocks)" in done.err
    assert "it restores nothing" in done.err


def test_fallbacks_are_named(cli: Cli) -> None:
    path = tiny_model(cli.folder, "narrow", quant="F16")
    done = cli("models", "quantize", path, "--to", "Q4_K_M")
    assert done.code == 0, done.err
    said = r"fell back, since 256 does not divide the width: attention .*Q5_0.*; feed-forward .*Q"
    assert re.search(said, done.err)
    rows = cli("models", "inspect", str(ladder(cli)[0]["name"]), "-F", "json").rows
    assert "Q5_0" in rows[0]["attention_tensors"]


def test_an_interrupted_quantisation_leaves_nothing(cli: Cli) -> None:
    path = tiny_model(cli.folder, "wide", **WIDE)
    child = cli.start("models", "quantize", path, "--to", "Q2_K")
    worker_of(child)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err.splitlines()[-1:]) == (130, ["interrupted"])
    assert [name for name in cache_files(cli) if name.endswith(".gguf")] == []
    assert cli("models", "quantize", path, "--to", "Q2_K").code == 0
    assert len(ladder(cli)) == 1


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("Q9_9", "error: no quant type 'Q9_9'; known: "),
        ("F32", "error: tiny is F32 already"),
        (",", "error: no quant type is named"),
        ("Q8_0,Q8_0", "error: the quant type Q8_0 is given twice; give it once"),
    ],
)
def test_a_quantisation_that_cannot_be_is_one_line(cli: Cli, to: str, said: str) -> None:
    done = cli("models", "quantize", tiny_model(cli.folder), "--to", to)
    assert done.code == 2
    assert done.line.startswith(said)
    assert cache_files(cli) == []


def test_a_cache_that_cannot_be_written_is_one_line(cli: Cli) -> None:
    (cli.folder / "cache").write_text("this is a file, not a folder")
    done = cli("models", "quantize", tiny_model(cli.folder), "--to", "Q8_0")
    assert done.code == 1
    assert str(cli.folder / "cache") in done.line


def test_a_full_disk_leaves_no_half_file(cli: Cli) -> None:
    path = tiny_model(cli.folder, "wide", **WIDE)
    script = 'ulimit -f 400; exec "$@"'  # of 512 bytes each: less than the file needs
    command = ["sh", "-c", script, "sh", *cli.command("models", "quantize", path, "--to", "Q8_0")]
    done = subprocess.run(command, env=cli.env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert ladder(cli) == []
    assert [name for name in cache_files(cli) if name.endswith(".gguf")] == []


def test_files_of_ones_own_are_never_removed(cli: Cli) -> None:
    path = tiny_model(cli.folder)
    done = cli("models", "rm", path, "-y")
    assert done.code == 2
    assert "left alone" in done.line
    assert path.exists()


@pytest.mark.parametrize("verb", ["inspect", "rm", "pull"])
def test_an_unknown_model_is_answered_with_the_nearest(cli: Cli, verb: str) -> None:
    done = cli("models", verb, "smolm2-135m", *(["-y"] if verb == "rm" else []))
    assert done.code == 2
    assert "no model named 'smolm2-135m'; did you mean smollm2-135m" in done.line


@pytest.mark.parametrize("verb", ["inspect", "rm"])
def test_a_model_that_is_not_downloaded_says_how_to_get_it(cli: Cli, verb: str) -> None:
    done = cli("models", verb, "smollm2-135m", *(["-y"] if verb == "rm" else []))
    assert done.code == 2
    assert "smollm2-135m is not downloaded" in done.line
