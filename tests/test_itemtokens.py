"""The tokens of stored questions: as they were scored, by the file that was probed, or why not."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clihelp import Cli, tiny_model, write_questions

from llprobe.children import Cancel
from llprobe.errors import ModelFileError, RunError, UnknownName
from llprobe.model import read_model
from llprobe.report import option_table
from llprobe.report.itemtokens import (
    StoredTokens,
    probed_model,
    special_tokens,
    stored_tokens,
)
from llprobe.store import CellRecord, Store
from llprobe.store.asked import arrival, asked

CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKS = (("<|turn|>", "CONTROL"), ("<|stop|>", "USER_DEFINED"))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def run(cli: Cli, model: Path, *words: object) -> CellRecord:
    """Score four questions, and give the cell."""
    done = cli.run(model, write_questions(cli.folder / "q.jsonl", 4), "--limit", 4, *words)
    assert done.code == 0, done.err
    with Store(cli.db, create=False) as store:
        return store.cells(store.find_run("last"))[0]


def read(cli: Cli, cell: CellRecord, item: str = "q1") -> StoredTokens:
    return stored_tokens(cli.db, cell, item, Cancel())


def texts(found: StoredTokens, option: int = 0) -> str:
    return "".join(text for _, text in found.tokens.options[option])


def test_tokens_are_those_that_were_scored(cli: Cli) -> None:
    cell = run(cli, tiny_model(cli.folder, tokenizer="spm"))
    found = read(cli, cell)
    with Store(cli.db, create=False) as store:
        table = option_table(store, cell, priors=False)
        item = next(s.item for s in store.scores(cell.id) if s.item.id == "q1")
    rows = slice(int(table.start[1]), int(table.start[2]))
    start = found.tokens.start
    assert [len(each) - start for each in found.tokens.options] == table.n_tokens[rows].tolist()
    for n, choice in enumerate(item.choices):
        assert texts(found, n).endswith(item.prompt + choice)
    first = found.tokens.options[0][0][0]
    assert first in found.special  # the mark of a text's begin, which stands in no prompt
    assert found.before == 0


def test_a_chat_has_the_marks_of_its_template(cli: Cli) -> None:
    model = tiny_model(cli.folder, chat_template=CHAT)
    cell = run(cli, model, "--chat")
    questions = asked(cli.db, cell.id, "q1")
    assert questions.turns == ()
    found = read(cli, cell)
    item = questions.items[0]
    shown = f"<|im_start|>user\n{item.prompt}<|im_end|>\n<|im_start|>assistant\n"
    assert texts(found) == shown + item.choices[0].lstrip()
    marks = [text for number, text in found.tokens.options[0] if number in found.special]
    assert marks == ["<|im_start|>", "<|im_end|>", "<|im_start|>"]


def test_what_stands_before_a_question_is_counted_in_whole_tokens(cli: Cli) -> None:
    write_questions(cli.folder / "q.jsonl", 3)
    shots = cli.folder / "shots.txt"
    shots.write_text("the of a\n\nun is to\n\n")
    cell = run(cli, tiny_model(cli.folder), "--shots-file", shots)
    found, questions = read(cli, cell), asked(cli.db, cell.id, "q1")
    assert questions.preamble == "the of a\n\nun is to\n\n"
    before = "".join(text for _, text in found.tokens.options[0][: found.before])
    assert before == questions.preamble


def test_a_moved_file_is_found_by_its_name_and_another_one_is_refused(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(cli.folder)
    cell = run(cli, model)
    assert probed_model(cell).paths == (model,)
    moved = cli.folder / "elsewhere"
    moved.mkdir()
    shutil.move(model, moved / "tiny")
    monkeypatch.chdir(moved)
    assert probed_model(cell).fingerprint == cell.fingerprint
    tiny_model(cli.folder, seed=1)
    monkeypatch.chdir(cli.folder)
    with pytest.raises(ModelFileError, match="is not the file that tiny was probed from: put that"):
        probed_model(cell)
    with pytest.raises(ModelFileError, match="is not the file"):
        read(cli, cell)


def test_a_file_that_is_gone_is_said_with_what_to_do(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(cli.folder)
    cell = run(cli, model)
    model.unlink()
    monkeypatch.chdir(cli.folder)
    monkeypatch.setenv("LLPROBE_CACHE", str(cli.folder / "cache"))
    with pytest.raises(ModelFileError, match=r"tiny\.gguf.* is not there any more: put it back"):
        read(cli, cell)
    known = replace(cell, model="smollm2-135m")
    with pytest.raises(ModelFileError, match="llprobe models pull smollm2-135m"):
        probed_model(known)


def test_a_child_that_is_stopped_and_an_item_that_is_gone_are_said(cli: Cli) -> None:
    cell = run(cli, tiny_model(cli.folder))
    cancel = Cancel()
    cancel.request()
    cancel.request()
    with pytest.raises(RunError, match="ask for them again"):
        stored_tokens(cli.db, cell, "q1", cancel)
    with pytest.raises(UnknownName, match="no item named 'q9'"):
        read(cli, cell, "q9")


@pytest.mark.parametrize("options", [{}, {"tokenizer": "spm"}, {"special": MARKS}])
def test_special_tokens_are_those_that_the_file_marks(tmp_path: Path, options: Any) -> None:
    path = tiny_model(tmp_path, **options)
    special = special_tokens(path)
    n = read_model(path).n_vocab
    assert all(0 <= each < n for each in special)
    if "special" in options:
        assert (n - 2 in special, n - 1 in special) == (True, False)


def test_items_arrive_in_the_order_in_which_they_are_stored(cli: Cli) -> None:
    cell = run(cli, tiny_model(cli.folder))
    assert sorted(arrival(cli.db, cell.id)) == [0, 1, 2, 3]
    assert arrival(cli.db, "nothing") == ()
