"""The tar members that we write and read: POSIX ustar, with PAX where ustar cannot say it (pax(1)).

The standard library's tarfile spends more time on a header than on most files'
compression, and reads more kinds of member than an archive of ours may hold.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import msgspec

from conda_pack.errors import DamagedArchive, UnsafeArchive

BLOCK = 512
END = bytes(2 * BLOCK)

REGULAR, SYMLINK, DIRECTORY, EXTENDED, GLOBAL = b"0", b"2", b"5", b"x", b"g"
_KINDS = {REGULAR: "file", SYMLINK: "link", DIRECTORY: "directory"}
_TYPES = {kind: flag for flag, kind in _KINDS.items()}
_NOBODY = b"0000000\0" * 2  # uid and gid
_TAIL = b"ustar\x0000" + bytes(64) + _NOBODY + bytes(167)  # no user, group, device or prefix
_LONGEST = 100  # bytes of name and linkname in ustar
_LARGEST = 8**11 - 1  # bytes that its size field can tell
#: A PAX header holds a path or a number; a larger one is an attack, not a name.
_LARGEST_EXTENDED = 1 << 16


class Member(msgspec.Struct, frozen=True, gc=False):
    """What a header says. ``size`` is in bytes, ``mtime`` in seconds."""

    name: str
    kind: str
    mode: int
    size: int
    mtime: int
    target: str = ""


def padding(size: int) -> bytes:
    """The zeros after ``size`` bytes of data."""
    return bytes(-size % BLOCK)


def header(member: Member) -> bytes:
    """The blocks before the data: uid and gid 0, no names, nothing of this machine."""
    records = b""
    name, target = member.name.encode(), member.target.encode()
    if len(name) > _LONGEST or not name.isascii():
        records += _pax_record(b"path", name)
    if len(target) > _LONGEST or not target.isascii():
        records += _pax_record(b"linkpath", target)
    size = member.size
    if size > _LARGEST:
        records += _pax_record(b"size", b"%d" % size)
        size = 0
    block = _block(_plain(name), member.mode, size, member.mtime, _TYPES[member.kind], _plain(target))
    if not records:
        return block
    return _pax_header(EXTENDED, records, member.mtime) + block


def comment(text: bytes, width: int | None = None) -> bytes:
    """A global header with a comment: readers skip it, and no file comes of it.

    With ``width`` the data is exactly that many bytes, filled up with spaces.
    """
    record = _pax_record(b"comment", text)
    if width is not None:
        while len(record) < width:
            text += b" " * (width - len(record))
            record = _pax_record(b"comment", text)
    return _pax_header(GLOBAL, record, 0)


def _plain(name: bytes) -> bytes:
    return name[:_LONGEST] if name.isascii() else name.decode().encode("ascii", "replace")[:_LONGEST]


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _pax_header(flag: bytes, records: bytes, mtime: int) -> bytes:
    name = b"././@PaxHeader" if flag == EXTENDED else b"pax_global_header"
    return _block(name, 0o644, len(records), mtime, flag, b"") + records + padding(len(records))


def _block(name: bytes, mode: int, size: int, mtime: int, flag: bytes, target: bytes) -> bytes:
    head = b"%b%07o\0%b%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, _NOBODY, size, mtime)
    tail = flag + target.ljust(100, b"\0") + _TAIL
    return b"%b%06o\0 %b" % (head, _total(head) + _total(tail) + 8 * 32, tail)


def _total(half: bytes) -> int:
    """The sum of up to 256 bytes: the low half of Adler-32, at 10 times the speed of sum()."""
    return (zlib.adler32(half) & 0xFFFF) - 1


# ------------------------------------------------------------------- reading


class Source(Protocol):
    """A stream of tar bytes."""

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""


def members(source: Source | BinaryIO, whole: bool = False) -> Iterator[Member]:
    """Each member of a tar stream; after it the caller reads its data and padding from ``source``.

    A ``whole`` tar ends with its end mark, a segment of one with its last byte.
    Global comments come as members of kind ``comment`` with the text as target.
    Raises DamagedArchive where the stream ends early, UnsafeArchive for a kind of
    member that no archive of ours has.
    """
    while True:
        block = source.read(BLOCK)
        if not block.strip(b"\0") and len(block) == (BLOCK if block or whole else 0):
            return
        extended: dict[bytes, bytes] = {}
        flag, size = _checked(block), _number(block, 124, 12)
        while flag in (EXTENDED, GLOBAL):
            if size > _LARGEST_EXTENDED:
                raise UnsafeArchive(f"The archive has an extended header of {size} bytes.")
            data = source.read(size + len(padding(size)))[:size]
            records = _records(data)
            if flag == GLOBAL:
                text = records.get(b"comment", b"").decode("utf-8", "replace").rstrip(" ")
                yield Member("", "comment", 0, 0, 0, text)
            else:
                extended = records
            block = source.read(BLOCK)
            if not block.strip(b"\0") and len(block) == (BLOCK if block or whole else 0):
                if extended:
                    raise DamagedArchive("The archive ends within a member.")
                return
            flag, size = _checked(block), _number(block, 124, 12)
        yield _member(block, flag, size, extended)


def _member(block: bytes, flag: bytes, size: int, extended: dict[bytes, bytes]) -> Member:
    kind = _KINDS.get(flag)
    if kind is None:
        raise UnsafeArchive(f"The archive has a member of type {flag!r}, which conda-pack never writes.")
    try:
        name = extended.get(b"path", block[:100].rstrip(b"\0")).decode()
        target = extended.get(b"linkpath", block[157:257].rstrip(b"\0")).decode()
        if b"size" in extended:
            size = int(_digits(extended[b"size"]))
    except ValueError as error:
        raise DamagedArchive(f"The archive has a member whose header makes no sense: {error}.") from error
    mode = _number(block, 100, 8)
    if mode > 0o777:
        raise UnsafeArchive(f"The archive holds {name!r} with the mode {mode:o}, which it must not have.")
    return Member(name, kind, mode, size, _number(block, 136, 12), target)


def _checked(block: bytes) -> bytes:
    if len(block) < BLOCK:
        raise DamagedArchive("The archive ends early: it was cut off on its way. Fetch it again.")
    if _number(block, 148, 8) != _total(block[:148]) + _total(block[156:334]) + _total(block[334:]) + 8 * 32:
        raise DamagedArchive("The archive is damaged: a tar header has a wrong checksum.")
    return block[156:157]


def _number(block: bytes, start: int, length: int) -> int:
    digits = block[start : start + length].strip(b"\0 ")
    if digits.strip(b"01234567"):  # int() would take a sign and underscores too
        raise DamagedArchive("The archive is damaged: a tar header holds no number where one belongs.")
    return int(digits or b"0", 8)


def _records(data: bytes) -> dict[bytes, bytes]:
    records = {}
    while data:
        try:
            length = int(_digits(data.split(b" ", 1)[0]))
            key, value = data[:length].split(b" ", 1)[1].split(b"=", 1)
        except (ValueError, IndexError):
            raise DamagedArchive("The archive is damaged: an extended header makes no sense.") from None
        if length <= 0 or not value.endswith(b"\n"):
            raise DamagedArchive("The archive is damaged: an extended header makes no sense.")
        records[key] = value[:-1]
        data = data[length:]
    return records


def _digits(text: bytes) -> bytes:
    """Plain decimal digits, as the standard has them; ValueError for anything else that int() takes."""
    if not text.isdigit():
        raise ValueError(f"{text[:20]!r} is no number")
    return text
