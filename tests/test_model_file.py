"""What a model file says of itself, whole, in parts or damaged, and what is refused."""

from __future__ import annotations

import dataclasses
import pickle
import random
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smallgguf import N_EMBD, N_VOCAB, write_gguf

from llprobe.errors import ModelError, ModelFileError, ModelNotSupported
from llprobe.model import UNSUPPORTED, fingerprint_of, read_model
from llprobe.model.header import read_header


def test_a_model_is_read(tmp_path: Path) -> None:
    info = read_model(write_gguf(tmp_path / "tiny.gguf", layers=3, untied=True))
    matrices = 2 * N_VOCAB * N_EMBD + 3 * 2 * N_EMBD**2
    norms = 4 * N_EMBD
    assert (info.name, info.origin, info.architecture) == ("tiny", "path", "llama")
    assert (info.n_layers, info.n_embd, info.n_vocab, info.n_ctx_train) == (3, 32, 40, 64)
    assert (info.n_heads, info.n_heads_kv, info.n_params) == (4, 2, matrices + norms)
    assert (info.quant, info.general_name, info.tied_output) == ("Q8_0", "Tiny", False)
    assert info.bits_per_weight == pytest.approx((8.5 * matrices + 32 * norms) / info.n_params)
    assert info.block_bits_per_weight == 8.5
    assert {c.name: c.types for c in info.tensor_classes} == {
        "embedding": (("Q8_0", 1),),
        "attention": (("Q8_0", 3),),
        "feed-forward": (("Q8_0", 3),),
        "norm": (("F32", 4),),
        "output": (("Q8_0", 1),),
    }
    assert sum(c.nbytes for c in info.tensor_classes) * 8 == round(
        info.bits_per_weight * info.n_params
    )
    assert pickle.loads(pickle.dumps(info)) == info


def test_optional_facts(tmp_path: Path) -> None:
    meta = {"tokenizer.chat_template": "{{x}}", "general.name": "a\x1b[31mb"}
    path = write_gguf(
        tmp_path / "m.gguf", meta=meta, drop=("general.file_type", "llama.attention.head_count_kv")
    )
    info = read_model(path, "mine")
    assert (info.name, info.has_chat_template, info.tied_output) == ("mine", True, True)
    assert (info.quant, info.n_heads_kv) == ("Q8_0", 4)
    assert info.general_name == "a[31mb"  # nothing that a terminal would obey
    assert not read_model(write_gguf(tmp_path / "n.gguf")).has_chat_template


def test_heads_per_layer_and_a_guessed_recipe(tmp_path: Path) -> None:
    meta = {"llama.attention.head_count_kv": [2, 4], "general.file_type": 1024 + 15}
    info = read_model(write_gguf(tmp_path / "m.gguf", meta=meta))
    assert (info.n_heads_kv, info.quant) == (4, "Q4_K_M")


def test_a_tensor_is_read_back(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    expected = {t.name: t.data for t in gguf.GGUFReader(path).tensors}
    info = read_model(path)
    for name, data in expected.items():
        assert np.array_equal(info.read_tensor(name), data.view(np.uint8).ravel())
    with pytest.raises(ModelFileError, match="no tensor 'x'"):
        info.read_tensor("x")


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "no architecture": ({"drop": ("general.architecture",), "arch": ""}, "architecture is missing"),
    "one block too few": ({"meta": {"llama.block_count": 1}}, "1 blocks, its tensors 2"),
    "one block too many": ({"meta": {"llama.block_count": 3}}, "3 blocks, its tensors 2"),
    "no blocks": ({"meta": {"llama.block_count": 0}}, "block_count is 0"),
    "blocks as text": ({"meta": {"llama.block_count": "2"}}, "block_count is '2'"),
    "no block count": ({"drop": ("llama.block_count",)}, "block_count is missing"),
    "width": ({"meta": {"llama.embedding_length": 64}}, "lies"),
    "vocabulary": ({"meta": {"tokenizer.ggml.tokens": ["a", "b"]}}, "lies"),
    "no vocabulary": ({"drop": ("tokenizer.ggml.tokens",)}, "tokens is missing"),
    "vocabulary of numbers": ({"meta": {"tokenizer.ggml.tokens": [1] * N_VOCAB}}, "list of text"),
    "no embedding": ({"drop": ("token_embd.weight",)}, "no tensor token_embd.weight"),
    "no context": ({"drop": ("llama.context_length",)}, "context_length is missing"),
    "heads true": ({"meta": {"llama.attention.head_count": True}}, "head_count is True"),
}


@pytest.mark.parametrize("case", LIES)
def test_metadata_that_lie_are_refused(tmp_path: Path, case: str) -> None:
    fields, message = LIES[case]
    path = write_gguf(tmp_path / "m.gguf", **fields)
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arch", ["bert", "mamba", "qwen4exp", "gemma3n", "llada", "eagle3"])
def test_architectures_that_cannot_be_probed_are_refused_by_name(tmp_path: Path, arch: str) -> None:
    with pytest.raises(ModelNotSupported) as caught:
        read_model(write_gguf(tmp_path / "m.gguf", arch=arch))
    assert f"({arch})" in str(caught.value)
    assert UNSUPPORTED[arch] in str(caught.value)


def test_encoders_and_adapters_are_refused_whatever_they_are_called(tmp_path: Path) -> None:
    for key, value, message in [
        ("llama.attention.causal", False, "encoder"),
        ("general.type", "adapter", "type adapter"),
    ]:
        with pytest.raises(ModelNotSupported, match=message):
            read_model(write_gguf(tmp_path / "m.gguf", meta={key: value}))


def test_the_fingerprint_follows_the_content_and_not_the_name(tmp_path: Path) -> None:
    first = read_model(write_gguf(tmp_path / "a.gguf"))
    copy = tmp_path / "b.gguf"
    copy.write_bytes(first.paths[0].read_bytes())
    assert read_model(copy).fingerprint == first.fingerprint
    other = write_gguf(tmp_path / "c.gguf", seed=1)
    named = write_gguf(tmp_path / "d.gguf", meta={"general.name": "Tinx"})
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    prints = {read_model(p).fingerprint for p in (first.paths[0], other, named, copy)}
    assert len(prints) == 4


def test_the_fingerprint_of_a_large_file_reads_a_fraction_of_it(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    header = read_header(path)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: reading all of it would take minutes
    large = dataclasses.replace(header, file_bytes=1 << 40)
    before = fingerprint_of([path], [large])
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert fingerprint_of([path], [large]) != before


def split(tmp_path: Path, count: int = 3) -> list[Path]:
    """Write a model in parts, as llama-gguf-split does; only the first has the metadata."""
    whole = gguf.GGUFReader(write_gguf(tmp_path / "whole.gguf")).tensors
    paths = [tmp_path / f"big-{no:05d}-of-{count:05d}.gguf" for no in range(1, count + 1)]
    for number, path in enumerate(paths):
        meta = {"split.no": number, "split.count": count, "split.tensors.count": len(whole)}
        writer = gguf.GGUFWriter(path, "llama")
        if number == 0:
            fields = {"block_count": 2, "embedding_length": 32, "context_length": 64}
            for key, value in {**fields, "attention.head_count": 4}.items():
                writer.add_uint32(f"llama.{key}", value)
            writer.add_array("tokenizer.ggml.tokens", [f"t{i}" for i in range(N_VOCAB)])
        for key, value in meta.items():
            writer.add_uint16(key, value)
        for tensor in whole[number::count]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


def test_a_split_model_is_one_whichever_part_is_named(tmp_path: Path) -> None:
    paths = split(tmp_path)
    infos = {read_model(path) for path in paths}
    assert len(infos) == 1
    info = infos.pop()
    assert (info.name, info.paths, info.n_layers) == ("big", tuple(paths), 2)
    assert info.file_bytes == sum(path.stat().st_size for path in paths)
    whole = read_model(tmp_path / "whole.gguf")
    assert info.n_params == whole.n_params
    name = "blk.1.ffn_up.weight"
    assert np.array_equal(info.read_tensor(name), whole.read_tensor(name))


def test_split_models_that_are_not_whole(tmp_path: Path) -> None:
    paths = split(tmp_path)
    third = paths[2].read_bytes()
    paths[2].unlink()
    with pytest.raises(ModelFileError, match="3 parts, and part 3 is missing") as caught:
        read_model(paths[0])
    assert str(paths[2]) in str(caught.value)
    paths[2].write_bytes(paths[1].read_bytes())
    with pytest.raises(ModelFileError, match="is not part 3 of 3"):
        read_model(paths[0])
    paths[2].write_bytes(third)
    alone = paths[0].rename(tmp_path / "first.gguf")
    with pytest.raises(ModelFileError, match="is not named as one"):
        read_model(alone)


def _seed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_gguf(Path(folder) / "seed.gguf").read_bytes()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is written again and again."""
    path = tmp_path_factory.mktemp("damaged") / "m.gguf"
    path.touch()
    return path


def _refusal(path: Path, content: bytes) -> str:
    """Return what `read_model` says against a file of this content; empty where it reads it."""
    with path.open("r+b") as file:  # not truncated first: ext4 would flush every one of them
        file.write(content)
        file.truncate()
    try:
        info = read_model(path)
    except ModelError as error:
        return str(error)
    assert info.n_layers == 2
    return ""


_SEED = _seed()
_EXTREMES = [0, 1, 2, 8, 9, 255, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1500), st.sampled_from(_EXTREMES), st.sampled_from([1, 4, 8]))
    ),
    st.integers(0, len(_SEED)),
    st.binary(max_size=8),
)
def test_a_mutated_file_is_read_or_refused_but_nothing_else(
    damaged: Path, changes: list[tuple[int, int, int]], keep: int, tail: bytes
) -> None:
    content = bytearray(_SEED)
    for at, value, width in changes:
        content[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    if keep % 3 == 0:
        content = content[:keep] + tail
    said = _refusal(damaged, content)
    assert not said or str(damaged) in said
    assert "\n" not in said


def test_random_damage_everywhere_is_survived(damaged: Path) -> None:
    rng, refused = random.Random(7), 0
    for _ in range(400):
        content = bytearray(_SEED)
        for _ in range(rng.randrange(1, 6)):
            content[rng.randrange(1400)] = rng.randrange(256)
        refused += bool(_refusal(damaged, content))
    assert refused > 200
