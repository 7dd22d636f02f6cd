"""`llprobe sweep`: plan, run, watch and steer sweeps.

This module knows the commands' options and tables. A sweep is carried out by `conduct`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llprobe.cli.awake import awake
from llprobe.cli.cellview import print_cells
from llprobe.cli.console import confirm, err
from llprobe.cli.crewview import CrewScreen
from llprobe.cli.follow import drive, interruptible, raise_failures
from llprobe.cli.hire import Certificate, Cluster, Hiring, Insecure, crew_of, hiring
from llprobe.cli.options import Db, Format, FormatOption, KeepAwake, Output, Yes, database, option
from llprobe.cli.output import Column, emit
from llprobe.cli.planview import print_plan
from llprobe.cli.rpc import warn_open
from llprobe.cli.watch import watch_on_screen, watch_plainly
from llprobe.conduct import prepare, spec_of_run
from llprobe.errors import RunError, UsageError
from llprobe.outlook import planned_rows
from llprobe.report import run_rows
from llprobe.report.remarks import nothing_scored
from llprobe.runner import Cancel
from llprobe.store import Store
from llprobe.sweep import SweepSpec, example_sweep, read_sweep

__all__ = ["app", "conduct_sweep"]

app = typer.Typer(help="Plan, run, watch and steer sweeps.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A sweep's YAML file.", dir_okay=False)]
Name = Annotated[str, typer.Argument(help="A sweep's name, or a run's id; `last` is the newest.")]
Fresh = Annotated[bool, option("--fresh", help="Forget what is stored of it, start over.")]


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The sweep's name; its file is called so.")],
    folder: Annotated[Path, option("--folder", help="Where it is written.")] = Path(),
) -> None:
    """Write a commented example, NAME.yaml."""
    text, path = example_sweep(name), folder / f"{name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as problem:
        raise UsageError(f"{path} is there already; take another name, or remove it") from problem
    except OSError as problem:
        raise UsageError(f"cannot write {path}: {problem.strerror}") from problem
    err.print(f"wrote {path}; next: llprobe sweep plan {path}", markup=False)


@app.command("plan")
def plan(
    file: File,
    no_estimate: Annotated[
        bool, option("--no-estimate", help="Load no model: say neither tokens nor time.")
    ] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Say what a sweep will compute, what of it is done, and how long the rest will take here."""
    spec, cancel = read_sweep(file), Cancel()
    if not no_estimate:
        warn_open(spec.engine.servers)
    with Store(database(db)) as store:
        prepared = prepare(spec, store)
        planned = prepared.plan()
        with interruptible(cancel):
            rows = planned_rows(prepared, planned, store, cancel, estimate=not no_estimate)
        if cancel.requests:
            raise KeyboardInterrupt
        print_plan(prepared, planned, rows, form, output)


@app.command("run")
def run(
    file: File,
    fresh: Fresh = False,
    cluster: Cluster = None,
    tls: Certificate = None,
    insecure: Insecure = False,
    keep_awake: KeepAwake = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Carry a sweep out; the same command again continues, an edited file computes what is new."""
    where = hiring(cluster, tls, insecure=insecure)
    conduct_sweep(
        read_sweep(file), db, form, output, fresh=fresh, keep_awake=keep_awake, where=where
    )


@app.command("resume")
def resume(
    name: Name, cluster: Cluster = None, tls: Certificate = None,
    insecure: Insecure = False, keep_awake: KeepAwake = False, db: Db = None,
    form: FormatOption = Format.TABLE, output: Output = None,
) -> None:  # fmt: skip
    """Continue a sweep that was paused, cancelled or interrupted."""
    where = hiring(cluster, tls, insecure=insecure)
    with Store(database(db), create=False) as store:
        _, spec = spec_of_run(store, name)
    conduct_sweep(spec, db, form, output, keep_awake=keep_awake, where=where)


@app.command("retry")
def retry(
    name: Name, cluster: Cluster = None, tls: Certificate = None,
    insecure: Insecure = False, keep_awake: KeepAwake = False, db: Db = None,
    form: FormatOption = Format.TABLE, output: Output = None,
) -> None:  # fmt: skip
    """Compute the cells of a sweep that failed, and no others."""
    where = hiring(cluster, tls, insecure=insecure)
    with Store(database(db), create=False) as store:
        run_id, spec = spec_of_run(store, name)
        if not any(cell.status == "failed" for cell in store.cells(run_id)):
            err.print(f"nothing of {name} has failed")
            return
    conduct_sweep(spec, db, form, output, failed_only=True, keep_awake=keep_awake, where=where)


def conduct_sweep(
    spec: SweepSpec,
    db: Path | None,
    form: Format,
    output: Path | None,
    *,
    fresh: bool = False,
    failed_only: bool = False,
    keep_awake: bool = False,
    where: Hiring | None = None,
) -> None:
    """Carry a sweep out, show its progress on stderr, and print its cells at the end.

    `where` is the cluster that computes it, None = this machine.
    """
    spec = where.fitted(spec) if where else spec
    warn_open(spec.engine.servers)
    path, cancel = database(db), Cancel()
    with Store(path) as store, interruptible(cancel), awake(wanted=keep_awake):
        with crew_of(where) as crew:
            screen, failed = drive(
                spec, store, cancel, fresh=fresh, failed_only=failed_only, crew=crew,
                screen=CrewScreen(store, store.path) if crew else None,
            )  # fmt: skip
        if screen.run:
            # the failures were told as they came
            print_cells(store, screen.run, form, output, errors=False)
        reason = nothing_scored(store.cells(screen.run)) if screen.run else ""
        if cancel.requests:
            _stopped(store, screen.run)
            raise KeyboardInterrupt
    of_cells = all(failure.cells for failure in failed)
    retry = f"`llprobe sweep retry {spec.name or screen.run[:8]}`"
    raise_failures(failed, screen, retry if of_cells else "the same command")
    if reason:
        raise RunError(reason)


def _stopped(store: Store, run_id: str) -> None:
    status = store.run(run_id).status if run_id else "stopped"
    again = "the same command, or `llprobe sweep resume`, continues"
    err.print(f"{status}: what is scored is stored; {again}")


@app.command("ls")
def ls(db: Db = None, form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """List the sweeps, the newest first."""
    with Store(database(db), create=False) as store:
        rows = run_rows([run for run in store.runs() if run.name])
    if not rows:
        err.print("no sweep is stored yet: `llprobe sweep new NAME` writes an example")
    columns = [
        Column("name", "sweep", head=True),
        Column("status", "status", head=True),
        Column("updated", "updated (UTC)", lambda v: str(v)[:16].replace("T", " ")),
        Column("models", "models", lambda v: str(len(v)), right=True),
        Column("tasks", "tasks", lambda v: str(len(v)), right=True),
        Column("cells", "cells", right=True),
        Column("cells_done", "done", right=True),
        *[Column("cells_failed", "failed", right=True)] * any(row["cells_failed"] for row in rows),
        Column("items", "items", right=True),
        *[Column("done", "scored", right=True)] * any(row["done"] < row["items"] for row in rows),
    ]
    emit(rows, columns, form, output)


@app.command("show")
def show(
    name: Name = "last",
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Print the cells of a sweep: how far each is, and what came out so far."""
    with Store(database(db), create=False) as store:
        print_cells(store, store.find_run(name), form, output)


@app.command("pause")
def pause(name: Name, db: Db = None) -> None:
    """Ask the process that runs a sweep to stop after its batch; `resume` goes on."""
    _ask(name, "pause", db)


@app.command("cancel")
def cancel(name: Name, db: Db = None) -> None:
    """Ask the process that runs a sweep to stop after its batch; what is scored stays."""
    _ask(name, "cancel", db)


def _ask(name: str, wanted: str, db: Path | None) -> None:
    with Store(database(db), create=False) as store:
        run_id = store.find_run(name)
        holders = store.workers(run_id)
        if not holders:
            raise UsageError(f"{name} is not running: there is nothing to {wanted}")
        store.ask(run_id, wanted)
    err.print(f"asked {holders[0]} to {wanted} {name}", markup=False)


@app.command("rm")
def rm(name: Name, yes: Yes = False, db: Db = None) -> None:
    """Delete a sweep and what only it has scored; models and quants stay."""
    with Store(database(db), create=False) as store:
        run_id = store.find_run(name)
        confirm(f"delete {name} and what only it has scored?", yes=yes)
        store.remove(run_id)
    err.print(f"removed {name}", markup=False)


@app.command("watch")
def watch(name: Name = "last", db: Db = None) -> None:
    """Show a sweep while another process runs it, until that one ends or Ctrl-C."""
    with Store(database(db), create=False) as store:
        run_id = store.find_run(name)
        (watch_on_screen if err.is_terminal else watch_plainly)(store, run_id)
        print_cells(store, run_id, Format.TABLE, None)
