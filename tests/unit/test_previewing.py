"""What a dry run tells, of small environments on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conda_pack.archives.formats import by_name
from conda_pack.model import Blob, Claim, DiskFile, Environment, Finding, Platform, Record, Severity
from conda_pack.plan.build import build
from conda_pack.plan.select import Filter
from conda_pack.previewing import preview
from conda_pack.results import Preview
from tests.support.records import record
from tests.unit.relocation.test_elf import compile_libraries, needs_gcc

PLACEHOLDER = "/placeholder" + "_" * 60
LONGER = PLACEHOLDER + "_" * 20


def environment(prefix: Path, contents: dict[str, bytes], *records: Record, **more: Any) -> Environment:
    """One with these files, written to ``prefix``."""
    files = {}
    for path, content in sorted(contents.items()):
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_bytes(content)
        files[path] = DiskFile(path, "file", 0o755, len(content), 0)
    known: dict[str, Any] = {
        "prefix": str(prefix),
        "prefixes": (os.fsencode(prefix),),
        "platform": Platform("linux-64"),
        "site_packages": None,
        "records": records,
        "files": files,
        "previous": {},
        "excluded_before": frozenset(),
        "runtime_before": frozenset(),
    }
    return Environment(**{**known, **more})


def previewed(
    environment: Environment,
    *,
    ignore: Sequence[str] = (),
    filters: Sequence[Filter] = (),
    dest_prefix: str | None = None,
    **more: Any,
) -> Preview:
    plan = build(
        environment,
        filters=filters,
        dest_prefix=dest_prefix,
        runtime=(Blob("bin/run", 0o755, b"#!/bin/sh\n"),),
        ignore={finding.option for finding in environment.findings},
    )
    return preview(plan, ignore, [(by_name("tar"), plan)], None, 1, **more)


def binary(path: str, placeholder: str) -> Claim:
    return Claim(path, 0, "hardlink", placeholder=placeholder, file_mode="binary")


def installed(prefix: Path, placeholder: str) -> bytes:
    """A binary as an installer leaves it: NULs at the end of the string for what was longer."""
    name = os.fsencode(prefix)
    return b"\x7fELF\0" + name + b"/lib" + bytes(len(placeholder) - len(name) + 1)


def test_counts(work: Path) -> None:
    """Files are those of the environment, the records and what is made; excluded ones by count and size."""
    made = environment(
        work,
        {
            "a": b"12345",
            "b": b"123",
            "c": b"1",
            "bin/run": b"old",
            "bin/run-once": b"old",
            "conda-meta/p-1-0.json": b"{}",
        },
        record("p", Claim("a", 0, "hardlink")),
        runtime_before=frozenset(("bin/run", "bin/run-once")),
    )
    told = previewed(made, filters=[("exclude", "b"), ("exclude", "bin/*"), ("exclude", "conda-meta/*")])
    assert (str(work), "linux-64", 1) == (told.environment, told.platform, told.packages)
    assert (told.files, told.size) == (4, 5 + 1 + 2)  # a, c, the record, bin/run
    assert (told.excluded, told.excluded_size) == (1, 3)
    assert [estimate.format for estimate in told.estimates] == ["tar"]


def test_findings(work: Path) -> None:
    """Errors that the user does not ignore are what packing would stop at; the others are warnings."""
    warning = Finding(Severity.WARNING, "a warning", ("x", "y"))
    ignored = Finding(Severity.ERROR, "an ignored error", (), "--ignore-a")
    error = Finding(Severity.ERROR, "an error", ("x", "y", "z"), "--ignore-b")
    made = replace(environment(work, {"a": b""}), findings=(warning, ignored, error))
    told = previewed(made, ignore=["--ignore-a"], warnings=["told before"], most_named=2)
    assert [error.text(2)] == told.errors
    assert told.warnings == ["told before", "a warning\n    x\n    y", "an ignored error"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files(work: Path) -> None:
    """They are errors, all of them, and everything else is told."""
    made = environment(work, {"a": b"#!/bin/sh", "b": b"", "c": b"123"})
    for path in "ab":
        (work / path).chmod(0)
    told = previewed(made, most_named=1)
    assert told.errors == [
        "2 files cannot be read. Make them readable, or leave them out with --exclude.\n"
        "    a\n    … and 1 more"
    ]
    assert told.files == 4


def test_files_that_are_gone(work: Path) -> None:
    """What vanished since the environment was read is told as what cannot be read."""
    made = environment(
        work, {"a": installed(work, PLACEHOLDER), "b": b"1"}, record("p", binary("a", PLACEHOLDER))
    )
    (work / "a").unlink()
    told = previewed(made)
    assert (told.longest_prefix, told.limited_by) == (None, [])
    assert told.errors == [
        "1 files cannot be read. Make them readable, or leave them out with --exclude.\n    a"
    ]


def test_the_longest_prefix(work: Path) -> None:
    """The shortest placeholder that is really there counts, and five files that have it are named."""
    contents = {f"{number}": installed(work, PLACEHOLDER) for number in range(7)}
    contents["longer"] = installed(work, LONGER)
    contents["without"] = b"\x7fELF, without a prefix"
    claims = [binary(path, PLACEHOLDER) for path in contents if path not in ("longer", "without")]
    made = environment(
        work, contents, record("p", *claims, binary("longer", LONGER), binary("without", "/short"))
    )
    told = previewed(made)
    assert (len(PLACEHOLDER), ["0", "1", "2", "3", "4"]) == (told.longest_prefix, told.limited_by)
    without = previewed(made, filters=[("exclude", "[0-9]")])
    assert (len(LONGER), ["longer"]) == (without.longest_prefix, without.limited_by)


def test_what_cannot_be_restored_limits_nothing(work: Path) -> None:
    """A binary that is not its package's any more keeps the room it has, and need not be relocated."""
    placeholder = "/" + "p" * (len(os.fsencode(work)) - 1)
    claim = Claim("a", 0, "hardlink", sha256="0" * 64, placeholder=placeholder, file_mode="binary")
    made = environment(work, {"a": installed(work, placeholder)}, record("p", claim))
    assert previewed(made).longest_prefix is None


def test_no_limit(work: Path) -> None:
    """Text has room for any prefix, and so has what no package owns."""
    text = Claim("text", 0, "hardlink", placeholder=PLACEHOLDER, file_mode="text")
    made = environment(
        work,
        {"text": os.fsencode(work), "mine": installed(work, PLACEHOLDER)},
        record("p", text),
    )
    told = previewed(made)
    assert (told.longest_prefix, told.limited_by) == (None, [])


def test_a_placeholder_of_an_earlier_archive(work: Path) -> None:
    """A file of no package limits the prefix if it did when the environment was packed before."""
    before = {"prefix_placeholder": LONGER, "file_mode": "binary"}
    data = b"\x7fELF\0" + LONGER.encode() + b"/lib\0"
    places = {
        **before,
        "path": "mine",
        "sha256": hashlib.sha256(data).hexdigest(),
        "offsets": [{"encoding": "utf-8", "ranges": [[5, len(data) - 1]]}],
    }
    made = environment(work, {"mine": installed(work, LONGER)}, previous={"mine": places})
    assert LONGER.encode() not in (work / "mine").read_bytes()
    assert (len(LONGER), ["mine"]) == ((told := previewed(made)).longest_prefix, told.limited_by)
    changed = replace(made, previous={"mine": {**places, "sha256": "0" * 64}})
    assert previewed(changed).longest_prefix is None
    optional = replace(made, previous={"mine": {**places, "optional": True}})
    assert previewed(optional).longest_prefix is None


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_a_fixed_destination(work: Path, spare: int, fits: bool) -> None:
    """It is the one prefix; one that is too long is what packing would stop at."""
    made = environment(work, {"a": installed(work, PLACEHOLDER)}, record("p", binary("a", PLACEHOLDER)))
    dest = "/" + "d" * (len(PLACEHOLDER) - 1 - spare)
    told = previewed(made, dest_prefix=dest)
    error = (
        f"The destination {dest} is longer than the {len(PLACEHOLDER)} bytes that a has room for. "
        "Choose a shorter one."
    )
    assert (None, [], [] if fits else [error]) == (told.longest_prefix, told.limited_by, told.errors)


@needs_gcc
@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_run_paths_of_real_libraries(work: Path, tags: str) -> None:
    """RUNPATH and RPATH, as the linker wrote them; excluded files and damaged ones tell nothing."""
    prefix, outside = work / "env", work / "outside"
    outside.mkdir()
    library = compile_libraries(prefix, f"-Wl,{tags},-rpath,{outside}:{prefix}/lib:$ORIGIN")
    data = library.read_bytes()
    made = environment(prefix, {"lib/a.so": data, "lib/b.so": data, "lib/cut.so": data[: len(data) // 2]})
    told = previewed(made, filters=[("exclude", "lib/b.so")])
    assert [f"lib/a.so → {outside} (RPATH)"] == told.leaving


def test_what_is_added_is_read_where_it_lies(work: Path) -> None:
    """An addition is not in the prefix, an edited file nowhere on the disk."""
    prefix, interpreter, script = work / "env", work / "perl", work / "script"
    interpreter.touch()
    script.write_bytes(b"#!" + os.fsencode(interpreter))
    made = environment(prefix, {"a": b""})
    edited = b"#!" + os.fsencode(interpreter)
    additions = [
        DiskFile("bin/added", "file", 0o755, script.stat().st_size, 0, "", str(script)),
        DiskFile("bin/edited", "file", 0o755, len(edited), 0, "", "", edited),
    ]
    told = preview(build(made, additions=additions), (), [], None, 1)
    assert [f"bin/{name} → {interpreter} (shebang)" for name in ("added", "edited")] == told.leaving
    assert told.errors == []
