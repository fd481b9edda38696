"""Editable installs: how they are recognised, and what becomes of each when its code is copied."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from conda_pack.environment.editable import IGNORE_EDITABLE, finder_mapping, finders_in
from conda_pack.environment.findings import find
from conda_pack.environment.materialise import materialise
from conda_pack.environment.modules import find_modules, module_paths
from conda_pack.environment.scan import scan
from conda_pack.model import DiskFile, Environment, Platform, Severity

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A project with a package, whose tests lie beside it."""
    folder = tmp_path / "project"
    for path in (
        *("pyproject.toml", "setup.py", "README.md", "tests/__init__.py", "build/lib/tool/__init__.py"),
        *("tool/__init__.py", "tool/data.txt", "tool/build/x.py", "tool/__pycache__/x.pyc", "tool/.git/HEAD"),
        *(
            "tool/_fast.cpython-311-x86_64-linux-gnu.so",
            "alone.py",
            "quick.abi3.so",
            "tool.egg-info/PKG-INFO",
        ),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "tool/link.txt").symlink_to("data.txt")
    (folder / "tool/again").symlink_to(folder / "tool")
    return folder


TOOL = (
    *("tool/__init__.py", "tool/_fast.cpython-311-x86_64-linux-gnu.so", "tool/build/x.py"),
    *("tool/data.txt", "tool/link.txt"),
)


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def environment(folder: Path, files: Mapping[str, str]) -> Environment:
    """On disk, with these files in site-packages."""
    prefix = folder / "env"
    write(prefix / SITE, files)
    found = Environment(
        prefix=str(prefix),
        prefixes=(os.fsencode(prefix),),
        platform=Platform("linux-64"),
        site_packages=SITE,
        records=(),
        files=scan(str(prefix), (), print),
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )
    return find(found, lambda path: (prefix / path).read_bytes())


def info(name: str, source: Path, *installed: str) -> dict[str, str]:
    """The metadata of an editable install, as pip writes it."""
    folder = f"{name}-1.0.dist-info"
    listed = [*installed, f"{folder}/METADATA", f"{folder}/direct_url.json", f"{folder}/RECORD"]
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{folder}/direct_url.json": json.dumps({"dir_info": {"editable": True}, "url": source.as_uri()}),
        f"{folder}/RECORD": "".join(f"{path},,\n" for path in listed),
    }


def finder(mapping: Mapping[str, str]) -> str:
    """What counts of setuptools' import hook; to run it would be an error."""
    return (
        f"from __future__ import annotations\nMAPPING: dict[str, str] = {dict(mapping)!r}\nraise SystemExit\n"
    )


def copied(made: Environment) -> dict[str, DiskFile]:
    """What came from elsewhere, by its path in site-packages."""
    return {path[len(SITE) + 1 :]: file for path, file in made.files.items() if file.location}


def edited(made: Environment) -> dict[str, str]:
    return {
        path[len(SITE) + 1 :]: file.data.decode()
        for path, file in made.files.items()
        if file.data is not None and file.size == len(file.data)
    }


# ------------------------------------------------------------------ what is read


def test_the_mapping_of_a_finder() -> None:
    """With and without annotation; nothing is run, and nothing strange is taken."""
    assert finder_mapping(b"MAPPING = {'a': '/x/a'}") == {"a": "/x/a"}
    assert finder_mapping(finder({"a.b": "/x"}).encode()) == {"a.b": "/x"}
    for text in (
        b"",
        b"MAPPING = f()",
        b"MAPPING = [1]",
        b"MAPPING: dict",
        b"def",
        b"\0",
        b"OTHER = {'a': 'b'}",
    ):
        assert finder_mapping(text) == {}


def test_the_finders_of_a_pth() -> None:
    line = "import __editable___my_tool_1_0_finder; __editable___my_tool_1_0_finder.install()\n"
    assert set(finders_in(line)) == {"__editable___my_tool_1_0_finder.py"}
    assert finders_in(f"# {line}/x/__editable___a_finder\nimport other") == []


def test_modules_of_a_folder(source: Path, tmp_path: Path) -> None:
    """All that can be imported; in a project's own folder not what usually lies beside the code."""
    found = find_modules(str(source))
    assert {name: [Path(path).name for path in paths] for name, paths in found.items()} == {
        "alone": ["alone.py"],
        "quick": ["quick.abi3.so"],
        "tool": ["tool"],
    }
    assert list(find_modules(str(source), {"tests", "missing"})) == ["tests"]
    write(tmp_path / "src", {"tests/__init__.py": "", "name/space/x.py": "", "data/x.txt": "", "a-b.py": ""})
    assert list(find_modules(str(tmp_path / "src"))) == ["name", "tests"]


def test_where_a_module_lies(source: Path) -> None:
    """setuptools leaves the suffix out."""
    assert module_paths(f"{source}/tool") == [f"{source}/tool"]
    assert module_paths(f"{source}/alone") == [f"{source}/alone.py"] == module_paths(f"{source}/alone.py")
    assert module_paths(f"{source}/quick") == [f"{source}/quick.abi3.so"]
    assert module_paths(f"{source}/missing") == module_paths(f"{source}/missing/x") == []


def test_a_finder_alone_is_found(source: Path, tmp_path: Path) -> None:
    """Without direct_url.json, as other tools than pip install it."""
    name = "__editable___tool_finder.py"
    inside = f"{tmp_path}/env/src/tool"
    env = environment(tmp_path, {name: finder({"tool": f"{source}/tool", "other": inside})})
    (finding,) = env.findings
    assert (f"{name} ({source}/tool)",) == finding.paths
    told = info("tool", source, name)
    (finding,) = environment(tmp_path / "2", {name: finder({"tool": f"{source}/tool"}), **told}).findings
    assert (f"tool ({source})",) == finding.paths


# ------------------------------------------------------------------ what becomes of it


def test_nothing_is_editable(tmp_path: Path) -> None:
    """An environment without editable installs is as it was, and so is one without Python."""
    env = environment(tmp_path, {"a.py": "", "a.pth": "import a\n", **info("in", tmp_path / "env/src")})
    assert env == materialise(env)


def test_an_import_hook_of_setuptools(source: Path, tmp_path: Path) -> None:
    """Its modules are copied, it goes with its bytecode, and RECORD says so."""
    name = "__editable___tool_1_0_finder"
    files = {
        f"{name}.py": finder({"tool": f"{source}/tool", "deep.er.alone": f"{source}/alone"}),
        f"__pycache__/{name}.cpython-311.pyc": "",
        "__editable__.tool-1.0.pth": f"import {name}; {name}.install()\n",
    }
    made = materialise(environment(tmp_path, {**files, **info("tool", source, *files)}))
    assert made.findings == ()
    assert {*TOOL, "deep/er/alone.py"} == set(copied(made))
    assert {path: Path(file.location).read_text() for path, file in copied(made).items()} == {
        **{path: path for path in TOOL},
        "tool/link.txt": "tool/data.txt",
        "deep/er/alone.py": "alone.py",
    }
    left = {path for path in made.files if path.startswith(SITE)} - {
        f"{SITE}/{path}" for path in copied(made)
    }
    assert {f"{SITE}/tool-1.0.dist-info/{name}" for name in ("METADATA", "RECORD")} == left
    ((_, record),) = edited(made).items()
    rows = {row[0]: row[1:] for row in csv.reader(record.splitlines())}
    assert {*copied(made), "tool-1.0.dist-info/METADATA", "tool-1.0.dist-info/RECORD"} == set(rows)
    # printf tool/data.txt | sha256sum | xxd -r -p | base64
    assert rows["tool/data.txt"] == ["sha256=T_W_F3YjkYDPyHj1JXr3H3Kiwth3vhunr5BeECkIsiY", "13"]


def test_a_folder_on_the_path(source: Path, tmp_path: Path) -> None:
    """What top_level.txt names, or else everything that is no project's litter."""
    files = {"x.pth": f"# mine\n{source}\n"}
    told = {"tool-1.0.dist-info/top_level.txt": "alone\n"}
    made = materialise(environment(tmp_path, {**files, **told, **info("tool", source, "x.pth")}))
    assert {"alone.py"} == set(copied(made))
    made = materialise(environment(tmp_path / "2", {**files, **info("tool", source, "x.pth")}))
    assert {*TOOL, "alone.py", "quick.abi3.so"} == set(copied(made))
    assert f"{SITE}/x.pth" not in made.files


def test_a_pth_of_nobody(source: Path, tmp_path: Path) -> None:
    """Only the lines go whose code was copied."""
    text = f"{source}\nimport hook; hook.go()\nrelative\n{tmp_path}/env/src\n"
    made = materialise(environment(tmp_path, {"easy-install.pth": text}))
    assert {*TOOL, "alone.py", "quick.abi3.so"} == set(copied(made))
    assert edited(made) == {"easy-install.pth": text.replace(f"{source}\n", "")}


def test_a_legacy_install(source: Path, tmp_path: Path) -> None:
    """Its metadata comes along, with a list of files, and its scripts are the project's own."""
    write(
        source,
        {
            "my_tool.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: my-tool\nVersion: 2.5\n",
            "my_tool.egg-info/top_level.txt": "alone\n",
            "script": "#!/usr/bin/env python\nimport alone\n",
        },
    )
    wrapper = "#!/opt/python\n# EASY-INSTALL-{}-SCRIPT: 'my-tool==2.5','{}'\nx = 1\n"
    write(
        tmp_path / "env/bin",
        {
            "script": wrapper.format("DEV", "script") + f"__file__ = {str(source / 'script')!r}\nexec()\n",
            "entry": wrapper.format("ENTRY", "console_scripts"),
            "other": wrapper.format("DEV", "x").replace("my-tool", "my-tools"),
        },
    )
    files = {"my-tool.egg-link": f"{source}\n.", "easy-install.pth": f"{source}\n/opt/x/missing\n"}
    made = materialise(environment(tmp_path, files))
    folder = "my_tool-2.5.egg-info"
    assert {"alone.py", f"{folder}/PKG-INFO", f"{folder}/top_level.txt"} == set(copied(made))
    data = {path: file.data.decode() for path, file in made.files.items() if file.data is not None}
    assert data == {
        f"{SITE}/easy-install.pth": "/opt/x/missing\n",
        f"{SITE}/{folder}/installed-files.txt": (
            "../alone.py\n../../../../bin/entry\n../../../../bin/script\nPKG-INFO\ntop_level.txt\n"
        ),
        "bin/script": "#!/opt/python\nimport alone\n",
    }
    assert f"{SITE}/my-tool.egg-link" not in made.files
    (finding,) = made.findings
    assert "easy-install.pth (/opt/x/missing): /opt/x/missing cannot be read" in finding.paths[0]


def test_what_cannot_be_copied(source: Path, tmp_path: Path) -> None:
    """It stays as it is, and one error names each, with the option to go on."""
    (tmp_path / "void").mkdir()
    hook = {"_hooked.pth": "import _hooked_editable\n", "_hooked_editable.py": ""}
    made = materialise(
        environment(
            tmp_path,
            {
                **hook,
                **info("hooked", source, *hook),
                "gone.pth": f"{tmp_path}/gone\n",
                **info("gone", tmp_path / "gone", "gone.pth"),
                "lost.egg-link": f"{source}\n.",
                "easy-install.pth": f"{source}\n",
                "empty.pth": f"{tmp_path}/env/../void\n",
            },
        )
    )
    (finding,) = made.findings
    assert (finding.severity, finding.option) == (Severity.ERROR, IGNORE_EDITABLE)
    assert [path.split(" (")[0] for path in finding.paths] == ["gone", "hooked", "lost", "empty.pth"]
    assert "an import hook that is not setuptools' (_hooked_editable.py)" in finding.paths[1]
    assert (copied(made), edited(made)) == ({}, {})
    assert f"{SITE}/hooked-1.0.dist-info/direct_url.json" in made.files


def test_what_is_there_already_stays(source: Path, tmp_path: Path) -> None:
    """As Python found it before what was on the path after site-packages; of two projects the first wins."""
    other = tmp_path / "other"
    write(other, {"tool/data.txt": "other's", "tool/__init__.py": "", "more.py": ""})
    files = {"a.pth": f"{source}\n", "b.pth": f"{other}\n", "alone.py": "the environment's"}
    made = materialise(environment(tmp_path, files))
    (finding,) = made.findings
    names = ("alone.py", "tool/__init__.py", "tool/data.txt")
    assert (Severity.WARNING, tuple(f"{SITE}/{name}" for name in names)) == (finding.severity, finding.paths)
    assert copied(made)["tool/data.txt"].location == f"{source}/tool/data.txt"
    assert "more.py" in copied(made)
    assert made.files[f"{SITE}/alone.py"].location == ""
