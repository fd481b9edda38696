"""What an owner is told of an environment: missing files, editable installs, links that lead out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conda_pack.environment.findings import IGNORE_EDITABLE, IGNORE_MISSING, find
from conda_pack.model import Claim, DiskFile, Environment, Finding, Platform, Record, Severity
from tests.support.records import record as record_of

SITE = "lib/python3.11/site-packages"


def record(name: str, *claims: Claim | str, linked_from: str | None = None) -> Record:
    own = (Claim(claim, 0, "hardlink") if isinstance(claim, str) else claim for claim in claims)
    return record_of(name, *own, linked_from=linked_from)


def findings(
    files: dict[str, bytes | str], *records: Record, prefix: str = "/opt/env", **more: Any
) -> tuple[Finding, ...]:
    """Of an environment with these files; a link's value is its target, a str."""
    on_disk = {
        path: DiskFile(path, "link", 0o777, 0, 0, value)
        if isinstance(value, str)
        else DiskFile(path, "file", 0o644, len(value), 0)
        for path, value in files.items()
    }
    environment = Environment(
        prefix=prefix,
        prefixes=(prefix.encode(), b"/real/env"),
        platform=Platform("linux-64"),
        site_packages=SITE,
        records=records,
        files=on_disk,
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )

    def read(path: str) -> bytes:
        value = files[path]
        assert isinstance(value, bytes)
        return value

    return find(replace(environment, **more), read).findings


def test_nothing_to_tell() -> None:
    """An environment that is as it was installed has no findings."""
    claims = (
        "a",
        Claim("a.pyc", 0, "pyc_file"),
        Claim("d", 0, "directory"),
        "info/index.json",
        ".nonadmin",
        "f",
    )
    assert findings({"a": b"", "f/x": b""}, record("p", *claims)) == ()


# ------------------------------------------------------------------ missing files


def test_missing_files() -> None:
    """Files that are missing for no reason are one error for each package, with the option to go on."""
    found = findings({"a": b""}, record("p", "a", "b", "c"), record("q", "d"))
    assert [(finding.message.split(" of ")[1].split(" are ")[0], finding.paths) for finding in found] == [
        ("p-1-0", ("b", "c")),
        ("q-1-0", ("d",)),
    ]
    assert {(Severity.ERROR, IGNORE_MISSING)} == {(finding.severity, finding.option) for finding in found}


def test_files_left_out_of_the_archive_before() -> None:
    """What was excluded from the archive that the environment comes from is no surprise."""
    (finding,) = findings({}, record("p", "a", "b"), excluded_before=frozenset({"a", "b"}))
    assert (finding.severity, finding.paths) == (Severity.WARNING, ("a", "b"))


def test_only_what_is_unexplained_is_an_error() -> None:
    """Of missing files only those that were not excluded are named in the error."""
    (finding,) = findings({}, record("p", "a", "b"), excluded_before=frozenset({"a"}))
    assert (finding.severity, finding.paths) == (Severity.ERROR, ("b",))


@pytest.mark.parametrize("project", ["my-tool", "my_tool", "My.Tool"])
def test_a_package_that_pip_replaced(project: str) -> None:
    """pip removed the package's files to put its own version there: told, not refused."""
    conda = record("my-tool", f"{SITE}/my_tool-1.0.dist-info/METADATA", f"{SITE}/my_tool/old.py")
    files: dict[str, bytes | str] = {f"{SITE}/{project}-2.0.dist-info/INSTALLER": b"pip\n"}
    (finding,) = findings(files, conda)
    assert Severity.WARNING is finding.severity
    assert "pip replaced that package by my-tool 2.0" in finding.message


def test_pip_replaced_the_same_version() -> None:
    """The same version reinstalled by pip owns the very path of the package's INSTALLER."""
    info = f"{SITE}/my_tool-1.0.dist-info"
    conda = record("my-tool", f"{info}/INSTALLER", f"{info}/METADATA", f"{SITE}/my_tool/old.py")
    files: dict[str, bytes | str] = {f"{info}/INSTALLER": b"pip\n", f"{info}/METADATA": b""}
    (finding,) = findings(files, conda)
    assert Severity.WARNING is finding.severity


def test_pip_replaced_what_brings_others_along() -> None:
    """A package is the project of its own metadata, not of what it has in a _vendor folder, as setuptools."""
    vendored = f"{SITE}/my_tool/_vendor/other-1.0.dist-info/METADATA"
    conda = record("my-tool", vendored, f"{SITE}/my_tool-1.0.dist-info/METADATA")
    files: dict[str, bytes | str] = {f"{SITE}/my_tool-2.0.dist-info/INSTALLER": b"pip\n", vendored: b""}
    (finding,) = findings(files, conda)
    assert Severity.WARNING is finding.severity


def test_pip_replaced_something_else() -> None:
    """Another project of pip's explains nothing."""
    conda = record("my-tool", f"{SITE}/my_tool-1.0.dist-info/METADATA")
    (finding,) = findings({f"{SITE}/other-2.0.dist-info/INSTALLER": b"pip\n"}, conda)
    assert Severity.ERROR is finding.severity


def test_condas_own_installer_file() -> None:
    """A dist-info folder that conda installed is no work of pip's."""
    info = f"{SITE}/my_tool-1.0.dist-info"
    conda = record("my-tool", f"{info}/INSTALLER", f"{SITE}/my_tool/gone.py")
    (finding,) = findings({f"{info}/INSTALLER": b"conda\n"}, conda)
    assert Severity.ERROR is finding.severity


# ------------------------------------------------------------------ editable installs


def direct_url(url: str, editable: bool = True) -> bytes:
    return json.dumps({"url": url, "dir_info": {"editable": editable} if editable else {}}).encode()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "tool-1.dist-info/direct_url.json",
            direct_url("file:///home/me/my%20tool"),
            "tool (/home/me/my tool)",
        ),
        ("easy-install.pth", b"/home/me/tool\n", "easy-install.pth (/home/me/tool)"),
        ("__editable__.tool-1.pth", b"/home/me/tool/src", "__editable__.tool-1.pth (/home/me/tool/src)"),
        ("tool.egg-link", b"/home/me/tool\n.", "tool (/home/me/tool)"),
        ("tool.pth", b"# comment\n\n/opt/env-data\n", "tool.pth (/opt/env-data)"),
    ],
)
def test_editable(name: str, content: bytes, expected: str) -> None:
    """Code that lies elsewhere would not be in the archive, whichever way it was installed."""
    (finding,) = findings({f"{SITE}/{name}": content})
    assert (Severity.ERROR, IGNORE_EDITABLE, (expected,)) == (finding.severity, finding.option, finding.paths)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tool-1.dist-info/direct_url.json", direct_url("file:///opt/env/src/tool")),  # packed with the rest
        ("tool-1.dist-info/direct_url.json", direct_url("file:///real/env/src/tool")),
        ("tool-1.dist-info/direct_url.json", direct_url("file:///home/me/tool", editable=False)),
        ("tool-1.dist-info/direct_url.json", b'{"url": "https://x/y.zip", "archive_info": {}}'),
        ("tool-1.dist-info/direct_url.json", b"{"),
        ("tool-1.dist-info/direct_url.json", b"[]"),
        ("a.pth", b"import site; site.addsitedir('/home/me')\n"),
        ("a.pth", b"relative/folder\n"),
        ("a.pth", b"/opt/env/src\n"),
        ("deep/a.pth", b"/home/me/tool\n"),  # Python reads none there
        ("a.pth.bak", b"/home/me/tool\n"),
        ("tool.egg-link", b"/opt/env/src/tool\n."),
    ],
)
def test_not_editable(name: str, content: bytes) -> None:
    """What lies inside, or leads nowhere, is no editable install."""
    assert findings({f"{SITE}/{name}": content}) == ()


def test_all_editable_packages_in_one_finding() -> None:
    """Each is named once, in order, however many files tell of it."""
    files: dict[str, bytes | str] = {
        f"{SITE}/b-1.dist-info/direct_url.json": direct_url("file:///home/b"),
        f"{SITE}/a-1.dist-info/direct_url.json": direct_url("file:///home/a"),
        f"{SITE}/a.pth": b"/home/a\n/home/a\n",
    }
    (finding,) = findings(files)
    assert finding.paths == ("a (/home/a)", "a.pth (/home/a)", "b (/home/b)")


def test_without_python_nothing_is_editable() -> None:
    """An environment without Python has no site-packages to look into."""
    assert findings({f"{SITE}/a.pth": b"/home/a\n"}, site_packages=None) == ()


# ------------------------------------------------------------------ links


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("bin/a", "/usr/bin/a"),
        ("a", "../a"),
        ("lib/x/a", "../../../a"),
        ("a", ".."),
        ("bin/a", "/opt/env-data/a"),
        ("bin/a", "../.."),
    ],
)
def test_links_that_lead_out(path: str, target: str) -> None:
    """A link to outside is packed as it is, and told of."""
    (finding,) = findings({path: target})
    assert (Severity.WARNING, (f"{path} → {target}",)) == (finding.severity, finding.paths)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("bin/a", "b"),
        ("bin/a", "../lib/a"),
        ("bin/a", "/opt/env/lib/a"),
        ("bin/a", "/real/env/a"),
        ("bin/a", ".."),
        ("a", "..a"),
    ],
)
def test_links_that_stay(path: str, target: str) -> None:
    """A link to inside, by whatever way, is nothing to tell of."""
    assert findings({path: target}) == ()


def test_links_into_the_cache() -> None:
    """Packages that were linked softly are followed, so their links are no finding."""
    package = record("p", "lib/a", linked_from="/pkgs/p-1-0")
    assert findings({"lib/a": "/pkgs/p-1-0/lib/a"}, package) == ()


def test_a_link_into_another_package_of_a_similar_name() -> None:
    """A cached package whose name only begins like another's is another."""
    package = record("p", "lib/a", linked_from="/pkgs/p-1-0")
    (finding,) = findings({"lib/a": "/pkgs/p-1-0/lib/a", "lib/b": "/pkgs/p-1-01/lib/b"}, package)
    assert finding.paths == ("lib/b → /pkgs/p-1-01/lib/b",)


def test_all_kinds_at_once(tmp_path: Path) -> None:
    """Everything is told at once, errors and warnings."""
    files: dict[str, bytes | str] = {f"{SITE}/a.pth": str(tmp_path).encode(), "l": "/usr/lib/l"}
    found = findings(files, record("p", "gone"))
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.ERROR, Severity.WARNING]


def test_the_text_of_a_finding() -> None:
    """Ten paths and a count are enough for a message; the option to go on stands last."""
    finding = Finding(Severity.ERROR, "12 files.", tuple(f"f{number}" for number in range(12)), "--go")
    lines = finding.text().splitlines()
    assert lines[:2] == ["12 files.", "    f0"]
    assert lines[-3:] == ["    f9", "    … and 2 more", "    To go on all the same: --go."]
