"""`llprobe tasks`: list, write, check and look at tasks, add and pull data.

This module knows the commands' options and tables. What a task is, is `task`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from llprobe.cli import checkview
from llprobe.cli.console import confirm, err
from llprobe.cli.options import (
    Answer,
    Chat,
    Format,
    FormatOption,
    Output,
    Set,
    Threads,
    XAll,
    Yes,
    option,
    task_settings,
)
from llprobe.cli.output import Column, emit, percent, write
from llprobe.cli.progress import Meter
from llprobe.errors import LlprobeError, TaskError, UsageError
from llprobe.printable import printable
from llprobe.report import itemview
from llprobe.report.tasks import no_mistakes, task_rows
from llprobe.task import TaskRequest, expand, load_definition, load_questions, requests_for
from llprobe.task.example import example_data, example_yaml
from llprobe.task.groups import group_file
from llprobe.task.listing import known_tasks
from llprobe.task.validate import validate
from llprobe.task.writing import MULTIPLE_CHOICE

__all__ = ["app"]

app = typer.Typer(
    help="List, write, check and look at tasks; add and pull data.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A task's name, or a YAML file.")]
Data = Annotated[Path | None, option("--data", help="A published file for the task.")]
Seed = Annotated[int, option("--seed", help="Seed of generated questions.")]
_MISTAKE = re.compile(
    r"(?P<file>.+?), (?:line|row) (?P<line>\d+)(?:, (?P<key>[^:]+))?: (?P<problem>.*)"
)
_SHOWN = 50


@app.command("ls")
def ls(form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """List the tasks, groups and tags that `-t` takes."""
    columns = [
        Column("name", "name"),
        Column("about", "measures", wraps=True),
        Column("questions", "questions", _or_dash, right=True),
        Column("worked_examples", "examples", _or_dash, right=True),
        Column("chance", "chance", percent, right=True),
        Column("data", "data", wraps=True),
        Column("tags", "tags", ", ".join),
    ]
    emit(task_rows(), columns, form, output)


def _or_dash(value: Any) -> str:
    return "–" if value is None else str(value)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The task's name; its files are called so.")],
    folder: Annotated[
        Path, option("--folder", help="Where the files are written.", file_okay=False)
    ] = Path(),
) -> None:
    """Write a commented example task, NAME.yaml, and its data, NAME.jsonl."""
    if not name or name.startswith((".", "-")) or re.search(r"[\s,/\\:]", name):
        raise UsageError(f"{name!r} is no name for a task; use letters, digits, _ and -")
    files = {folder / f"{name}.yaml": example_yaml(name), folder / f"{name}.jsonl": example_data()}
    try:
        _refuse_to_overwrite(folder, list(files))
    except OSError as problem:
        raise UsageError(f"cannot write in {folder}: {problem.strerror}") from problem
    for path, text in files.items():
        _write_new(path, text)
        err.print(f"wrote {path}", markup=False)
    first = next(iter(files))
    err.print(f"next: llprobe tasks validate {first}   llprobe tasks show {first}", markup=False)


def _refuse_to_overwrite(folder: Path, files: Sequence[Path]) -> None:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    there = [path for path in files if path.exists() or path.is_symlink()]
    if there:
        raise UsageError(f"{there[0]} is there already; take another name, or remove it")


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from problem


@app.command("validate")
def check_file(
    file: Annotated[Path, typer.Argument(help="A task's or a group's YAML file.")],
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Name every mistake in a task file and its data, with file, line and key."""
    found = validate(str(file))
    said = [str(mistake) for mistake in found.mistakes]
    if form is Format.TABLE:
        more = len(said) - _SHOWN
        shown = said[:_SHOWN] + ([f"... and {more} more; -F jsonl lists them"] if more > 0 else [])
        write("".join(f"{printable(line)}\n" for line in shown), output)
    else:
        keys = ("file", "line", "key", "problem")
        emit([_parts(line) for line in said], [Column(k, k) for k in keys], form, output)
    if said:
        raise TaskError(f"{file}: {len(said)} mistake{'s' * (len(said) != 1)}, listed on stdout")
    for note in found.notes:
        err.print(f"note: {note}", markup=False)
    err.print(no_mistakes(file, found), markup=False)


def _parts(said: str) -> dict[str, Any]:
    match = _MISTAKE.fullmatch(said)
    if match is None:
        return {"file": None, "line": None, "key": None, "problem": said}
    return match.groupdict() | {"line": int(match["line"])}


@app.command("show")
def show(
    name: Name,
    item: Annotated[
        str, option("--item", help="Which question: its id, or its number from 1.")
    ] = "1",
    model: Annotated[
        str | None, option("-m", "--model", help="Show the tokens that this model reads, too.")
    ] = None,
    data: Data = None,
    num_fewshot: Annotated[
        int | None, option("-f", "--num-fewshot", help="Worked examples; default: the task's.")
    ] = None,
    shots_file: Annotated[
        Path | None, option("--shots-file", help="Worked examples to use instead of the task's.")
    ] = None,
    instruction: Annotated[
        str | None, option("--instruction", help="The text before the worked examples.")
    ] = None,
    seed: Seed = 0,
    settings: Set = None,
    x_all: XAll = False,
    answer: Answer = None,
    chat: Chat = False,
    threads: Threads = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Print a question exactly as a model gets it; with -m its tokens and option boundaries."""
    _refuse_group(name)
    request = TaskRequest(
        name, _path(data), None, num_fewshot, seed, _path(shots_file), instruction,
        task_settings(settings, x_all=x_all), answer or "", chat,
    )  # fmt: skip
    view = itemview.ItemView.of(load_questions(request), item)
    if model:
        view = itemview.with_tokens(view, model, threads)
    if form is Format.TABLE:
        write(printable(itemview.as_text(view)), output)
    else:
        emit([itemview.as_record(view)], [Column("prompt", "prompt")], form, output)


def _path(path: Path | None) -> str | None:
    return str(path) if path else None


def _refuse_group(name: str) -> None:
    group = group_file(name)
    if group:
        tasks = expand([name])
        raise UsageError(f"{name} is a group of {len(tasks)} tasks; name one: {', '.join(tasks)}")


@app.command("check")
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tasks, groups, tags, YAML files; default: all.")
    ] = None,
    data: Data = None,
    seed: Seed = 0,
    settings: Set = None,
    x_all: XAll = False,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Say what always taking the longest, the shortest or the first option would get right.

    Exits with 1 where one of them gets more or less than chance explains, unless the task's
    file says that it must.
    """
    wanted = TaskRequest("", _path(data), seed=seed, settings=task_settings(settings, x_all=x_all))
    rows = [checkview.checked(each) for each in requests_for(_to_check(names), wanted)]
    emit(rows, checkview.COLUMNS, form, output)
    bad = [str(row["task"]) for row in rows if row["sticks_out"]]
    if bad:
        raise LlprobeError(f"chance does not explain what a habit gets right in {', '.join(bad)}")


def _to_check(names: Sequence[str] | None) -> Sequence[str]:
    return names or [name for name in known_tasks() if _has_options(name)]


def _has_options(name: str) -> bool:
    definition = load_definition(name)
    return not definition.needs_data and definition.output_type == MULTIPLE_CHOICE


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="A data file, or a YAML file with its data.")],
    name: Annotated[
        str | None, option("--name", help="What to run it by; default: the file's or task's name.")
    ] = None,
    reader: Annotated[
        str, option("--for", help="The task that is to read a data file; default: by its content.")
    ] = "",
    replace: Annotated[
        bool, option("--replace", help="Put it in the place of what was added by that name.")
    ] = False,
) -> None:
    """Copy a data or YAML file into llprobe's task folder, so that `-t NAME` finds it."""
    from llprobe.task import library  # noqa: PLC0415  # only these commands need the hub

    added = library.add(str(file), name, task=reader, replace=replace)
    err.print(f"added {added}; next: llprobe run -t {added}", markup=False)


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(help="A task whose published data lie on the hub.")],
    file: Annotated[
        str, option("--file", help="Another file of the same data set; needs --name.")
    ] = "",
    target: Annotated[
        str | None, option("--name", help="What to run it by; default: the task's name.")
    ] = None,
) -> None:
    """Download a published data set from the Hugging Face hub."""
    from llprobe.task import library  # noqa: PLC0415  # only these commands need the hub

    meter: list[Meter] = []

    def progress(done: int, total: int) -> None:
        if not meter:
            meter.append(Meter(f"pulling {name}", round(total / 1e3), "kB").__enter__())
        meter[0].update(round(done / 1e3))

    try:
        path = library.pull(name, progress, file=file, to=target)
    finally:
        for each in meter:
            each.__exit__()
    err.print(f"{target or name} is here: {path}", markup=False)


@app.command("rm")
def rm(
    name: Annotated[str, typer.Argument(help="A task that was added or pulled.")], yes: Yes = False
) -> None:
    """Delete what was added or pulled by that name; bundled tasks stay."""
    from llprobe.task import library  # noqa: PLC0415  # only these commands need the hub

    confirm(f"delete the task {name}?", yes=yes)
    library.remove(name)
    err.print(f"removed {name}", markup=False)
