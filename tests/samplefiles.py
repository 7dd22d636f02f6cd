"""The published samples and the golden numbers, which lie beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["shared"]

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(*parts: str) -> Path:
    """Give the path of one of them; the test is skipped where it is missing."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"NOT CHECKED: {'/'.join(parts)} is missing beside the repository")
    return path
