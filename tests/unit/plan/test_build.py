"""The plan: each path once, in its order, form and part."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from conda_pack.errors import EnvironmentFindings, UsageError
from conda_pack.model import (
    Blob,
    Claim,
    DiskFile,
    Entry,
    Environment,
    Finding,
    Form,
    Kind,
    Part,
    Plan,
    Platform,
    Record,
    Severity,
)
from conda_pack.plan.build import EARLIEST, build, check_arcroot
from tests.support.records import record as record_of

TIME = 1_700_000_000


def on_disk(path: str, kind: Kind = "file", *, size: int = 1, mtime: int = 5, target: str = "") -> DiskFile:
    return DiskFile(path, kind, 0o644, size, mtime, target)


def claimed(path: str, path_type: str = "hardlink", **facts: Any) -> Claim:
    return Claim(path=path, index=0, path_type=path_type, **{"sha256": "00", **facts})


def record(name: str, *claims: Claim, timestamp: int = TIME) -> Record:
    return record_of(name, *claims, timestamp=timestamp)


def environment(*files: DiskFile, records: tuple[Record, ...] = (), **more: Any) -> Environment:
    own = [on_disk(f"conda-meta/{item.dist}.json") for item in records]
    facts: dict[str, Any] = {
        "prefix": "/opt/env",
        "prefixes": (b"/opt/env", b"/real/env"),
        "platform": Platform("linux-64"),
        "site_packages": None,
        "records": records,
        "files": {file.path: file for file in sorted([*files, *own], key=lambda file: file.path)},
        "previous": {},
        "excluded_before": frozenset(),
        "runtime_before": frozenset(),
    }
    return Environment(**{**facts, **more})


def parts(plan: Plan) -> dict[str, list[str]]:
    return {part.dist: [entry.path for entry in part.entries] for part in plan.parts}


def find(plan: Plan, path: str) -> tuple[Part, Entry]:
    (found,) = [(part, entry) for part in plan.parts for entry in part.entries if entry.path == path]
    return found


def test_each_path_once_with_its_owner() -> None:
    """Files go with their package, the others last; conda-meta files are made, not copied."""
    a, b = record("a", claimed("lib/a"), claimed("lib/gone")), record("b", claimed("lib/b"))
    plan = build(environment(on_disk("lib/b"), on_disk("lib/a"), on_disk("user"), records=(a, b)))
    assert parts(plan) == {"a-1-0": ["lib/a"], "b-1-0": ["lib/b"], "": ["user"]}
    assert plan.parts[0].excluded == ("lib/gone",)
    assert [part.record_path for part in plan.parts[:2]] == [
        "conda-meta/conda-pack/a-1-0.json",
        "conda-meta/conda-pack/b-1-0.json",
    ]
    assert plan.parts[-1].record_path == "conda-meta/conda-pack/unmanaged.json"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (claimed("f"), Form.AS_IS),
        (claimed("f", sha256_in_prefix="00"), Form.AS_IS),
        (claimed("f", sha256_in_prefix="11"), Form.PATCHED),  # micromamba
        (claimed("f", sha256_in_prefix="11", placeholder="/p", file_mode="text"), Form.RESTORE),
        (claimed("f", placeholder="/p", file_mode="binary"), Form.RESTORE),
        (claimed("f", sha256=None), Form.SEARCH),  # a package without paths.json
        (claimed("f", "unix_python_entry_point", sha256=None), Form.SCRIPT),  # conda
        (claimed("f", "unix_python_entry_point"), Form.SCRIPT),  # rattler
        (claimed("f", "windows_python_entry_point_script", sha256=None), Form.SCRIPT),
        (claimed("f", "pyc_file", sha256=None), Form.AS_IS),
    ],
)
def test_forms(claim: Claim, expected: Form) -> None:
    """What a record says of a file decides its form."""
    _, entry = find(build(environment(on_disk("f"), records=(record("a", claim),))), "f")
    assert expected is entry.form
    assert claim is entry.claim


def test_forms_of_nobodys_files() -> None:
    """Text and programs are searched, bytecode never; links and folders have no bytes."""
    plan = build(
        environment(
            on_disk("x.txt"),
            on_disk("x.pyc"),
            on_disk("l", "link", target="x.txt"),
            on_disk("d", "directory"),
        )
    )
    forms = {entry.path: entry.form for entry in plan.parts[-1].entries}
    assert (forms["x.txt"], forms["x.pyc"]) == (Form.SEARCH, Form.BYTECODE)
    assert {Form.AS_IS} == {forms["l"], forms["d"]}


def test_two_owners_by_size() -> None:
    """The package whose recorded size the file has owns it; the other's digests are accepted."""
    first, second = (
        claimed("f", size=9, sha256="aa"),
        claimed("f", size=4, sha256="bb", sha256_in_prefix="cc"),
    )
    records = (record("a", first), record("b", second))
    part, entry = find(build(environment(on_disk("f", size=4), records=records)), "f")
    assert ("b-1-0", second, ("aa",)) == (part.dist, entry.claim, entry.accepted)
    part, entry = find(build(environment(on_disk("f", size=9), records=records)), "f")
    assert ("a-1-0", first, ("bb", "cc")) == (part.dist, entry.claim, entry.accepted)


def test_two_owners_of_equal_size() -> None:
    """Where the size tells nothing, the first owns the path and any digest is accepted."""
    records = tuple(record(name, claimed("f", size=4, sha256=name * 2)) for name in "abc")
    part, entry = find(build(environment(on_disk("f", size=4), records=records)), "f")
    assert (part.dist, entry.accepted) == ("a-1-0", ("bb", "cc"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("a.so", "a.so"),
        ("../up", "../up"),
        ("/opt/env/lib/a.so", "../lib/a.so"),
        ("/real/env/bin/a", "a"),
        ("/opt/env", ".."),
        ("/opt/env-data/a", "/opt/env-data/a"),
        ("/usr/lib/a", "/usr/lib/a"),
    ],
)
def test_links(target: str, expected: str) -> None:
    """A link into the prefix by its path becomes relative; all others keep their text."""
    _, entry = find(build(environment(on_disk("bin/l", "link", target=target))), "bin/l")
    assert expected == entry.target


def test_filters() -> None:
    """What is left out is in no part, and the record of its part says so."""
    files = (on_disk("lib/a"), on_disk("lib/b"), on_disk("user"))
    a = record("a", claimed("lib/a"), claimed("lib/b"))
    plan = build(environment(*files, records=(a,)), filters=[("exclude", "*/b"), ("exclude", "user")])
    assert parts(plan) == {"a-1-0": ["lib/a"], "": []}
    assert [part.excluded for part in plan.parts] == [("lib/b",), ("user",)]


def test_times() -> None:
    """A package's members get its time, all others the latest of them; without one, the earliest there is."""
    a, b = record("a", timestamp=TIME), record("b", timestamp=0)
    plan = build(environment(records=(a, b)))
    assert [part.mtime for part in plan.parts] == [TIME, EARLIEST, TIME]
    assert plan.mtime == TIME
    assert build(environment()).mtime == EARLIEST


# ------------------------------------------------------------------ bytecode


SOURCE, PYC = "lib/x/m.py", "lib/x/__pycache__/m.cpython-311.pyc"


def test_bytecode_of_the_same_package() -> None:
    """A source with bytecode of its own package is told of it."""
    a = record("a", claimed(SOURCE), claimed(PYC, "pyc_file", sha256=None))
    plan = build(environment(on_disk(SOURCE), on_disk(PYC), records=(a,)))
    assert (find(plan, SOURCE)[1].bytecode, find(plan, PYC)[0].dist) == (PYC, "a-1-0")


def test_bytecode_of_nobody_follows_the_packages_source() -> None:
    """Python's own bytecode of a package's source learns the time that the source gets."""
    source = on_disk(SOURCE, mtime=77)
    plan = build(environment(source, on_disk(PYC), records=(record("a", claimed(SOURCE), timestamp=TIME),)))
    part, entry = find(plan, PYC)
    assert ("", Form.BYTECODE, source, TIME) == (part.dist, entry.form, entry.source, entry.source_mtime)
    assert find(plan, SOURCE)[1].bytecode is None


def test_bytecode_of_a_users_source() -> None:
    """The user's source keeps its own time, so its bytecode needs no other."""
    plan = build(environment(on_disk(SOURCE), on_disk(PYC)))
    assert find(plan, PYC)[1].source is None
    assert find(plan, SOURCE)[1].bytecode == PYC


def test_bytecode_of_a_source_with_the_prefix() -> None:
    """Bytecode compiled from a patched source holds the prefix: it is in no package's part."""
    source = claimed(SOURCE, placeholder="/p", file_mode="text")
    a = record("a", source, claimed(PYC, "pyc_file", sha256=None))
    part, entry = find(build(environment(on_disk(SOURCE), on_disk(PYC), records=(a,))), PYC)
    assert (part.dist, entry.form, entry.claim) == ("", Form.BYTECODE, None)


@pytest.mark.parametrize(
    ("pyc", "source"),
    [
        ("__pycache__/m.cpython-36.pyc", "m.py"),
        ("a/__pycache__/m.n.cpython-311.opt-2.pyc", "a/m.n.py"),
        ("a/m.pyc", "a/m.py"),  # Python 2
    ],
)
def test_sources_of_bytecode(pyc: str, source: str) -> None:
    """Names as PEP 3147 and PEP 488 make them."""
    plan = build(environment(on_disk(source), on_disk(pyc)))
    assert pyc == find(plan, source)[1].bytecode


# ------------------------------------------------------------------ additions


def test_additions_are_nobodys_files() -> None:
    """They lie among the others in their order, are read where they are, and no filter applies to them."""
    app = msgspec.structs.replace(on_disk("app/main.py", mtime=9), location="/home/me/main.py")
    data = msgspec.structs.replace(on_disk("app/a", size=3), data=b"abc")
    pyc = on_disk("app/__pycache__/main.cpython-311.pyc")
    files = (on_disk("zz"), on_disk("aa"))
    plan = build(environment(*files), filters=[("exclude", "*")], additions=[pyc, app, data])
    assert parts(plan) == {"": [pyc.path, "app/a", "app/main.py"]}
    plan = build(environment(*files), additions=[app, pyc, data])
    assert parts(plan) == {"": ["aa", pyc.path, "app/a", "app/main.py", "zz"]}
    part, entry = find(plan, "app/main.py")
    assert (entry.location, entry.form, entry.bytecode) == ("/home/me/main.py", Form.SEARCH, pyc.path)
    assert (find(plan, "app/a")[1].data, part.record) == (b"abc", None)


def test_additions_in_the_place_of_the_runtime() -> None:
    """What unpacks and activates is not to be replaced."""
    blobs = [Blob("bin/activate", 0o644, b"")]
    with pytest.raises(UsageError, match="bin/activate"):
        build(environment(), runtime=blobs, additions=[on_disk("bin/activate"), on_disk("bin/x")])


# ------------------------------------------------------------------ the rest of the plan


def test_the_runtime() -> None:
    """An environment's own files win over the runtime's, and an earlier runtime is replaced."""
    blobs = [Blob(f"bin/{name}", 0o644, b"") for name in ("activate", "conda-unpack", "deactivate")]
    conda = record("conda", claimed("bin/activate"))
    files = (on_disk("bin/activate"), on_disk("bin/deactivate"), on_disk("bin/conda-unpack"))
    before = frozenset({"bin/conda-unpack", "bin/gone"})
    plan = build(environment(*files, records=(conda,), runtime_before=before), runtime=blobs)
    assert [blob.path for blob in plan.runtime] == ["bin/conda-unpack"]
    assert parts(plan) == {"conda-1-0": ["bin/activate"], "": ["bin/deactivate"]}


def test_no_unpacker_for_a_fixed_place() -> None:
    """An archive for one place has nothing to relocate."""
    blobs = [Blob(f"bin/{name}", 0o644, b"") for name in ("activate", "conda-unpack")]
    plan = build(environment(), runtime=blobs, dest_prefix="/srv/env")
    assert [blob.path for blob in plan.runtime] == ["bin/activate"]


def test_findings_are_told_all_at_once() -> None:
    """Every error is in one message; those that are to be ignored become warnings."""
    findings = (
        Finding(Severity.ERROR, "one", ("a",), "--one"),
        Finding(Severity.ERROR, "two", (), "--two"),
        Finding(Severity.WARNING, "three"),
    )
    with pytest.raises(EnvironmentFindings) as raised:
        build(environment(findings=findings))
    assert (
        str(raised.value)
        == "one\n    a\n    To go on all the same: --one.\ntwo\n    To go on all the same: --two."
    )
    with pytest.raises(EnvironmentFindings, match=r"\Atwo\n"):
        build(environment(findings=findings), ignore=["--one"])
    plan = build(environment(findings=findings), ignore=["--one", "--two"])
    assert [(finding.severity, finding.option) for finding in plan.findings] == [(Severity.WARNING, "")] * 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("env", "env"),
        ("a/b/", "a/b"),
        ("/env", "env"),
        ("./env", "env"),
        (".", ""),
        ("a\\b", "a/b"),
        ("a/../b", "b"),
    ],
)
def test_arcroot(given: str, expected: str) -> None:
    """The archive's folder in its one normal form."""
    assert expected == check_arcroot(given)


@pytest.mark.parametrize("arcroot", ["..", "../x", "a/../../x", "a\nb"])
def test_an_arcroot_that_leaves_the_archive(arcroot: str) -> None:
    """A folder outside of the archive is refused."""
    with pytest.raises(UsageError, match="leaves the archive"):
        check_arcroot(arcroot)


@pytest.mark.parametrize("arcroot", ["/..", "/../x"])
def test_a_rooted_arcroot_that_climbs(arcroot: str) -> None:
    """Above the root there is nothing but the root."""
    assert ".." not in check_arcroot(arcroot).split("/")


def test_the_same_plan_for_any_order() -> None:
    """The order of files on disk leaves no trace."""
    files = [on_disk("b"), on_disk("a"), on_disk("c/d")]
    a = record("a", claimed("c/d"), claimed("a"))
    assert parts(build(environment(*files, records=(a,)))) == parts(
        build(environment(*files[::-1], records=(a,)))
    )
    assert parts(build(environment(*files, records=(a,))))["a-1-0"] == ["a", "c/d"]
