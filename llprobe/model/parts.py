"""The parts of a split model, and whether they belong together; not what the model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gguf.constants import Keys

from llprobe.catalog import split_parts
from llprobe.errors import ModelFileError
from llprobe.model.header import Header, read_header
from llprobe.model.metadata import show

__all__ = ["read_parts"]


def read_parts(path: Path) -> tuple[tuple[Path, ...], tuple[Header, ...]]:
    """Return all parts of the model that `path` is, or is a part of, with their headers."""
    header = read_header(path)
    count = header.metadata.get(Keys.Split.LLM_KV_SPLIT_COUNT, 1)
    if count in {0, 1}:
        return (path,), (header,)
    names = split_parts(path.name)
    if names is None or len(names) != count:
        raise ModelFileError(
            f"{path} is a part of a model in {count!r} parts, but is not named as one; give the "
            "parts their names back (NAME-00001-of-00003.gguf)"
        )
    paths = tuple(path.with_name(name) for name in names)
    for number, part in enumerate(paths, 1):
        if not part.exists():
            raise ModelFileError(
                f"{path} is in {count} parts, and part {number} is missing: {part}"
            )
    headers = tuple(read_header(part) for part in paths)
    _check_parts(paths, headers)
    return paths, headers


def _check_parts(paths: Sequence[Path], headers: Sequence[Header]) -> None:
    for number, (path, header) in enumerate(zip(paths, headers, strict=True)):
        meta = header.metadata
        no, count = meta.get(Keys.Split.LLM_KV_SPLIT_NO), meta.get(Keys.Split.LLM_KV_SPLIT_COUNT)
        if (no, count) != (number, len(paths)):
            raise ModelFileError(
                f"{path} is not part {number + 1} of {len(paths)}: its metadata have "
                f"split.no {show(no)} (from 0) and split.count {show(count)}"
            )
    names = [tensor.name for header in headers for tensor in header.tensors]
    total = headers[0].metadata.get(Keys.Split.LLM_KV_SPLIT_TENSORS_COUNT)
    if len(set(names)) != len(names) or total not in {None, len(names)}:
        raise ModelFileError(
            f"{paths[0]}: its parts do not belong together: {len(set(names))} different tensors "
            f"in {len(names)}, and metadata for {show(total)}"
        )
