"""The check of the replayed head: what is replayed wrongly or not known is refused."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from nativellama import native_logits, tokenised

from llprobe.engine import probe as probe_module
from llprobe.engine.capture import Recorder
from llprobe.engine.ggml import lib
from llprobe.engine.head import Step, record_head
from llprobe.engine.reference import ReferenceHead
from llprobe.engine.session import Context
from llprobe.errors import ModelFileError, ModelNotSupported

Tiny = Callable[..., Path]


@pytest.mark.parametrize("arch", ["llama", "gemma2", "phi2"])
def test_the_check_compares_with_llama_cpp_s_own_logits(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    # Held against logits that another decode, outside of llprobe, gives for the same text.
    path = tiny(arch)
    opened = probe(path, kv_f32=True, flash_attention=False)
    tokens = tokenised(path, probe_module._TEXT)[:14]
    with Context(opened.model, 32, 1, 14) as context:
        probe_module._decode_all(context, tokens)
        own = context.logits(14)
    (theirs,) = native_logits(path, tokens)
    assert opened.check.n_tokens == len(tokens) == 14
    np.testing.assert_allclose(own, theirs, rtol=0, atol=1e-4)


def without(op: str) -> Callable[[Step], Step | None]:
    return lambda step: None if step.op == op else step


def with_parameter(op: str, value: float) -> Callable[[Step], Step]:
    params = struct.pack("2f", value, 0.0) + bytes(56)
    return lambda step: replace(step, params=params) if step.op == op else step


def swapped(first: str, second: str) -> Callable[[Step], Step]:
    names = {first: second, second: first}
    return lambda step: replace(step, op=names.get(step.op, step.op))


TAMPERED = {
    "an epsilon": ("llama", with_parameter("RMS_NORM", 1.0)),
    "a scale that is not a number": ("granite", with_parameter("SCALE", np.nan)),
    "a norm of another kind": ("llama", lambda s: replace(s, op=s.op.replace("RMS_", ""))),
    "a norm's weight": ("llama", without("MUL")),
    "a norm's bias": ("gpt2", without("ADD")),
    "weight and bias exchanged": ("gpt2", swapped("MUL", "ADD")),
    "a scale": ("granite", with_parameter("SCALE", 0.24)),
    "a soft cap": ("gemma2", without("TANH")),
    "a bias": ("phi2", without("ADD")),
}


@pytest.mark.parametrize(("arch", "change"), TAMPERED.values(), ids=TAMPERED)
def test_a_head_that_is_replayed_wrongly_is_refused_with_the_difference(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    arch: str,
    change: Callable[[Step], Step | None],
) -> None:
    def tampered(nodes: Sequence[Any], n_layers: int) -> tuple[Step, ...]:
        return tuple(step for step in map(change, record_head(nodes, n_layers)) if step)

    path = tiny(arch)
    monkeypatch.setattr(probe_module, "record_head", tampered)
    with pytest.raises(ModelNotSupported, match=r"differs from llama.cpp's logits by (\d|nan)"):
        probe(path)


@pytest.mark.parametrize(
    ("arch", "op", "message"),
    [
        ("llama", b"RMS_NORM", r"op WIBBLE \(norm\) is not known"),
        ("granite", b"SCALE", r"op WIBBLE \(result_output\) is not known"),
        ("llama", b"MUL_MAT", r"op WIBBLE \(result_output\) is not known"),
    ],
)
def test_an_op_that_is_not_known_is_refused_by_name(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    arch: str,
    op: bytes,
    message: str,
) -> None:
    name_of = lib.ggml_op_name
    monkeypatch.setattr(
        lib, "ggml_op_name", lambda n: b"WIBBLE" if name_of(n) == op else name_of(n)
    )
    with pytest.raises(ModelNotSupported, match=message):
        probe(tiny(arch))


def test_a_unary_op_that_is_not_known_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lib, "ggml_unary_op_name", lambda _op: b"SOFTPLUS")
    with pytest.raises(ModelNotSupported, match="op SOFTPLUS"):
        probe(tiny("gemma2"))


def test_a_head_that_reads_what_is_no_weight_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lib, "ggml_backend_buffer_get_usage", lambda _buffer: 2)
    with pytest.raises(ModelNotSupported, match=r"output_norm\.weight, which result_norm reads"):
        probe(tiny())


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (b"l_out-2", "no tensor l_out-2"),
        (b"result_output", "no tensor result_output"),
    ],
)
def test_a_graph_without_a_block_output_or_logits_is_refused_by_name(
    tiny: Tiny,
    probe: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
    hidden: bytes,
    message: str,
) -> None:
    def unseen(recorder: Any, tensor: Any, ask: bool) -> bool:
        if tensor.contents.name != hidden:
            record(recorder, tensor, ask)
        return True

    record = Recorder.__call__
    monkeypatch.setattr(Recorder, "__call__", unseen)
    with pytest.raises(ModelNotSupported, match=message):
        probe(tiny())


def test_a_device_that_cannot_compute_a_step_is_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supports(_device: int, tensor: Any) -> bool:
        return bool(lib.ggml_op_name(tensor.contents.op) != b"RMS_NORM")

    monkeypatch.setattr(lib, "ggml_backend_dev_supports_op", supports)
    with pytest.raises(ModelNotSupported, match="CPU cannot compute RMS_NORM for norm: try -ngl 0"):
        probe(tiny())


def test_the_reference_refuses_what_it_does_not_compute(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny())
    steps, paths = opened.head._steps, opened.model.info.paths
    with pytest.raises(ModelNotSupported, match="GELU"):
        ReferenceHead(paths, [replace(steps[0], op="GELU"), *steps[1:]])
    with pytest.raises(ModelFileError, match=r"output\.weight"):
        ReferenceHead([tiny(tied=True)], steps)
