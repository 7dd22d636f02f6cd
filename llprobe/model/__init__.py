"""Which model a reference stands for, and what its GGUF files say of it.

    header <- info <- read <- lookup <- shelf

`header` reads one file's header, `read` makes a checked `ModelInfo` of it, `lookup` finds the
file that a reference stands for, `shelf` lists and removes models. Metadata that contradict the
tensors are an error here, because llama.cpp aborts on some of them. This package does not load
models, quantise them, or download anything itself.
"""

from __future__ import annotations

from llprobe.catalog import cache_dir
from llprobe.model.architectures import UNSUPPORTED
from llprobe.model.fingerprint import fingerprint_of
from llprobe.model.info import ModelInfo, TensorClass
from llprobe.model.lookup import quant_path, resolve
from llprobe.model.read import read_model
from llprobe.model.shelf import ListedModel, Removed, list_models, remove
from llprobe.model.storage import fallbacks

__all__ = [
    "UNSUPPORTED",
    "ListedModel",
    "ModelInfo",
    "Removed",
    "TensorClass",
    "cache_dir",
    "fallbacks",
    "fingerprint_of",
    "list_models",
    "quant_path",
    "read_model",
    "remove",
    "resolve",
]
