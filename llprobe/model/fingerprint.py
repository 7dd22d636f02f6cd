"""A sha256 that tells model files apart, in a fraction of the time that reading them takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llprobe.errors import ModelFileError
from llprobe.model.header import Header

__all__ = ["fingerprint_of"]

_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = 64 << 10


def fingerprint_of(paths: Sequence[Path], headers: Sequence[Header]) -> str:
    """Return a sha256 in hex that tells models apart without reading all of them.

    It covers of each part the length, the whole header, and 64 evenly spaced blocks of 64 KiB
    of the weights: a fraction of a second for 40 GB. All of the weights where they are no more
    than that; in larger files a change that spares every block is not seen.
    """
    digest = hashlib.sha256()
    for path, header in zip(paths, headers, strict=True):
        digest.update(header.file_bytes.to_bytes(8, "little"))
        last = max(header.file_bytes - _SAMPLE_BYTES - header.header_bytes, 0)
        starts = {header.header_bytes + last * i // (_SAMPLES - 1) for i in range(_SAMPLES)}
        try:
            with path.open("rb") as file:
                digest.update(file.read(header.header_bytes))
                for start in sorted(starts):
                    file.seek(start)
                    digest.update(file.read(_SAMPLE_BYTES))
        except OSError as error:
            raise ModelFileError(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()
