"""The engine on a device whose memory the host cannot read: everything as on the CPU.

The device is a server on the loopback interface that computes on this machine's CPU. Weights that
are not quantised give the same bits there. Quantised ones may be repacked for this side's CPU only,
for kernels that round otherwise: measured, up to 1% of a log-prob with Q4_0, nothing with Q8_0.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from ablationhelp import CUT_UP, TASK, TOKENS
from conftest import OpenProbe
from numpy.typing import NDArray
from parity import GOLDEN, compare, load
from rpchelp import serving

from llprobe.ablation import NONE, parse_ablation
from llprobe.agreement import in_words
from llprobe.engine import check, ggml
from llprobe.engine import head as head_module
from llprobe.engine.calibrate import calibrate
from llprobe.engine.grid import look
from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.states import read_states
from llprobe.engine.write import Writer, prompt_tokens
from llprobe.errors import ModelNotSupported, ModelTooLarge
from llprobe.model import read_model, resolve
from llprobe.rpc import greet
from llprobe.settings import LENSES, EngineSettings

Tiny = Callable[..., Path]
Floats = NDArray[np.floating[Any]]

N_LAYERS = 3
# Layers on the server: all, without the output matrix on it, and parts.
OFFLOADS = (-1, 4, 3, 2, 1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def remote(server: str) -> Iterator[OpenProbe]:
    opened: list[Probe] = []

    def open_probe(path: Path, n_gpu_layers: int = -1, **settings: Any) -> Probe:
        chosen = EngineSettings(n_threads=1, n_gpu_layers=n_gpu_layers, **settings)
        opened.append(Probe(read_model(path), chosen.using([server])))
        return opened[-1]

    yield open_probe
    for each in opened:
        each.close()


def scored(probe: Probe, ablation: str = "none") -> dict[str, Floats]:
    """Give the log-probs (n_options, n_layers) of all items, one after the other, by lens."""
    left_out = parse_ablation(ablation).resolve(N_LAYERS) if ablation != "none" else NONE
    with Scorer(probe, TASK, range(N_LAYERS + 1), LENSES, left_out) as scorer:
        found = [score for _, group in scorer.groups() for score in group]
    return {lens: np.concatenate([each.logprob[lens] for each in found]) for lens in LENSES}


def assert_equal(got: dict[str, Floats], want: dict[str, Floats], tolerance: float) -> None:
    for lens in LENSES:
        assert want[lens].std() > 0.1
        np.testing.assert_allclose(got[lens], want[lens], rtol=tolerance, atol=0)


@pytest.mark.parametrize("n_gpu_layers", OFFLOADS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("quant", "tolerance"), [("F32", 0), ("F16", 0), ("Q8_0", 0.03), ("Q4_0", 0.03)]
)
def test_all_lenses_and_layers_are_the_cpu_s(
    tiny: Tiny, probe: OpenProbe, remote: OpenProbe,
    n_gpu_layers: int, tied: bool, quant: str, tolerance: float,
) -> None:  # fmt: skip
    path = tiny(quant=quant, tied=tied)
    there = remote(path, n_gpu_layers)
    assert there.check.difference == 0.0
    assert_equal(scored(there), scored(probe(path)), tolerance)


@pytest.mark.parametrize("arch", ["gemma2", "gpt2", "phi2", "command-r", "qwen3", "granite"])
def test_other_heads_are_replayed_there(
    tiny: Tiny, probe: OpenProbe, remote: OpenProbe, arch: str
) -> None:
    path = tiny(arch)
    there = remote(path)
    assert there.split.head.startswith("RPC0[")
    assert there.check.difference == 0.0
    assert_equal(scored(there), scored(probe(path)), 1e-5)


@pytest.mark.parametrize(
    ("n_gpu_layers", "split"),
    [
        (-1, "layers 1-3 {}, head {}"),
        (3, "layers 1-1 CPU, layers 2-3 {}, head {}"),
        (1, "layers 1-3 CPU, head {}"),
        (0, "layers 1-3 CPU, head CPU"),
    ],
)
def test_the_split_is_that_of_the_offloaded_layers(
    tiny: Tiny, remote: OpenProbe, server: str, n_gpu_layers: int, split: str
) -> None:
    opened = remote(tiny(), n_gpu_layers)
    device = f"RPC0[{server}]"
    assert str(opened.split) == split.format(device, device)
    assert opened.split.devices == (() if n_gpu_layers == 0 else (device,))
    on_cpu = opened.head.device == ggml.cpu_device()
    assert on_cpu == (n_gpu_layers == 0)


@pytest.mark.parametrize("refused", [b"MUL_MAT", b"MUL", b"GET_ROWS", b"ARGMAX", b"SOFT_MAX"])
def test_a_matrix_that_cannot_be_used_there_is_copied_here(
    refused: bytes,
    tiny: Tiny,
    probe: OpenProbe,
    remote: OpenProbe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules 3: where the device refuses an op, the head is computed here, with copies."""
    path = tiny()
    supports, cpu = ggml.lib.ggml_backend_dev_supports_op, ggml.cpu_device()

    def computes(device: int, node: Any) -> bool:
        if device != cpu and ggml.lib.ggml_op_name(node.contents.op) == refused:
            return False
        return bool(supports(device, node))

    monkeypatch.setattr(ggml.lib, "ggml_backend_dev_supports_op", computes)
    there = remote(path)
    assert there.head.device == cpu
    assert there.check.difference == 0.0
    assert there.split.layers != ("CPU",) * 3
    assert_equal(scored(there), scored(probe(path)), 0)


def test_wrong_log_probs_of_a_device_that_claims_every_op_are_refused(
    tiny: Tiny, remote: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = head_module.Head.log_probs

    def wrong(*given: Any, **more: Any) -> Floats:
        return right(*given, **more) + 3.0

    monkeypatch.setattr(head_module.Head, "log_probs", wrong)
    with pytest.raises(ModelNotSupported, match=r"RPC0\[.*computes log-probs that differ.*-ngl 0"):
        remote(tiny())


def test_values_beyond_half_precision_are_scaled_there_as_here(
    tiny: Tiny, probe: OpenProbe, remote: OpenProbe
) -> None:
    path = tiny(quant="F16")
    hidden = np.random.default_rng(1).standard_normal((4, 64)).astype(np.float32) * 1e6
    found = [each.head.logits(hidden, normed=False) for each in (remote(path), probe(path))]
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.parametrize("ablation", ["skip:2", "attn:2", "ffn:3", "skip:1"])
@pytest.mark.parametrize("n_gpu_layers", [-1, 2])
def test_ablations_are_the_cpu_s(
    tiny: Tiny, probe: OpenProbe, remote: OpenProbe, ablation: str, n_gpu_layers: int
) -> None:
    path = tiny()
    there = scored(remote(path, n_gpu_layers, **CUT_UP), ablation)
    assert_equal(there, scored(probe(path, **CUT_UP), ablation), 0)
    assert np.abs(there["norm"] - scored(probe(path, **CUT_UP))["norm"]).max() > 0.1


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux lists what is loaded")
def test_each_of_ggml_s_libraries_is_loaded_once(tiny: Tiny, remote: OpenProbe) -> None:
    """Else what is set in one copy, like the callback for last words, would not hold in another."""
    assert remote(tiny()).check.difference == 0.0
    lines = Path("/proc/self/maps").read_text("utf-8").splitlines()
    files = {line.split()[-1] for line in lines if "/libggml" in line}
    stems = [Path(file).name.partition(".")[0] for file in files]
    assert len(stems) == len(set(stems)) >= 3


def test_two_servers_share_the_layers(tiny: Tiny, probe: OpenProbe, server: str) -> None:
    path = tiny(n_layers=4)
    settings = EngineSettings(n_threads=1)
    with (
        serving() as (second, _),
        Probe(read_model(path), settings.using([server, second])) as both,
    ):
        assert set(both.split.devices) == {f"RPC0[{server}]", f"RPC0[{second}]"}
        assert both.split.head == f"RPC0[{second}]"
        assert both.check.difference == 0.0
        assert_equal(scored(both), scored(probe(path)), 0)


def test_grids_states_and_answers_are_the_cpu_s(
    tiny: Tiny, probe: OpenProbe, remote: OpenProbe
) -> None:
    path = tiny()
    opened = remote(path), probe(path)
    grids = [look(each, "the city of", "norm", (0, 1, 3), 2, (" the",)) for each in opened]
    assert grids[0].top == grids[1].top
    np.testing.assert_array_equal(grids[0].entropy, grids[1].entropy)
    prompts = [tuple(TOKENS[:9]), tuple(TOKENS[:7])]
    states = [list(read_states(each, [prompts], (0, 1, 2, 3), mean=True)) for each in opened]
    np.testing.assert_array_equal(states[0], states[1])
    written = []
    for each in opened:
        asked, _ = prompt_tokens(prompts, (0, 1), ("a", "b"), 5, 512)
        with Writer(each, asked, (), 5) as writer:
            written.append([answer for _, group in writer.written() for answer in group])
    assert written[0] == written[1]
    assert sum(answer.n_tokens for answer in written[0]) > 2


def test_rates_are_measured_there(tiny: Tiny, remote: OpenProbe) -> None:
    ticks = iter(range(100_000))
    rates = calibrate(remote(tiny()), 1.0, lambda: float(next(ticks)))
    assert None not in {rates.prefill_tokens_per_s, rates.rows_per_s, rates.write_tokens_per_s}


def test_the_server_is_free_again_and_a_second_model_shares_the_connection(
    tiny: Tiny, remote: OpenProbe, server: str
) -> None:
    one, two = remote(tiny()), remote(tiny("gpt2"))
    assert one.check.difference == two.check.difference == 0.0
    one.close()
    assert scored(two)["norm"].shape == (12, 4)
    two.close()
    assert greet(server).memory


def test_a_model_that_fits_neither_here_nor_there_is_refused(
    tiny: Tiny, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llprobe.engine.session.psutil.virtual_memory", _Memory)
    settings = EngineSettings(n_threads=1).using([server])
    info = read_model(tiny())
    with pytest.raises(ModelTooLarge, match="needs"):  # the server has this machine's memory
        Probe(info, settings)
    with monkeypatch.context() as patch:
        patch.setattr("llprobe.engine.session.is_loopback", lambda _address: False)
        with Probe(info, settings) as opened:
            assert opened.check.difference == 0.0
    monkeypatch.setattr(_Memory, "total", 1)  # a tunnel, to a machine of another size
    with Probe(info, settings) as opened:
        assert opened.check.difference == 0.0


class _Memory:
    available, total = 0, psutil.virtual_memory().total


# --- agreement with the CPU -----------------------------------------------------------------------


def test_the_device_agrees_with_the_cpu(tiny: Tiny, server: str) -> None:
    info, alone = read_model(tiny()), EngineSettings(n_threads=1, n_gpu_layers=0)
    there = check.read_fixed(info, EngineSettings(n_threads=1).using([server]))
    found = check.agreement(there, check.read_fixed(info, alone))
    assert found.difference.shape == (N_LAYERS,)
    assert found.difference.max() == 0.0
    assert in_words(found) == f"RPC0[{server}] agrees with the CPU to the last bit at every layer"


def test_a_device_that_computes_otherwise_is_found_out(tiny: Tiny, server: str) -> None:
    info, alone = read_model(tiny()), EngineSettings(n_threads=1, n_gpu_layers=0)
    there = check.read_fixed(info, EngineSettings(n_threads=1).using([server]))
    cpu = check.read_fixed(info, alone)
    states = there.states.copy()
    states[1:] *= 1.12
    found = check.agreement(replace(there, states=states), cpu)
    np.testing.assert_allclose(found.difference, [0, 0.12, 0.12], atol=1e-5)
    assert "differs from the CPU by up to 12% from layer 2 on: do not trust it" in in_words(found)


def test_a_device_that_scores_otherwise_is_found_out(tiny: Tiny, server: str) -> None:
    info, alone = read_model(tiny()), EngineSettings(n_threads=1, n_gpu_layers=0)
    cpu = check.read_fixed(info, alone)
    there = check.read_fixed(info, EngineSettings(n_threads=1).using([server]))
    scores = tuple(
        replace(
            score, logprob=score.logprob | {"raw": score.logprob["raw"] * np.array([1, 1, 1.5])}
        )
        for score in there.scores
    )
    found = check.agreement(replace(there, scores=scores), cpu)
    assert found.difference[:2].tolist() == [0, 0]
    assert found.difference[2] >= 0.5
    assert not found.trusted


# --- the default model ----------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden numbers are not at {GOLDEN}")
def test_golden_numbers_are_met_on_a_remote_device(server: str) -> None:
    settings = EngineSettings(n_threads=1).using([server])
    with Probe(resolve("smollm2-135m", fetch=True), settings) as opened:
        assert opened.split.layers == (f"RPC0[{server}]",) * 30
        assert opened.check.difference == 0.0
        found = list(compare(opened, "lama", load(GOLDEN, "lama")[:2]))
    for parity in found:
        differences = sorted(parity.relative)
        assert differences[len(differences) // 2] < 0.01
        assert differences[int(len(differences) * 0.99)] < 0.06
        assert len(parity.differing) <= 0.05 * parity.decisions
