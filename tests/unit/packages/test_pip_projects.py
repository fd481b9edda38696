"""What tells of projects that no package brought: written here as their installers write it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from conda_pack.model import Claim, Platform
from conda_pack.packages.pip_projects import Project, read_projects

SITE = "lib/python3.11/site-packages"
LINUX = Platform("linux-64")


def put(prefix: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_text(text)


def projects(
    prefix: Path, *claims: Claim, site: str | None = SITE, platform: Platform = LINUX
) -> list[Project]:
    return list(read_projects(str(prefix), site, platform, {claim.path: claim for claim in claims}))


def test_record(tmp_path: Path) -> None:
    """Its paths are those of RECORD, wherever they lie in the prefix; the rest is no part of it."""
    info = f"{SITE}/My_Project-1.0.dist-info"
    record = [
        "mod.py,sha256=x,1",
        "__pycache__/mod.cpython-311.pyc,,",
        '"comma, and ""quote"".py",,',
        '"two\nlines.py",,',
        "../../../bin/my-tool,sha256=x,1",
        f"{tmp_path}/share/absolute.txt,,",
        "../../../../outside,,",
        "/outside,,",
        "../../..,,",
        "My_Project-1.0.dist-info/RECORD,,",
    ]
    url = {"url": "file:///src/my-project", "dir_info": {}}
    put(tmp_path, {f"{info}/RECORD": "\n".join(record) + "\n", f"{info}/direct_url.json": json.dumps(url)})
    expected = Project(
        "my-project",
        "1.0",
        info,
        "file:///src/my-project",
        tuple(
            sorted(
                [
                    info,
                    f"{info}/RECORD",
                    f"{SITE}/__pycache__/mod.cpython-311.pyc",
                    f'{SITE}/comma, and "quote".py',
                    f"{SITE}/mod.py",
                    f"{SITE}/two\nlines.py",
                    "bin/my-tool",
                    "share/absolute.txt",
                ]
            )
        ),
        (info,),
    )
    assert projects(tmp_path) == [expected]


def test_installed_files(tmp_path: Path) -> None:
    """The list of the older installs: relative to the folder of the metadata."""
    info = f"{SITE}/old-1.0-py3.11.egg-info"
    put(tmp_path, {f"{info}/installed-files.txt": "../old.py\n../../../../bin/old\nPKG-INFO\n"})
    expected = (f"{SITE}/old.py", info, f"{info}/PKG-INFO", "bin/old")
    assert projects(tmp_path) == [Project("old", "1.0", info, "", tuple(sorted(expected)), (info,))]


def test_without_a_list(tmp_path: Path) -> None:
    """Its modules and scripts by what else tells of them; the metadata at least."""
    info, bare = f"{SITE}/listless-1.0.dist-info", f"{SITE}/bare-2-py3.11.egg-info"
    points = "[console_scripts]\nrun-It = listless:main\n../../x = a:b\n\n[gui_scripts]\nshow=listless:show\n"
    put(
        tmp_path,
        {
            f"{info}/entry_points.txt": points,
            f"{info}/top_level.txt": "listless\nsingle\nfast\nnowhere\n",
            f"{SITE}/listless/__init__.py": "",
            f"{SITE}/single.py": "",
            f"{SITE}/fast.cpython-311-x86_64-linux-gnu.so": "",
            bare: "Name: bare\n",
        },
    )
    found = projects(tmp_path)
    modules = (f"{SITE}/fast.cpython-311-x86_64-linux-gnu.so", f"{SITE}/single.py")
    paths = tuple(sorted([info, *modules, "bin/run-It", "bin/show"]))
    assert found == [
        Project("bare", "2", bare, "", (bare,), (bare,)),
        Project("listless", "1.0", info, "", paths, (info, f"{SITE}/listless")),
    ]
    names = [path for path in projects(tmp_path, platform=Platform("win-64"))[1].paths if "show" in path]
    suffixes = ("-script.py", "-script.pyw", ".exe", ".exe.manifest")
    assert [f"Scripts/show{suffix}" for suffix in suffixes] == names


def test_eggs(tmp_path: Path) -> None:
    """A whole .egg, and the link to a project that lies elsewhere."""
    egg = f"{SITE}/laid-3.1-py3.11.egg"
    points = "[console_scripts]\nlay = laid:main\n"
    link = f"{SITE}/Far-Away.egg-link"
    put(tmp_path, {f"{egg}/laid.py": "", f"{egg}/EGG-INFO/entry_points.txt": points, link: "/src\n."})
    assert projects(tmp_path) == [
        Project("far-away", "", link, "", (link,)),
        Project("laid", "3.1", egg, "", ("bin/lay", egg), (egg,)),
    ]


@pytest.mark.parametrize(
    ("claimed", "installer", "expected"),
    [
        ("conda", "conda", []),  # as the package has it
        ("conda\n", "conda\n", []),
        ("pip", "pip", []),  # a package that was built carelessly
        ("conda", "pip", ["tool"]),  # pip has installed the same version over it
        ("conda", None, []),
        (None, "pip", ["tool"]),  # a package without INSTALLER, and pip over it
        (None, None, []),
    ],
)
def test_whose_metadata(
    claimed: str | None, installer: str | None, expected: list[str], tmp_path: Path
) -> None:
    """conda's packages bring such folders too: they are no projects of pip's, until pip replaces them."""
    info = f"{SITE}/tool-1.0.dist-info"
    put(tmp_path, {f"{info}/METADATA": "", f"{info}/RECORD": f"{info}/RECORD,,\n"})
    claims = [Claim(f"{info}/METADATA", 0, "hardlink")]
    if claimed is not None:
        digest = hashlib.sha256(claimed.encode()).hexdigest()
        claims.append(Claim(f"{info}/INSTALLER", 1, "hardlink", digest))
    if installer is not None:
        put(tmp_path, {f"{info}/INSTALLER": installer})
    assert expected == [project.name for project in projects(tmp_path, *claims)]


def test_whose_metadata_without_digest(tmp_path: Path) -> None:
    """A record without digests leaves INSTALLER's own word."""
    info = f"{SITE}/tool-1.0.dist-info"
    claim = Claim(f"{info}/INSTALLER", -1, "hardlink")
    for text, expected in (("conda\n", []), ("uv", ["tool"])):
        put(tmp_path, {f"{info}/INSTALLER": text})
        assert expected == [project.name for project in projects(tmp_path, claim)]


def test_other_pythons(tmp_path: Path) -> None:
    """What pip installed for a Python that was replaced since is still there."""
    for site in (SITE, "lib/python3.10/site-packages", "lib/python3.13t/site-packages", "lib/other"):
        put(tmp_path, {f"{site}/tool-1.0.dist-info/METADATA": ""})
    found = [project.metadata for project in projects(tmp_path)]
    pythons = ("python3.10", "python3.11", "python3.13t")
    assert [f"lib/{python}/site-packages/tool-1.0.dist-info" for python in pythons] == found
    assert found == [project.metadata for project in projects(tmp_path, site=None)]


def test_damage(tmp_path: Path) -> None:
    """What cannot be understood is as good as absent, and nothing waits for ever."""
    info = f"{SITE}/tool-1.0.dist-info"
    put(tmp_path, {f"{info}/direct_url.json": "[1", f"{info}/entry_points.txt": "]\x00 no section\n=\n"})
    os.mkfifo(tmp_path / info / "RECORD")
    (tmp_path / SITE / "~ool-1.0.dist-info").mkdir()
    assert projects(tmp_path) == [Project("tool", "1.0", info, "", (info,), (info,))]
    (tmp_path / info / "RECORD").unlink()
    (tmp_path / info / "RECORD").write_bytes(b"caf\xe9.py,,\n")
    assert os.fsdecode(f"{SITE}/".encode() + b"caf\xe9.py") in projects(tmp_path)[0].paths


def test_nothing(tmp_path: Path) -> None:
    assert projects(tmp_path, site=None) == []
    assert projects(tmp_path) == []
