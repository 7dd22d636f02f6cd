"""What is installed, what is exported, and who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import llprobe
from llprobe import errors

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MAPPED = {"models": "llprobe.models", "tasks": "llprobe.tasks", "tui": "llprobe.tui"}


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_every_package_folder_is_listed_so_that_the_wheel_has_it() -> None:
    found = set()
    for top in ("llprobe", *MAPPED):
        for init in (ROOT / top).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            found.add(MAPPED.get(top, top) + dotted.removeprefix(top))
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_exports_are_exact() -> None:
    assert dir(llprobe) == llprobe.__all__
    assert all(getattr(llprobe, name) for name in llprobe.__all__)
    assert not hasattr(llprobe, "no_such_name")
    assert sorted(llprobe.__all__) == llprobe.__all__


_FIRST = """
import builtins, sys
real, seen = builtins.__import__, []
def note(name, *rest, **more):
    seen.append(name.partition(".")[0])
    return real(name, *rest, **more)
builtins.__import__ = note
import {module}
assert seen.index("llama_cpp") < seen.index("numpy"), seen
"""


@pytest.mark.parametrize("module", ["llprobe.worker", "llprobe.api"])
def test_llama_cpp_is_imported_before_numpy(module: str) -> None:
    subprocess.run([sys.executable, "-c", _FIRST.format(module=module)], check=True)


def test_every_error_can_be_caught_from_the_top() -> None:
    assert set(errors.__all__) <= set(llprobe.__all__)
    assert all(name in (errors.__doc__ or "") for name in errors.__all__)


@pytest.mark.parametrize("path", _modules("llprobe"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_names_no_mapped_package_in_an_import(path: Path) -> None:
    assert not [name for name in _imports(path) if name.startswith(tuple(MAPPED.values()))]


@pytest.mark.parametrize(
    "path", [p for top in ("llprobe", "tasks", "models") for p in _modules(top)],
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_native_code_and_sql_have_one_door_each(path: Path) -> None:
    where, names = path.relative_to(ROOT).as_posix(), _imports(path)
    # these two are who reaches the engine, and import llama_cpp before numpy
    if where in {"llprobe/api.py", "llprobe/worker.py"}:
        assert "llama_cpp" in names
    elif not where.startswith("llprobe/engine/"):
        assert not [n for n in names if n.split(".")[0] in ("llama_cpp", "ctypes")]
    if not where.startswith("llprobe/store/"):
        assert "sqlite3" not in names


@pytest.mark.parametrize(
    "path", [p for top in ("llprobe", "tasks", "models") for p in _modules(top)],
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_every_module_says_what_it_is_for_and_stays_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 350
