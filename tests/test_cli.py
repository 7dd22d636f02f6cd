"""The command line: help, options and their environment, and what is misspelt."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from clihelp import Cli
from runhelp import inputs, run_cli, with_run

from llprobe.cli import app as app_module


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return run_cli(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def ready(shared: Cli) -> Cli:
    return with_run(shared)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk the tree of commands."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


TREE = dict(commands(typer.main.get_command(app_module.app)))


def test_the_commands_are_those_that_are_promised() -> None:
    top = {"run", "ls", "show", "compare", "ask", "plot", "report", "export", "lens", "similarity"}
    top |= {"sweep", "models", "tasks", "locate", "doctor", "tui", "tag", "note", "rpc", "cluster"}
    assert {path[0] for path in TREE} == top
    assert {path[1] for path in TREE if path[0] == "models"} == {
        "ls", "pull", "inspect", "quantize", "rm",
    }  # fmt: skip
    assert {path[1] for path in TREE if path[0] == "tasks"} == {
        "ls", "new", "validate", "show", "check", "add", "pull", "rm",
    }  # fmt: skip


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_command_explains_itself(cli: Cli, path: tuple[str, ...]) -> None:
    done = cli(*path, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
    summary = (TREE[path].help or "").split("\n")[0]
    assert len(summary) > 20
    assert cli(*path, "-h").out == done.out
    for option in options(path):
        assert option.help, option.name


def options(path: tuple[str, ...]) -> list[Any]:
    return [
        p for p in TREE[path].params if p.param_type_name == "option" and "--help" not in p.opts
    ]


def test_every_option_can_be_given_in_the_environment() -> None:
    for path in TREE:
        for option in options(path):
            (long,) = (name for name in option.opts if name.startswith("--"))
            expected = "LLPROBE_" + long[2:].replace("-", "_").upper()
            assert option.envvar == expected, (path, option.name)


def test_the_environment_is_heard(ready: Cli) -> None:
    rows = ready("show", LLPROBE_FORMAT="json", LLPROBE_BY="group").rows
    assert [row["group"] for row in rows] == ["", "g0", "g1"] * 2
    assert "layer,prompts norm" in ready("show", LLPROBE_WIDE="1", LLPROBE_FORMAT="csv").out
    error = ready.run(*inputs(ready), LLPROBE_LAYERS="7-9").line
    assert error == "error: --layers 7-9: this model has layers 0 to 3"


def test_the_version_is_told(cli: Cli) -> None:
    done = cli.process("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"llprobe \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize("words", [(), ("models",), ("tasks",)])
def test_nothing_asked_is_answered_with_help(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert (done.code, done.err) == (2, "")
    assert "Usage:" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rum",), "No such command 'rum'"),
        (("run", "-t", "prompts"), "Missing option '-m' / '--model'"),
        (("show", "--formt", "json"), "No such option: --formt"),
        (("show", "-F", "xml"), "'xml' is not one of 'table', 'json', 'jsonl', 'csv', 'md'"),
        (("lens", "text", "-m", "x", "--top", "0"), "Invalid value for '--top'"),
        (("run", "-m", "x", "-t", "prompts", "-b", "pi"), "Invalid value for '-b' / '--batch'"),
        (("show", "-o", "."), "Invalid value for '-o' / '--output'"),
        (("show", "a", "b"), "Got unexpected extra argument"),
    ],
)
def test_a_misspelt_command_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert done.line == done.err.strip()
    assert said in done.line
    assert "--help`)" in done.line
