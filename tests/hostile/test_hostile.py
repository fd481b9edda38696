"""Archives made to do harm are refused, and nothing outside of the destination is touched.

Each has exactly one lie: all digests are right, so that only the check against that lie can refuse it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from conda_pack.archives.inventory import STATE_PATH
from conda_pack.errors import CondaPackException, DamagedArchive, UnsafeArchive
from conda_pack.model import INDEX_PATH, JsonLayout
from conda_pack.segments.schema import CondaMetaFields, FileEntry, OffsetGroup, encode
from conda_pack.segments.tar import BLOCK, EXTENDED, Member, header
from tests.support.archives import (
    SEGMENT,
    WAYS,
    Forgery,
    Watched,
    checksummed,
    pack,
    small_environment,
    with_type,
)

Lie = Callable[[Forgery, Path], None]
LIES: dict[str, Lie] = {}
"""Name → what changes a sound archive into a hostile one; it gets a folder outside of the destination."""

PLAIN = "lib/plain.txt"
LARGE = "lib/large.bin"
CONF = "etc/tool.conf"


def lie(function: Lie) -> Lie:
    LIES[function.__name__] = function
    return function


@pytest.fixture(scope="session")
def sound(work_root: Path) -> Path:
    folder = work_root / "hostile"
    return pack(small_environment(folder / "env"), folder / "sound.tar")


@pytest.fixture
def outside(work: Path) -> Path:
    """A folder beside the destination, with a file that somebody may want gone."""
    folder = work / "outside"
    folder.mkdir()
    (folder / "victim.json").write_text("{}")
    (folder / "victim.txt").write_text("precious\n")
    return folder


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
def test_a_sound_forgery(sound: Path, outside: Path, work: Path, way: str, suffix: str) -> None:
    """Without a lie it unpacks: what the others are refused for is theirs."""
    archive = Forgery.of(sound).write(work / f"x.{suffix}")
    WAYS[way](archive, work / "dest")
    assert (work / "dest" / CONF).read_text() == f"prefix={work}/dest\n"


# ------------------------------------------------------------------- paths


def _file_at(path: str) -> Lie:
    return lambda forgery, _: forgery.add(FileEntry(path), b"evil\n")


LIES |= {
    "parent": _file_at("../evil"),
    "parents": _file_at("../../../../../../../tmp/evil"),
    "parent inside": _file_at("own/../../evil"),
    "parent at the end": _file_at("own/.."),
    "dot": _file_at("./evil"),
    "empty part": _file_at("own//evil"),
    "empty path": _file_at(""),
    "trailing slash": _file_at("own/evil/"),
    "absolute": _file_at("/tmp/conda-pack-evil"),
    "nul": _file_at("own/e\0vil"),
    "long name": _file_at("own/" + "n" * 256),
    "long path": _file_at("/".join(["n" * 200] * 30)),
    "very deep": _file_at("/".join(["d"] * 2040)),
    "absurdly deep": _file_at("/".join(["d"] * 30000)),
    "in our own folder": _file_at("conda-meta/conda-pack/evil.json"),
    "below our own folder": _file_at("conda-meta/conda-pack/index.json/evil"),
    "our state": _file_at("conda-meta/conda-pack/state.json"),
    "our index": _file_at("conda-meta/conda-pack/index.json"),
    "below a file": _file_at(f"{PLAIN}/evil"),
}


@lie
def absolute_outside(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry(f"{outside}/evil"), b"evil\n")


@lie
def below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))
    forgery.add(FileEntry("own/door/evil"), b"evil\n")


@lie
def before_its_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door/evil"), b"evil\n")
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))


@lie
def link_below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))
    forgery.add(FileEntry("own/door/evil", "link", 0o777, target="victim.txt"))


@lie
def folder_below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))
    forgery.add(FileEntry("own/door/evil", "directory", 0o755))


@lie
def records_below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("conda-meta/conda-pack", "link", 0o777, target=str(outside)))


@lie
def unlisted_file_below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))
    forgery.add_member(Member("own/door/evil", "file", 0o644, 0, 0))


# -------------------------------------------------------------- duplicates


@lie
def listed_twice(forgery: Forgery, _: Path) -> None:
    forgery.unmanaged.files.append(forgery.entry(PLAIN))


@lie
def there_twice(forgery: Forgery, _: Path) -> None:
    data = b"plain\n" * 100
    forgery.add_member(Member(PLAIN, "file", 0o644, len(data), 1), data)


@lie
def listed_and_there_twice(forgery: Forgery, _: Path) -> None:
    forgery.add(FileEntry(PLAIN), b"plain\n" * 100)


@lie
def file_and_link(forgery: Forgery, outside: Path) -> None:
    forgery.add_member(Member(PLAIN, "link", 0o777, 0, 1, str(outside / "victim.txt")))


@lie
def record_twice(forgery: Forgery, _: Path) -> None:
    path = forgery.content.packages[0].record
    data = encode(forgery.package)
    forgery.add_member(Member(path, "file", 0o644, len(data), 1), data)


@lie
def large_file_twice(forgery: Forgery, _: Path) -> None:
    forgery.segments.insert(3, forgery.segments[2])


# ------------------------------------------------------- header against record


@lie
def unlisted_member(forgery: Forgery, _: Path) -> None:
    forgery.add_member(Member("own/evil", "file", 0o644, 0, 1))


@lie
def missing_member(forgery: Forgery, _: Path) -> None:
    entry = FileEntry("own/not-there", sha256="0" * 64, size=5)
    forgery.unmanaged.files.append(entry)


@lie
def other_content(forgery: Forgery, _: Path) -> None:
    forgery.replace(b"plain\nplain\n", b"PLAIN\nplain\n")


@lie
def other_content_of_a_large_file(forgery: Forgery, _: Path) -> None:
    item, data = forgery.segments[2]
    forgery.segments[2] = (item, b"\1" + data[1:])


@lie
def other_content_of_a_runtime_file(forgery: Forgery, _: Path) -> None:
    item, data = forgery.segments[0]
    forgery.segments[0] = (item, data.replace(b"#!/bin/sh", b"#!/bin/ss", 1))


@lie
def other_mode(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).mode = 0o755


@lie
def other_type(forgery: Forgery, outside: Path) -> None:
    entry = forgery.entry(PLAIN)
    entry.type, entry.sha256, entry.size, entry.target = "link", None, 0, str(outside)


@lie
def other_target(forgery: Forgery, outside: Path) -> None:
    forgery.entry("own/link").target = str(outside)


@lie
def other_name(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).path = "lib/other.txt"


@lie
def larger_in_its_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).size += 512


@lie
def smaller_in_its_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).size -= 100


@lie
def huge_in_its_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(LARGE).size = 1 << 60


@lie
def impossibly_huge_in_its_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(LARGE).size = 1 << 70


@lie
def negative_in_its_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).size = -1


@lie
def huge_in_its_header(forgery: Forgery, _: Path) -> None:
    old = forgery.member_of(PLAIN)
    forgery.replace(header(old), header(Member(PLAIN, "file", 0o644, 8**11 - 1, old.mtime)))


@lie
def negative_in_its_header(forgery: Forgery, _: Path) -> None:
    old = forgery.header_of(PLAIN)
    forgery.replace(old, checksummed(old[:124] + b"-0000000600\0" + old[136:]))


@lie
def size_with_underscores(forgery: Forgery, _: Path) -> None:
    old = forgery.header_of(PLAIN)
    forgery.replace(old, checksummed(old[:124] + b"0_000001130\0" + old[136:]))


@lie
def size_in_binary(forgery: Forgery, _: Path) -> None:
    old = forgery.header_of(PLAIN)
    forgery.replace(old, checksummed(old[:124] + b"\x80" + bytes(9) + b"\x02\x58" + old[136:]))


@lie
def link_with_a_size(forgery: Forgery, outside: Path) -> None:
    entry = FileEntry("own/sized", "link", 0o777, 512, target="x")
    forgery.add(entry, b"\1" * 512, Member("own/sized", "link", 0o777, 512, 1, "x"))


@lie
def member_beyond_its_segment(forgery: Forgery, _: Path) -> None:
    forgery.add_bytes(header(Member("own/evil", "file", 0o644, 4096, 1)))


# --------------------------------------------------------- modes and devices


@lie
def setuid(forgery: Forgery, _: Path) -> None:
    forgery.add(FileEntry("own/evil", mode=0o4755), b"evil\n")


@lie
def setuid_in_the_record(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).mode = 0o4644


@lie
def setuid_in_the_header(forgery: Forgery, _: Path) -> None:
    member = Member("own/evil", "file", 0o4755, 5, 1)
    forgery.add(FileEntry("own/evil", mode=0o755), b"evil\n", member)


@lie
def sticky_folder(forgery: Forgery, _: Path) -> None:
    forgery.add(FileEntry("own/evil", "directory", 0o1777))


@lie
def negative_mode(forgery: Forgery, _: Path) -> None:
    forgery.entry(PLAIN).mode = -1


def _member_of_type(flag: bytes) -> Lie:
    block = with_type(header(Member("own/evil", "file", 0o644, 0, 1, "victim.txt")), flag)
    return lambda forgery, _: forgery.add_bytes(block)


TYPES = {b"1": "hardlink", b"3": "character", b"4": "block", b"6": "fifo", b"7": "contiguous", b"\0": "old"}
TYPES |= {
    b"L": "GNU name",
    b"K": "GNU link",
    b"S": "sparse",
    b"V": "volume",
    b"M": "multivolume",
    b"D": "dump",
}
LIES |= {f"member: {name}": _member_of_type(flag) for flag, name in TYPES.items()}


@lie
def entry_of_an_unknown_type(forgery: Forgery, _: Path) -> None:
    forgery.unmanaged.files.append(FileEntry("own/evil", "device", 0o644))


# ------------------------------------------------------------ extended headers


def _extended(records: bytes, size: int | None = None) -> Lie:
    member = Member("x", "file", 0o644, len(records) if size is None else size, 1)
    block = with_type(header(member), EXTENDED) + records + bytes(-len(records) % BLOCK)
    return lambda forgery, _: forgery.add_bytes(block + header(Member("own/evil", "file", 0o644, 0, 1)))


LIES |= {
    "pax: huge": _extended(b"", 1 << 32),
    "pax: long": _extended(b"100000 path=" + b"n" * 99_987 + b"\n"),
    "pax: no length": _extended(b"path=evil\n"),
    "pax: length too long": _extended(b"99 path=evil\n"),
    "pax: length too short": _extended(b"3 path=evil\n"),
    "pax: no length at all": _extended(b"0 path=evil\n"),
    "pax: negative length": _extended(b"-5 path=evil\n"),
    "pax: signed length": _extended(b"+14 path=evil\n"),
    "pax: no value": _extended(b"8 path\n\n"),
    "pax: not UTF-8": _extended(b"13 path=\xff\xfe\xfd\xfc\n"),
    "pax: size of words": _extended(b"13 size=many\n"),
    "pax: negative size": _extended(b"11 size=-1\n"),
    "pax: size with underscore": _extended(b"12 size=5_1\n"),
    "pax: size of all": _extended(b"29 size=99999999999999999999\n"),
    "pax: parent": _extended(b"16 path=../evil\n"),
}


# --------------------------------------------------------- the segment table


def _segment(number: int, **fields: object) -> Lie:
    def tell(forgery: Forgery, _: Path) -> None:
        forgery.lies[number] = fields

    return tell


SEEKING_LIES: dict[str, Lie] = {
    "continues: nothing": _segment(3, continues="lib/none"),
    "continues: parent": _segment(3, continues="../evil"),
    "continues: a link": _segment(3, continues="own/link"),
    "continues: a folder": _segment(3, continues="own/empty"),
    "continues: another file": _segment(3, continues=PLAIN, at=1),
    "continues: a relocated file": _segment(3, continues=CONF, at=1),
    "continues: conda-meta": _segment(3, continues="conda-meta/tiny-1.0-0.json", at=1),
    "continues: a record": _segment(3, continues="conda-meta/conda-pack/tiny-1.0-0.json", at=1),
    "continues at the start": _segment(3, at=0),
    "continues at a negative place": _segment(3, at=-512),
    "continues too early": _segment(3, at=SEGMENT - 512),
    "continues too late": _segment(3, at=SEGMENT + 512),
    "continues at its end": _segment(3, at=2 * SEGMENT + 3000),
    "continues beyond its end": _segment(3, at=1 << 61),
    "continues beyond everything": _segment(3, at=1 << 80),
    "continues twice at one place": _segment(4, at=SEGMENT),
    "does not continue": _segment(3, continues=None),
    "begins by continuing": _segment(1, continues=LARGE, at=1),
    "negative offset": _segment(1, offset=-1),
    "negative length": _segment(1, length=-1),
    "negative size": _segment(1, size=-1),
    "offset beyond the end": _segment(1, offset=1 << 80),
    "length beyond the end": _segment(1, length=1 << 80),
    "size beyond everything": _segment(1, size=1 << 80),
    "larger": _segment(1, size=SEGMENT * 3),
    "smaller": _segment(1, size=512),
    "other digest": _segment(1, sha256="0" * 64),
    "no digest": _segment(1, sha256=""),
    "another's record": _segment(6, part=""),
    "files as record": _segment(1, role="record"),
    "record as files": _segment(6, role="files"),
    "same segment twice": _segment(2, offset=0, length=0, size=0, sha256="0" * 64),
}
"""Only a reader that seeks believes the table; none of these may reach its destination."""


# ------------------------------------------------------------------- records


@lie
def record_of_another_digest(forgery: Forgery, _: Path) -> None:
    path = forgery.content.packages[0].record
    before = encode(forgery.package)
    forgery.swap_records[path] = before.replace(b'"excluded":[]', b'"excluded":["x"]')
    assert forgery.swap_records[path] != before


@lie
def record_in_another_place(forgery: Forgery, _: Path) -> None:
    package = forgery.content.packages[0]
    forgery.records["lib/record.json"] = forgery.records.pop(package.record)
    package.record = "lib/record.json"


@lie
def record_in_the_place_of_the_index(forgery: Forgery, _: Path) -> None:
    package = forgery.content.packages[0]
    forgery.records[INDEX_PATH] = forgery.records.pop(package.record)
    package.record = INDEX_PATH


@lie
def record_in_the_place_of_the_state(forgery: Forgery, _: Path) -> None:
    package = forgery.content.packages[0]
    forgery.records[STATE_PATH] = forgery.records.pop(package.record)
    package.record = STATE_PATH


@lie
def record_of_two_packages(forgery: Forgery, _: Path) -> None:
    package = forgery.content.packages[0]
    forgery.content.packages.append(msgspec.structs.replace(package, dist="other-1.0-0"))


@lie
def record_outside(forgery: Forgery, _: Path) -> None:
    package = forgery.content.packages[0]
    path = "conda-meta/conda-pack/../../../outside/evil.json"
    forgery.records[path] = forgery.records.pop(package.record)
    package.record = path


@lie
def conda_meta_outside(forgery: Forgery, outside: Path) -> None:
    """Relocation takes conda-meta files away and writes them anew: here, somebody else's."""
    forgery.package.dist = "../../outside/victim"
    forgery.entry(CONF).conda_meta = CondaMetaFields(0, ["sha256_in_prefix"])


@lie
def conda_meta_absolute(forgery: Forgery, outside: Path) -> None:
    forgery.package.dist = f"/../../{outside}/victim"


@lie
def conda_meta_of_nobody(forgery: Forgery, _: Path) -> None:
    forgery.package.dist = "somebody-1.0-0"


@lie
def conda_meta_without_layout(forgery: Forgery, _: Path) -> None:
    forgery.package.json_layout = None


@lie
def conda_meta_with_an_endless_layout(forgery: Forgery, _: Path) -> None:
    forgery.package.json_layout = JsonLayout(1 << 40, True, "\n")


@lie
def conda_meta_with_a_negative_layout(forgery: Forgery, _: Path) -> None:
    forgery.package.json_layout = JsonLayout(-4, True, "\n")


@lie
def conda_meta_beyond_its_paths(forgery: Forgery, _: Path) -> None:
    forgery.entry(CONF).conda_meta = CondaMetaFields(10**6, ["sha256_in_prefix"])


@lie
def conda_meta_before_its_paths(forgery: Forgery, _: Path) -> None:
    forgery.entry(CONF).conda_meta = CondaMetaFields(-1, ["sha256_in_prefix"])


@lie
def conda_meta_of_another_field(forgery: Forgery, _: Path) -> None:
    forgery.entry(CONF).conda_meta = CondaMetaFields(0, ["_path"])


def _offsets(mode: str, ranges: list[int | list[int]], encoding: str = "utf-8", **fields: object) -> Lie:
    def tell(forgery: Forgery, _: Path) -> None:
        entry = forgery.entry(CONF)
        entry.file_mode = mode
        entry.offsets = [OffsetGroup(encoding, ranges)]
        for name, value in fields.items():
            setattr(entry, name, value)

    return tell


LIES |= {
    "offsets: elsewhere": _offsets("text", [0]),
    "offsets: beyond the end": _offsets("text", [10**6]),
    "offsets: beyond everything": _offsets("text", [10**30]),
    "offsets: negative": _offsets("text", [-7]),
    "offsets: twice": _offsets("text", [7, 7]),
    "offsets: overlapping": _offsets("text", [7, 8]),
    "offsets: as of a binary": _offsets("binary", [7]),
    "offsets: as of a text": _offsets("text", [[7, 300]]),
    "offsets: a string without end": _offsets("binary", [[7]]),
    "offsets: a string that ends elsewhere": _offsets("binary", [[7, 10**6]]),
    "offsets: an empty string": _offsets("binary", [[]]),
    "offsets: an unknown encoding": _offsets("text", [7], "rot13"),
    "offsets: an odd encoding": _offsets("text", [7], "utf-16"),
    "offsets: a failing encoding": _offsets("text", [7], "undefined"),
    "offsets: an unknown mode": _offsets("other", [7]),
    "offsets: no placeholder": _offsets("text", [7], prefix_placeholder=None),
    "offsets: a shebang without a rule": _offsets("text", [7], shebang="#!/bin/sh\n"),
    "offsets: a trampoline without a shebang": _offsets("text", [7], trampoline="#!/bin/sh\n"),
}


@lie
def other_identity(forgery: Forgery, _: Path) -> None:
    forgery.content.format = 2


@lie
def other_runtime(forgery: Forgery, _: Path) -> None:
    forgery.content.runtime.append(FileEntry("bin/evil", mode=0o755, sha256="0" * 64))


@lie
def runtime_outside(forgery: Forgery, _: Path) -> None:
    forgery.content.runtime[0].path = "../evil"


def _another_stretch(number: int, at: int) -> Lie:
    """Other bytes for a large file whose every byte is there already, and hashed."""

    def tell(forgery: Forgery, _: Path) -> None:
        item, data = forgery.segments[2]
        other = msgspec.structs.replace(item, at=at)
        forgery.segments.insert(number, (other, b"evil" * (len(data) // 4)))

    return tell


SEEKING_LIES |= {
    f"another stretch: {number} at {at}": _another_stretch(number, at)
    for number in (2, 3, 4, 6)
    for at in (SEGMENT, SEGMENT - 512, 512, SEGMENT + 512)
}


@lie
def root_outside(forgery: Forgery, _: Path) -> None:
    forgery.arcroot = "../evil"


@lie
def another_root(forgery: Forgery, _: Path) -> None:
    forgery.arcroot = "root"


# --------------------------------------------------------------------- tests


def refuse(forgery: Forgery, suffix: str, way: str, work: Path) -> CondaPackException:
    """Try to unpack it: the error, after a look at everything beside the destination."""
    archive = forgery.write(work / f"x.{suffix}")
    watched = Watched.start(work)
    before = set(os.listdir("/tmp"))
    with pytest.raises(CondaPackException) as caught:
        WAYS[way](archive, work / "dest")
    assert watched.changes() == []
    assert {name for name in set(os.listdir("/tmp")) - before if "evil" in name} == set()
    assert "Traceback" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("name", LIES)
def test_lies(sound: Path, outside: Path, work: Path, name: str, way: str) -> None:
    """Refused both ways as unsafe or damaged, with nothing written anywhere."""
    forgery = Forgery.of(sound)
    LIES[name](forgery, outside)
    error = refuse(forgery, "tar", way, work)
    if name in ("long name", "very deep"):  # no lies: the disk refuses them
        assert error.exit_code == 9
    else:
        assert isinstance(error, (DamagedArchive, UnsafeArchive))


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("name", SEEKING_LIES)
def test_lies_of_the_segment_table(sound: Path, outside: Path, work: Path, name: str, suffix: str) -> None:
    """Whatever the table says, files come out as their records say, or not at all."""
    forgery = Forgery.of(sound)
    SEEKING_LIES[name](forgery, outside)
    assert isinstance(refuse(forgery, suffix, "file", work), DamagedArchive)
