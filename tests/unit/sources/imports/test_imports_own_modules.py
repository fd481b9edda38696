"""Which modules are the project's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from conda_pack.sources.imports.scanning import scan


def outside(work: Path, files: dict[str, str], *paths: str) -> list[str]:
    """What the files import from elsewhere."""
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    return [each.text for each in scan([str(work / path) for path in (paths or ("",))]).imports]


@pytest.mark.parametrize(
    ("files", "paths", "expected"),
    [
        # beside the file, and packages beside it
        ({"a.py": "import b, c, d", "b.py": "", "c/__init__.py": ""}, ["a.py"], ["d"]),
        # also what shadows something known
        ({"a.py": "import numpy", "numpy.py": ""}, ["a.py"], []),
        # compiled
        ({"a.py": "import b, c, d", "b.abi3.so": "", "c.pyx": "", "d.cp311-win_amd64.pyd": ""}, [], []),
        # the package of the file, from within it
        (
            {"p/__init__.py": "", "p/q/__init__.py": "", "p/q/a.py": "import p.q.b, other"},
            ["p/q/a.py"],
            ["other"],
        ),
        # at the root of the folder, from deep within
        (
            {"tests/sub/test_a.py": "import helpers, app", "tests/helpers.py": "", "app/__init__.py": ""},
            [],
            [],
        ),
        # src
        ({"src/app/__init__.py": "", "run.py": "import app"}, ["run.py"], []),
        # a project's folder above
        ({"pyproject.toml": "", "app/__init__.py": "", "tests/unit/a.py": "import app, x"}, ["tests"], ["x"]),
        ({"setup.py": "", "src/app/__init__.py": "", "tests/unit/a.py": "import app, x"}, ["tests"], ["x"]),
        # nothing is above without one
        ({"app/__init__.py": "", "tests/unit/a.py": "import app, x"}, ["tests"], ["app", "x"]),
        # what it declares
        ({"pyproject.toml": "[project]\nname = 'My-app'", "tests/a.py": "import My_app"}, ["tests"], []),
        (
            {
                "pyproject.toml": "[tool.setuptools.packages.find]\nwhere = ['code']",
                "code/app.py": "",
                "t/a.py": "import app",
            },
            ["t"],
            [],
        ),
        (
            {
                "pyproject.toml": "[tool.hatch.build.targets.wheel]\npackages = ['x/app']",
                "a.py": "import app",
            },
            [],
            [],
        ),
        (
            {
                "pyproject.toml": "[tool.poetry]\npackages = [{include = 'app', from = 'l'}]",
                "a.py": "import app",
            },
            [],
            [],
        ),
        ({"pyproject.toml": "[", "a.py": "import app"}, [], ["app"]),
        # a namespace shared with others
        (
            {
                "google/cloud/mine/x.py": "",
                "a.py": "import google.cloud.mine\nfrom google.cloud import storage, mine",
            },
            [],
            ["google.cloud.storage"],
        ),
        (
            {"google/own.py": "", "a.py": "from google import own\nimport google.protobuf, google"},
            [],
            ["google", "google.protobuf"],
        ),
        # a folder without __init__.py
        ({"tools/x.py": "", "a.py": "import tools, tools.x, tools.y"}, [], ["tools.y"]),
        ({"yaml/x.py": "", "a.py": "import yaml, yaml.x"}, [], ["yaml"]),
        ({"data/x.csv": "", "a.py": "import data"}, [], ["data"]),
        # neighbours within a package: only unless a package is known by that name
        ({"p/__init__.py": "", "p/a.py": "import b, yaml", "p/b.py": "", "p/yaml.py": ""}, [], ["yaml"]),
        # a package of the folder itself
        ({"p/__init__.py": "", "p/a.py": "import p.b"}, ["p"], []),
    ],
)
def test_own(files: dict[str, str], paths: list[str], expected: list[str], work: Path) -> None:
    assert expected == outside(work, files, *paths)


def test_what_a_folder_leaves_out(work: Path) -> None:
    text = "import {}"
    left = ["__pycache__", ".git", "build", "dist", "node_modules", "x.egg-info", "env", "venv", "c"]
    for name in [*left, "src", "pkg/build"]:
        (work / name).mkdir(parents=True)
        (work / name / "a.py").write_text(
            text.format("in_" + name.strip("._").replace(".", "_").replace("/", "_"))
        )
    (work / "env" / "pyvenv.cfg").write_text("")
    (work / "venv" / "conda-meta").mkdir()
    (work / "c" / "pyvenv.cfg").write_text("")
    (work / "pkg" / "build" / "__init__.py").write_text("")
    (work / ".a.py").write_text("import hidden")
    assert [each.text for each in scan([str(work)]).imports] == ["in_pkg_build", "in_src"]
    # what is named is read
    assert [each.text for each in scan([str(work / "build")]).imports] == ["in_build"]


def test_each_file_once(work: Path) -> None:
    (work / "a.py").write_text("import numpy")
    found = scan([str(work / "a.py"), str(work), f"{work}/."])
    assert (1, [f"{work}/a.py:1"]) == (len(found.files), [place.text for place in found.imports[0].places])
