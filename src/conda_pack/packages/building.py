"""Files of an environment → a conda package on disk, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from tempfile import SpooledTemporaryFile, TemporaryDirectory, gettempdir
from typing import BinaryIO

from conda_pack.archives.output import AtomicFile, writing
from conda_pack.errors import FileChanged, ToolMissing
from conda_pack.packages.contents import Unfit
from conda_pack.packages.metadata import PackagedPath, info_files
from conda_pack.packages.recipe import PackageFormat, Recipe
from conda_pack.packages.surveying import Source, reading
from conda_pack.progress import Reporter
from conda_pack.segments.workers import worker_count

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Of zstd: what conda-forge takes; 19 is 3 % smaller and takes twice as long.
_LEVEL = 16
#: Each takes 75 MB at that level. From one on, their number changes no byte.
_MOST_THREADS = 8
_COPY = 1 << 20


def write_package(
    output: AtomicFile,
    recipe: Recipe,
    paths: Sequence[PackagedPath],
    entry_points: Sequence[str],
    source: Source,
    reporter: Reporter,
) -> None:
    """Write the package, in the format that the name of ``output`` tells.

    Raises OutputExists, WriteFailed, FileChanged and ToolMissing.
    """
    info = info_files(recipe, paths, entry_points)
    write, place = (_conda, gettempdir()) if output.path.endswith(".conda") else (_tar_bz2, output.path)
    with output, writing(output.path), write(recipe.stem, output) as tar:
        for member, data in _members(recipe, info, paths, source, reporter):
            with writing(place):
                tar.addfile(member, data)


def _members(
    recipe: Recipe,
    info: Mapping[str, bytes],
    paths: Sequence[PackagedPath],
    source: Source,
    reporter: Reporter,
) -> Iterator[tuple[tarfile.TarInfo, io.BytesIO | _Checked | None]]:
    """Each member of the package and its bytes, what tells of it first. Raises FileChanged."""
    for name, data in info.items():
        yield _member(f"info/{name}", 0o644, recipe.timestamp, len(data)), io.BytesIO(data)
    for path in paths:
        member = _member(path.path, path.mode, path.mtime, path.size)
        if path.target is not None:
            member.type, member.linkname, member.size = tarfile.SYMTYPE, path.target, 0
            yield member, None
            continue
        with _opened(source, path) as file:
            checked = _Checked(file, path)
            yield member, checked
            checked.finish()
        reporter.advance(path.size)


def _opened(source: Source, path: PackagedPath) -> AbstractContextManager[BinaryIO]:
    if not path.is_whole:
        return reading(source.full(path.source))
    try:
        return io.BytesIO(source.read(path.source).data)
    except Unfit:
        raise _changed(path) from None


class _Checked:
    """A file that must be what it was when it was surveyed. Raises FileChanged."""

    def __init__(self, file: BinaryIO, path: PackagedPath) -> None:
        self._file, self._path, self._sha256 = file, path, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sha256.update(data)
        if len(data) < size:
            raise _changed(self._path)
        return data

    def finish(self) -> None:
        if self._file.read(1) or self._sha256.hexdigest() != self._path.sha256:
            raise _changed(self._path)


def _changed(path: PackagedPath) -> FileChanged:
    return FileChanged(f"{path.source} was changed while the package was made. Nothing was written.")


def _member(name: str, mode: int, mtime: int, size: int) -> tarfile.TarInfo:
    """Nobody's, so that who made a package and where leaves no trace."""
    member = tarfile.TarInfo(name)
    member.mode, member.mtime, member.size = stat.S_IMODE(mode), mtime, size
    return member


@contextmanager
def _conda(stem: str, output: AtomicFile) -> Iterator[tarfile.TarFile]:
    from conda_package_streaming.create import conda_builder  # noqa: PLC0415 - see check_tools

    threads = min(worker_count(None), _MOST_THREADS)
    folder, name = os.path.split(output.partial)
    with TemporaryDirectory(dir=folder, prefix=f"{name}.") as temporary:
        try:
            with conda_builder(stem, temporary, compression_level=_LEVEL, compression_threads=threads) as tar:
                if isinstance(tar.fileobj, SpooledTemporaryFile):  # which would keep it all in memory
                    tar.fileobj.rollover()
                yield tar
        except zstd.ZstdError as error:
            raise _cause(error) from None
        _undated(os.path.join(temporary, f"{stem}.conda"), output.file)


def _cause(error: BaseException) -> BaseException:
    """Why compressing ended: closing what is half compressed fails as well, and would hide it."""
    while isinstance(error, zstd.ZstdError) and error.__context__ is not None:
        error = error.__context__
    return error


def _undated(made: str, output: BinaryIO) -> None:
    """Copy a .conda file; conda-package-streaming dates a member of it by the clock."""
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(output, "w") as new:
        for member in old.infolist():
            is_large = member.file_size > zipfile.ZIP64_LIMIT
            bare = zipfile.ZipInfo(member.filename)  # dated 1980
            with old.open(member) as data, new.open(bare, "w", force_zip64=is_large) as copy:
                shutil.copyfileobj(data, copy, _COPY)


@contextmanager
def _tar_bz2(_: str, output: AtomicFile) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=output.file, mode="w:bz2", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        yield tar


def check_tools(package_format: PackageFormat) -> None:
    """Raise ToolMissing if the format cannot be written here."""
    if package_format == "conda":
        try:
            import conda_package_streaming.create  # noqa: F401, PLC0415 - few make packages
        except ImportError:
            raise ToolMissing(
                "Packages are written by conda-package-streaming 0.13 or later, which is not installed: "
                "pip install 'conda-pack[package]', or conda install conda-package-streaming. "
                "Or make one with --pkg-format tar.bz2."
            ) from None
