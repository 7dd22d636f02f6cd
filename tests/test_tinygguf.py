"""The tiny models themselves: every architecture, both tokenizers, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nativellama import errors, native_logits, spelled, tokenised
from tinygguf import ARCHITECTURES, write_tiny

TOKENS = [int(token) for token in np.random.default_rng(7).integers(3, 384, 40)]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("quant", ["F32", "Q4_0"])
def test_every_architecture_loads_and_decodes(tmp_path: Path, arch: str, quant: str) -> None:
    path = write_tiny(tmp_path / "m.gguf", arch, quant=quant)
    whole, prefix = native_logits(path, TOKENS, TOKENS[:5])
    assert np.isfinite(whole).all()
    assert whole.std(axis=1).min() > 0.5
    assert whole.std(axis=0).min() > 0.05
    assert np.median(errors(prefix, whole[:5])) < 1e-3, "a position must not see what follows"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_can_be_written_without_a_block(tmp_path: Path, arch: str) -> None:
    (whole,) = native_logits(write_tiny(tmp_path / "m.gguf", arch), TOKENS)
    (short,) = native_logits(write_tiny(tmp_path / "s.gguf", arch, skip_blocks=(2,)), TOKENS)
    assert errors(short, whole).max() > 0.01


@pytest.mark.parametrize("kind", ["bpe", "spm"])
def test_any_text_can_be_tokenised(tmp_path: Path, kind: str) -> None:
    path = write_tiny(tmp_path / "m.gguf", tokenizer=kind)
    text = "the river is 12 <unk>\n\tnaïve? ไทย 中文 🙂 " + "".join(map(chr, range(1, 128)))
    tokens = tokenised(path, text)
    assert spelled(path, tokens).removeprefix(b" ").decode() == text
    assert len(tokens) < len(text.encode()), "no word of its own vocabulary was found"


@pytest.mark.parametrize(("kind", "bos", "control"), [("bpe", [], 1), ("spm", [1], 3)])
def test_bos_and_control_tokens(tmp_path: Path, kind: str, bos: list[int], control: int) -> None:
    path = write_tiny(tmp_path / "m.gguf", tokenizer=kind)
    assert control not in tokenised(path, "the<|im_start|>the", bos=True)
    parsed = tokenised(path, "the<|im_start|>the", bos=True, special=True)
    assert parsed[: len(bos)] == bos
    assert parsed.count(control) == 1
    assert spelled(path, [control]) == b"<|im_start|>"
    other = write_tiny(tmp_path / "o.gguf", tokenizer=kind, add_bos=not bos)
    assert (tokenised(other, "the", bos=True)[0] == 1) is not bool(bos)


def test_an_option_can_merge_with_the_end_of_its_prompt(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf")
    joint = tokenised(path, "A: until")
    assert joint != tokenised(path, "A: un") + tokenised(path, "til")


def test_a_file_is_decided_by_its_options(tmp_path: Path) -> None:
    first, again, other = (
        write_tiny(tmp_path / name, seed=seed).read_bytes()
        for name, seed in [("a.gguf", 0), ("b.gguf", 0), ("c.gguf", 1)]
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "nonesuch"}, "nonesuch"),
        ({"quant": "Q4_K"}, "Q4_K"),
        ({"tokenizer": "wpm"}, "wpm"),
        ({"arch": "gemma2", "tied": False}, "always tied"),
        ({"arch": "phi2", "tied": True}, "never tied"),
        ({"skip_blocks": (1, 2, 3)}, "must leave some"),
        ({"skip_blocks": (0,)}, "must leave some"),
        ({"zeroed": ("blk.9.ffn_up.weight",)}, "no tensor"),
        ({"n_vocab": 100}, "below the 259"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_tiny(tmp_path / "m.gguf", **options)
