"""Options that several commands share, each with its environment variable.

This module knows how options are spelled. It does not know what commands do with them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from llprobe.errors import UsageError
from llprobe.paths import default_path, split_at_commas
from llprobe.rpc import parse_servers
from llprobe.settings import EngineSettings

__all__ = [
    "Answer",
    "Batch",
    "BufferMb",
    "By",
    "Chat",
    "Ctx",
    "Db",
    "Force",
    "Format",
    "FormatOption",
    "GpuLayers",
    "KeepAwake",
    "Layers",
    "Metric",
    "Model",
    "Output",
    "Reference",
    "Rpc",
    "Set",
    "Threads",
    "Ubatch",
    "XAll",
    "Yes",
    "comma_list",
    "database",
    "engine_settings",
    "format_by_ending",
    "option",
    "servers",
    "task_settings",
    "writable",
]


class Format(StrEnum):
    """How data are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MD = "md"


def option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002 - typer's own name for it
    """Return a Typer option that can also be given as LLPROBE_<LONG NAME> in the environment."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "LLPROBE_" + long.removeprefix("--").replace("-", "_").upper()
    return typer.Option(*names, help=help, envvar=variable, **more)


Model = Annotated[
    str,
    option(
        "-m", "--model",
        help="Catalog name, name:quant, path of a GGUF file, or hf:OWNER/REPO:QUANT.",
    ),
]  # fmt: skip


_TEXTS: Final = ("", ".txt", ".log", ".out")
_NO_ENDINGS: Final = ("table", "harness")
"""Forms that no ending stands for."""


def _data_file(context: typer.Context, path: Path | None) -> Path | None:
    """Refuse a file that no form of data is written to, and one that cannot be written."""
    if path is None or str(path) == "-":
        return None
    _by_ending(context, path)
    return writable(path)


def format_by_ending(context: typer.Context, form: StrEnum) -> StrEnum:
    """Take the form that the output's ending says, where no other one is given: for --format."""
    output = context.params.get("output")
    return _chosen(context, output) or form if isinstance(output, Path) else form


def _by_ending(context: typer.Context, path: Path) -> None:
    chosen = _chosen(context, path)
    if chosen and "form" in context.params:
        context.params["form"] = chosen


def _chosen(context: typer.Context, path: Path) -> StrEnum | None:
    """Return the form that a file's ending says; None where it says none, or -F says it."""
    source = context.get_parameter_source("form")
    if source is not None and source.name != "DEFAULT":
        return None
    (default,) = (p.default for p in context.command.params if p.name == "form")
    forms = cast("type[StrEnum]", type(default))
    kinds = {f".{form}": form for form in forms if form not in _NO_ENDINGS}
    ending = path.suffix.lower()
    if ending not in {*kinds, *_TEXTS}:
        known = ", ".join(kinds)
        raise UsageError(f"cannot write {path}: {ending} is no form of data; {known} and .txt are")
    return kinds.get(ending)


def writable(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written: before a long run, not after it."""
    if path is None:
        return None
    try:
        folder, target = path.parent.is_dir(), path if path.exists() else path.parent
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    if not folder:
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(target, os.W_OK):
        raise UsageError(f"cannot write {path}: Permission denied")
    return path


By = Annotated[
    str | None,
    option(
        "--by",
        help="More rows: group, facet (each part of the groups' names), or one such part, "
        "like operation, language, relation.",
    ),
]
Metric = Annotated[
    str,
    option("--metric", help="mc1, mc2, mc3, acc_norm_tokens, acc_norm_bytes or pmi."),
]
Set = Annotated[
    list[str] | None,
    option("--set", help="A setting of generated tasks, NAME=VALUE; may be repeated."),
]
XAll = Annotated[
    bool,
    option(
        "--x-all", help="xmps: translate question and wrong answers too, not the true one alone."
    ),
]
Yes = Annotated[bool, option("-y", "--yes", help="Delete without asking.")]
KeepAwake = Annotated[
    bool, option("--keep-awake", help="Keep the machine from sleeping (macOS: caffeinate).")
]
Answer = Annotated[
    str | None,
    option(
        "--answer",
        help="cloze: score the options' texts; letter: list them, score the letter; generate: "
        "let the model write. Default: the task's way.",
    ),
]
Chat = Annotated[bool, option("--chat", help="Put prompts through the model's own chat template.")]
FormatOption = Annotated[
    Format,
    option(
        "-F", "--format", help="How to print the data; default: a table, or as -o's ending says.",
        callback=format_by_ending,
    ),
]  # fmt: skip
Output = Annotated[
    Path | None,
    option(
        "-o", "--output",
        help="Write the data to this file; - is stdout.", dir_okay=False, callback=_data_file,
    ),
]  # fmt: skip
Db = Annotated[Path | None, option("--db", help="Database file; default: see `llprobe locate`.")]
Layers = Annotated[
    str | None, option("--layers", help="Layers, e.g. 1-30 or 10,20,-1; 0 is the embedding.")
]
Threads = Annotated[
    int | None, option("--threads", help="CPU threads; default: one per performance core.")
]
GpuLayers = Annotated[int, option("-ngl", "--gpu-layers", help="Layers on the GPU, -1 = all.")]
Rpc = Annotated[
    str | None,
    option(
        "--rpc",
        help="Use devices of other machines as well: HOST:PORT of `llprobe rpc serve` there; "
        "several with commas.",
    ),
]
Batch = Annotated[int, option("-b", "--batch", help="Tokens decoded together.")]
Ubatch = Annotated[int, option("-ub", "--ubatch", help="Tokens of one compute graph.")]
Ctx = Annotated[int | None, option("--ctx", help="Context in tokens; default: what is needed.")]
BufferMb = Annotated[
    int, option("--buffer-mb", help="MiB for one decode's logits, and for its hidden states.")
]
Force = Annotated[bool, option("--force", help="Load a model that is not expected to fit.")]
Reference = Annotated[
    bool,
    option("--reference", help="One option at a time, float32 cache, no flash attention: slow."),
]


def task_settings(given: Sequence[str] | None, *, x_all: bool) -> tuple[tuple[str, str], ...]:
    """Settings of tasks from ``--set NAME=VALUE`` and ``--x-all``; UsageError for other forms."""
    pairs = [pair.partition("=") for pair in given or ()]
    for name, sign, _ in pairs:
        if not (name.strip() and sign):
            raise UsageError(f"--set {name}: write NAME=VALUE, e.g. --set per_group=50")
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    if x_all:
        settings["all"] = "yes"
    return tuple(sorted(settings.items()))


def database(path: Path | None) -> Path:
    """The database file that a command works on."""
    return path or default_path()


def comma_list(text: str, what: str) -> tuple[str, ...]:
    """Split ``a,b``; raises UsageError where nothing is named, or one thing twice."""
    names = tuple(split_at_commas(text))
    if not names:
        raise UsageError(f"no {what} is named")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"the {what} {name} is given twice; give it once")
    return names


def servers(text: str | None) -> tuple[str, ...]:
    """RPC servers of ``--rpc``; UsageError for what is no address."""
    return parse_servers(text) if text else ()


def engine_settings(
    *,
    batch: int,
    ubatch: int,
    ctx: int | None,
    threads: int | None,
    gpu_layers: int,
    buffer_mb: int,
    force: bool,
    reference: bool = False,
    skip_shared: bool = False,
    rpc: str | None = None,
) -> EngineSettings:
    """Settings of the engine from a command's options."""
    settings = EngineSettings(
        n_batch=batch,
        n_ubatch=ubatch,
        n_ctx=ctx,
        n_threads=threads,
        n_gpu_layers=gpu_layers,
        buffer_mb=buffer_mb,
        force=force,
        skip_shared=skip_shared,
    ).using(servers(rpc))
    return settings.reference() if reference else settings
