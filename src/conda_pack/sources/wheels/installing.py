"""Wheels into an environment: their files, as pip would put them there, and nothing of what is there changed.

Every file is written new. What conda's packages brought may be hard links into a package cache, so nothing is
ever written through; what is in the way is found before anything is written.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from installer.sources import WheelFile

from conda_pack.digests import file_digest
from conda_pack.environment.read import read_records
from conda_pack.errors import SourceProblem, UnsafeArchive, WriteFailed
from conda_pack.paths import folders_of
from conda_pack.progress import Reporter
from conda_pack.sources.wheels.archive import PIECE, Chosen, combined, open_wheel
from conda_pack.sources.wheels.checking import brought, is_version
from conda_pack.sources.wheels.placing import Item, Placed, place, source_name
from conda_pack.sources.wheels.projects import Project, read_installed
from conda_pack.sources.wheels.scripts import with_shebang
from conda_pack.sources.wheels.target import Target

#: The hashes that RECORD may have (the specification forbids md5 and sha1).
_HASHES = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class _Written:
    """What RECORD says of a file."""

    digest: str
    size: int


def install(prefix: str, wheels: Sequence[Chosen], target: Target, reporter: Reporter) -> list[Project]:
    """Put wheels into the environment at ``prefix``, an absolute path; those that went in, by name.

    A wheel of what conda brought in the same version is left out. Whether they fit is not asked
    (``check``). Raises SourceProblem and UnsafeArchive with all that is wrong before anything is written, but
    for contents that are not as RECORD says; EnvironmentNotFound, FileChanged, CorruptMetadata, WriteFailed.
    """
    placed = _placed(prefix, wheels, target)
    problems = [*_folders_in_the_way(prefix, placed), *_files_in_the_way(prefix, placed, target)]
    if problems:
        raise SourceProblem("\n".join(problems))
    owners = {item.path: each for each in placed for item in each.items}
    doubles = _doubles(placed, owners)
    if doubles:
        reporter.warn(
            "Several wheels have the same files, and the last one's are taken: " + "; ".join(doubles)
        )
    reporter.start("Installing wheels", sum(item.size for each in placed for item in each.items))
    try:
        written: dict[str, _Written] = {}
        for each in placed:
            with open_wheel(each.wheel.path) as opened:
                for item in each.items:
                    if owners[item.path] is each:
                        pieces = _contents(opened, item, each, prefix, target)
                        written[item.path] = _write(prefix, item.path, pieces, executable=item.executable)
                    reporter.advance(item.size)
        for each in placed:
            _write(prefix, each.record, [_record(each, written, target)], executable=False)
    finally:
        reporter.finish()
    return [each.project for each in placed]


def _placed(prefix: str, wheels: Sequence[Chosen], target: Target) -> list[Placed]:
    """The wheels to put in, by name. Raises SourceProblem, UnsafeArchive."""
    installed = read_installed(prefix, target.site_packages)
    placed: dict[str, Placed] = {}
    problems: list[SourceProblem | UnsafeArchive] = []
    for wheel in wheels:
        try:
            each = place(wheel, prefix, target)
            project = each.project
            there = installed.get(project.name)
            if project.name in placed:
                raise SourceProblem(
                    f"{source_name(placed[project.name])} and {source_name(each)} are one project."
                )
            if there is None:
                placed[project.name] = each
            elif not is_version(there.version, project.version):
                raise SourceProblem(f"{source_name(each)} would replace {brought(there)}: take one of them.")
        except (SourceProblem, UnsafeArchive) as error:
            problems.append(error)
    if problems:
        raise combined(problems)
    return [placed[name] for name in sorted(placed)]


# --------------------------------------------------------------- what is in the way


def _folders_in_the_way(prefix: str, placed: Sequence[Placed]) -> Iterator[str]:
    """Folders that are needed where there is, or will be, a file.

    Raises UnsafeArchive for one that leads out.
    """
    owners = {item.path: each for each in placed for item in each.items}
    root = os.path.realpath(prefix)

    def user(folder: str) -> str:
        return next(source_name(each) for path, each in owners.items() if path.startswith(f"{folder}/"))

    for folder in sorted(folders_of(owners)):
        full = _full(prefix, folder)
        if folder in owners:
            yield f"{source_name(owners[folder])} has a file {folder}, {user(folder)} a folder."
        elif os.path.lexists(full) and not os.path.isdir(full):
            yield f"{folder} is a file of the environment, where {user(folder)} has a folder."
        elif not f"{os.path.realpath(full)}/".startswith(f"{root}/"):
            raise UnsafeArchive(f"{full} leads out of the environment, and {user(folder)} has files there.")


def _files_in_the_way(prefix: str, placed: Sequence[Placed], target: Target) -> Iterator[str]:
    """Files of wheels that are there already, and differ."""
    records, _ = read_records(prefix)
    owners = {claim.path: record.dist for record in records for claim in record.claims}
    for each in placed:
        there = [item for item in each.items if os.path.lexists(_full(prefix, item.path))]
        if os.path.lexists(_full(prefix, each.record)):
            yield f"{each.record} is there already: something has put in {each.project} before."
        if not there:
            continue
        with open_wheel(each.wheel.path) as opened:
            for item in there:
                if not _is_same(_full(prefix, item.path), _contents(opened, item, each, prefix, target)):
                    owner = owners.get(_real(prefix, item.path))
                    yield (
                        f"{source_name(each)} has {item.path}, which {owner or 'something else'} has put "
                        "there with other contents: take one of them."
                    )


def _is_same(path: str, pieces: Iterable[bytes]) -> bool:
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest() == file_digest(path)


def _real(prefix: str, path: str) -> str:
    """Where a path is in the prefix when the links among its folders are followed."""
    folder, name = os.path.split(_full(os.path.realpath(prefix), path))
    return posixpath.relpath(posixpath.join(os.path.realpath(folder), name), os.path.realpath(prefix))


def _doubles(placed: Sequence[Placed], owners: Mapping[str, Placed]) -> list[str]:
    """Files that several wheels have, and not with the same contents."""
    last = {(item.path, item.digest) for each in placed for item in each.items if owners[item.path] is each}
    return [
        f"{item.path} ({source_name(each)}, {source_name(owners[item.path])})"
        for each in placed
        for item in each.items
        if owners[item.path] is not each and (item.path, item.digest) not in last
    ]


# --------------------------------------------------------------- contents, and writing them


def _contents(opened: WheelFile, item: Item, placed: Placed, prefix: str, target: Target) -> Iterator[bytes]:
    """What a file will hold, in pieces; raises SourceProblem at its end if RECORD says otherwise."""
    if item.data is not None:
        yield item.data
        return
    kind, expected = item.digest or ("", "")
    digest = hashlib.new(kind if kind in _HASHES else "sha256")
    with opened._zipfile.open(item.member) as member:
        if item.script:
            data = member.read()
            digest.update(data)
            yield with_shebang(data, prefix, target)
        else:
            while data := member.read(PIECE):
                digest.update(data)
                yield data
    if _encoded(digest.digest()) != expected:  # nor is a weaker hash one of sha256
        raise SourceProblem(
            f"{placed.wheel.path} holds another {item.member} than RECORD says: fetch it again."
        )


def _write(prefix: str, path: str, pieces: Iterable[bytes], *, executable: bool) -> _Written:
    """Write a new file; one that is there is the same, as was looked before. Raises WriteFailed."""
    full = _full(prefix, path)
    mode = 0o755 if executable else 0o644
    digest, size = hashlib.sha256(), 0
    try:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        try:
            descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            descriptor = os.open(os.devnull, os.O_WRONLY)
        else:
            os.chmod(full, mode)  # whatever the umask
        with open(descriptor, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                size += file.write(piece)
    except OSError as error:
        raise WriteFailed(f"{full} cannot be written: {error.strerror}.") from error
    return _Written(f"sha256={_encoded(digest.digest())}", size)


def _record(placed: Placed, written: Mapping[str, _Written], target: Target) -> bytes:
    """RECORD: every file of the project, relative to site-packages, and itself."""
    rows = [
        (
            posixpath.relpath(item.path, target.site_packages),
            written[item.path].digest,
            written[item.path].size,
        )
        for item in placed.items
    ]
    text = io.StringIO()
    own = (posixpath.relpath(placed.record, target.site_packages), "", "")
    csv.writer(text, lineterminator="\n").writerows(sorted([*rows, own]))
    return text.getvalue().encode()


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _full(prefix: str, path: str) -> str:
    return os.path.join(prefix, *path.split("/"))
