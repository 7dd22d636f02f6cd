"""Answer formats of one and the same task file: cloze, letter, generate; chats; priors."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llprobe.errors import DataError, LlprobeError, UnknownName, UsageError
from llprobe.task import Item, Skipped, TaskRequest, Turn, load_questions, requests_for
from llprobe.task.letters import as_letters, letter_order, listed
from llprobe.task.prior import neutral_stem, without_question

TASK = """\
task: mine
output_type: multiple_choice
description: "Choose.\\n\\n"
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: options
doc_to_target: answer
num_fewshot: 1
fewshot_config:
  samples:
    - {question: "Sky?", options: ["blue", "green", "red"], answer: 0}
generation_kwargs: {until: ["\\n"], max_gen_toks: 5}
llprobe: {data: mine.jsonl, group: kind, facets: [size, colour]}
"""
ROWS = [
    {"question": "Grass?", "options": ["green", "blue", "red"], "answer": 0, "kind": "big/g"},
    {"question": "Blood?", "options": ["green", "red"], "answer": 1, "kind": "small/r"},
]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = tmp_path / "mine.yaml"
    path.write_text(TASK)
    return path


def test_letters_list_the_options_and_score_the_letter(task: Path) -> None:
    plain = load_questions(TaskRequest(str(task)))
    asked = load_questions(TaskRequest(str(task), answer="letter"))
    assert asked.answer == "letter"
    assert asked.hash != plain.hash
    for item, cloze in zip(asked.items, plain.items, strict=True):
        lines = item.prompt.splitlines()
        assert lines[0] == cloze.prompt.splitlines()[0]
        assert lines[-1] == "A:"
        options = dict(line.split(". ") for line in lines[1:-1])
        assert sorted(options.values()) == sorted(choice.strip() for choice in cloze.choices)
        assert item.choices == tuple(f" {letter}" for letter in options)
        best = item.choices[item.best].strip()
        assert options[best] == cloze.choices[cloze.best].strip()


def test_worked_examples_are_lettered_too(task: Path) -> None:
    preamble = load_questions(TaskRequest(str(task), answer="letter")).preamble
    lines = preamble.removeprefix("Choose.\n\n").rstrip().splitlines()
    assert lines[0] == "Q: Sky?"
    options = dict(line.split(". ") for line in lines[1:4])
    assert options[lines[4].removeprefix("A: ")] == "blue"


def test_a_worked_example_without_options_cannot_be_lettered(task: Path) -> None:
    task.write_text(TASK.replace('options: ["blue", "green", "red"], answer: 0', "answer: blue"))
    assert load_questions(TaskRequest(str(task))).preamble.endswith("A: blue\n\n")
    with pytest.raises(DataError, match=r"worked example 1: it has no options.* -f 0"):
        load_questions(TaskRequest(str(task), answer="letter"))
    load_questions(TaskRequest(str(task), answer="letter", num_fewshot=0))


def test_the_order_of_letters_depends_on_the_seed_and_the_question_alone(task: Path) -> None:
    same = [load_questions(TaskRequest(str(task), answer="letter", seed=4)) for _ in range(2)]
    assert same[0] == same[1]
    hashes = {
        load_questions(TaskRequest(str(task), answer="letter", seed=s)).hash for s in range(9)
    }
    assert len(hashes) > 1


def test_options_that_have_the_true_one_first_are_spread_over_the_letters() -> None:
    items = [Item(f"q{n}", "Q:", (" a", " b", " c", " d"), (0,), 0) for n in range(400)]
    lettered = [as_letters(item, 0, " ") for item in items]
    places = [item.best for item in lettered if isinstance(item, Item)]
    # binomial, 400 draws of 1/4: four standard deviations are 35
    assert all(65 < places.count(place) < 135 for place in range(4))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(TEXT, min_size=2, max_size=26, unique=True), TEXT)
def test_an_order_is_a_permutation_whatever_the_options_stood_in(
    options: list[str], key: str
) -> None:
    order = letter_order(options, key)
    assert sorted(order) == list(range(len(options)))
    turned = options[::-1]
    assert [turned[at] for at in letter_order(turned, key)] == [options[at] for at in order]


def test_a_prompt_without_a_cue_gets_one() -> None:
    assert listed("The sky is", ["blue", "red"]) == "The sky is\nA. blue\nB. red\nAnswer:"
    assert listed("Q: Why?\nSay:", ["x", "y"]) == "Q: Why?\nA. x\nB. y\nSay:"
    assert listed("One:", ["x", "y"]) == "One:\nA. x\nB. y\nAnswer:"


def test_more_options_than_letters_are_skipped() -> None:
    many = tuple(f" {n}" for n in range(27))
    skipped = as_letters(Item("q", "Q:", many, (0,), 0), 0, " ")
    assert isinstance(skipped, Skipped)
    assert "27 options" in skipped.reason
    fits = as_letters(Item("q", "Q:", many[:26], (0,), 0), 0, "")
    assert isinstance(fits, Item)
    assert fits.choices == tuple(f" {letter}" for letter in string.ascii_uppercase)


def test_several_true_options_keep_their_letters() -> None:
    item = as_letters(Item("q", "Q:", (" a", " b", " c"), (0, 2), 2), 1, " ")
    assert isinstance(item, Item)
    lines = item.prompt.splitlines()[1:-1]
    assert lines[item.best].endswith(". c")
    assert sorted(lines[i][-1] for i in item.correct) == ["a", "c"]


def test_a_written_answer_keeps_the_prompt_and_knows_where_it_ends(task: Path) -> None:
    plain = load_questions(TaskRequest(str(task)))
    asked = load_questions(TaskRequest(str(task), answer="generate"))
    assert (asked.answer, asked.stop, asked.max_tokens) == ("generate", ("\n",), 5)
    assert asked.preamble == plain.preamble
    assert [item.prompt for item in asked.items] == [item.prompt for item in plain.items]
    assert asked.hash != plain.hash
    assert asked.prior == ""


WRITES = """\
task: w
output_type: generate_until
doc_to_text: "{{q}} ="
doc_to_target: a
fewshot_delimiter: ";"
dataset_path: json
dataset_kwargs: {data_files: {test: w.jsonl}}
test_split: test
"""


def _writes(folder: Path, text: str = WRITES, *answers: object) -> str:
    rows = [{"q": f"{n}", "a": answer} for n, answer in enumerate(answers or ("7", ["x", "y"], 3))]
    (folder / "w.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "w.yaml").write_text(text)
    return str(folder / "w.yaml")


def test_a_generate_until_file_has_answers_in_place_of_options(tmp_path: Path) -> None:
    asked = load_questions(TaskRequest(_writes(tmp_path)))
    assert asked.answer == "generate"
    assert [item.choices for item in asked.items] == [("7",), ("x", "y"), ("3",)]
    assert asked.items[1].correct == (0, 1)
    assert (asked.stop, asked.max_tokens) == ((";",), 256)


def test_a_generate_until_file_cannot_be_scored(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no options to score: run it with --answer generate"):
        load_questions(TaskRequest(_writes(tmp_path), answer="letter"))


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ("{temperature: 0.7}", "generation_kwargs.temperature: is 0.7; llprobe decodes greedily"),
        ("{do_sample: true}", "generation_kwargs.do_sample"),
        ("{until: [1]}", "generation_kwargs.until: must be a text or a list of texts"),
        ("{max_gen_toks: 0}", "max_gen_toks: is 0; an answer needs at least 1 token"),
        ("{untill: x}", "unknown key; did you mean until"),
    ],
)
def test_what_generation_cannot_do_is_named(tmp_path: Path, kwargs: str, said: str) -> None:
    path = _writes(tmp_path, WRITES + f"generation_kwargs: {kwargs}\n")
    with pytest.raises(LlprobeError, match=said):
        load_questions(TaskRequest(path))


def test_a_multiple_choice_file_may_hold_any_generation_kwargs(task: Path) -> None:
    task.write_text(TASK.replace("max_gen_toks: 5", "temperature: 0.9, top_z: 3"))
    assert load_questions(TaskRequest(str(task))).answer == "cloze"


def test_an_answer_that_is_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"w.jsonl, line 2: an answer is empty"):
        load_questions(TaskRequest(_writes(tmp_path, WRITES, "a", " ")))


def test_an_unknown_answer_format_is_named(task: Path) -> None:
    with pytest.raises(UsageError, match="cloze, letter, generate"):
        load_questions(TaskRequest(str(task), answer="essay"))


def test_a_chat_has_turns_in_place_of_a_preamble(task: Path) -> None:
    plain = load_questions(TaskRequest(str(task)))
    chat = load_questions(TaskRequest(str(task), chat=True))
    assert chat.preamble == ""
    assert chat.turns == (
        Turn("system", "Choose."),
        Turn("user", "Q: Sky?\nA:"),
        Turn("assistant", "blue"),
    )
    assert chat.items == plain.items
    assert len({plain.hash, chat.hash}) == 2
    bare = load_questions(TaskRequest(str(task), chat=True, num_fewshot=0, instruction=""))
    assert bare.turns == ()


def test_a_chat_needs_examples_as_rows(task: Path, tmp_path: Path) -> None:
    (tmp_path / "shots.txt").write_text("Q: a\nA: b\n\n")
    with pytest.raises(UsageError, match="for a chat give worked examples as rows"):
        load_questions(TaskRequest(str(task), chat=True, shots_file=str(tmp_path / "shots.txt")))


def test_a_prior_holds_the_same_options_after_the_cue(task: Path) -> None:
    asked = load_questions(TaskRequest(str(task)))
    prior = load_questions(TaskRequest(str(task), prior=True))
    assert prior.hash == asked.prior
    assert (prior.answer, prior.preamble) == ("prior", "")
    assert {item.prompt for item in prior.items} == {"A:"}
    assert [i.choices for i in prior.items] == [i.choices for i in asked.items]
    # worked examples do not change what options score by themselves
    assert load_questions(TaskRequest(str(task), num_fewshot=0)).prior == asked.prior


def test_a_stem_is_the_line_that_all_prompts_end_with() -> None:
    def items(*prompts: str) -> list[Item]:
        return [Item(str(n), p, (" a", " b"), (0,), 0) for n, p in enumerate(prompts)]

    assert neutral_stem(items("Q: x\nSay:", "Q: y\nSay:")) == "Say:"
    assert neutral_stem(items("Q: x\nSay:", "Q: y\nTell:")) == "A:"
    assert neutral_stem(items("The sky is", "The sky is")) == "A:"


def test_the_stem_of_a_task_file_comes_first(task: Path) -> None:
    task.write_text(TASK.replace("data: mine", 'stem: "It is", data: mine'))
    prior = load_questions(TaskRequest(str(task), prior=True))
    assert {item.prompt for item in prior.items} == {"It is"}


def test_a_prior_of_a_chat_is_a_chat(task: Path) -> None:
    prior = without_question(load_questions(TaskRequest(str(task), chat=True)), "")
    assert prior.turns == ()


def test_facets_name_the_parts_of_groups(task: Path) -> None:
    assert load_questions(TaskRequest(str(task))).facets == ("size", "colour")


def test_a_limit_may_count_each_group(task: Path, tmp_path: Path) -> None:
    rows = [dict(ROWS[0], kind=kind, question=str(n)) for n, kind in enumerate("abababbb")]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task.write_text(TASK.replace("data: mine", "limit: group, data: mine"))
    asked = load_questions(TaskRequest(str(task), limit=2))
    assert [item.group for item in asked.items] == ["a", "b", "a", "b"]


def test_settings_go_to_the_tasks_that_have_them() -> None:
    wanted = TaskRequest("", limit=2, settings=(("all", "yes"), ("per_group", "3")))
    found = requests_for(["calculation", "xmps_cal", "truth"], wanted)
    assert [r.name for r in found] == ["calculation", "xmps_cal", "truth"]
    assert [r.settings for r in found] == [(("per_group", "3"),), (("all", "yes"),), ()]


def test_a_setting_that_no_task_has_is_named() -> None:
    with pytest.raises(UnknownName, match="per_group"):
        requests_for(["calculation"], TaskRequest("", settings=(("per_grup", "3"),)))
