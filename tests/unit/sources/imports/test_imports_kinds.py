"""Which imports are found, of which kind, and under which condition."""

from __future__ import annotations

import ast

import pytest

from conda_pack.sources.imports.statements import Found, Reader


def found(text: str) -> list[tuple[str, str, str | None]]:
    """(import, kind, condition) of each import of the text, in its order."""
    reader = Reader()
    reader.read(ast.parse(text), text)
    return [(_name(each), each.kind, each.condition) for each in reader.found]


def _name(each: Found) -> str:
    return each.module if each.name is None else f"{each.module}.{each.name}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a, b.c as d", ["a", "b.c"]),
        ("from a.b import c as d, e", ["a.b.c", "a.b.e"]),
        ("from a import *", ["a"]),
        ("from . import a\nfrom .b import c\nfrom .. import d", []),
        ("def f():\n    class A:\n        import a", ["a"]),
        ("async def f():\n    async with b:\n        import a", ["a"]),
        ("for x in y:\n    import a\nelse:\n    import b", ["a", "b"]),
        ("while x:\n    import a\nelse:\n    import b", ["a", "b"]),
        ("with x:\n    import a", ["a"]),
        ("import importlib as i\ni.import_module('a.b')", ["importlib", "a.b"]),
        ("from importlib import import_module as i\nx = [i('a')]", ["importlib.import_module", "a"]),
        ("def f(x=__import__('a')):\n    return __import__('b')", ["a", "b"]),
        ("import importlib\nimportlib.import_module('.a')\nimportlib.import_module(a)", ["importlib"]),
        ("other.import_module('a')", []),
    ],
)
def test_found(text: str, names: list[str]) -> None:
    assert [(name, "required", None) for name in names] == found(text)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("try:\n    import a\nexcept ImportError:\n    import b", "optional optional"),
        ("try:\n    import a\nexcept ModuleNotFoundError:\n    a = None", "optional"),
        ("try:\n    import a\nexcept (OSError, ImportError):\n    a = None", "optional"),
        ("try:\n    import a\nexcept:\n    a = None", "optional"),
        ("try:\n    import a\nexcept Exception:\n    a = None\nelse:\n    import b", "optional optional"),
        (
            "try:\n    import a\nexcept OSError:\n    import b\nfinally:\n    import c",
            "required required required",
        ),
        ("def f():\n    try:\n        import a\n    except OSError:\n        import b", "required required"),
        ("try:\n    pass\nexcept ImportError:\n    import a\nfinally:\n    import b", "optional required"),
        # whoever ends without a module needs it; in a function that is how an option fails
        ("try:\n    import a\nexcept ImportError as e:\n    raise SystemExit('have a') from e", "required"),
        ("import sys\ntry:\n    import a\nexcept ImportError:\n    sys.exit(1)", "required required"),
        (
            "def f():\n    try:\n        import a\n    except ImportError:\n        raise ValueError",
            "optional",
        ),
        (
            "try:\n    import a\nexcept ImportError:\n    try:\n        import b\n"
            "    except ImportError:\n        raise",
            "optional optional",
        ),
        ("import contextlib\nwith contextlib.suppress(ImportError):\n    import a", "required optional"),
        (
            "from contextlib import suppress as s\nwith s(OSError, ImportError):\n    import a",
            "required optional",
        ),
        ("import contextlib\nwith contextlib.suppress(OSError):\n    import a", "required required"),
        ("import pytest\nnp = pytest.importorskip('a')", "required optional"),
        ("try:\n    a = __import__('a')\nexcept ImportError:\n    a = None", "optional"),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", "type_checking required"),
        ("import typing as t\nif t.TYPE_CHECKING:\n    import a", "required type_checking"),
        ("from typing import TYPE_CHECKING as T\nif T and x:\n    import a", "required type_checking"),
        ("if not TYPE_CHECKING:\n    import a\nelse:\n    import b", "required type_checking"),
        (
            "if False:\n    import a\nif 0:\n    import b\nif 1:\n    import c",
            "type_checking type_checking required",
        ),
        (
            "if TYPE_CHECKING:\n    try:\n        import a\n    except ImportError:\n        pass",
            "type_checking",
        ),
        ("if __name__ == '__main__':\n    import a", "required"),
    ],
)
def test_kinds(text: str, kinds: str) -> None:
    assert [(kind, None) for kind in kinds.split()] == [each[1:] for each in found(text)]


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("import sys as s\nif s.platform == 'win32':\n    import a\nelse:\n    import b",
         [None, "sys.platform == 'win32'", "sys.platform != 'win32'"]),
        ("from sys import platform\nif not platform.startswith('win'):\n    import a",
         [None, "not sys.platform.startswith('win')"]),
        ("if a:\n    import a\nelif b:\n    import b\nelse:\n    import c",
         ["a", "not a and b", "not a and (not b)"]),
        ("import sys\nW = sys.platform == 'win32'\nif W:\n    import a",
         [None, "sys.platform == 'win32'"]),
        ("import sys\nW = sys.platform == 'win32'\nW = x\nif W:\n    import a", [None, "W"]),
        ("import os\nif os.name == 'nt':\n    import a\n    raise SystemExit\nimport b",
         [None, "os.name == 'nt'", "os.name != 'nt'"]),
        ("def f(x):\n    if not x:\n        return\n    import a", [None]),
        ("import sys\nif sys.version_info < (3, 8):\n    sys.exit(1)\nimport a", [None, None]),
        ("match sys.platform:\n    case 'win32':\n        import a\n    case _:\n        import b",
         ["sys.platform == 'win32'", "sys.platform != 'win32'"]),
        ("match x:\n    case [y]:\n        import a", ["match x: case [y]"]),
        ("if x and TYPE_CHECKING or y:\n    import a", ["x and TYPE_CHECKING or y"]),
    ],
)  # fmt: skip
def test_conditions(text: str, conditions: list[str | None]) -> None:
    assert conditions == [condition for _, _, condition in found(text)]


def test_many_conditions() -> None:
    """A long chain of elif is no reason for a long condition."""
    text = "if a0: pass\n" + "\n".join(f"elif a{n}: import b{n}" for n in range(1, 100))
    assert (
        (found(text)[-1][2])
        == "not a92 and (not a93) and (not a94) and (not a95) and (not a96) and (not a97) and (not a98) "
        "and a99"
    )


def test_names_are_shared_among_the_cells_of_a_notebook() -> None:
    reader = Reader()
    for text in ("import sys as s", "if s.platform == 'linux':\n    import a"):
        reader.read(ast.parse(text), text)
    assert reader.found[-1].condition == "sys.platform == 'linux'"
