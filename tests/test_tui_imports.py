"""The terminal interface keeps to its side: what it imports, and what that brings with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUI = sorted((ROOT / "tui").rglob("*.py"))

# A crash of llama.cpp must end a child, never the interface; the store is the one door to SQL; the
# command line is the other front end, and what both need is the core's.
FORBIDDEN = ("llprobe.engine", "llprobe.worker", "llprobe.cli", "llama_cpp", "ctypes", "sqlite3")
NEVER_LOADED = ("llprobe.engine", "llprobe.worker", "llprobe.cli", "llama_cpp", "typer")

_LOADED = """
import importlib, sys
for name in sys.argv[1].split():
    importlib.import_module(name)
print(*sys.modules)
"""


def named(path: Path) -> set[str]:
    """Give the absolute names that a module imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("llprobe", *(part for part in parts if part != "__init__")))


@pytest.mark.parametrize("path", TUI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_interface_imports_neither_engine_nor_command_line(path: Path) -> None:
    assert [name for name in named(path) if within(name, FORBIDDEN)] == []


@pytest.mark.parametrize("path", TUI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_interface_names_its_own_modules_relatively(path: Path) -> None:
    assert [name for name in named(path) if within(name, ("llprobe.tui",))] == []


def test_nothing_that_the_interface_imports_brings_them_in() -> None:
    names = " ".join(map(module, TUI))
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, names], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert module(ROOT / "tui" / "app.py") in loaded
    assert [name for name in loaded if within(name, NEVER_LOADED)] == []
