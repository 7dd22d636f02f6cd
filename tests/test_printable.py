"""No stranger's text reaches a terminal raw, and no error is a traceback or longer than a line."""

import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, NoReturn

import pytest
from clihelp import Cli, on_terminal, tiny_model, write_questions, write_rows
from hypothesis import given
from hypothesis import strategies as st

from llprobe import crash
from llprobe.cli import app
from llprobe.cli.console import PrintableConsole
from llprobe.errors import RunError
from llprobe.printable import one_line, printable

ESCAPES = "a\x1b[31mb\x1b]0;title\x07c\x9b8md\u202ee\x7f\x00f\x08\rg"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@given(st.text())
def test_what_is_printable_stays_and_nothing_else_does(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not RAW.search(shown)
    assert printable(shown) == shown
    shown.encode()
    for was, now in zip(text, shown, strict=True):
        assert now in {was, "\ufffd"}
        if unicodedata.category(was) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            assert now == was


@given(st.text(max_size=3000), st.integers(20, 600))
def test_a_line_is_one_line_of_so_many_characters(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert len(line.splitlines()) <= 1


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    line = one_line(f"wrong file: {'x' * 5000}: take another")
    assert line.startswith("wrong file: x")
    assert line.endswith("x: take another")


def test_a_console_prints_its_own_colours_only() -> None:
    file = io.StringIO()
    console = PrintableConsole(file=file, force_terminal=True, color_system="truecolor")
    console.print(ESCAPES, style="red", markup=False, highlight=False)
    assert not RAW.search(re.sub("\x1b\\[[0-9;]*m", "", file.getvalue()))
    assert "\x1b[31m" in file.getvalue()


# --- commands on strangers' texts ----------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A run of questions with a note and a tag that hold escapes."""
    cli = Cli(tmp_path_factory.mktemp("hostile"))
    rows = [
        {"id": f"{n}{ESCAPES}", "prompt": f"the cat {ESCAPES} is", "choices": [" red", "=1+1"],
         "correct": [0], "group": group}
        for n, group in enumerate([ESCAPES, "=cmd", "@sum", "-x"])
    ]  # fmt: skip
    write_rows(cli.folder / "q.jsonl", rows)
    done = cli.run(tiny_model(cli.folder), cli.folder / "q.jsonl")
    assert done.code == 0, done.err
    assert cli("note", "last", ESCAPES.replace("\x00", "")).code == 0
    assert cli("tag", "last", "t\x1b[31m").code in {0, 2}
    return cli


COMMANDS: dict[str, tuple[str, ...]] = {
    "show": ("show", "last", "--by", "group"),
    "stats": ("show", "last", "--by", "group", "--stats"),
    "markdown": ("show", "last", "--by", "group", "-F", "md"),
    "json": ("show", "last", "--by", "group", "-F", "json"),
    "list": ("ls",),
    "note": ("note", "last"),
    "items": ("export", "last", "--items", "-F", "md"),
    "item lines": ("export", "last", "--items", "-F", "jsonl"),
    "question": ("tasks", "show", "prompts", "--data", "{q}"),
    "question as lines": ("tasks", "show", "prompts", "--data", "{q}", "-F", "jsonl"),
    "no such run": ("show", "no\x1b[31msuch"),
    "no such model": ("run", "-m", "no\x1b]0;x\x07such", "-t", "facts"),
    "no such task": ("tasks", "show", "no\x9bsuch"),
    "no such figure": ("plot", "no\x1b[31msuch", "last"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_prints_escapes_of_strangers(words: tuple[str, ...], hostile: Cli) -> None:
    done = hostile(*(word.format(q=hostile.folder / "q.jsonl") for word in words))
    assert not RAW.search(done.out)
    assert not RAW.search(done.err)
    assert done.out or done.line


def test_on_a_terminal_the_colours_are_our_own(hostile: Cli) -> None:
    words = ("tasks", "show", "prompts", "--data", hostile.folder / "q.jsonl")
    for command in (words, ("show", "last", "--by", "group")):
        text = "\n".join(on_terminal(hostile, *command, columns=100))
        assert "\x1b]" not in text
        assert "\x9b" not in text
        assert "a\x1b[31m" not in text


def test_reports_and_logs_hold_no_escapes(hostile: Cli) -> None:
    report = hostile.folder / "r.md"
    assert hostile("report", "last", "-o", report).code == 0
    logs = list(hostile.folder.glob("logs/*.log"))
    assert logs
    for path in (report, *logs):
        assert not RAW.search(path.read_text(encoding="utf-8")), path


def test_json_gives_back_what_was_there(hostile: Cli) -> None:
    (first, *_) = map(json.loads, hostile("export", "last", "--items").out.splitlines())
    assert ESCAPES in first["id"]


def test_a_spreadsheet_runs_no_cell(hostile: Cli) -> None:
    for words in (("export", "last", "--items"), ("show", "last", "--by", "group")):
        text = hostile(*words, "-F", "csv").out
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert any("cmd" in cell for cell in cells)
        numbers = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?")
        assert not [c for c in cells if re.match(r"[=+\-@\t\r]", c) and not numbers.fullmatch(c)]


# --- files by their ending -----------------------------------------------------------------------


def test_a_file_is_written_as_its_name_says(hostile: Cli) -> None:
    folder = hostile.folder
    for words in (("export", "last"), ("show", "last"), ("ls",), ("tasks", "ls")):
        for kind in ("json", "jsonl", "csv", "md"):
            path = folder / f"x.{kind}"
            assert hostile(*words, "-o", path).code == 0
            assert path.read_bytes().decode() == hostile(*words, "-F", kind).out
    assert hostile("ls", "-F", "csv", "-o", folder / "x.json").code == 0
    assert (folder / "x.json").read_bytes().decode() == hostile("ls", "-F", "csv").out


@pytest.mark.parametrize("name", ["x.xlsx", "x.png", "x.doc"])
def test_an_ending_that_is_no_form_of_data_is_refused(name: str, hostile: Cli) -> None:
    for words in (("export", "last"), ("show", "last"), ("ls",)):
        done = hostile(*words, "-o", hostile.folder / name)
        assert done.code == 2
        assert Path(name).suffix in done.line
        assert not (hostile.folder / name).exists()


def test_a_dash_is_stdout(hostile: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile.folder)
    assert hostile("ls", "-o", "-").out == hostile("ls").out
    assert not Path("-").exists()


# --- streams that fail ---------------------------------------------------------------------------


def shell(cli: Cli, line: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Carry out a line of the shell in which `llprobe` is the command."""
    script = f'llprobe() {{ "{sys.executable}" -m llprobe "$@"; }}\n{line}'
    return subprocess.run(
        ["bash", "-c", script], env=cli.env | env, cwd=cli.folder, capture_output=True, text=True,
        errors="replace", check=False, timeout=60,
    )  # fmt: skip


def test_a_full_disk_below_stdout_is_one_line(hostile: Cli) -> None:
    for words in ("ls", "export last --items", "--help", "--version"):
        done = shell(hostile, f"llprobe {words} >/dev/full")
        assert done.returncode == 1, words
        assert "No space left" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_closed_streams(hostile: Cli) -> None:
    done = shell(hostile, "llprobe ls >&-")
    assert done.returncode == 1
    assert "stdout is closed" in done.stderr
    done = shell(hostile, "llprobe ls 2>&-; echo $?")
    assert done.stdout.endswith("\n0\n")
    done = shell(hostile, "llprobe show none 2>&-; echo $?")
    assert done.stdout == "2\n"
    done = shell(hostile, "llprobe run -m tiny.gguf -t prompts --data q.jsonl --fresh <&- >&- 2>&-")
    assert done.returncode == 1  # it is scored, and the table could not be printed
    assert hostile("ls").code == 0


def test_a_reader_that_has_enough_is_no_error(hostile: Cli) -> None:
    done = shell(hostile, "llprobe tasks show facts -F json | head -c 1; echo ${PIPESTATUS[0]}")
    assert done.stdout.endswith("0\n")
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_other_encodings(encoding: str, hostile: Cli) -> None:
    for words in ("show last --by group", "ls", "tasks ls"):
        done = shell(hostile, f"llprobe {words}", PYTHONIOENCODING=encoding)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
        assert done.stdout
    done = shell(hostile, "llprobe export last --items -F json", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout) == hostile("export", "last", "--items", "-F", "json").rows


def test_few_open_files_are_said(hostile: Cli) -> None:
    for n in (12, 16, 24):
        done = shell(hostile, f"ulimit -n {n}; llprobe ls")
        assert "Traceback" not in done.stderr
        assert done.returncode in {0, 1}
        assert done.stdout or done.stderr


def test_names_that_are_not_utf8_are_said(hostile: Cli) -> None:
    done = shell(hostile, "llprobe run -m $'m\\xff.gguf' -t facts")
    assert done.returncode == 2
    assert "is not UTF-8: rename" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- what nobody foresaw -------------------------------------------------------------------------

UNFORESEEN: dict[str, tuple[Exception, str]] = {
    "a file": (FileNotFoundError(2, "No such file or directory", "x.db"), "x.db: No such file"),
    "a value": (ValueError("embedded null byte"), "please report it: ValueError: embedded null"),
    "depth": (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
    "text": (UnicodeEncodeError("utf-8", "\udfff", 0, 1, "surrogates"), "is not UTF-8"),
    "length": (KeyError("x" * 10_000), "please report it: KeyError"),
    "escapes": (RuntimeError(ESCAPES), "please report it: RuntimeError"),
}


@pytest.mark.parametrize("case", UNFORESEEN)
def test_what_nobody_foresaw_is_a_line_and_a_file(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, words = UNFORESEEN[case]
    done = raising(error, tmp_path, monkeypatch)
    assert done.code == 1
    assert words in done.line
    assert len(done.line) <= 500
    assert not RAW.search(done.line)
    (path,) = (tmp_path / "state").rglob("crash-*.txt")
    assert str(path) in done.line
    assert path.stat().st_mode & 0o777 == 0o600
    assert type(error).__name__ in path.read_text(encoding="utf-8")


def raising(error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def command(**_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(app, "app", command)
    monkeypatch.setattr(crash, "_folder", lambda: folder / "state")
    return Cli(folder)("ls")


def test_memory_that_is_out_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = raising(MemoryError(), tmp_path, monkeypatch)
    assert (done.code, "out of memory" in done.line) == (1, True)


def test_a_crash_that_cannot_be_kept_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    done = raising(ValueError("odd"), tmp_path, monkeypatch)
    assert "ValueError: odd (its details could not be kept" in done.line


def test_only_the_last_crashes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(crash.KEPT + 5):
        done = raising(ValueError(str(n)), tmp_path, monkeypatch)
    assert len(list((tmp_path / "state").iterdir())) == crash.KEPT
    assert f"ValueError: {crash.KEPT + 4}" in done.line


def test_other_errors_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert raising(RunError("in words"), tmp_path, monkeypatch).line == "error: in words"
    assert raising(KeyboardInterrupt(), tmp_path, monkeypatch).code == 130
    assert not (tmp_path / "state").exists()


# --- before something is deleted -----------------------------------------------------------------


def test_who_deletes_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli, questions = Cli(tmp_path), write_questions(tmp_path / "q.jsonl")
    cli.run(tiny_model(tmp_path), questions, "--name", "trial")
    for noun, name in (("sweep", "trial"), ("models", "smollm2-135m"), ("tasks", "mine")):
        done = cli(noun, "rm", name)
        assert done.code == 2
        assert "say -y if you mean it" in done.line
    monkeypatch.setattr(sys, "stdin", Answer("n"))
    assert "nothing was deleted" in cli("sweep", "rm", "trial").err
    assert "trial" in cli("ls").out
    monkeypatch.setattr(sys, "stdin", Answer("y"))
    assert cli("sweep", "rm", "trial").code == 0
    assert "trial" not in cli("ls").out


class Answer(io.StringIO):
    """A person at a terminal."""

    def isatty(self) -> bool:
        return True
