"""The way of the data, kept: which part may import which.

    environment → plan → segments → archives       (packing and unpacking join them, cli calls api)

``relocation`` and ``runtime`` hold the rules that segments (into the archive)
and archives (out of it) apply.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conda_pack.runtime.files import _SHIPPED

PACKAGE = Path(__file__).parent.parent / "src" / "conda_pack"

#: Each part and the parts that it may import besides itself.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "paths": set(),
    "progress": set(),
    "digests": set(),
    "runtime": {"model"},
    "relocation": {"model", "runtime"},
    "environment": {"errors", "model", "paths"},
    "plan": {"errors", "model", "paths"},
    "segments": {"errors", "model", "progress", "relocation", "runtime"},
    "archives": {"errors", "model", "paths", "progress", "runtime", "segments"},
    "options": {"errors", "model", "archives"},
    "results": set(),
    "estimating": {"model", "results", "segments", "archives"},
    "previewing": {
        *("errors", "model", "results", "environment", "relocation", "segments", "archives"),
        "estimating",
    },
    "packing": {"model", "progress", "relocation", "segments", "archives"},
    "unpacking": {"errors", "progress", "results", "runtime", "segments", "archives"},
    "selection": {"errors", "model", "progress", "environment", "options", "plan"},
    "preparing": {"model", "runtime", "archives", "options", "plan", "segments", "selection"},
    "api": {
        *("progress", "archives", "options", "packing", "plan", "preparing"),
        *("previewing", "results", "selection", "unpacking"),
        "cli",  # only the reporter, and only when the caller asks for progress
    },
    "packages": {
        *("errors", "model", "paths", "progress", "environment", "plan"),
        *("relocation", "runtime"),  # what is a prefix, and what installers write in its place
        *("archives", "segments"),  # files that appear when they are whole; how many workers
    },
    "sources": {
        *("digests", "errors", "model", "paths", "progress"),
        *("environment", "archives", "segments", "runtime"),  # what is in environments and archives
    },
    "packs": {"digests", "errors", "runtime"},
    "creating": {
        *("api", "archives", "digests", "errors", "options", "packs", "progress", "results", "sources"),
        "unpacking",
    },
    "cli": {
        *("api", "archives", "conda_pack", "errors", "model", "options", "packages", "results", "runtime"),
        *("creating", "packs", "sources", "unpacking"),
    },
    "conda_plugin": {"cli"},
    "conda_pack": {"api", "errors", "runtime", "unpacking"},
    "__main__": {"cli"},
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _part(module: Path) -> str:
    relative = module.relative_to(PACKAGE)
    name = relative.parts[0].removesuffix(".py")
    return "conda_pack" if name == "__init__" else name


def _imports(module: Path) -> Iterator[str]:
    """Every module that is imported, wherever in the file."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide where the data goes"
            if node.module == "conda_pack":
                parts = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
                names = [alias.name for alias in node.names]
                yield from (f"conda_pack.{name}" if name in parts else "conda_pack" for name in names)
            else:
                yield node.module or ""


def _own_parts(module: Path) -> set[str]:
    parts = set()
    for name in _imports(module):
        if name.split(".")[0] == "conda_pack":
            parts.add(name.split(".")[1] if "." in name else "conda_pack")
    return parts


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_way_of_the_data(module: Path) -> None:
    """A module imports its own part and those that its part may know."""
    part = _part(module)
    assert _own_parts(module) - {part} - ALLOWED[part] == set()


def test_every_part_has_its_rule() -> None:
    """A new folder or module at the top needs a line in the table above."""
    assert {_part(module) for module in _modules()} == set(ALLOWED)


@pytest.mark.parametrize("name", _SHIPPED)
def test_what_ships_needs_the_standard_library_alone(name: str) -> None:
    """bin/conda-unpack runs where nothing is installed."""
    shipped = {f"conda_pack.runtime.{module.removesuffix('.py')}" for module in _SHIPPED}
    imported = set(_imports(PACKAGE / "runtime" / name)) - shipped
    assert {module.split(".")[0] for module in imported} - set(sys.stdlib_module_names) == set()


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_platform_is_a_value(module: Path) -> None:
    """Nothing asks which system it runs on: rules of other platforms are tested on this one."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    asked = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert {"sys.platform", "os.name", "platform.system"} & set(asked) == set()


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(module: Path) -> None:
    """Everything below the command line tells through a reporter, an exception or a result."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in calls or _part(module) == "cli"


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_are_small(module: Path) -> None:
    """A module of more than 400 lines hides another."""
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400
