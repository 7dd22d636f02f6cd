"""The records of what a model's files say of it; how they are read is `read`'s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from llprobe.errors import ModelFileError
from llprobe.model.header import read_header
from llprobe.model.metadata import Metadata
from llprobe.model.vocabulary import tokenizer_remarks

__all__ = ["ModelInfo", "Origin", "TensorClass"]

Origin: TypeAlias = Literal["catalog", "quantized", "hub", "path"]


@dataclass(frozen=True)
class TensorClass:
    """The tensors of one kind, e.g. all of attention's."""

    name: str
    """`embedding`, `attention`, `feed-forward`, `norm`, `output` or `other`."""
    types: tuple[tuple[str, int], ...]
    """Storage type and how many tensors have it, the most frequent first."""
    n_params: int
    """Weights."""
    nbytes: int
    """Bytes."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model's files say of it, checked; picklable, and nothing is held open."""

    name: str
    """As the user knows it: catalog name, `NAME:QUANT`, hub reference, or the file's stem."""
    origin: Origin
    """Where the name comes from."""
    paths: tuple[Path, ...]
    """The file, or all parts of a split model in order."""
    architecture: str
    """llama.cpp's name of it."""
    general_name: str
    """The file's own name for the model; empty if it gives none."""
    n_layers: int
    """Blocks."""
    n_embd: int
    """Width of the hidden state."""
    n_vocab: int
    """Tokens."""
    n_ctx_train: int
    """Context in tokens that it was trained for."""
    n_heads: int
    """Attention heads (of the layer that has most)."""
    n_heads_kv: int
    """Key-value heads (of the layer that has most)."""
    n_params: int
    """Weights in all tensors."""
    file_bytes: int
    """Of all parts."""
    quant: str
    """llama.cpp's name of the recipe, else the type that most block weights have."""
    tensor_classes: tuple[TensorClass, ...]
    """Storage per kind of tensor; kinds that do not occur are left out."""
    bits_per_weight: float
    """Measured over all tensors."""
    block_bits_per_weight: float
    """Measured over the matrices in the blocks."""
    has_chat_template: bool
    """Whether the file carries one (untrusted text)."""
    tied_output: bool
    """Whether the embedding serves as the output matrix."""
    fingerprint: str
    """sha256 in hex, see `fingerprint_of`."""
    n_ff: int = 0
    """Width of a block's feed-forward, of all experts of a token together; 0 = not known."""
    n_cached: int = 0
    """Keys and values that a token leaves in the caches of all layers; 0 = not known."""

    def remarks(self) -> tuple[str, ...]:
        """Say what a reader of its scores must know of its files, a sentence each; none as a rule.

        Raises ModelFileError where the files cannot be read (any more).
        """
        path = self.paths[0]
        return tokenizer_remarks(Metadata(path, read_header(path).metadata))

    def read_tensor(self, name: str) -> npt.NDArray[np.uint8]:
        """Return a tensor's bytes as they stand in the file, (nbytes,).

        Raises ModelFileError where the files have no such tensor (any more).
        """
        for path in self.paths:
            for tensor in read_header(path).tensors:
                if tensor.name == name:
                    return np.fromfile(path, np.uint8, tensor.nbytes, offset=tensor.offset)
        raise ModelFileError(f"{self.paths[0]} has no tensor {name!r}")
