"""Zips made to do harm, or damaged, are refused with one sentence, and nothing is left of the attempt."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.errors import CondaPackException, DamagedArchive, UnsafeArchive, UsageError
from conda_pack.model import INDEX_PATH
from conda_pack.segments.schema import FileEntry
from conda_pack.segments.tar import BLOCK, Member, members
from demo.packages import PLACEHOLDER
from tests.support.archives import (
    Forgery,
    Watched,
    noise,
    pack,
    small_environment,
    unpack_file,
    unpack_stream,
    write_environment,
)
from tests.support.properties import UNHURRIED
from tests.support.trees import diff_trees, tree

PLAIN, CONF = "lib/plain.txt", "etc/tool.conf"
_TYPES = {"file": stat.S_IFREG, "link": stat.S_IFLNK, "directory": stat.S_IFDIR}
CENTRAL = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "length": (20, "<I")}
CENTRAL |= {"size": (24, "<I"), "extra": (30, "<H"), "offset": (42, "<I")}
"""Where a header in the directory has which number."""


@dataclass
class Zip:
    """A zip of ours taken apart: its entries, and what is to be changed in its bytes at the end."""

    entries: list[tuple[zipfile.ZipInfo, bytes]]
    changes: list[Callable[[bytearray], None]] = field(default_factory=list)

    def number(self, path: str) -> int:
        (found,) = (number for number, (info, _) in enumerate(self.entries) if info.filename == path)
        return found

    def replace(self, path: str, data: bytes) -> None:
        number = self.number(path)
        self.entries[number] = self.entries[number][0], data

    def state(self, path: str, **numbers: int) -> None:
        """Say otherwise in the directory, and in the header before the data."""

        def change(data: bytearray) -> None:
            central = data.index(b"PK\1\2", data.rindex(path.encode(), 0, data.rindex(b"PK\5\6")) - 46)
            (local,) = struct.unpack_from("<I", data, central + 42)
            for name, number in numbers.items():
                offset, form = CENTRAL[name]
                struct.pack_into(form, data, central + offset, number)
                if name != "offset":
                    struct.pack_into(form, data, local + offset - 2, number)

        self.changes.append(change)

    def write(self, path: Path) -> Path:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for info, data in self.entries:
                archive.writestr(info, data)
        content = bytearray(made.getvalue())
        for change in self.changes:
            change(content)
        path.write_bytes(content)
        return path


def zipped(forgery: Forgery, folder: Path) -> Zip:
    """A forged tar as the zip that has its members."""
    tar = forgery.write(folder / "forged.tar")
    entries, stream = [], io.BytesIO(tar.read_bytes())
    tar.unlink()
    for member in members(stream, whole=True):
        data = stream.read(member.size)
        stream.read(-member.size % BLOCK)
        if member.kind != "comment":
            entries.append((info_of(member), data or member.target.encode()))
        if member.name == INDEX_PATH:
            break
    return Zip(entries)


def info_of(member: Member) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{member.name}/" if member.kind == "directory" else member.name)
    info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
    info.external_attr = (_TYPES[member.kind] | member.mode) << 16
    return info


@pytest.fixture(scope="session")
def sound_tar(work_root: Path) -> Path:
    folder = work_root / "unzipping"
    return pack(small_environment(folder / "env"), folder / "sound.tar")


@pytest.fixture
def forgery(sound_tar: Path) -> Forgery:
    return Forgery.of(sound_tar)


@pytest.fixture
def sound(forgery: Forgery, work: Path) -> Zip:
    return zipped(forgery, work)


def refuse(archive: Path, work: Path) -> CondaPackException:
    """Try to unpack it: the error, after a look at everything beside the destination."""
    watched = Watched.start(work)
    with pytest.raises(CondaPackException) as caught:
        unpack_file(archive, work / "dest")
    assert watched.changes() == []
    return caught.value


def test_a_sound_zip(sound: Zip, work: Path) -> None:
    """Without a lie it unpacks, whoever wrote it: what the others are refused for is theirs."""
    unpack_file(sound.write(work / "x.zip"), work / "dest")
    assert (work / "dest" / CONF).read_text() == f"prefix={work}/dest\n"
    assert (work / "dest/own/link").readlink() == Path("../etc/tool.conf")
    assert (work / "dest/own/empty").is_dir()


# ------------------------------------------------- lies that its index shares

Lie = Callable[[Forgery, Path], None]


def _file_at(path: str) -> Lie:
    return lambda forgery, _: forgery.add(FileEntry(path), b"evil\n")


def _below_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))
    forgery.add(FileEntry("own/door/evil"), b"evil\n")


def _before_its_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door/evil"), b"evil\n")
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside)))


def _in_the_place_of_a_link(forgery: Forgery, outside: Path) -> None:
    forgery.add(FileEntry("own/door", "link", 0o777, target=str(outside / "victim")))
    forgery.add_member(Member("own/door", "file", 0o644, 5, 1), b"evil\n")


def _other_content(forgery: Forgery, _: Path) -> None:
    forgery.replace(b"plain\nplain\n", b"PLAIN\nplain\n")


def _unlisted(forgery: Forgery, _: Path) -> None:
    forgery.add_member(Member("own/evil", "file", 0o644, 0, 1))


def _missing(forgery: Forgery, _: Path) -> None:
    forgery.unmanaged.files.append(FileEntry("own/gone", sha256="0" * 64, size=5))


def _below_a_file(forgery: Forgery, _: Path) -> None:
    forgery.add(FileEntry(f"{PLAIN}/evil"), b"evil\n")


LIES: dict[str, Lie] = {
    "parent": _file_at("../evil"),
    "parents": _file_at("../../../../../../../../tmp/conda-pack-evil"),
    "parent inside": _file_at("own/../../evil"),
    "absolute": _file_at("/tmp/conda-pack-evil"),
    "dot": _file_at("./evil"),
    "empty part": _file_at("own//evil"),
    "backslash at the root": _file_at("/\\evil"),
    "our index": _file_at(INDEX_PATH),
    "our state": _file_at("conda-meta/conda-pack/state.json"),
    "below a link": _below_a_link,
    "before its link": _before_its_link,
    "in the place of a link": _in_the_place_of_a_link,
    "below a file": _below_a_file,
    "other content": _other_content,
    "unlisted": _unlisted,
    "missing": _missing,
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_lies(name: str, forgery: Forgery, work: Path) -> None:
    """What no tar of ours may have, no zip may have: both are checked by the same rules."""
    (work / "outside").mkdir()
    LIES[name](forgery, work / "outside")
    error = refuse(zipped(forgery, work).write(work / "x.zip"), work)
    assert isinstance(error, DamagedArchive)
    assert not Path("/tmp/conda-pack-evil").exists()


# ------------------------------------------------------- lies of the zip alone


def _twice(archive: Zip) -> None:
    archive.entries.insert(3, archive.entries[archive.number(PLAIN)])


def _index_not_last(archive: Zip) -> None:
    archive.entries.insert(3, archive.entries.pop())


def _no_index(archive: Zip) -> None:
    archive.entries.pop()


def _nothing(archive: Zip) -> None:
    archive.entries.clear()


def _not_ours(archive: Zip) -> None:
    del archive.entries[1:]
    archive.replace(archive.entries[0][0].filename, b"somebody's")


def _cut_record(archive: Zip) -> None:
    archive.replace("conda-meta/conda-pack/unmanaged.json", b"{}")


def _no_record(archive: Zip) -> None:
    del archive.entries[archive.number("conda-meta/conda-pack/unmanaged.json")]


def _link_of_megabytes(archive: Zip) -> None:
    archive.replace("own/link", b"x" * (1 << 20))


def _link_of_no_text(archive: Zip) -> None:
    archive.replace("own/link", b"\xff\xfe")


def _link_elsewhere(archive: Zip) -> None:
    archive.replace("own/link", b"/etc/passwd")


def _link_to_nothing(archive: Zip) -> None:
    archive.replace("own/link", b"")


def _file_as_link(archive: Zip) -> None:
    archive.entries[archive.number(PLAIN)][0].external_attr = (stat.S_IFLNK | 0o777) << 16


def _bomb(archive: Zip) -> None:
    archive.replace(PLAIN, bytes(64 << 20))


def _huge_index(archive: Zip) -> None:
    archive.replace(INDEX_PATH, bytes((256 << 20) + 1))


def _name_of_no_text(archive: Zip) -> None:
    def change(data: bytearray) -> None:
        data[:] = data.replace(PLAIN.encode(), b"lib/\xff\xfe\xfd\xfc\xfb.txt")

    archive.changes.append(change)
    archive.changes.append(_utf8_everywhere)


def _utf8_everywhere(data: bytearray) -> None:
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:
        struct.pack_into("<H", data, at + 8, 0x800)
        at += 4


def _local_name(archive: Zip) -> None:
    def change(data: bytearray) -> None:
        at = data.index(PLAIN.encode())
        data[at : at + len(PLAIN)] = b"lib/other.txt"

    archive.changes.append(change)


def _local_name_of_no_text(archive: Zip) -> None:
    def change(data: bytearray) -> None:
        at = data.index(PLAIN.encode())
        data[at : at + 3] = b"\xff\xff\xff"
        struct.pack_into("<H", data, at - 24, 0x800)

    archive.changes.append(change)


def _several_roots(archive: Zip) -> None:
    for info, _ in archive.entries[3:]:
        info.filename = f"root/{info.filename}"


def _method(number: int) -> Callable[[Zip], None]:
    def choose(archive: Zip) -> None:
        archive.entries[archive.number(PLAIN)][0].compress_type = number

    return choose


def _stated(**numbers: int) -> Callable[[Zip], None]:
    return lambda archive: archive.state(PLAIN, **numbers)


def _cut(size: int) -> Callable[[Zip], None]:
    def cut(archive: Zip) -> None:
        archive.changes.append(lambda data: data.__delitem__(slice(size, None)))

    return cut


ZIP_LIES: dict[str, Callable[[Zip], None]] = {
    "twice": _twice,
    "index not last": _index_not_last,
    "no index": _no_index,
    "nothing in it": _nothing,
    "not ours": _not_ours,
    "another record": _cut_record,
    "no record": _no_record,
    "link: megabytes": _link_of_megabytes,
    "link: no text": _link_of_no_text,
    "link: elsewhere": _link_elsewhere,
    "link: empty": _link_to_nothing,
    "file as link": _file_as_link,
    "bomb": _bomb,
    "huge index": _huge_index,
    "name: no text": _name_of_no_text,
    "name: another one": _local_name,
    "name: another one, no text": _local_name_of_no_text,
    "several roots": _several_roots,
    "method: bzip2": _method(zipfile.ZIP_BZIP2),
    "method: lzma": _method(zipfile.ZIP_LZMA),
    "method: stored, it says": _stated(method=0),
    "method: unknown": _stated(method=99),
    "method: bzip2, it says": _stated(method=12),
    "method: lzma, it says": _stated(method=14),
    "encrypted": _stated(flags=1),
    "strongly encrypted": _stated(flags=0x41),
    "patched": _stated(flags=0x20),
    "size: smaller": _stated(size=10),
    "size: larger": _stated(size=100_000),
    "size: huge": _stated(size=0xFFFFFFFE),
    "size: not told": _stated(size=0xFFFFFFFF),
    "length: smaller": _stated(length=3),
    "checksum": _stated(crc=1),
    "offset: another's": _stated(offset=0),
    "offset: beyond the end": _stated(offset=1 << 30),
    "offset: within": _stated(offset=77),
    "extra: beyond": _stated(extra=0xFFFF),
    "cut: nothing left": _cut(0),
    "cut: its first bytes": _cut(2),
    "cut: one header": _cut(30),
}


@pytest.mark.parametrize("name", ZIP_LIES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_lies_of_the_zip(name: str, sound: Zip, work: Path) -> None:
    """Whatever a zip says of itself, it is ours as it was packed, or is refused."""
    ZIP_LIES[name](sound)
    error = refuse(sound.write(work / "x.zip"), work)
    assert isinstance(error, DamagedArchive)
    assert str(work / "x.zip") in str(error)


@pytest.mark.parametrize("length", [5000, 0xFFFFFFFE])
def test_lies_without_harm(length: int, sound: Zip, work: Path) -> None:
    """Deflate ends where it ends, wherever the directory says: some readers refuse it, some do not."""
    sound.state(PLAIN, length=length)
    try:
        unpack_file(sound.write(work / "x.zip"), work / "dest")
        assert (work / "dest" / PLAIN).read_bytes() == b"plain\n" * 100
    except DamagedArchive:
        assert not (work / "dest").exists()


def test_whatever_the_root_is_called(sound: Zip, work: Path) -> None:
    """What is in it goes to the destination."""
    for info, _ in sound.entries:
        info.filename = f"../evil/{info.filename}"
    unpack_file(sound.write(work / "x.zip"), work / "dest")
    assert sorted(path.name for path in work.iterdir()) == ["dest", "x.zip"]
    assert (work / "dest" / CONF).read_text() == f"prefix={work}/dest\n"
    assert not (work.parent / "evil").exists()


def test_what_it_says(sound: Zip, work: Path) -> None:
    """Who has another program's zip is told what to do with it."""
    _not_ours(sound)
    assert "not made by this conda-pack. Extract it with unzip." in str(
        refuse(sound.write(work / "x.zip"), work)
    )


def test_times(sound: Zip, work: Path) -> None:
    """They are Info-ZIP's, to the second and in UTC, whatever other fields there are."""
    for path, other in ((PLAIN, b"\xfe\xca\2\0xx"), ("own/note.txt", b"")):
        time = struct.pack("<2HBI", 0x5455, 5, 1, 1_700_000_001)
        sound.entries[sound.number(path)][0].extra = other + time
    sound.entries[sound.number("lib/large.bin")][0].extra = b"UT\1\0\0"
    unpack_file(sound.write(work / "x.zip"), work / "dest")
    assert int((work / "dest" / PLAIN).stat().st_mtime) == 1_700_000_001
    assert int((work / "dest/lib/large.bin").stat().st_mtime) == 0


def test_times_of_ours(work: Path) -> None:
    """Those of a tar."""
    env = write_environment(work / "env", {PLAIN: b"plain"})
    (env / "own.txt").write_text("own")
    for suffix in ("tar", "zip"):
        unpack_file(pack(env, work / f"x.{suffix}"), work / suffix)
    for path in (PLAIN, "own.txt", "bin/activate"):
        assert (work / "zip" / path).stat().st_mtime == (work / "tar" / path).stat().st_mtime > 0


def test_links_that_are_too_long_are_not_read(sound: Zip, work: Path) -> None:
    sound.replace("own/link", bytes(1 << 17))
    assert "a link of 131072 bytes: own/link" in str(refuse(sound.write(work / "x.zip"), work))


def test_through_a_pipe(sound: Zip, work: Path) -> None:
    """A zip has its directory at the end: that it comes through a pipe is no damage."""
    sound.write(work / "x.zip")
    with pytest.raises(UsageError, match="A zip cannot be read from a pipe"):
        unpack_stream(work / "x.zip", work / "dest")
    assert not (work / "dest").exists()


def test_modes_that_are_none(sound: Zip, work: Path) -> None:
    """Only the nine permissions are ever taken from a zip."""
    sound.entries[sound.number(PLAIN)][0].external_attr = (stat.S_IFREG | 0o6644) << 16
    assert isinstance(refuse(sound.write(work / "x.zip"), work), UnsafeArchive)


@pytest.fixture(scope="module")
def small_zip(work_root: Path) -> Path:
    """One of few kilobytes."""
    folder = work_root / "small-zip"
    env = write_environment(folder / "env", {CONF: b"prefix=" + PLACEHOLDER.encode(), PLAIN: b"plain\n" * 9})
    (env / "link").symlink_to(CONF)
    (env / "noise").write_bytes(noise(300, 1))
    return pack(env, folder / "x.zip", zip_symlinks=True)


changes = st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), min_size=1, max_size=3)


@given(changes, st.booleans())
@settings(UNHURRIED, max_examples=150)
def test_any_bytes_changed(small_zip: Path, changes: list[tuple[int, int]], in_headers: bool) -> None:
    """It is refused, or it is unpacked as it was: some bytes nobody looks at."""
    with TemporaryDirectory(dir=_ram()) as name:
        folder = Path(name).resolve()
        data = bytearray(small_zip.read_bytes())
        starts = [found.start() for found in re.finditer(rb"PK[\1\3\5]", data)]
        headers = [at for start in starts for at in range(start, min(start + 46, len(data)))]
        places = headers if in_headers else range(len(data))
        unpack_file(small_zip, folder / "dest")
        (folder / "dest").rename(folder / "expected")
        for place, value in changes:
            data[places[place % len(places)]] = value
        (folder / "x.zip").write_bytes(data)
        try:
            unpack_file(folder / "x.zip", folder / "dest")
        except CondaPackException:
            assert sorted(path.name for path in folder.iterdir()) == ["expected", "x.zip"]
        else:
            assert diff_trees(tree(folder / "expected"), tree(folder / "dest")) == ""


def _ram() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
