"""What llprobe knows of a model before a file of it is opened.

`entries` are the known models (`models/catalog.yaml`), `references` what a model reference means
as text, `places` where in llprobe's cache a file belongs. This package opens no GGUF file and no
connection: it does not know whether a model is here (`llprobe.fetch`) nor what is in it
(`llprobe.model`).
"""

from __future__ import annotations

from llprobe.catalog.entries import (
    CatalogEntry,
    CatalogFile,
    catalog,
    default_model,
    find_entry,
)
from llprobe.catalog.places import cache_dir, ladder_files, ladder_path
from llprobe.catalog.references import Named, named_file, parse_ref, pick_files, split_parts

__all__ = [
    "CatalogEntry",
    "CatalogFile",
    "Named",
    "cache_dir",
    "catalog",
    "default_model",
    "find_entry",
    "ladder_files",
    "ladder_path",
    "named_file",
    "parse_ref",
    "pick_files",
    "split_parts",
]
