"""Plans: the order of cells, and ids that depend on what decides the numbers alone."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clihelp import plan_of, tiny_model, write_questions

from llprobe import plan as plan_module
from llprobe.errors import UsageError
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.task import TaskRequest


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one")
    tiny_model(folder, "two", n_layers=2)
    write_questions(folder / "q.jsonl", 6)
    return folder


def plan(files: Path, **more: Any) -> Plan:
    return plan_of([files / "one.gguf"], files / "q.jsonl", **more)


def sweep(files: Path, **more: Any) -> Sweep:
    settings = EngineSettings(n_threads=1)
    tasks = (
        TaskRequest("prompts", data=str(files / "q.jsonl")),
        TaskRequest("calculation", limit=3),
    )
    models = tuple(read_model(files / f"{name}.gguf") for name in ("one", "two"))
    return Sweep(models, tasks, **{"lenses": ("norm", "paper"), "settings": settings, **more})


def test_cells_go_model_by_model_task_by_task_lens_by_lens(files: Path) -> None:
    cells = make_plan(sweep(files)).cells
    order = [(cell.model.name, cell.questions.task, cell.lens) for cell in cells]
    assert order == [
        (model, task, lens)
        for model in ("one", "two")
        for task in ("prompts", "calculation")
        for lens in ("norm", "paper")
    ]
    assert len({cell.id for cell in cells}) == 8
    assert cells[0].layers == (1, 2, 3)
    assert cells[-1].layers == (1, 2)


def test_jobs_share_a_forward_pass_between_lenses_only(files: Path) -> None:
    made = make_plan(sweep(files))
    jobs = {model.name: jobs for model, jobs in made.jobs()}
    assert list(jobs) == ["one", "two"]
    for of_model in jobs.values():
        assert [job.first.questions.task for job in of_model] == ["prompts", "calculation"]
        assert [[cell.lens for cell in job.cells] for job in of_model] == [["norm", "paper"]] * 2
    assert tuple(c for jobs in jobs.values() for job in jobs for c in job.cells) == made.cells


def test_the_same_request_has_the_same_ids(files: Path) -> None:
    assert plan(files) == plan(files)


def test_ids_do_not_depend_on_where_the_files_lie(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "one.gguf", tmp_path / "other name.gguf")
    shutil.copy(files / "q.jsonl", tmp_path / "other.jsonl")
    moved = plan_of([tmp_path / "other name.gguf"], tmp_path / "other.jsonl")
    assert (moved.id, moved.cells[0].id) == (plan(files).id, plan(files).cells[0].id)


def test_ids_do_not_depend_on_the_sweep_around_them(files: Path) -> None:
    alone = plan(files, n_batch=512)
    assert alone.cells[0].id in {cell.id for cell in make_plan(sweep(files)).cells}
    assert alone.id != make_plan(sweep(files)).id


def test_layers_are_the_same_however_they_are_written(files: Path) -> None:
    assert plan(files).id == plan(files, layers="1-3").id == plan(files, layers="1,2,-1").id


def test_forcing_a_load_decides_no_number(files: Path) -> None:
    forced = plan(files, force=True)
    assert forced.id == plan(files).id
    assert forced.cells[0].settings.force


@pytest.mark.parametrize(
    "more",
    [
        {"n_batch": 18},
        {"n_ubatch": 8},
        {"n_ctx": 64},
        {"n_threads": 2},
        {"n_gpu_layers": 0},
        {"kv_f32": True},
        {"flash_attention": False},
        {"share": False},
        {"buffer_mb": 3},
        {"lenses": ("paper",)},
        {"layers": "1-2"},
    ],
    ids=str,
)
def test_every_setting_that_may_decide_a_number_decides_the_id(
    files: Path, more: dict[str, Any]
) -> None:
    assert plan(files, **more).cells[0].id != plan(files).cells[0].id


def test_model_questions_and_method_decide_the_id(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {plan(files).cells[0].id}
    other = tiny_model(tmp_path, "other", seed=1)
    ids.add(plan_of([other], files / "q.jsonl").cells[0].id)
    fewer = write_questions(tmp_path / "q.jsonl", 5)
    ids.add(plan_of([files / "one.gguf"], fewer).cells[0].id)
    monkeypatch.setattr(plan_module, "SCORING", plan_module.SCORING + 1)
    ids.add(plan(files).cells[0].id)
    assert len(ids) == 4


def test_threads_are_decided_when_the_plan_is_made(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "performance_cores", lambda: 7)
    made = plan(files, n_threads=None)
    assert made.cells[0].settings.n_threads == 7
    assert made.cells[0].id == plan(files, n_threads=7).cells[0].id


def test_what_is_given_twice_or_unknown_is_refused(files: Path) -> None:
    asked = sweep(files)
    with pytest.raises(UsageError, match="the lens norm is given twice"):
        make_plan(replace(asked, lenses=("norm", "norm")))
    with pytest.raises(UsageError, match=r"the task .*prompts.* is given twice"):
        make_plan(replace(asked, tasks=asked.tasks[:1] * 2))
    with pytest.raises(UsageError, match="no lens 'tuned'; known: norm, paper, raw"):
        make_plan(replace(asked, lenses=("tuned",)))
