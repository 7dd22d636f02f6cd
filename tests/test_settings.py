"""Settings: what is refused, and how layers are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llprobe.errors import UsageError
from llprobe.settings import MAX_SEQUENCES, EngineSettings, parse_layers


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        (None, (1, 2, 3, 4, 5)),
        ("all", (1, 2, 3, 4, 5)),
        ("3", (3,)),
        ("0", (0,)),
        ("-1", (5,)),
        ("-5", (1,)),
        ("2-4", (2, 3, 4)),
        ("-2--1", (4, 5)),
        ("0-5", (0, 1, 2, 3, 4, 5)),
        ("1,3,-1", (1, 3, 5)),
        (" 3 , 1 ", (1, 3)),
        ("2,2-3,3", (2, 3)),
        ("3--1", (3, 4, 5)),
    ],
)
def test_layers_are_named_in_many_ways(text: str | None, layers: tuple[int, ...]) -> None:
    assert parse_layers(text, 5) == layers


@pytest.mark.parametrize("text", ["6", "0-6", "-7", "3-1", "1,9", "1-2-9"])
def test_layers_that_are_not_there_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--layers "):
        parse_layers(text, 5)


@pytest.mark.parametrize("text", ["", ",", "x", "1-", "1.5", "1,,2", "last"])
def test_what_names_no_layer_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"write e\.g\. 1-30 or 10,20,-1"):
        parse_layers(text, 5)


@given(st.sets(st.integers(0, 12), min_size=1), st.integers(12, 30))
def test_any_set_of_layers_can_be_written_down(layers: set[int], n_layers: int) -> None:
    text = ",".join(str(layer) for layer in layers)
    assert parse_layers(text, n_layers) == tuple(sorted(layers))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_batch": 1}, "-b 1: a batch holds at least 2 tokens"),
        ({"n_batch": -5}, "-b -5"),
        ({"n_ubatch": 0}, "-ub 0"),
        ({"n_ctx": 7}, "--ctx 7"),
        ({"n_threads": 0}, "--threads 0"),
        ({"buffer_mb": 0}, "--buffer-mb 0"),
    ],
)
def test_settings_that_llama_cpp_would_abort_on_are_refused(
    settings: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        EngineSettings(**settings)  # type: ignore[arg-type]  # all of these are numbers


@pytest.mark.parametrize(
    ("n_batch", "leaves"), [(2, 1), (100, 99), (512, MAX_SEQUENCES - 1), (4096, MAX_SEQUENCES - 1)]
)
def test_a_batch_has_room_for_all_its_sequences(n_batch: int, leaves: int) -> None:
    assert EngineSettings(n_batch=n_batch).max_leaves == leaves


def test_reference_mode_shares_nothing_and_keeps_the_rest() -> None:
    settings = EngineSettings(n_batch=64, n_threads=3).reference()
    assert (settings.kv_f32, settings.flash_attention, settings.share) == (True, False, False)
    assert (settings.n_batch, settings.n_threads) == (64, 3)
