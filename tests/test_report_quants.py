"""Which quants are left out of findings about quantising."""

from types import SimpleNamespace
from typing import Any

from llprobe.report.quants import above_source


def cell(model: str, bits: float, path: str) -> Any:
    return SimpleNamespace(model=model, model_info={"bits_per_weight": bits, "paths": [path]})


def test_a_quant_above_its_source_restores_nothing() -> None:
    cells = [
        cell("a", 5.7, "/cache/models/a.gguf"),
        cell("a:Q8_0", 8.5, "/cache/quants/a/a.Q8_0.gguf"),
        cell("a:Q2_K", 5.1, "/cache/quants/a/a.Q2_K.gguf"),
        cell("a:F16", 16.0, "/cache/models/a-f16.gguf"),  # downloaded, not made from a
        cell("b:Q8_0", 8.5, "/cache/quants/b/b.Q8_0.gguf"),  # its source is not among them
    ]
    assert above_source(cells) == {"a:Q8_0": "a"}


def test_what_is_not_known_is_not_left_out() -> None:
    unknown: Any = SimpleNamespace(model="a:Q8_0", model_info={"bits_per_weight": 8.5})
    assert above_source([cell("a", 5.7, "a.gguf"), unknown]) == {}
