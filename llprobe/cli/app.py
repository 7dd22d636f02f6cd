"""The program `llprobe`: puts the commands together, and turns errors into one line and a code.

Exit codes: 0 done, 1 a run failed, 2 the command as given cannot be carried out, 130 interrupted.
This module knows which commands there are. It does not know what they do.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from llprobe.cli import doctor, lens, models, run, runs
from llprobe.cli.output import err
from llprobe.errors import LlprobeError

__all__ = ["app", "main"]

app = typer.Typer(
    name="llprobe",
    help="Probe GGUF LLaMA models layer by layer, on a laptop, offline.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("ls")(runs.ls)
app.command("show")(runs.show)
app.command("export")(runs.export)
app.command("locate")(runs.locate)
app.command("lens")(lens.lens)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"llprobe {version('llprobe')}\n")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Probe GGUF LLaMA models layer by layer, on a laptop, offline."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except LlprobeError as error:
        err.print(f"[bold red]error:[/] {_escape(str(error))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our stdout (head, less) has enough: nothing more can be printed there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
