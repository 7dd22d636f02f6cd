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
from llprobe.plan import FEATURES, Exclusion, Plan, Sweep, make_plan
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


# --- what is left out of models -----------------------------------------------------------------


def laid(made: Plan, *names: str) -> list[tuple[str, ...]]:
    """Give the features of a plan's cells, in order."""
    return [tuple(cell.features[name] for name in names) for cell in made.cells]


def test_a_series_of_ablations_fits_the_depth_of_each_model(files: Path) -> None:
    asked = sweep(files, lenses=("norm",), ablations=("none", "skip:each", "attn:-1"))
    whole = replace(asked, tasks=asked.tasks[:1])
    assert laid(make_plan(whole), "model", "ablation") == [
        *[("one", out) for out in ("none", "skip:1", "skip:2", "skip:3", "attn:3")],
        *[("two", out) for out in ("none", "skip:1", "skip:2", "attn:2")],
    ]


def test_an_ablation_stands_once_however_it_is_written(files: Path) -> None:
    asked = replace(sweep(files), ablations=("skip:3", "skip:-1", "skip:upper-1", "attn:3+ffn:3"))
    alone = replace(asked, models=asked.models[:1], lenses=("norm",), tasks=asked.tasks[:1])
    assert laid(make_plan(alone), "ablation") == [("skip:3",)]


def test_an_ablation_decides_the_id_and_none_is_as_before(files: Path) -> None:
    asked = sweep(files, ablations=("none", "skip:1", "ffn:1"))
    cells = make_plan(asked).cells
    assert len({cell.id for cell in cells}) == len(cells) == 2 * 2 * 2 * 3
    plain = make_plan(replace(asked, ablations=("none",))).cells
    assert {cell.id for cell in plain} == {cell.id for cell in cells if cell.ablation == "none"}


def test_each_ablation_is_a_pass_of_its_own(files: Path) -> None:
    asked = sweep(files, ablations=("none", "skip:1"))
    made = make_plan(asked)
    for _, jobs in made.jobs():
        order = [(job.first.ablation, job.first.questions.task) for job in jobs]
        assert order == [
            (out, task) for out in ("none", "skip:1") for task in ("prompts", "calculation")
        ]
        assert {len(job.cells) for job in jobs} == {2}


def test_a_block_that_one_model_does_not_have_is_told_with_its_name(files: Path) -> None:
    asked = sweep(files, ablations=("skip:3",))
    with pytest.raises(UsageError, match=r"^two: ablation skip:3: this model has blocks 1 to 2$"):
        make_plan(asked)
    alone = replace(asked, models=asked.models[1:])
    with pytest.raises(UsageError, match=r"^ablation skip:3: this model has blocks 1 to 2$"):
        make_plan(alone)


# --- what is excluded ---------------------------------------------------------------------------


def excluded(*patterns: dict[str, str]) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(tuple(each.items())) for each in patterns)


def test_cells_that_fit_every_pattern_of_an_entry_are_left_out(files: Path) -> None:
    asked = sweep(files, ablations=("none", "skip:1"))
    everything = laid(make_plan(asked), "model", "ablation", "task", "lens")
    out = excluded({"model": "t*", "ablation": "skip:*"}, {"task": "calculation", "lens": "paper"})
    kept = laid(make_plan(replace(asked, exclude=out)), "model", "ablation", "task", "lens")
    assert kept == [
        each
        for each in everything
        if not (each[0] == "two" and each[1] != "none")
        and not (each[2] == "calculation" and each[3] == "paper")
    ]
    assert 0 < len(kept) < len(everything) == 16


def test_every_feature_can_be_excluded_by(files: Path) -> None:
    asked = sweep(files, lenses=("norm",))
    two = replace(asked.tasks[0], num_fewshot=0)
    seeded = replace(asked.tasks[1], seed=7)
    lettered = replace(asked.tasks[1], answer="letter")
    whole = replace(
        asked, tasks=(two, asked.tasks[1], seeded, lettered), ablations=("none", "ffn:1")
    )
    cells = make_plan(whole).cells
    values = {
        "model": "one", "task": "prompts", "answer": "letter", "seed": "7", "shots": "0",
        "lens": "norm", "ablation": "ffn:1",
    }  # fmt: skip
    assert tuple(values) == tuple(sorted(values, key=FEATURES.index)) == FEATURES
    for name, value in values.items():
        hit = [cell for cell in cells if cell.features[name] == value]
        assert hit
        if len(hit) == len(cells):
            with pytest.raises(UsageError, match="everything is excluded"):
                make_plan(replace(whole, exclude=excluded({name: value})))
            continue
        kept = make_plan(replace(whole, exclude=excluded({name: value}))).cells
        assert [cell.id for cell in kept] == [cell.id for cell in cells if cell not in hit]


def test_excluding_changes_no_other_cell(files: Path) -> None:
    asked = sweep(files)
    fewer = make_plan(replace(asked, exclude=excluded({"lens": "paper"})))
    norm = [cell for cell in make_plan(asked).cells if cell.lens == "norm"]
    assert list(fewer.cells) == norm


# --- answers, priors ----------------------------------------------------------------------------


def test_what_a_model_writes_has_no_lens_and_no_prior(files: Path) -> None:
    """One cell at the last layer, beside the scored ones with their priors."""
    asked = sweep(files, pmi=True)
    scored, written = asked.tasks[1], replace(asked.tasks[1], answer="generate")
    made = make_plan(replace(asked, tasks=(scored, written), models=asked.models[:1]))
    assert laid(made, "answer", "lens") == [
        *[("cloze", lens) for lens in ("norm", "paper")],
        *[("prior", lens) for lens in ("norm", "paper")],
        ("generate", ""),
    ]
    assert [cell.layers for cell in made.cells] == [*[(1, 2, 3)] * 4, (3,)]
    ((_, jobs),) = made.jobs()
    assert [len(job.cells) for job in jobs] == [2, 2, 1]


def test_priors_are_left_out_like_the_model(files: Path) -> None:
    asked = sweep(files, pmi=True, lenses=("norm",), ablations=("none", "skip:1"))
    made = make_plan(replace(asked, models=asked.models[:1], tasks=asked.tasks[:1]))
    assert laid(made, "ablation", "answer") == [
        (out, answer) for out in ("none", "skip:1") for answer in ("cloze", "prior")
    ]
    assert len({cell.id for cell in made.cells}) == 4


def test_only_whole_models_write(files: Path) -> None:
    """Unless the two are excluded together, which leaves the rest as it is."""
    asked = sweep(files, lenses=("norm",), ablations=("none", "skip:1"))
    written = replace(asked.tasks[1], answer="generate")
    both = replace(asked, tasks=(asked.tasks[1], written), models=asked.models[:1])
    said = "calculation: answers are written by whole models only: leave out the ablation skip:1"
    with pytest.raises(UsageError, match=said):
        make_plan(both)
    out = excluded({"answer": "generate", "ablation": "skip:*"})
    assert laid(make_plan(replace(both, exclude=out)), "ablation", "answer") == [
        ("none", "cloze"), ("none", "generate"), ("skip:1", "cloze")
    ]  # fmt: skip


# --- names --------------------------------------------------------------------------------------


def test_a_name_is_the_plan_and_decides_no_cell(files: Path) -> None:
    asked = sweep(files)
    fewer = replace(asked, lenses=("norm",))
    one, two = make_plan(asked, "night", "spec: 1"), make_plan(fewer, "night", "spec: 2")
    assert one.id == two.id != make_plan(asked).id
    assert make_plan(asked, "day").id != one.id
    assert (two.name, two.spec) == ("night", "spec: 2")
    assert make_plan(asked, "day").cells == one.cells == make_plan(asked).cells
