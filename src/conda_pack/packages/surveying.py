"""What is to go into a package, read once before anything is written: so that all that is wrong is told."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

from conda_pack.environment.read import read_bytes
from conda_pack.errors import EnvironmentFindings, FileChanged
from conda_pack.model import DiskFile, Finding, Severity
from conda_pack.packages.contents import BYTECODE, Content, NoRoom, Transformer, Unfit, link_target
from conda_pack.packages.metadata import PackagedPath
from conda_pack.packages.owners import sources
from conda_pack.progress import Reporter

#: Files beyond this many bytes are read whole only if they hold the prefix.
_WHOLE = 64 << 20
_BLOCK = 1 << 20
_SHORT_PREFIX = "--short-prefix, for those without room"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a package's files come from: the environment, and the path that each gets in the package.

    None of its files is dated after ``latest``, in seconds, if there is one.
    """

    prefix: str
    files: Mapping[str, DiskFile]
    paths: Mapping[str, str]
    transformer: Transformer
    latest: int | None = None

    def full(self, path: str) -> str:
        return os.path.join(self.prefix, *path.split("/"))

    def read(self, path: str) -> Content:
        """What the package has of a file. Raises FileChanged and Unfit."""
        content = self.transformer.content(path, read_bytes(self.full(path)))
        return replace(content, data=self._in_step(path, content.data)) if self.latest else content

    def mtime(self, file: DiskFile) -> int:
        return file.mtime if self.latest is None else min(file.mtime, self.latest)

    def _in_step(self, path: str, data: bytes) -> bytes:
        """Bytecode names its source's time, which may be another in the package (PEP 552)."""
        if not path.endswith(BYTECODE) or len(data) < 16:
            return data
        header = struct.unpack_from("<4xIII", data)
        for source in (self.files[name] for name in sources(path) if name in self.files):
            if header == (0, source.mtime & 0xFFFFFFFF, source.size):
                return data[:8] + struct.pack("<I", self.mtime(source) & 0xFFFFFFFF) + data[12:]
        return data


def survey(source: Source, reporter: Reporter) -> list[PackagedPath]:
    """What a package tells of its files, sorted by their paths in it.

    Raises FileChanged, and EnvironmentFindings with all the files that cannot be in a package.
    """
    found: dict[str, PackagedPath] = {}
    problems: dict[str, Unfit] = {}
    names: dict[str, str] = {}
    # links last, which tell of the files that they lead to
    for path in sorted(source.paths, key=lambda path: (source.files[path].kind == "link", path)):
        file, name = source.files[path], source.paths[path]
        try:
            if "\n" in name:
                raise Unfit("has a name that a package's list of files cannot hold")
            if names.setdefault(name, path) != path:
                raise Unfit(f"would be the same file of the package as {names[name]}: {name}")
            found[path] = _link(source, file, found) if file.kind == "link" else _file(source, file)
        except Unfit as unfit:
            problems[path] = unfit
        reporter.advance(file.size)
    if problems:
        option = _SHORT_PREFIX if any(isinstance(unfit, NoRoom) for unfit in problems.values()) else ""
        lines = tuple(f"{path} {unfit}" for path, unfit in sorted(problems.items()))
        message = f"{len(problems)} files cannot be in a package:"
        raise EnvironmentFindings(Finding(Severity.ERROR, message, lines, option).text(len(lines)))
    return sorted(found.values(), key=lambda path: path.path)


def _file(source: Source, file: DiskFile) -> PackagedPath:
    is_whole = True
    if file.size > _WHOLE:
        sha256, size, is_whole = _skimmed(source.full(file.path), source.transformer.sought)
    placeholder = file_mode = None
    if is_whole:
        content = source.read(file.path)
        sha256, size = hashlib.sha256(content.data).hexdigest(), len(content.data)
        placeholder, file_mode = content.placeholder, content.file_mode
    if placeholder is not None and '"' in source.paths[file.path]:
        raise Unfit("holds the prefix, and has a name that a package's list of such files cannot hold")
    return PackagedPath(
        path=source.paths[file.path],
        source=file.path,
        mode=file.mode,
        mtime=source.mtime(file),
        size=size,
        sha256=sha256,
        placeholder=placeholder,
        file_mode=file_mode,
        is_whole=is_whole,
    )


def _link(source: Source, link: DiskFile, found: Mapping[str, PackagedPath]) -> PackagedPath:
    """A link, with the size and the digest of the file that it leads to, if any (CEP 34)."""
    target = link_target(link, source.transformer.prefixes)
    real = os.path.realpath(source.full(link.path))
    end = os.path.relpath(real, os.path.realpath(source.prefix)).replace(os.sep, "/")
    sha256, size = hashlib.sha256().hexdigest(), 0
    if end in found:
        sha256, size = found[end].sha256, found[end].size
    elif os.path.isfile(real):
        sha256, size, _ = _skimmed(real, [])
    return PackagedPath(
        path=source.paths[link.path],
        source=link.path,
        mode=0o777,
        mtime=source.mtime(link),
        size=size,
        sha256=sha256,
        target=target,
    )


def _skimmed(path: str, sought: list[bytes]) -> tuple[str, int, bool]:
    """The digest and the size of a file, and whether it holds something that is sought."""
    sha256, size, holds, end = hashlib.sha256(), 0, False, b""
    overlap = max(map(len, sought), default=1) - 1
    with reading(path) as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            size += len(block)
            joined = end + block
            holds = holds or any(name in joined for name in sought)
            end = joined[len(joined) - overlap :] if overlap else b""
    return sha256.hexdigest(), size, holds


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """An open file of the environment. Raises FileChanged."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise FileChanged(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file
