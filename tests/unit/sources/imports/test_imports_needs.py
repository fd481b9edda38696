"""What a scan comes to on a platform."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from conda_pack.sources.imports.model import Versions
from conda_pack.sources.imports.needs import Needs, needs
from conda_pack.sources.imports.scanning import scan


def needs_of(
    work: Path,
    text: str,
    overrides: Mapping[str, str] | None = None,
    platform: str = "linux-64",
    python: Versions | None = None,
) -> Needs:
    (work / "a.py").write_text(text)
    found = scan([str(work / "a.py")])
    assert found.problems == ()
    return needs(found, overrides or {}, platform, python)


def kinds(found: Needs) -> dict[str, list[str]]:
    parts = ("required", "conditional", "optional", "unresolved", "type_checking")
    named = {part: [need.name for need in getattr(found, part)] for part in parts}
    return {part: names for part, names in named.items() if names}


TEXT = """\
import sys, os, distutils
import yaml, sklearn, own_thing
if sys.platform == "win32":
    import win32api
elif sys.platform == "darwin":
    import objc_thing
else:
    import psutil
if os.environ.get("PLOT"):
    import matplotlib
try:
    import numba
except ImportError:
    numba = None
if TYPE_CHECKING:
    import pandas
"""


def test_by_platform(work: Path) -> None:
    same = {"conditional": ["matplotlib-base"], "optional": ["numba"], "type_checking": ["pandas"]}
    required = ["pyyaml", "scikit-learn"]
    assert {
        "linux-64": {"required": ["psutil", *required], "unresolved": ["own-thing"]} | same,
        "osx-arm64": {"required": required, "unresolved": ["objc-thing", "own-thing"]} | same,
        "win-64": {"required": ["pywin32", "pyyaml", "scikit-learn"], "unresolved": ["own-thing"]} | same,
    } == {
        platform: kinds(needs_of(work, TEXT, platform=platform))
        for platform in ("linux-64", "osx-arm64", "win-64")
    }


def test_no_condition_where_one_place_has_none(work: Path) -> None:
    text = (
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import numpy\n"
        "    if x:\n        import numpy\n"
    )
    (need,) = needs_of(work, text).optional
    assert [(each.condition, [place.line for place in each.places]) for each in need.imports] == [
        (None, [3, 5])
    ]


def test_specs_and_modules(work: Path) -> None:
    found = needs_of(work, TEXT)
    required = ["own-thing", "psutil", "pyyaml", "scikit-learn"]
    assert ["python <3.12", *required] == found.specs()
    assert ["python <3.12", "matplotlib-base", "numba", *required] == found.specs(with_optional=True)
    modules = [("own_thing", None), ("psutil", None), ("sklearn", None), ("yaml", None)]
    assert modules == found.modules()
    assert sorted([*modules, ("matplotlib", None), ("numba", None)]) == found.modules(with_optional=True)


def test_a_package_is_of_its_strongest_kind(work: Path) -> None:
    """And is proved by the imports of that kind alone."""
    text = "import numpy\ntry:\n    import numpy.gone\nexcept ImportError:\n    pass\nfrom numpy import array"
    found = needs_of(work, text)
    assert kinds(found) == {"required": ["numpy"]}
    assert found.modules() == [("numpy", None), ("numpy", "array")]


def test_the_same_import_in_several_kinds(work: Path) -> None:
    text = (
        "try:\n    import numpy\nexcept ImportError:\n    pass\n"
        "if x:\n    import numpy\nif y:\n    import numpy"
    )
    (need,) = needs_of(work, text).conditional
    assert [(each.text, each.condition, [place.line for place in each.places]) for each in need.imports] == [
        ("numpy", "(x) or (y)", [6, 8])
    ]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("import tomllib", "python >=3.11"),
        ("from importlib import metadata", "python >=3.8"),
        ("import distutils.core", "python <3.12"),
        ("import distutils.core, setuptools", "python"),
        ("import asyncore\nmatch x:\n    case 1: pass", "python >=3.10,<3.12"),
        ("try:\n    import tomllib\nexcept ImportError:\n    pass", "python"),
        ("import sys\nif sys.version_info >= (3, 11):\n    import tomllib", "python"),
        ("import sys\nif sys.platform == 'linux':\n    import tomllib", "python >=3.11"),
        ("import sys\nif sys.platform == 'win32':\n    import tomllib", "python"),
        # one bound decides the condition of another
        ("import sys, graphlib\nif sys.version_info >= (3, 9):\n    import tomllib", "python >=3.11"),
        ("if TYPE_CHECKING:\n    import tomllib", "python"),
        ("import json", "python"),
    ],
)
def test_python(text: str, spec: str, work: Path) -> None:
    assert spec == needs_of(work, text).python.spec


def test_conditions_that_the_python_decides(work: Path) -> None:
    text = "import sys\nif sys.version_info < (3, 11):\n    import tomli\n"
    assert kinds(needs_of(work, text)) == {"conditional": ["tomli"]}
    assert kinds(needs_of(work, text + "import tomllib")) == {}
    assert kinds(needs_of(work, text, python=Versions((3, 10), (3, 11)))) == {"required": ["tomli"]}
    assert kinds(needs_of(work, text, python=Versions((3, 11), (3, 12)))) == {}


def test_no_python_fits(work: Path) -> None:
    found = needs_of(work, "import imp\ntry: pass\nexcept ImportError: pass\nimport tomllib, annotationlib")
    assert (
        found.python.is_empty,
        sorted(bound.what for bound in found.bounds),
    ) == (True, ["the module annotationlib", "the module imp"])


def test_overrides(work: Path) -> None:
    """An empty package leaves an import out; a module of an older standard library may have a package."""
    text = "import yaml, settings, models, distutils"
    found = needs_of(work, text, {"settings": "", "models": "our-models", "distutils": "setuptools"})
    assert (
        kinds(found),
        found.python.spec,
    ) == ({"required": ["our-models", "pyyaml", "setuptools"]}, "python")
