"""An archive that comes through a pipe → files, without seeking.

What was packed is known only when a package's record has come by, after its
files. So they are written as they are stored, into a folder that nobody sees,
and proved and relocated when the record is there. Links come last here too.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import posixpath
import sys
import zlib
from collections.abc import Callable
from typing import IO, Any, BinaryIO, cast

from isal import igzip

from conda_pack.archives.extract import not_as_recorded
from conda_pack.archives.formats import by_magic
from conda_pack.archives.inventory import Inventory, check_path, take_inventory
from conda_pack.archives.reader import LARGEST_CARRIER, check_index, check_record
from conda_pack.archives.settle import (
    Relocated,
    check_prefix,
    relocated,
    relocated_document,
    settle,
    warn_of_kept,
)
from conda_pack.archives.writing import Folder
from conda_pack.errors import DamagedArchive, UnsafeArchive, UsageError
from conda_pack.model import INDEX_PATH, OPENING, PACK_FOLDER
from conda_pack.progress import Reporter
from conda_pack.runtime.rules import shebang_limit
from conda_pack.segments.codecs import DEFLATE_ERROR, STREAM_ERRORS, xz_decompressor
from conda_pack.segments.schema import Index, PackageItem, PackRecord, UnmanagedItem, decode_index
from conda_pack.segments.tar import BLOCK, Member, members

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK = 1 << 20
_MAGIC = 16  # bytes that tell a format
_NOT_OURS = "The archive was not made by this conda-pack. Extract it with tar."


class _Counted(io.RawIOBase):
    """The stream as it comes, with its progress told."""

    def __init__(self, file: IO[bytes], reporter: Reporter) -> None:
        super().__init__()
        self._file, self._reporter = file, reporter

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._reporter.advance(len(data))
        return len(data)

    def readable(self) -> bool:
        return True


class StreamExtraction:
    """Extracts the archive that ``source`` yields into a new folder, for an environment at ``prefix``."""

    def __init__(self, source: IO[bytes], folder: Folder, prefix: bytes, reporter: Reporter) -> None:
        counted = io.BufferedReader(_Counted(source, reporter), _CHUNK)
        kind = by_magic(counted.peek(_MAGIC)[:_MAGIC])
        if not kind.streams:
            raise UsageError(f"A {kind.name} cannot be read from a pipe. Save it as a file, and unpack that.")
        self._stream = _decoder(kind.codec_name, cast(BinaryIO, counted))
        self._folder, self._prefix, self._reporter = folder, prefix, reporter
        self._root: str | None = None
        self._written: dict[str, Member] = {}
        self._links: dict[str, Member] = {}
        self._digests: dict[str, str] = {}
        self._carriers: dict[str, bytes] = {}

    def run(self) -> Index:
        """Do it; the folder is complete afterwards. Raises DamagedArchive, UnsafeArchive, OSError."""
        try:
            for member in members(self._stream, whole=True):
                self._member(member)
                self._skip(-member.size % BLOCK)
            while self._stream.read(_CHUNK):  # the rest is the container's: its checksum is checked here
                pass
        except (EOFError, gzip.BadGzipFile, zlib.error, DEFLATE_ERROR, zstd.ZstdError) as error:
            raise DamagedArchive(f"The archive is damaged or cut off: {error}. Fetch it again.") from error
        return self._finish()

    def _member(self, member: Member) -> None:
        if member.kind == "comment":
            if self._root is None and member.target.startswith(OPENING):
                arcroot = member.target[len(OPENING) :]
                self._root = f"{arcroot}/" if arcroot else ""
            return
        if self._root is None:
            raise DamagedArchive(_NOT_OURS)
        if not member.name.startswith(self._root):
            raise UnsafeArchive(f"The archive holds the path {member.name!r}, which is not in its root.")
        path = member.name[len(self._root) :]
        if member.kind == "directory" and path == PACK_FOLDER:
            return
        check_path(path)
        if path in self._written or path in self._links or path in self._carriers:
            raise UnsafeArchive(f"The archive holds {path} twice.")
        if member.kind != "file":
            self._links[path] = member
        elif posixpath.dirname(path) == PACK_FOLDER:
            if member.size > LARGEST_CARRIER:
                raise UnsafeArchive(f"The archive holds a record {path} of {member.size} bytes.")
            self._carriers[path] = self._exactly(member.size)
        else:
            self._file(path, member)

    def _file(self, path: str, member: Member) -> None:
        self._make_parent(path)
        sha256, left, offset = hashlib.sha256(), member.size, 0
        if left <= _CHUNK:
            data = self._exactly(left)
            sha256.update(data)
            self._folder.write(path, [data], member.mode, member.mtime)
        else:
            while left:
                data = self._exactly(min(left, _CHUNK))
                sha256.update(data)
                self._folder.write_part(path, [data], offset)
                left, offset = left - len(data), offset + len(data)
            self._folder.settle(path, member.mode, member.mtime)
        self._written[path] = member
        self._digests[path] = sha256.hexdigest()

    def _make_parent(self, path: str) -> None:
        try:
            self._folder.make_folder(posixpath.dirname(path))
        except NotADirectoryError:
            raise UnsafeArchive(f"The archive holds files under a file: {path}.") from None

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            data = self._stream.read(size)
            if not data:
                raise DamagedArchive("The archive ends early: it was cut off on its way. Fetch it again.")
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def _skip(self, size: int) -> None:
        if size:
            self._exactly(size)

    # ----------------------------------------------------------- when all is there

    def _finish(self) -> Index:
        if INDEX_PATH not in self._carriers:
            raise DamagedArchive(
                _NOT_OURS if self._root is None else "The archive ends early: it has no index."
            )
        index = check_index(decode_index(self._carriers[INDEX_PATH]))
        content = index.content
        items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
        absent = [item.record for item in items if item.record not in self._carriers]
        if absent:
            raise DamagedArchive(f"The archive lacks the record {absent[0]}.")
        records = [check_record(self._carriers[item.record], item) for item in items]
        inventory = take_inventory(content, records)
        if content.prefix is None:
            check_prefix(content, self._prefix)
        self._compare(inventory)
        self._settle(inventory, records, index)
        return index

    def _compare(self, inventory: Inventory) -> None:
        """Everything that came is in the index as it came, and nothing is missing."""
        came = {**self._written, **self._links}
        for path in [path for path in self._carriers if path not in inventory.carriers]:
            raise UnsafeArchive(f"The archive holds {path}, which its index does not have.")
        for path in [*(set(came) - set(inventory.files)), *(set(inventory.files) - set(came))]:
            raise UnsafeArchive(f"The archive and its index do not agree about {path}.")
        for path, entry in inventory.files.items():
            member = came[path]
            same_mode = member.mode == entry.mode or entry.type == "link"
            same = (member.kind, member.size, member.target or None) == (entry.type, entry.size, entry.target)
            if not same or not same_mode:
                raise UnsafeArchive(f"The archive holds {path} otherwise than its index says.")
            if entry.type == "file" and self._digests[path] != entry.sha256:
                raise not_as_recorded(path)

    def _settle(self, inventory: Inventory, records: list[PackRecord], index: Index) -> None:
        folder, content = self._folder, index.content
        for relative in inventory.folders:
            folder.make_folder(relative)
        prefix = self._prefix if content.prefix is None else None
        if prefix is not None:
            warn_of_kept(inventory, prefix, self._reporter)
            installed = {}
            to = Relocated(prefix, shebang_limit(content.platform))
            for entry in (entry for record in records for entry in record.files if entry.offsets is not None):
                new, installed[entry.path] = relocated(entry, self._read(entry.path), to)
                folder.replace(entry.path, new, entry.mode)
            for path, record in inventory.conda_meta.items():
                data = relocated_document(record, self._read(path), installed)
                folder.replace(path, data, inventory.files[path].mode)
        for path, data in self._carriers.items():
            folder.write(path, [data], 0o644, None)
        settle(folder, inventory, prefix)

    def _read(self, path: str) -> bytes:
        with open(self._folder.path(path), "rb") as file:
            return file.read()


class _Streams(io.RawIOBase):
    """The bytes of one compressed stream after the other, as the standard library has decompressors.

    Its own files for them would give an xz stream all the memory that it asks for.
    """

    def __init__(self, file: BinaryIO, make: Callable[[], Any]) -> None:
        super().__init__()
        self._file, self._make = file, make
        self._decompressor = make()
        self._left = b""

    def readinto(self, buffer: Any, /) -> int:
        try:
            while True:
                if self._decompressor.eof:
                    self._left = self._decompressor.unused_data or self._file.read(_CHUNK)
                    if not self._left:
                        return 0
                    self._decompressor = self._make()
                elif self._decompressor.needs_input and not self._left:
                    self._left = self._file.read(_CHUNK)
                    if not self._left:
                        raise EOFError("it ends within a stream")
                data = self._decompressor.decompress(self._left, len(buffer))
                self._left = b""
                if data:
                    buffer[: len(data)] = data
                    return len(data)
        except STREAM_ERRORS as error:
            raise DamagedArchive(f"The archive is damaged or cut off: {error}. Fetch it again.") from error

    def readable(self) -> bool:
        return True


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw, _CHUNK)


def _decoder(codec_name: str, source: BinaryIO) -> Any:
    """A file-like object of the tar bytes."""
    openers: dict[str, Callable[[BinaryIO], Any]] = {
        "gzip": lambda file: igzip.IGzipFile(fileobj=file, mode="rb"),  # type: ignore[no-untyped-call]
        "zstd": zstd.ZstdFile,
        "bzip2": lambda file: _buffered(_Streams(file, bz2.BZ2Decompressor)),
        "xz": lambda file: _buffered(_Streams(file, xz_decompressor)),
        "none": lambda file: file,
    }
    return openers[codec_name](source)
