"""Files of one's own: where they go, which are refused, and which links lead out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from conda_pack.environment.additions import Addition, Additions, parse_addition, read_additions
from conda_pack.errors import UsageError
from conda_pack.model import Claim, DiskFile, Environment, Kind, Platform, Severity
from tests.support.records import record


def on_disk(path: str, kind: Kind = "file") -> DiskFile:
    return DiskFile(path, kind, 0o644, 1, 0)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """It has one file, one that is missing, and an empty folder."""
    files = [on_disk("bin/python"), on_disk("conda-meta/history"), on_disk("empty", "directory")]
    return Environment(
        prefix=str(tmp_path / "env"),
        prefixes=(os.fsencode(tmp_path / "env"),),
        platform=Platform("linux-64"),
        site_packages=None,
        records=(record("p", Claim("bin/python", 0, "hardlink"), Claim("lib/gone", 1, "hardlink")),),
        files={file.path: file for file in files},
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with a file, an empty folder, and links."""
    folder = tmp_path / "app"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "main.py").write_text("print()\n")
    (folder / "main.py").chmod(0o755)
    os.utime(folder / "main.py", (77, 77))
    (folder / "sub" / "to main").symlink_to("../main.py")
    (folder / "sub" / "by path").symlink_to(folder / "main.py")
    return folder


def added(environment: Environment, *texts: str, cwd: Path | None = None) -> dict[str, DiskFile]:
    additions = read_additions(environment, texts, str(cwd or environment.prefix))
    assert additions.findings == ()
    assert [file.path for file in additions.files] == sorted(file.path for file in additions.files)
    return {file.path: file for file in additions.files}


# ------------------------------------------------------------------ what is asked for


@pytest.mark.parametrize(
    ("text", "source", "dest"),
    [
        ("app", "app", ""),
        ("app:opt/app", "app", "opt/app"),
        ("app:", "app", ""),
        ("a:b:c", "a:b", "c"),
        ("a:b:", "a:b", ""),
        (r"C:\app", r"C:\app", ""),
        ("C:/app", "C:/app", ""),
        (r"C:\app:opt/app", r"C:\app", "opt/app"),
        ("c:app", "c", "app"),
    ],
)
def test_source_and_destination(text: str, source: str, dest: str) -> None:
    """The last colon divides them, unless it belongs to a drive."""
    assert Addition(source, dest) == parse_addition(text)


@pytest.mark.parametrize(
    ("dest", "expected"),
    [
        ("", "main.py"),
        (":x.py", "x.py"),
        (":opt/", "opt/main.py"),
        (":./", "main.py"),
        (":opt//a/../b", "opt/b"),
    ],
)
def test_where_a_file_goes(environment: Environment, app: Path, dest: str, expected: str) -> None:
    """By default to the root, under its own name; into a folder if DEST ends like one."""
    file = DiskFile(expected, "file", 0o755, 8, 77, "", str(app / "main.py"))
    assert {expected: file} == added(environment, f"main.py{dest}", cwd=app)


@pytest.mark.parametrize(
    ("dest", "root"), [("", "app/"), (":opt/", "opt/app/"), (":opt", "opt/"), (":.", "")]
)
def test_where_a_folder_goes(environment: Environment, app: Path, dest: str, root: str) -> None:
    """With all that is in it; links that lead to its own files stay so."""
    files = added(environment, f"{app}{dest}")
    assert {path: (file.kind, file.target) for path, file in files.items()} == {
        f"{root}main.py": ("file", ""),
        f"{root}sub/empty": ("directory", ""),
        f"{root}sub/to main": ("link", "../main.py"),
        f"{root}sub/by path": ("link", "../main.py"),
    }
    assert files[f"{root}main.py"].location == str(app / "main.py")


def test_the_folder_that_one_is_in(environment: Environment, app: Path) -> None:
    """It has a name, though '.' is none."""
    assert "app/main.py" in added(environment, ".", cwd=app)
    assert "app/main.py" in added(environment, "..", cwd=app / "sub")


def test_an_empty_folder(environment: Environment, app: Path) -> None:
    assert added(environment, f"{app}/sub/empty:hollow")["hollow"].kind == "directory"


def test_a_link_as_source(environment: Environment, app: Path, tmp_path: Path) -> None:
    """It is followed, and its own name kept; links by the name of the real folder still lead to inside."""
    (tmp_path / "current").symlink_to(app)
    files = added(environment, str(tmp_path / "current"))
    assert files["current/sub/by path"].target == "../main.py"
    (app / "sub" / "by link").symlink_to(tmp_path / "current" / "main.py")
    assert added(environment, str(app))["app/sub/by link"].target == "../main.py"


def test_folders_become_one(environment: Environment, app: Path) -> None:
    """A folder may be added to one that is there."""
    assert "bin/main.py" in added(environment, f"{app}:bin")
    assert "empty/main.py" in added(environment, f"{app}:empty")


# ------------------------------------------------------------------ links that lead out


def test_links_that_lead_out(environment: Environment, app: Path) -> None:
    """They are packed as they are, and told of; those into the environment by its path are in order."""
    (app / "out").symlink_to("../elsewhere")
    (app / "sub" / "above").symlink_to("../../app-data")
    (app / "hosts").symlink_to("/etc/hosts")
    (app / "python").symlink_to(f"{environment.prefix}/bin/python")
    additions = read_additions(environment, [str(app)], "/")
    (finding,) = additions.findings
    assert (
        finding.severity,
        tuple(sorted(finding.paths)),
    ) == (
        Severity.WARNING,
        ("app/hosts → /etc/hosts", "app/out → ../elsewhere", "app/sub/above → ../../app-data"),
    )
    targets = {file.path: file.target for file in additions.files}
    assert targets["app/out"] == "../elsewhere"
    assert targets["app/python"] == f"{environment.prefix}/bin/python"


# ------------------------------------------------------------------ refusals


def refused(environment: Environment, *texts: str) -> str:
    with pytest.raises(UsageError) as raised:
        read_additions(environment, texts, environment.prefix)
    return str(raised.value)


@pytest.mark.parametrize(
    ("dest", "reason"),
    [
        ("/opt/app", "absolute"),
        ("\\app", "absolute"),
        ("../app", "leaves the prefix"),
        ("a/../../app", "leaves the prefix"),
        ("conda-meta/app.json", "records of packages"),
        ("conda-meta/", "records of packages"),
        ("Conda-Meta/x", "records of packages"),
        (".", "the prefix itself"),
        ("a\nb", "cannot be printed"),
    ],
)
def test_impossible_destinations(environment: Environment, app: Path, dest: str, reason: str) -> None:
    """Each says what is wrong with it."""
    text = f"{app}/main.py:{dest}"
    said = refused(environment, text)
    assert reason in said
    assert repr(text) in said


def test_windows_separators(environment: Environment, app: Path) -> None:
    """A backslash divides names where the environment is for Windows, and is part of one elsewhere."""
    windows = replace(environment, platform=Platform("win-64"))
    assert list(added(windows, f"{app}/main.py:opt\\main.py")) == ["opt/main.py"]
    assert list(added(environment, f"{app}/main.py:opt\\main.py")) == ["opt\\main.py"]


def test_taken_places(environment: Environment, app: Path) -> None:
    """Files that are there, folders, places of files that a package misses, and what would lie in a file."""
    (app / "python").touch()
    for text, path in (
        (f"{app}/main.py:bin/python", "bin/python"),
        (f"{app}:bin", "bin/python"),
        (f"{app}/main.py:bin", "bin"),
        (f"{app}/main.py:lib/gone", "lib/gone"),
        (f"{app}/main.py:bin/python/", "bin/python"),
    ):
        said = refused(environment, text)
        assert said.splitlines() == [
            "The environment has these already; give them another DEST:",
            f"    {path}",
        ]


def test_added_twice(environment: Environment, app: Path) -> None:
    """The same path, or one below another's file."""
    said = refused(environment, str(app), f"{app}/main.py:app/", f"{app}/main.py:x", f"{app}/main.py:x/y")
    assert said.splitlines()[1:] == ["    app/main.py", "    x"]


def test_records_in_a_folder(environment: Environment, app: Path) -> None:
    """A folder that goes to the root brings no records along."""
    (app / "conda-meta").mkdir()
    (app / "conda-meta" / "x.json").touch()
    assert "    conda-meta/x.json" in refused(environment, f"{app}:.").splitlines()


def test_all_refusals_at_once(environment: Environment, app: Path, tmp_path: Path) -> None:
    """Nobody has to mend one to hear of the next; sources that are missing or special are among them."""
    os.mkfifo(tmp_path / "pipe")
    said = refused(
        environment, "missing", f"{tmp_path}/pipe", "", ":x", f"{app}:../x", f"{app}/main.py:bin/python"
    )
    for part in (
        "'missing'",
        "neither a file nor a folder",
        "''",
        "':x'",
        "leaves the prefix",
        "    bin/python",
    ):
        assert part in said


def test_nothing_to_add(environment: Environment) -> None:
    assert Additions() == read_additions(environment, [], "/")
