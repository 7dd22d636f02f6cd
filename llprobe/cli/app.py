"""The program `llprobe`: turns errors into one line and a code.

Exit codes: 0 done, 1 a run failed, 2 the command as given cannot be carried out, 130 interrupted.
This module knows how a command ends. It does not know which there are (lazy.py) or what they do.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any, Final, cast

import typer

from llprobe.cli.lazy import LazyGroup
from llprobe.cli.output import complain, err
from llprobe.errors import LlprobeError

__all__ = ["app", "main"]

INTERRUPTED: Final = 130

app = typer.Typer(
    name="llprobe",
    cls=LazyGroup,
    help="Probe GGUF LLaMA models layer by layer, on a laptop, offline.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_Misuse = cast("type[Exception]", typer.BadParameter.__base__)
"""Typer's usage errors; which click they come from depends on Typer's version."""


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
        code = app(standalone_mode=False)
    except LlprobeError as error:
        complain(str(error))
        code = error.exit_code
    except _Misuse as error:
        code = _misused(error)
    except KeyboardInterrupt:  # before Typer hears it
        code = INTERRUPTED
    if code == INTERRUPTED:
        err.print("interrupted")
    sys.exit(code)


def _misused(error: Any) -> int:
    """Say in one line what Typer found wrong; it has printed the help if nothing was given."""
    said = " ".join(error.format_message().replace("Value error, ", "").split())
    if said:
        complain(f"{said} (see `{error.ctx.command_path} --help`)" if error.ctx else said)
    return 2
