"""Data sets pulled from a hub into the user's task folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hubserver import Client, Hub, Repo
from libraryhelp import OWN, left_over, own_shelf, own_task, written
from publishedforms import ARC, HELLASWAG, parquet

from llprobe.errors import TaskError, UnknownName, UsageError
from llprobe.task import TaskRequest, load_definition, load_questions
from llprobe.task.library import pull, pullable, shelved
from llprobe.task.published import Published, published
from llprobe.task.yamlfile import parse_yaml


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_shelf(tmp_path, monkeypatch)


HUB = "task: x\nllprobe:\n  hub: {}\n"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("{}", "must have the keys repo and file"),
        ("{repo: o/r, file: f, branch: b}", "must have the keys repo and file"),
        ("o/r", "must have the keys repo and file"),
        ("{repo: o/r, file: 3}", "each value must be a text"),
    ],
)
def test_a_mistake_in_what_a_task_says_of_the_hub(tmp_path: Path, said: str, wrong: str) -> None:
    with pytest.raises(TaskError, match=f"t.yaml, line 3, llprobe.hub: {wrong}"):
        published(parse_yaml(HUB.format(said), "t.yaml"))
    yaml = OWN + f"  hub: {said}\n"
    with pytest.raises(TaskError, match=f"line 8, llprobe.hub: {wrong}"):
        load_definition(own_task(tmp_path, yaml))


def test_what_a_task_says_of_the_hub() -> None:
    top = parse_yaml(HUB.format("{repo: o/r, file: f, revision: b}"), "t.yaml")
    assert published(top) == Published("o/r", "f", "b")
    assert pullable() == ["arc", "hellaswag", "logiqa", "mgsm", "mmlu", "truthfulqa"]
    with pytest.raises(UsageError, match="no data set is known for lama; pull arc, hellaswag"):
        pull("lama")
    with pytest.raises(UnknownName, match="did you mean arc"):
        pull("arcc")
    with pytest.raises(UsageError, match=r"give mgsm_es.tsv a name of its own to run it by"):
        pull("mgsm", file="mgsm_es.tsv")
    with pytest.raises(UsageError, match="there is a bundled task facts"):
        pull("mgsm", to="facts")


ARC_FILE = "ARC-Challenge/test-00000-of-00001.parquet"
HELLASWAG_FILE = "default/validation/0000.parquet"
PULL = """
from llprobe.task import TaskRequest, load_questions
from llprobe.task.library import pull
out["path"] = pull({!r}, note{})
out["asked"] = len(load_questions(TaskRequest(out["path"].parent.name)).items)
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    content = [{**row, "label": str(row["label"])} for row in HELLASWAG]
    folder = tmp_path_factory.mktemp("published")
    repos = {
        "datasets/allenai/ai2_arc": Repo(
            {ARC_FILE: parquet(folder / "arc", ARC), "README.md": b""}
        ),
        "datasets/Rowan/hellaswag": Repo({HELLASWAG_FILE: parquet(folder / "hs", content)}),
        "datasets/juletxara/mgsm": Repo(
            {"mgsm_en.tsv": b"How many?\t12\n", "mgsm_es.tsv": b"Cuantos?\t3\nY ahora?\t7\n"}
        ),
        "datasets/cais/mmlu": Repo({"other/test.parquet": b"x"}),
        "datasets/truthfulqa/truthful_qa": Repo(
            {"multiple_choice/validation-00000-of-00001.parquet": parquet(folder / "t", ARC)},
        ),
        "datasets/lucasmccabe/logiqa": Repo({"default/test/0000.parquet": b"y"}, gated=True),
    }
    with Hub(repos) as running:
        yield running


@pytest.fixture(scope="module")
def client(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Client(tmp_path_factory.mktemp("client"), hub.url) as process:
        yield process


def test_a_published_file_is_pulled_once(client: Client, hub: Hub, tasks: Path) -> None:
    env = {"LLPROBE_TASKS": str(tasks)}
    result = client.run(PULL.format("arc", ""), **env)
    path = tasks / "arc" / "arc.parquet"
    assert (result.get("error"), result["path"], result["asked"]) == (None, str(path), 3)
    size = path.stat().st_size
    assert result["seen"][-1] == [size, size]
    assert not result["stderr"]
    assert len(load_questions(TaskRequest("arc")).items) == 3
    hub.log.clear()
    assert client.run(PULL.format("arc", ""), **env)["path"] == str(path)
    assert not hub.log
    assert not left_over(tasks)


def test_a_branch_whose_name_has_slashes(client: Client, hub: Hub, tasks: Path) -> None:
    result = client.run(PULL.format("hellaswag", ""), LLPROBE_TASKS=str(tasks))
    assert (result.get("error"), result.get("asked")) == (None, 2)
    assert any("/resolve/refs%2Fconvert%2Fparquet/" in path for _, path, _ in hub.log)


def test_another_file_of_the_repository_under_a_name_of_its_own(
    client: Client, tasks: Path
) -> None:
    env = {"LLPROBE_TASKS": str(tasks)}
    other = ", file='mgsm_es.tsv', to='mgsm_es'"
    assert client.run(PULL.format("mgsm", other), **env)["asked"] == 2
    assert client.run(PULL.format("mgsm", ""), **env)["asked"] == 1
    assert [(each.name, each.task) for each in shelved()] == [("mgsm", "mgsm"), ("mgsm_es", "mgsm")]


REFUSED = {
    "mmlu": "FetchError: hf:cais/mmlu has no all/test-00000-of-00001.parquet at main; its data "
    "files: other/test.parquet",
    "logiqa": "FetchError: hf:lucasmccabe/logiqa is gated: accept its licence at "
    "https://huggingface.co/datasets/lucasmccabe/logiqa and set HF_TOKEN",
    "truthfulqa": "DataError: what the hub has now is not what truthfulqa reads: ",
}


@pytest.mark.parametrize("task", REFUSED)
def test_a_refused_or_changed_file_leaves_nothing(client: Client, tasks: Path, task: str) -> None:
    result = client.run(PULL.format(task, ""), LLPROBE_TASKS=str(tasks))
    assert result["error"].startswith(REFUSED[task])
    assert "\n" not in result["error"]
    assert not shelved()


def test_a_repository_that_is_gone(client: Client, hub: Hub, tasks: Path) -> None:
    kept = hub.repos.pop("datasets/cais/mmlu")
    try:
        result = client.run(PULL.format("mmlu", ""), LLPROBE_TASKS=str(tasks))
    finally:
        hub.repos["datasets/cais/mmlu"] = kept
    assert result["error"].startswith("FetchError: the hub has no cais/mmlu, or it is private")


def test_a_damaged_file_is_not_kept(client: Client, hub: Hub, tasks: Path) -> None:
    repo = hub.repos["datasets/juletxara/mgsm"]
    repo.files["mgsm_de.tsv"] = b"Wie viele?\t12\n"
    repo.served["mgsm_de.tsv"] = b"Wie viele?\t13\n"
    code = PULL.format("mgsm", ", file='mgsm_de.tsv', to='mgsm_de'")
    result = client.run(code, LLPROBE_TASKS=str(tasks))
    assert "mgsm_de.tsv of hf:juletxara/mgsm came damaged" in result["error"]
    assert not shelved()


@pytest.mark.parametrize("env", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_a_connection_the_file_and_its_place_are_told(
    tmp_path: Path, tasks: Path, env: dict[str, str]
) -> None:
    with Client(tmp_path, "http://127.0.0.1:9", **env) as offline:
        result = offline.run(PULL.format("hellaswag", ""), LLPROBE_TASKS=str(tasks))
        assert result["error"].startswith("FetchError: the hub cannot be reached (")
        assert result["error"].endswith(
            "To go without: download https://huggingface.co/datasets/Rowan/hellaswag/resolve/"
            "refs%2Fconvert%2Fparquet/default/validation/0000.parquet elsewhere and put it at "
            f"{tasks / 'hellaswag' / 'hellaswag.parquet'}"
        )
        assert "\n" not in result["error"]
        content = [{**row, "label": str(row["label"])} for row in HELLASWAG]
        written(tasks, "hellaswag/hellaswag.parquet", parquet(tmp_path / "p", content))
        again = offline.run(PULL.format("hellaswag", ""), LLPROBE_TASKS=str(tasks))
        assert again["asked"] == 2
