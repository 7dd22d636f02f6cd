"""Where the head is replayed, and whether copied weights give the same numbers."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from numpy.typing import NDArray

from llprobe.engine import ggml
from llprobe.engine import place as place_module
from llprobe.engine.ggml import lib
from llprobe.engine.head import Head
from llprobe.engine.place import ReadWeight, device_of, place
from llprobe.engine.probe import Probe

Tiny = Callable[..., Path]

N_VOCAB = 384
RANDOM = np.random.default_rng(3)
HIDDEN = (RANDOM.standard_normal((20, 64)) * 3).astype(np.float32)
ROWS = np.sort(RANDOM.integers(0, 20, 60))
TOKENS = RANDOM.integers(0, N_VOCAB, 60)


def matrix_of(probe: Probe) -> Any:
    steps = probe.head._steps
    return next(step.weight for step in steps if step.op == "MUL_MAT")


def never(name: str) -> NDArray[np.uint8]:
    raise AssertionError(f"{name} was read from the file")


def placed_log_probs(probe: Probe, read_weight: ReadWeight) -> dict[bool, NDArray[np.float64]]:
    """Place the probe's head anew, and give its log-probs with and without the norm."""
    with ExitStack() as stack:
        backend, steps = place(probe.head._steps, 1, read_weight, stack)
        head = stack.enter_context(Head(steps, backend, 1 << 20))
        return {
            normed: head.log_probs(HIDDEN, ROWS, TOKENS, normed=normed) for normed in (True, False)
        }


def test_host_memory_has_no_device_of_its_own_and_goes_to_the_cpu(
    tiny: Tiny, probe: OpenProbe
) -> None:
    opened = probe(tiny())
    matrix = matrix_of(opened)
    buffer_type = ggml.buffer_type_of(matrix)
    assert buffer_type is not None
    assert lib.ggml_backend_buft_get_device(buffer_type) is None
    assert device_of(matrix) == ggml.cpu_device()
    assert opened.head._backend.device == ggml.cpu_device()
    assert opened.head._backend.supports_buffer_type(buffer_type)


def test_a_buffer_s_own_device_is_taken(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = matrix_of(probe(tiny()))
    monkeypatch.setattr(lib, "ggml_backend_buft_get_device", lambda _buffer_type: 12345)
    assert device_of(matrix) == 12345


def test_a_tensor_without_storage_goes_to_the_cpu(tiny: Tiny, probe: OpenProbe) -> None:
    with ggml.Graph(probe(tiny()).head._backend) as graph:
        tensor = graph.input(ggml.F32, 4)
        assert ggml.buffer_type_of(tensor) is None
        assert device_of(tensor) == ggml.cpu_device()


@pytest.mark.parametrize("quant", ["F32", "Q4_0", "Q8_0"])
def test_a_usable_buffer_is_used_as_it_is(tiny: Tiny, probe: OpenProbe, quant: str) -> None:
    opened = probe(tiny(quant=quant))
    with ExitStack() as stack:
        backend, steps = place(opened.head._steps, 1, never, stack)
        assert steps == opened.head._steps
        assert backend.device == device_of(matrix_of(opened))


@pytest.mark.parametrize("quant", ["F32", "F16", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("arch", ["llama", "gemma2", "phi2"])
def test_weights_copied_from_the_file_give_the_same_numbers(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch, quant: str, arch: str
) -> None:
    opened, read = probe(tiny(arch, quant=quant)), list[str]()

    def read_weight(name: str) -> NDArray[np.uint8]:
        read.append(name)
        return opened.model.read_weight(name)

    own = placed_log_probs(opened, never)
    monkeypatch.setattr(lib, "ggml_backend_dev_supports_buft", lambda _device, _type: False)
    copied = placed_log_probs(opened, read_weight)
    weights = [step.weight.contents.name for step in opened.head._steps if step.weight]
    assert read == [name.decode() for name in weights]
    # Measured: equal to the last bit; where the model's own were repacked, sums are in other order.
    tolerance = 0 if quant == "F32" else 1e-4
    for normed in (True, False):
        np.testing.assert_allclose(copied[normed], own[normed], rtol=0, atol=tolerance)


def test_the_numbers_come_from_the_copies(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = probe(tiny())
    own = placed_log_probs(opened, never)

    def doubled(name: str) -> NDArray[np.uint8]:
        return (opened.model.read_weight(name).view(np.float32) * 2).view(np.uint8)

    monkeypatch.setattr(lib, "ggml_backend_dev_supports_buft", lambda _device, _type: False)
    copied = placed_log_probs(opened, doubled)
    assert np.abs(copied[False] - own[False]).min() > 0


@pytest.mark.parametrize(
    "unusable", ["output.weight", "output_norm.weight"], ids=["the matrix", "a norm's weight"]
)
def test_only_weights_that_cannot_be_used_are_copied(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    opened, read = probe(tiny()), list[str]()

    def read_weight(name: str) -> NDArray[np.uint8]:
        read.append(name)
        return opened.model.read_weight(name)

    def usable(weight: Any, _device: int) -> bool:
        return bool(weight.contents.name.decode() != unusable)

    own = placed_log_probs(opened, never)
    monkeypatch.setattr(place_module, "_usable", usable)
    copied = placed_log_probs(opened, read_weight)
    assert read == [unusable]
    np.testing.assert_array_equal(copied[True], own[True])


def test_a_whole_probe_runs_on_copied_weights(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny("gpt2", quant="Q8_0")
    own = probe(path).head.logits(HIDDEN, normed=True)
    monkeypatch.setattr(lib, "ggml_backend_dev_supports_buft", lambda _device, _type: False)
    opened = probe(path)
    name = matrix_of(opened).contents.name
    assert name not in {b"output.weight", b"token_embd.weight"}, "it is still the model's own"
    assert opened.check.difference < 1e-5
    np.testing.assert_allclose(opened.head.logits(HIDDEN, normed=True), own, rtol=0, atol=1e-4)
