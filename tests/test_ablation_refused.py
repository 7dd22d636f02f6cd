"""Which models allow an ablation: it depends on the graph, and what it forbids is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyarch
from ablationhelp import BLOCKS, LENSES, PARTS, SEQUENTIAL, TASK, leave_out, scores
from conftest import OpenProbe
from tinygguf import ARCHITECTURES, write_tiny

from llprobe.ablation import Ablation, Part
from llprobe.engine.ablate import check_ablation
from llprobe.engine.flow import Flow, check_part
from llprobe.engine.score import Scorer
from llprobe.engine.session import Context
from llprobe.errors import ModelNotSupported, UsageError

Tiny = Callable[..., Path]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["attn", "ffn"])
@pytest.mark.parametrize("arch", sorted({*ARCHITECTURES} - {*SEQUENTIAL}))
def test_halves_without_a_tensor_between_them_are_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch, arch: str, part: Part
) -> None:
    opened, decoded = probe(tiny(arch)), list[int]()
    decode = Context.decode

    def counted(self: Context, tokens: Any, *rest: Any) -> None:
        decoded.append(len(tokens))
        decode(self, tokens, *rest)

    monkeypatch.setattr(Context, "decode", counted)
    reason = rf"\({arch}\) cannot be run with {part}:2: no tensor ffn_inp-1; try skip:2$"
    with pytest.raises(ModelNotSupported, match=reason):
        Scorer(opened, TASK, BLOCKS, LENSES, Ablation.of([(1, "block"), (2, part)]))
    assert decoded == [1], "the graph is read off one token, and no question is decoded"


def test_what_is_refused_depends_on_the_graph_and_not_on_the_architecture_s_name(
    tmp_path: Path, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A StableLM without a second norm feeds both halves with the block's input, though it has a
    # tensor ffn_inp; a GPT-NeoX can be told to put one half after the other.
    archs = tinyarch.ARCHS
    lean = replace(archs["stablelm"], block=archs["stablelm"].block.replace("ffn_norm+b ", ""))
    monkeypatch.setitem(archs, "stablelm", lean)
    serial = replace(archs["gptneox"], meta={"use_parallel_residual": False})
    monkeypatch.setitem(archs, "gptneox", serial)
    parallel = probe(write_tiny(tmp_path / "stablelm.gguf", "stablelm"))
    reason = r"cannot be run with attn:1: l_out-0 is not ffn_inp-0 and what is added to it; try"
    with pytest.raises(ModelNotSupported, match=reason):
        check_ablation(parallel, leave_out(1, "attn"))
    check_ablation(parallel, leave_out(1))
    sequential = probe(write_tiny(tmp_path / "gptneox.gguf", "gptneox"))
    zeroed = tuple(f"blk.2.attn_output.{kind}" for kind in ("weight", "bias"))
    file = probe(write_tiny(tmp_path / "zeroed.gguf", "gptneox", zeroed=zeroed))
    np.testing.assert_array_equal(scores(sequential, leave_out(3, "attn")), scores(file))


def test_a_block_that_the_model_does_not_have_is_refused(tiny: Tiny, probe: OpenProbe) -> None:
    with pytest.raises(UsageError, match=r"ablation skip:4: .* has 3 blocks"):
        Scorer(probe(tiny()), TASK, BLOCKS, LENSES, leave_out(4))


# --- the graph of a block -----------------------------------------------------------------------


# Block 1 and what follows it, as (name, op, what it reads): prev, the block's input, comes first.
PLAIN = (
    ("prev", "GET_ROWS", ()),
    ("norm", "RMS_NORM", ("prev",)),
    ("attention", "MUL_MAT", ("norm",)),
    ("ffn_inp-0", "ADD", ("attention", "prev")),
    ("feed-forward", "MUL_MAT", ("ffn_inp-0",)),
    ("l_out-0", "ADD", ("feed-forward", "ffn_inp-0")),
    ("after", "RMS_NORM", ("l_out-0",)),
)
Node = tuple[str, str, tuple[str, ...]]


def flow_of(*changed: Node, drop: str = "") -> Flow:
    """Give the graph of `PLAIN` with nodes of the same name replaced, and new ones at the end."""
    new = {node[0]: node for node in changed}
    nodes = [new.pop(node[0], node) for node in PLAIN if node[0] != drop] + list(new.values())
    names = [name for name, _, _ in nodes]
    sources = tuple(tuple(names.index(name) for name in read) for _, _, read in nodes)
    return Flow(tuple(names), tuple(op for _, op, _ in nodes), sources)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "changed",
    [
        [],
        [("ffn_inp-0", "ADD", ("prev", "attention"))],
        [("l_out-0", "ADD", ("ffn_inp-0", "feed-forward"))],
    ],
    ids=str,
)
def test_a_sequential_block_allows_everything(changed: list[Node], part: Part) -> None:
    check_part(flow_of(*changed), 1, part, "prev")


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        # The feed-forward reads the block's input, or the attention's output, past the sum.
        ([("feed-forward", "MUL_MAT", ("norm",))], {"attn", "ffn"}),
        ([("feed-forward", "MUL", ("ffn_inp-0", "attention"))], {"attn", "ffn"}),
        # A sum of other things, or no sum.
        ([("ffn_inp-0", "ADD", ("attention", "norm"))], {"block", "attn", "ffn"}),
        ([("ffn_inp-0", "MUL", ("attention", "prev"))], {"block", "attn", "ffn"}),
        ([("l_out-0", "ADD", ("feed-forward", "attention"))], {"block", "attn", "ffn"}),
        ([("l_out-0", "RMS_NORM", ("ffn_inp-0",))], {"block", "attn", "ffn"}),
        ([("l_out-0", "ADD", ("ffn_inp-0",))], {"block", "attn", "ffn"}),
        # What comes later reads from inside the block.
        ([("later", "ADD", ("after", "attention"))], {"block", "attn", "ffn"}),
        ([("later", "ADD", ("after", "prev"))], {"block", "attn", "ffn"}),
    ],
)
def test_a_block_of_another_structure_is_refused(changed: list[Node], refused: set[Part]) -> None:
    flow = flow_of(*changed)
    for part in PARTS:
        if part in refused:
            with pytest.raises(ModelNotSupported, match=r"ffn_inp-0|l_out-0|after the block"):
                check_part(flow, 1, part, "prev")
        else:
            check_part(flow, 1, part, "prev")


def test_an_input_that_something_is_added_to_first_is_refused() -> None:
    # Where vision models add to the state between two blocks, prev is not what the block reads.
    between = (("other", "VIEW", ()), ("input", "ADD", ("prev", "other")))
    rest = (("norm", "RMS_NORM", ("input",)), ("ffn_inp-0", "ADD", ("attention", "input")))
    nodes = {node[0]: node for node in (*PLAIN[:1], *between, *rest)}
    ordered = [*nodes.values(), *(node for node in PLAIN if node[0] not in nodes)]
    order = ("prev", "other", "input", "norm", "attention", "ffn_inp-0", "feed-forward", "l_out-0")
    ordered = sorted((n for n in ordered if n[0] in order), key=lambda n: order.index(n[0]))
    sources = tuple(tuple(order.index(name) for name in read) for _, _, read in ordered)
    flow = Flow(order, tuple(op for _, op, _ in ordered), sources)
    for part in PARTS:
        with pytest.raises(ModelNotSupported, match="prev"):
            check_part(flow, 1, part, "prev")
        check_part(flow, 1, part, "input")


def test_an_output_that_is_scaled_can_be_skipped_but_not_halved() -> None:
    scaled = (("sum", "ADD", ("feed-forward", "ffn_inp-0")), ("l_out-0", "MUL", ("sum",)))
    names = ("prev", "norm", "attention", "ffn_inp-0", "feed-forward", "sum", "l_out-0")
    nodes = {node[0]: node for node in (*PLAIN, *scaled)}
    sources = tuple(tuple(names.index(name) for name in nodes[n][2]) for n in names)
    flow = Flow(names, tuple(nodes[n][1] for n in names), sources)
    check_part(flow, 1, "block", "prev")
    for part in PARTS[1:]:
        with pytest.raises(ModelNotSupported, match="l_out-0 is not ffn_inp-0"):
            check_part(flow, 1, part, "prev")


@pytest.mark.parametrize("name", ["prev", "ffn_inp-0", "l_out-0"])
def test_a_tensor_that_is_missing_or_repeated_is_refused_by_name(name: str) -> None:
    plain = flow_of()
    at = plain.names.index(name)
    missing = Flow((*plain.names[:at], "x", *plain.names[at + 1 :]), plain.ops, plain.sources)
    with pytest.raises(ModelNotSupported, match=f"no tensor {name}"):
        check_part(missing, 1, "attn", "prev")
    twice = Flow((*plain.names[:-1], name), plain.ops, plain.sources)
    with pytest.raises(ModelNotSupported, match=f"more than one tensor {name}"):
        check_part(twice, 1, "attn", "prev")
