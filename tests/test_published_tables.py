"""The published tables: as printed, in [0, 1], and with what looks copied in them said."""

import pytest

from llprobe import published
from llprobe.errors import UnknownName
from llprobe.published import repeats as repeats_of
from llprobe.task.bundled import task_names


@pytest.mark.parametrize(
    ("name", "n_layers", "lama", "languages"),
    [
        ("paper:llama2-7b", 32, (0.0382, 0.5787), 12),
        ("paper:llama2-13b", 40, (0.0501, 0.5797), 13),
        ("paper:llama2-70b", 80, (0.0501, 0.5871), 17),
    ],
)
def test_rows_are_those_that_were_printed(
    name: str, n_layers: int, lama: tuple[float, float], languages: int
) -> None:
    run = published.table(name)
    assert run.n_layers == n_layers
    assert set(run.curves) == {"mps_cal", "mps_rea", "lama", "reclor", "truthfulqa"}
    for layers, values in run.curves.values():
        assert layers == tuple(range(1, n_layers + 1))
        assert values.shape == (n_layers,)
        assert (values > 0).all()
        assert (values < 1).all()
    first, last = run.curves["lama"][1][[0, -1]].tolist()
    assert (first, last) == lama
    assert {task: list(of) for task, of in run.by_language.items()} == {
        "xmps_rea": ["es", "fr", "zh", "th"],
        "xmps_cal": ["es", "fr", "zh", "th"],
    }
    assert all(
        len(layers) == len(values) == languages and layers[-1] == n_layers
        for of in run.by_language.values()
        for layers, values in of.values()
    )
    assert "2312.04333" in run.source


def test_the_row_that_looks_copied_is_found_and_said() -> None:
    (repeat,) = published.table("paper:llama2-13b").repeats
    assert (repeat.task, repeat.models) == ("lama", ("llama2-13b", "llama2-70b"))
    assert (repeat.first, repeat.last) == (1, 29)
    assert repeat.after == ((0.2108, 0.5016), (0.2108, 0.2204))
    assert "layers 1-29" in repeat.remark
    assert "llama2-13b goes from 21.08 to 50.16%" in repeat.remark
    assert published.table("paper:llama2-70b").remarks == (repeat.remark,)
    assert published.table("paper:llama2-70b").remarks_on("reclor") == ()
    assert published.table("paper:llama2-7b").remarks == ()


def test_by_accident_the_published_rows_agree_on_four_layers_at_the_most() -> None:
    runs = [published.table(name) for name in published.NAMES]
    rows = {
        (task, language): {r.model: dict(zip(s[0], s[1].tolist(), strict=True)) for r, s in of}
        for task, language, of in [
            *((t, "", [(r, r.curves[t]) for r in runs]) for t in runs[0].curves),
            *(
                (t, lang, [(r, r.by_language[t][lang]) for r in runs])
                for t, of in runs[0].by_language.items()
                for lang in of
            ),
        ]
    }
    found = [
        repeat
        for (task, language), of in rows.items()
        for repeat in repeats_of(task, of, language, shortest=5)
    ]
    assert [(r.task, r.first, r.last) for r in found] == [("lama", 1, 29)]


def test_a_planted_repeat_is_found_where_it_is() -> None:
    one = {layer: layer / 100 for layer in range(1, 21)}
    other = {layer: (layer if 5 <= layer <= 14 else layer + 1) / 100 for layer in range(1, 31)}
    (repeat,) = repeats_of("t", {"a": one, "b": other}, "es")
    assert (repeat.first, repeat.last, repeat.language) == (5, 14, "es")
    assert repeat.after == ((0.14, 0.15), (0.14, 0.16))
    assert repeat.remark.startswith("t es: a and b")
    assert repeats_of("t", {"a": one, "b": other}, shortest=11) == ()


def test_a_repeat_up_to_the_last_layer_has_nothing_after_it() -> None:
    row = {layer: layer / 100 for layer in range(1, 11)}
    (repeat,) = repeats_of("t", {"a": row, "b": row})
    assert repeat.after == ()
    assert "then" not in repeat.remark


def test_rows_that_do_not_change_are_no_repeat() -> None:
    flat = dict.fromkeys(range(1, 21), 0.25)
    assert repeats_of("t", {"a": flat, "b": flat}) == ()


def test_tasks_beside_published_rows_are_tasks_of_llprobe() -> None:
    known = set(task_names())
    assert all(own in known for of in published.BESIDE.values() for own in of)
    assert published.published_task("facts") == "lama"
    assert published.published_task("calculation") is None


def test_an_unknown_table_is_named_with_the_nearest() -> None:
    assert published.is_published("paper:llama3")
    assert not published.is_published("last")
    with pytest.raises(UnknownName, match="paper:llama2-7b"):
        published.table("paper:llama2-8b")
