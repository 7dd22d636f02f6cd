"""Damaged model files, the short form of `make fuzz`, and the rules that keep llama.cpp alive."""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz import CAUGHT, LOADED, REFUSED, Fuzz, seeds, unclear
from fuzzloader import Loader
from ggufdraft import ARRAY, STRING, Draft, Pair, Tensor, pack, read_draft, text, words
from mutations import KINDS, mutate
from tinygguf import write_tiny

from llprobe.errors import ModelError, ModelFileError
from llprobe.model import read_model


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> list[Draft]:
    return seeds(tmp_path_factory.mktemp("seeds"))


# --- the damage ---------------------------------------------------------------------------------


def test_a_file_put_together_again_is_the_file(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf", quant="Q4_1", n_layers=2)
    assert read_draft(path).encode() == path.read_bytes()


def test_seeds_are_valid_and_damage_is_decided_by_its_number(
    drafts: list[Draft], tmp_path: Path
) -> None:
    for number, draft in enumerate(drafts):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(draft.encode())
        assert read_model(path).n_layers == 2
    whole = [draft.encode() for draft in drafts]
    made = [mutate(drafts, index, 3) for index in range(2 * len(KINDS))]
    assert [kind for kind, _ in made] == [*KINDS, *KINDS]
    assert made == [mutate(drafts, index, 3) for index in range(2 * len(KINDS))]
    assert made != [mutate(drafts, index, 4) for index in range(2 * len(KINDS))]
    assert not any(content in whole for _, content in made)
    assert [draft.encode() for draft in drafts] == whole


# --- what becomes of it -------------------------------------------------------------------------


def test_damaged_files_end_in_one_clear_line_each(drafts: list[Draft], tmp_path: Path) -> None:
    fuzz, opened = Fuzz(drafts, 1, tmp_path), 0
    with Loader() as loader:
        for index in range(5 * len(KINDS)):
            before = len(fuzz.tally.passed)
            if opened < 20:
                opened += fuzz.check(index, loader) != CAUGHT
                continue
            kind, path = fuzz.write(index)
            try:
                read_model(path)
            except ModelError as error:
                fuzz.judge(index, kind, str(error), path)
                fuzz.tally.add(index, kind, CAUGHT)
            assert len(fuzz.tally.passed) == before
            path.unlink()
    tally = fuzz.tally
    assert tally.faults == []
    assert opened == 20
    assert tally.total(LOADED) > 5
    assert tally.total(REFUSED) > 2
    assert tally.total(CAUGHT) > 80
    assert len(tally.table().splitlines()) == len(KINDS) + 3
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_dies_is_told_and_started_again(drafts: list[Draft], tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(drafts[0].encode())
    info = read_model(path)
    with Loader() as loader:
        assert loader.load(info) == ("loaded", None)
        assert loader._child is not None
        os.kill(loader._child.pid, signal.SIGKILL)
        end, failed = loader.load(info)
        assert end == "SIGKILL"
        assert failed is not None
        assert "the worker died of SIGKILL" in failed.message
        path.unlink()
        end, failed = loader.load(info)
        assert (end, loader.starts) == ("refused", 2)
        assert failed is not None
        assert unclear(failed.message, path) == ""


def test_a_line_that_is_not_clear_is_seen() -> None:
    path = Path("a") / "damaged-1.gguf"
    assert unclear(f"{path} is cut short", path) == ""
    assert unclear("it is cut short", path) == "does not name the file"
    assert unclear(f"{path}\nis cut short", path) == "not one printable line"
    assert unclear(" ", path) == "not one printable line"
    assert unclear(f"{path}: Traceback (most recent call last)", path) == "a traceback"
    assert unclear(f"{path}{'!' * 500}", path).endswith("characters long")


# --- what llama.cpp would die of ----------------------------------------------------------------


def number(key: str, value: float, kind: int = 4) -> Callable[[Draft], None]:
    """Set a number of the architecture's, whether the draft has it or not."""

    def change(draft: Draft) -> None:
        name = key if key.startswith("general") else f"{draft.arch}.{key}"
        draft.pairs = [pair for pair in draft.pairs if pair.key != name.encode()]
        draft.pairs.append(Pair(name.encode(), kind, pack(kind, value)))

    return change


def named(key: str, value: str) -> Callable[[Draft], None]:
    """Set a text."""

    def change(draft: Draft) -> None:
        name = key.format(a=draft.arch).encode()
        draft.pairs = [pair for pair in draft.pairs if pair.key != name]
        draft.pairs.append(Pair(name, STRING, text(value.encode())))

    return change


def typed(name: str, kind: int, nbytes: int) -> Callable[[Draft], None]:
    """Store a tensor as another type, with as many bytes as that takes."""

    def change(draft: Draft) -> None:
        tensor = found(draft, name)
        tensor.kind, tensor.data = kind, bytes(nbytes)

    return change


def found(draft: Draft, name: str) -> Tensor:
    return next(tensor for tensor in draft.tensors if tensor.name == name.encode())


def tokens(change: Callable[[list[bytes]], None]) -> Callable[[Draft], None]:
    """Change the list of tokens."""

    def changed(draft: Draft) -> None:
        pair = draft.pair("tokenizer.ggml.tokens")
        assert pair is not None
        listed = words(pair)
        change(listed)
        pair.payload = struct.pack("<IQ", STRING, len(listed)) + b"".join(map(text, listed))

    return changed


def aligned_to_8(draft: Draft) -> None:
    number("general.alignment", 8)(draft)
    draft.alignment = 8
    number("unused", 0, 0)(draft)
    joints = 3 + len(draft.pairs) + len(draft.tensors)
    while -(-sum(map(len, [*draft.chunks()][:joints])) // 8) % 4 == 0:
        draft.pairs[-1].key += b"."  # until the weights do not begin at 32 by chance


def without(name: str) -> Callable[[Draft], None]:
    return lambda draft: draft.tensors.remove(found(draft, name))


LLAMA, GEMMA, GPT2, PHI3 = 0, 4, 5, 6
FATAL: dict[str, tuple[int, Callable[[Draft], None], str]] = {
    "heads": (LLAMA, number("attention.head_count_kv", 3), "4 attention heads cannot share 3"),
    "values": (LLAMA, number("attention.value_length", 16), "8 numbers and its values 16"),
    "keys": (GPT2, number("attention.key_length", 7), "7 numbers and its values 8"),
    "rotated": (PHI3, number("rope.dimension_count", 7), "7 of the 8 numbers"),
    "too many": (PHI3, number("rope.dimension_count", 64), "64 of the 8 numbers"),
    "for ever": (GEMMA, number("rope.dimension_count", 0), "0 of the 32 numbers"),
    "epsilon": (LLAMA, number("attention.layer_norm_rms_epsilon", -1, 6), "epsilon is -1.0"),
    "no number": (GPT2, number("attention.layer_norm_epsilon", float("nan"), 6), "is nan"),
    "scaling": (LLAMA, named("{a}.rope.scaling.type", "twisted"), "'twisted', not one of none"),
    "experts": (LLAMA, number("expert_used_count", 2), "a token uses 2 of 0 experts"),
    "unused": (LLAMA, number("expert_count", 8), "a token uses 0 of 8 experts"),
    "tokenizer": (LLAMA, named("tokenizer.ggml.model", "no_vocab"), "has no tokenizer"),
    "encoder": (LLAMA, named("tokenizer.ggml.model", "bert"), "a tokenizer of encoders"),
    "twice": (LLAMA, tokens(lambda t: t.__setitem__(9, t[8])), "1 of its tokens are there twice"),
    "ended": (LLAMA, tokens(lambda t: t.__setitem__(9, t[8] + b"\0a")), "1 of its tokens"),
    "norm": (LLAMA, typed("blk.1.attn_norm.weight", 8, 34), "stored as Q8_0; it must be F32"),
    "bias": (GPT2, typed("blk.0.attn_qkv.bias", 30, 128), "stored as BF16; it must be F32"),
    "matrix": (LLAMA, typed("blk.0.ffn_up.weight", 24, 2048), "I8, by which nothing"),
    "rotation": (2, typed("rope_freqs.weight", 1, 8), "stored as F16; it must be F32"),
    "aligned": (LLAMA, aligned_to_8, "no multiple of 32"),
    "joined": (PHI3, without("blk.1.attn_qkv.weight"), "block 1 has no attn_qkv.weight"),
    "ahead": (LLAMA, number("nextn_predict_layers", 3), "3 of its 2 blocks predict"),
    "name": (LLAMA, named("general.architecture", "x" * 65), "its architecture is 65 long"),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_llama_cpp_would_die_of_is_refused_before(
    drafts: list[Draft], tmp_path: Path, case: str
) -> None:
    which, change, said = FATAL[case]
    draft, path = drafts[which].copy(), tmp_path / "m.gguf"
    change(draft)
    path.write_bytes(draft.encode())
    with pytest.raises(ModelError, match=re.escape(said)) as caught:
        read_model(path)
    assert unclear(str(caught.value), path) == ""


@pytest.mark.parametrize(
    ("which", "said"),
    [(GPT2, "attn_qkv.weight has 64 rows for 128"), (3, "attn_q.weight has 32 rows for 64")],
)
def test_rows_of_attention_fit_the_heads(
    drafts: list[Draft], tmp_path: Path, which: int, said: str
) -> None:
    draft, path = drafts[which].copy(), tmp_path / "m.gguf"
    number("attention.head_count", 8)(draft)
    number("attention.head_count_kv", 4)(draft)
    path.write_bytes(draft.encode())
    with pytest.raises(ModelFileError, match=said):
        read_model(path)


def test_what_is_odd_but_sound_is_let_pass(drafts: list[Draft], tmp_path: Path) -> None:
    """Empty tokens, scaling by its name, experts that are none, heads per layer."""
    draft, path = drafts[LLAMA].copy(), tmp_path / "m.gguf"
    tokens(lambda t: t.__setitem__(slice(20, 22), [b"", b""]))(draft)
    named("{a}.rope.scaling.type", "yarn")(draft)
    number("expert_count", 0)(draft)
    draft.pairs = [p for p in draft.pairs if not p.key.endswith(b"head_count_kv")]
    per_layer = struct.pack("<IQII", 4, 2, 2, 0)
    draft.pairs.append(Pair(b"llama.attention.head_count_kv", ARRAY, per_layer))
    path.write_bytes(draft.encode())
    assert read_model(path).n_heads_kv == 2


def test_short_token_lists_are_held_against_each_other_too(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf", n_vocab=259, n_layers=1)
    draft = read_draft(path)
    for tensor in draft.tensors:
        if 259 in tensor.dims:
            tensor.dims, tensor.data = [64, 100], tensor.data[: 64 * 100 * 4]
    tokens(lambda t: t.__delitem__(slice(100, None)))(draft)
    path.write_bytes(draft.encode())
    assert read_model(path).n_vocab == 100
    tokens(lambda t: t.__setitem__(slice(3, 6), [b"b", b"b", b"b"]))(draft)
    path.write_bytes(draft.encode())
    with pytest.raises(ModelFileError, match="2 of its tokens are there twice"):
        read_model(path)
