"""Wheels that nobody should make: refused, and nothing of them anywhere else."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conda_pack.errors import CondaPackException, SourceProblem, UnsafeArchive
from conda_pack.sources.wheels import Chosen, Project, install, read_target
from tests.support.archives import Silent
from tests.support.environments import diff_trees, tree
from tests.support.wheels import write_wheel


@pytest.fixture
def prefix(work: Path) -> Path:
    """An environment with a Python and a package beside it, of which only the records matter."""
    prefix = work / "place" / "env"
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    python = {"name": "python", "version": "3.11.2", "build": "h1_0_cpython", "subdir": "linux-64"}
    (meta / "python-3.11.2-h1_0_cpython.json").write_text(json.dumps(python))
    other = {
        "name": "other",
        "version": "1",
        "build": "0",
        "subdir": "linux-64",
        "files": ["share/other/file"],
    }
    (meta / "other-1-0.json").write_text(json.dumps(other))
    (prefix / "share/other").mkdir(parents=True)
    (prefix / "share/other/file").write_text("other\n")
    return prefix


def put_in(prefix: Path, *wheels: Path) -> tuple[list[Project], list[str]]:
    reporter = Silent()
    chosen = [Chosen(str(wheel)) for wheel in wheels]
    return install(str(prefix), chosen, read_target(str(prefix)), reporter), reporter.warnings


def refused(prefix: Path, *wheels: Path, writes: bool = False) -> CondaPackException:
    """What is said; nothing has been written outside of the prefix then, and nothing inside before."""
    before, outside = tree(prefix), tree(prefix.parent.parent, ("place/env",))
    with pytest.raises((SourceProblem, UnsafeArchive)) as raised:
        put_in(prefix, *wheels)
    assert diff_trees(outside, tree(prefix.parent.parent, ("place/env",))) == ""
    if not writes:
        assert diff_trees(before, tree(prefix)) == ""
    return raised.value


@pytest.mark.parametrize(
    "path",
    [
        "../outside.py",
        "../../../../../outside.py",
        "/outside.py",
        "a/../../outside.py",
        "a/./b.py",
        "a//b.py",
        "C:/outside.py",
        "a\\..\\..\\outside.py",
        "a\nb.py",
        "evil-1.0.data/data/../../outside.py",
        "evil-1.0.data/scripts/../../../outside",
        "evil-1.0.data/data/conda-meta/evil-1.0-0.json",
        "evil-1.0.data/data/conda-meta",
    ],
)
def test_paths_that_no_wheel_may_have(prefix: Path, work: Path, path: str) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {path: "evil\n"})
    assert type(refused(prefix, wheel)) is UnsafeArchive


@pytest.mark.parametrize("name", ["../evil", "../../evil", "/evil", "a/../../evil", "sub\\..\\evil"])
def test_commands_that_lead_elsewhere(prefix: Path, work: Path, name: str) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {}, {name: "evil:main"})
    assert type(refused(prefix, wheel)) is UnsafeArchive


@pytest.mark.parametrize("name", ["../../../../evil", "/evil", "a\\b"])
def test_names_of_projects_that_lead_elsewhere(prefix: Path, work: Path, name: str) -> None:
    """Headers lie in a folder of that name."""
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil-1.0.data/headers/evil.h": ""})
    changed = altered(wheel, lambda text: text.replace(b"Name: evil", b"Name: " + name.encode()), "METADATA")
    assert isinstance(refused(prefix, changed), (SourceProblem, UnsafeArchive))


def altered(wheel: Path, change: Callable[[bytes], bytes], member: str) -> Path:
    """A wheel with another member, of which RECORD knows nothing."""
    contents = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            data = archive.read(info)
            contents[info.filename] = change(data) if info.filename.endswith(member) else data
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return wheel


def test_contents_that_record_does_not_know(prefix: Path, work: Path) -> None:
    wheel = altered(write_wheel(work / "w", "evil", "1.0", {"evil.py": "1\n"}), lambda _: b"2\n", "evil.py")
    expected = f"{wheel} holds another evil.py than RECORD says: fetch it again."
    assert expected == str(refused(prefix, wheel, writes=True))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("", "evil.py is not mentioned in RECORD"),
        ("evil.py,,\n", "hash / size of evil.py is not included in RECORD"),
        ("evil.py,md5\n", "expected 3 elements"),
        ("evil.py,nonsense,1\n", "does not follow the required format"),
    ],
)
def test_a_record_that_lacks_something(prefix: Path, work: Path, record: str, words: str) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil.py": "1"}, record=record)
    error = refused(prefix, wheel)
    assert (str(error).startswith(f"{wheel} is no sound wheel: "), words in str(error)) == (True, True), error


def test_a_weak_hash_proves_nothing(prefix: Path, work: Path) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil.py": ""})
    md5 = b"md5=1B2M2Y8AsgTpgAmY7PhCfg"
    whole = b"sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    changed = altered(wheel, lambda text: text.replace(whole, md5), "RECORD")
    assert "holds another evil.py than RECORD says" in str(refused(prefix, changed, writes=True))


def test_two_members_of_one_name(prefix: Path, work: Path) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil.py": "1"})
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("evil.py", "2")
    assert type(refused(prefix, wheel)) is UnsafeArchive


@pytest.mark.parametrize("length", [0, 10, 200])
def test_damaged_files(prefix: Path, work: Path, length: int) -> None:
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil.py": "1"})
    wheel.write_bytes(wheel.read_bytes()[:length])
    assert str(refused(prefix, wheel)).startswith(f"{wheel} is no sound wheel: ")


def test_other_faults_are_all_told(prefix: Path, work: Path) -> None:
    wheels = [
        write_wheel(work / "w", "place", "1.0", {"place-1.0.data/elsewhere/x": ""}),
        write_wheel(work / "w", "point", "1.0", {}, {"point": "point"}),
        altered(
            write_wheel(work / "w", "later", "1.0", {}),
            lambda text: text.replace(b"n: 1.0", b"n: 2.0"),
            "WHEEL",
        ),
        altered(write_wheel(work / "w", "bare", "1.0", {}), lambda _: b"", "METADATA"),
        write_wheel(work / "w", "twice", "1.0", {}),
        write_wheel(work / "w", "twice", "2.0", {}),
    ]
    expected = [
        f"{wheels[0]} has 'place-1.0.data/elsewhere/x' for a place that is not known: "
        "purelib, platlib, headers, scripts, data are.",
        f"{wheels[1]} has an entry_points.txt that cannot be read: a command calls no function.",
        f"{wheels[2]} is a wheel of version 2.0: only 1 is known.",
        f"{wheels[3]} holds nothing, which is not what its name says. It has been renamed or is damaged: "
        "fetch it again.",
        "twice-1.0-py3-none-any.whl and twice-2.0-py3-none-any.whl are one project.",
    ]
    error = refused(prefix, *wheels)
    assert expected == str(error).split("\n")
    assert type(error) is SourceProblem


# ------------------------------------------------------------- what is in the way


def test_everything_that_is_in_the_way_is_told(prefix: Path, work: Path) -> None:
    (prefix / "lib").mkdir()
    (prefix / "lib/python3.11").mkdir()
    (prefix / "share/link").symlink_to("other")
    (prefix / "bin").write_text("a file")
    wheels = [
        write_wheel(work / "w", "aa", "1.0", {"aa-1.0.data/data/share/other/file": "aa\n", "name": ""}),
        write_wheel(work / "w", "bb", "1.0", {"bb-1.0.data/data/share/link/file": "bb\n", "name/x": ""}),
        write_wheel(
            work / "w", "cc", "1.0", {"cc-1.0.data/data/share/other/file": "other\n"}, {"cc": "cc:main"}
        ),
    ]
    expected = [
        "bin is a file of the environment, where cc-1.0-py3-none-any.whl has a folder.",
        "aa-1.0-py3-none-any.whl has a file lib/python3.11/site-packages/name, "
        "bb-1.0-py3-none-any.whl a folder.",
        "aa-1.0-py3-none-any.whl has share/other/file, which other-1-0 has put there with other contents: "
        "take one of them.",
        "bb-1.0-py3-none-any.whl has share/link/file, which other-1-0 has put there with other contents: "
        "take one of them.",
    ]
    assert expected == str(refused(prefix, *wheels)).split("\n")


def test_a_link_that_leads_out_is_not_followed(prefix: Path, work: Path) -> None:
    (work / "outside").mkdir()
    (prefix / "share/out").symlink_to(work / "outside")
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil-1.0.data/data/share/out/evil": "evil\n"})
    error = refused(prefix, wheel)
    expected = (
        f"{prefix}/share/out leads out of the environment, and evil-1.0-py3-none-any.whl has files there."
    )
    assert (UnsafeArchive, expected) == (type(error), str(error))


def test_a_link_in_the_place_of_a_file_is_not_written_through(prefix: Path, work: Path) -> None:
    (work / "outside").write_text("outside\n")
    (prefix / "share/out").symlink_to(work / "outside")
    wheel = write_wheel(work / "w", "evil", "1.0", {"evil-1.0.data/data/share/out": "outside\n"})
    expected = (
        "evil-1.0-py3-none-any.whl has share/out, which something else has put there with other contents: "
        "take one of them."
    )
    assert expected == str(refused(prefix, wheel))


def test_of_two_wheels_with_one_file_the_last_one_counts(prefix: Path, work: Path) -> None:
    """As with pip, though not without a word; both lists of files are true then."""
    wheels = [
        write_wheel(work / "w", name, "1.0", {"tests.py": text, "same.py": "same\n"})
        for name, text in (("bb", "bb\n"), ("aa", "aa\n"))
    ]
    projects, warnings = put_in(prefix, *wheels)
    site = prefix / "lib/python3.11/site-packages"
    expected = (
        "Several wheels have the same files, and the last one's are taken: "
        "lib/python3.11/site-packages/tests.py (aa-1.0-py3-none-any.whl, bb-1.0-py3-none-any.whl)"
    )
    assert (["aa", "bb"], [expected]) == ([project.name for project in projects], warnings)
    assert (site / "tests.py").read_text() == "bb\n"
    lines = [
        next(
            line
            for line in (site / f"{name}-1.0.dist-info/RECORD").read_text().splitlines()
            if "tests" in line
        )
        for name in ("aa", "bb")
    ]
    assert lines[0] == lines[1]


def test_own_words_of_a_wheel_about_its_installation_do_not_count(prefix: Path, work: Path) -> None:
    info = "evil-1.0.dist-info"
    files = {f"{info}/INSTALLER": "conda\n", f"{info}/REQUESTED": "", f"{info}/direct_url.json": "{}"}
    put_in(prefix, write_wheel(work / "w", "evil", "1.0", files))
    site = prefix / "lib/python3.11/site-packages"
    assert sorted(path.name for path in (site / info).iterdir()) == [
        "INSTALLER",
        "METADATA",
        "RECORD",
        "WHEEL",
    ]
    assert (site / info / "INSTALLER").read_text() == "conda-pack\n"
