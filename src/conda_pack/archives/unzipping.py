"""A zip of ours → the tar stream that it stands for, so that it is checked and unpacked as one."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any

from conda_pack.archives.reader import LARGEST_CARRIER, check_index
from conda_pack.errors import DamagedArchive, UnsafeArchive
from conda_pack.model import INDEX_PATH, OPENING
from conda_pack.segments.schema import Index, decode_index
from conda_pack.segments.tar import END, Member, comment, header, padding

_PIECE = 1 << 20
_LONGEST = 1 << 16  # bytes of a link's text
_TIME = 0x5455  # Info-ZIP's extra field, with one time
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What zipfile raises for what is damaged, encrypted, or of a kind that it does not know; OSError where it
#: cannot be read, ValueError for names and links that are no text.
_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OSError)


class ZipAsTar(io.RawIOBase):
    """Reads a zip file as tar; raises DamagedArchive for what is none, or is damaged."""

    def __init__(self, path: str) -> None:
        super().__init__()
        try:
            self._zip = zipfile.ZipFile(path)
        except _ERRORS as error:
            raise DamagedArchive(f"The archive is damaged or cut off: {error}.") from error
        self._pieces = self._tar()
        self._left = b""

    def __enter__(self) -> ZipAsTar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.close()  # with the entry that it may be reading
        self._zip.close()

    def index(self) -> Index:
        """The index, which is the last entry; what it says of the others is proved only as they are read."""
        entry = self._index_entry()
        try:
            with self._zip.open(entry) as file:
                return check_index(decode_index(file.read(LARGEST_CARRIER)))
        except _ERRORS as error:
            raise DamagedArchive(f"The archive is damaged: {error}.") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            try:
                self._left = next(self._pieces)
            except StopIteration:
                return 0
            except _ERRORS as error:
                raise DamagedArchive(f"The archive is damaged: {error}.") from error
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _index_entry(self) -> zipfile.ZipInfo:
        entries = self._zip.infolist()
        if not entries or not f"/{entries[-1].filename}".endswith(f"/{INDEX_PATH}"):
            raise DamagedArchive("The archive was not made by this conda-pack. Extract it with unzip.")
        return entries[-1]

    def _tar(self) -> Generator[bytes]:
        root = self._index_entry().filename[: -len(INDEX_PATH)].rstrip("/")
        yield comment((OPENING + root).encode())
        for entry in self._zip.infolist():
            yield from self._member(entry)
        yield END

    def _member(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        mode = entry.external_attr >> 16
        name, permissions, mtime = entry.filename.rstrip("/"), stat.S_IMODE(mode), _mtime(entry)
        if entry.compress_type not in _METHODS:
            raise UnsafeArchive(f"The archive holds {name!r} compressed in a way that conda-pack never uses.")
        if stat.S_ISLNK(mode):
            if entry.file_size > _LONGEST:
                raise UnsafeArchive(f"The archive holds a link of {entry.file_size} bytes: {name}.")
            target = self._zip.read(entry).decode()
            yield header(Member(name, "link", permissions, 0, mtime, target))
        elif entry.is_dir():
            yield header(Member(name, "directory", permissions, 0, mtime))
        else:
            yield header(Member(name, "file", permissions, entry.file_size, mtime))
            with self._zip.open(entry) as file:
                while piece := file.read(_PIECE):
                    yield piece
            yield padding(entry.file_size)


def _mtime(entry: zipfile.ZipInfo) -> int:
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == _TIME and size >= 5:
            return int.from_bytes(extra[5:9], "little")
        extra = extra[4 + size :]
    return 0
