"""The program `llprobe`: turns errors into one line and a code.

Exit codes: 0 done, 1 a run failed, 2 the command as given cannot be carried out, 130 interrupted.
This module knows how a command ends. It does not know which there are (lazy.py) or what they do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, Final, cast

import typer

from llprobe.cli.console import complain, err, flush_stdout, open_streams
from llprobe.cli.lazy import LazyGroup
from llprobe.crash import explain
from llprobe.errors import LlprobeError, UsageError
from llprobe.printable import has_half_characters

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
    open_streams()
    code = _guarded(_command) or _guarded(flush_stdout)
    if code == INTERRUPTED:
        err.print("interrupted")
    sys.exit(code)


def _command() -> int | None:
    for word in sys.argv[1:]:
        if has_half_characters(word):  # Python's mark for bytes that are not UTF-8
            raise UsageError(f"{word!r} is not UTF-8: rename that file, or write the word anew")
    code: int | None = app(standalone_mode=False)
    return code


def _guarded(work: Callable[[], int | None]) -> int:
    """Return the exit code of what is done; what is raised becomes a line and a code."""
    try:
        return work() or 0
    except LlprobeError as error:
        complain(str(error))
        return error.exit_code
    except _Misuse as error:
        return _misused(error)
    except KeyboardInterrupt:  # before Typer hears it
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence
        complain(explain(error))
        return 1


def _misused(error: Any) -> int:
    """Say in one line what Typer found wrong; it has printed the help if nothing was given."""
    said = " ".join(error.format_message().replace("Value error, ", "").split())
    if said:
        complain(f"{said} (see `{error.ctx.command_path} --help`)" if error.ctx else said)
    return 2
