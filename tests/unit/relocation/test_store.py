"""Every form of an entry, and every note: what is stored, and that it renders to what was installed."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest
from msgspec.structs import replace

from conda_pack.model import Claim, DiskFile, Entry, Form, Platform, Stored
from conda_pack.relocation.store import NEUTRAL, Relocator
from conda_pack.runtime.rules import inverse, splice, stored_edits, target_edits

PLACEHOLDER = "/placeholder" * 10
P = PLACEHOLDER.encode()
ENV = b"/opt/env"
RELOCATOR = Relocator((ENV,), Platform("linux-64"))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(path: str, form: Form, claim: Claim | None = None, **more: Any) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, size=0, mtime=0, form=form, claim=claim, **more)


def claimed(path: str, **facts: Any) -> Claim:
    return Claim(path=path, index=0, path_type="hardlink", **facts)


def at(stored: Stored, prefix: bytes, limit: int = 127) -> bytes:
    """The stored file, relocated."""
    fields = {"path": "x", **stored.fields}
    pristine = b"".join(splice(stored.data, inverse(stored_edits(fields))))
    return b"".join(splice(pristine, target_edits(fields, prefix, limit)))


def test_as_is() -> None:
    """A package's file without a placeholder is stored as it is, though it names the prefix."""
    data = b"see /opt/env\n"
    stored = RELOCATOR.store(entry("a", Form.AS_IS, claimed("a", sha256=sha(data))), data)
    assert Stored(data, sha(data)) == stored


def test_as_is_modified() -> None:
    """A package's file that was changed is noted, and relocated like anybody's."""
    data = b"see /opt/env/lib\n"
    stored = RELOCATOR.store(entry("a", Form.AS_IS, claimed("a", sha256=sha(b"before"))), data)
    assert ("modified", NEUTRAL.encode()) == (stored.note, stored.data[4:-5])
    assert data == at(stored, ENV)


def test_as_is_accepted() -> None:
    """What another owner of the path recorded is no modification."""
    data = b"theirs\n"
    claim = claimed("a", sha256=sha(b"ours"))
    stored = RELOCATOR.store(entry("a", Form.AS_IS, claim, accepted=(sha(data),)), data)
    assert Stored(data, sha(data)) == stored


def test_restore_text() -> None:
    """A patched text is stored as its package shipped it, with its offsets."""
    pristine, data = b"a %b/x %b\n" % (P, P), b"a /opt/env/x /opt/env\n"
    claim = claimed(
        "etc/a", sha256=sha(pristine), sha256_in_prefix=sha(data), placeholder=PLACEHOLDER, file_mode="text"
    )
    stored = RELOCATOR.store(entry("etc/a", Form.RESTORE, claim), data)
    assert ("", pristine, sha(pristine)) == (stored.note, stored.data, stored.sha256)
    assert at(stored, b"/new") == b"a /new/x /new\n"


def test_restore_binary() -> None:
    """A patched binary gets its placeholders and loses the padding."""
    gap = b"\0" * (len(P) - len(ENV))
    pristine, data = b"\1" + P + b"/l\0\2", b"\1" + ENV + b"/l" + gap + b"\0\2"
    claim = claimed("lib/a", sha256=sha(pristine), placeholder=PLACEHOLDER, file_mode="binary")
    stored = RELOCATOR.store(entry("lib/a", Form.RESTORE, claim), data)
    assert pristine == stored.data
    assert data == at(stored, ENV)


def test_restore_a_python_script() -> None:
    """A package's Python script gets a trampoline; the record keeps its own first line."""
    pristine, data = b"#!%b/bin/python -s\nprint()\n" % P, b"#!/opt/env/bin/python -s\nprint()\n"
    claim = claimed("bin/a", sha256=sha(pristine), placeholder=PLACEHOLDER, file_mode="text")
    stored = RELOCATOR.store(entry("bin/a", Form.RESTORE, claim), data)
    assert stored.data.startswith(b"#!/bin/sh\n'''exec' ")
    assert f"#!{PLACEHOLDER}/bin/python -s\n" == stored.fields["shebang"]
    assert data == at(stored, ENV)
    fields = dict(stored.fields)
    assert pristine == b"".join(splice(stored.data, inverse(stored_edits(fields))))


def test_restore_modified() -> None:
    """A patched file that its owner edited is kept, the prefix in it found by its boundaries."""
    data = b"my /opt/env/x, not /opt/env-data\n"
    claim = claimed(
        "etc/a", sha256=sha(P), sha256_in_prefix=sha(ENV), placeholder=PLACEHOLDER, file_mode="text"
    )
    stored = RELOCATOR.store(entry("etc/a", Form.RESTORE, claim), data)
    assert stored.note == "modified"
    assert at(stored, b"/new") == b"my /new/x, not /opt/env-data\n"


def test_restore_unrestored() -> None:
    """A file that is as it was installed, but whose pristine bytes cannot be proved, is noted as such."""
    data = b"x /opt/env/x\n"
    claim = claimed(
        "etc/a", sha256="0" * 64, sha256_in_prefix=sha(data), placeholder=PLACEHOLDER, file_mode="text"
    )
    stored = RELOCATOR.store(entry("etc/a", Form.RESTORE, claim), data)
    assert stored.note == "unrestored"
    assert data == at(stored, ENV)


def test_restore_without_the_prefix() -> None:
    """A file whose recorded placeholder is not in it depends on no prefix: it has no relocation fields."""
    data = b"plain\n"
    claim = claimed("etc/a", sha256=sha(data), placeholder=PLACEHOLDER, file_mode="text")
    assert Stored(data, sha(data)) == RELOCATOR.store(entry("etc/a", Form.RESTORE, claim), data)


@pytest.mark.parametrize(
    ("installer", "rule", "long"),
    [
        ("conda", "conda-entry", b"#!/bin/sh\n'''exec' \"%b/bin/python3.11\" \"$0\" \"$@\" #'''\n"),
        ("rattler", "rattler", b"#!/bin/sh\n'''exec' \"%b/bin/python3.11\" \"$0\" \"$@\" #'''\n"),
    ],
)
def test_entry_points(installer: str, rule: str, long: bytes) -> None:
    """An entry point follows the rule of the installer that wrote it."""
    body = b"import sys\n"
    data = b"#!/opt/env/bin/python3.11\n" + body
    claim = replace(claimed("bin/a"), path_type="unix_python_entry_point")
    stored = RELOCATOR.store(entry("bin/a", Form.SCRIPT, claim), data, installer)
    assert ("", rule) == (stored.note, stored.fields["shebang_rule"])
    assert data == at(stored, ENV)
    assert long % b"/my env" + body == at(stored, b"/my env")
    back = Relocator((b"/my env",), Platform("linux-64")).store(
        entry("bin/a", Form.SCRIPT, claim), at(stored, b"/my env"), installer
    )
    assert stored == back


def test_pips_scripts() -> None:
    """A script of pip follows distlib's rule, and one that pip had to write the long way comes back too."""
    body = b"# -*- coding: utf-8 -*-\nimport sys\n"
    stored = RELOCATOR.store(entry("bin/p", Form.SEARCH), b"#!/opt/env/bin/python3.11\n" + body)
    assert stored.fields["shebang_rule"] == "distlib"
    long = b"/" + b"l" * 130
    expected = b"#!/bin/sh\n'''exec' %b/bin/python3.11 \"$0\" \"$@\"\n' '''\n" % long
    assert expected + body == at(stored, long)
    again = Relocator((long,), Platform("linux-64")).store(entry("bin/p", Form.SEARCH), expected + body)
    assert stored == again


def test_search_text() -> None:
    """Anybody's text is relocated by boundaries; what only looks like the prefix stays."""
    data = b"/opt/env/a /opt/env2 /opt/env\n"
    stored = RELOCATOR.store(entry("etc/u", Form.SEARCH), data)
    assert at(stored, b"/n") == b"/n/a /opt/env2 /n\n"
    assert NEUTRAL.encode() + b"/a /opt/env2 " + NEUTRAL.encode() + b"\n" == stored.data


def test_search_without_the_prefix() -> None:
    """Text that does not name the prefix, or only a longer path, is stored as it is."""
    for data in (b"nothing\n", b"/opt/env-data\n", b""):
        assert Stored(data, sha(data)) == RELOCATOR.store(entry("etc/u", Form.SEARCH), data)


def test_search_a_second_name() -> None:
    """The prefix is found by its second name if the first only looks so."""
    relocator = Relocator((ENV, b"/real/env"), Platform("linux-64"))
    stored = relocator.store(entry("etc/u", Form.SEARCH), b"/opt/env-data /real/env/x\n")
    assert at(stored, b"/n") == b"/opt/env-data /n/x\n"


def test_search_left() -> None:
    """Data that is neither text nor a program keeps the prefix, and is noted."""
    data = b"\x80\x04pickle\0/opt/env/lib"
    stored = RELOCATOR.store(entry("share/x.pkl", Form.SEARCH), data)
    assert Stored(data, sha(data), {}, "left") == stored


def test_search_a_program() -> None:
    """A user's program keeps its strings, which are relocated where the new prefix is no longer."""
    data = b"\x7fELF\2\1\0\0/opt/env/lib\0more"
    stored = RELOCATOR.store(entry("bin/prog", Form.SEARCH), data)
    assert (data, True, "") == (stored.data, stored.fields["optional"], stored.note)
    assert at(stored, b"/e") == b"\x7fELF\2\1\0\0/e/lib\0\0\0\0\0\0\0more"


def test_bytecode_is_never_touched() -> None:
    """A .pyc names the prefix in strings with a length: it is stored as it is, whoever made it."""
    data = b"\xa7\r\r\n" + struct.pack("<III", 0, 1, 2) + b"\x0c/opt/env/lib"
    assert Stored(data, sha(data)) == RELOCATOR.store(entry("a.pyc", Form.BYTECODE), data)
    assert Stored(data, sha(data)) == RELOCATOR.store(entry("a.pyc", Form.SEARCH), data)


def _bytecode(flags: int, mtime: int, size: int) -> bytes:
    return b"\xa7\r\r\n" + struct.pack("<III", flags, mtime, size) + b"code"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((0, 100, 7), (0, 555, 7)),  # valid: follows its source
        ((0, 99, 7), (0, 99, 7)),  # stale already
        ((0, 100, 8), (0, 100, 8)),  # of another source
        ((1, 100, 7), (1, 100, 7)),  # by hash: no time in it
    ],
)
def test_bytecode_of_a_package_source(header: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    """Valid bytecode stays so when its source gets the package's time, other stays invalid."""
    source = DiskFile("a.py", "file", 0o644, 7, 100)
    compiled = entry("a.pyc", Form.BYTECODE, source=source, source_mtime=555)
    assert _bytecode(*expected) == RELOCATOR.store(compiled, _bytecode(*header)).data


def test_bytecode_too_short() -> None:
    """A .pyc without a whole header is stored as it is."""
    source = DiskFile("a.py", "file", 0o644, 7, 100)
    assert RELOCATOR.store(entry("a.pyc", Form.BYTECODE, source=source), b"\xa7").data == b"\xa7"


def test_patched_text() -> None:
    """micromamba tells no placeholder: the prefix itself is found, and the note says so."""
    data = b"#!/opt/env/bin/python\nx = '/opt/env'\n"
    claim = claimed("bin/m", sha256="0" * 64, sha256_in_prefix=sha(data))
    stored = RELOCATOR.store(entry("bin/m", Form.PATCHED, claim), data)
    assert ("unrestored", data) == (stored.note, at(stored, ENV))


def test_patched_binary() -> None:
    """The NULs that micromamba padded with tell how long its placeholder was."""
    gap = 100
    data = b"\x7fELF\1\1/opt/env/lib" + b"\0" * (gap + 1) + b"tail"
    claim = claimed("lib/m.so", sha256="0" * 64, sha256_in_prefix=sha(data))
    stored = RELOCATOR.store(entry("lib/m.so", Form.PATCHED, claim), data)
    assert len(ENV) + gap == len(stored.fields["prefix_placeholder"])
    assert data == at(stored, ENV)
    longest = b"/" + b"x" * (len(ENV) + gap - 1)
    assert b"\x7fELF\1\1" + longest + b"/lib\0tail" == at(stored, longest)


def test_patched_modified() -> None:
    """A file that fits neither recorded hash was changed."""
    claim = claimed("etc/m", sha256="0" * 64, sha256_in_prefix="1" * 64)
    assert RELOCATOR.store(entry("etc/m", Form.PATCHED, claim), b"/opt/env\n").note == "modified"


def test_packed_again() -> None:
    """A file that an archive brought is stored as that archive had it, wherever it was relocated to."""
    pristine, data = b"#!%b/bin/python\nx = '%b'\n" % (P, P), b"#!/opt/env/bin/python\nx = '/opt/env'\n"
    claim = claimed("bin/a", sha256=sha(pristine), placeholder=PLACEHOLDER, file_mode="text")
    first = RELOCATOR.store(entry("bin/a", Form.RESTORE, claim), data)
    previous = {"path": "bin/a", "sha256": first.sha256, "size": 1, **first.fields}
    moved = Relocator((b"/new env",), Platform("linux-64"))
    for installed in (at(first, b"/new env"), first.data):  # relocated, or not yet
        again = moved.store(entry("bin/a", Form.SEARCH, previous=previous), installed)
        assert first == again


def test_packed_again_after_a_change() -> None:
    """A file that was changed since it was unpacked is anybody's file again."""
    previous = {
        "path": "etc/a",
        "sha256": sha(b"/placeholder\n"),
        "prefix_placeholder": "/placeholder",
        "file_mode": "text",
        "offsets": [{"encoding": "utf-8", "ranges": [0]}],
    }
    stored = RELOCATOR.store(entry("etc/a", Form.SEARCH, previous=previous), b"/opt/env edited\n")
    assert NEUTRAL.encode() + b" edited\n" == stored.data


@pytest.mark.parametrize(("subdir", "expected"), [("linux-64", 127), ("osx-arm64", 512), ("noarch", 127)])
def test_the_limit_is_the_platforms(subdir: str, expected: int) -> None:
    """How long a first line may be depends on the environment's platform, not on this machine's."""
    assert expected == Relocator((ENV,), Platform(subdir)).limit
