"""Files of one's own to be packed with an environment, as if they lay in it: an application, its settings."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from conda_pack.environment.places import is_above, is_below, is_inside
from conda_pack.environment.scan import scan
from conda_pack.errors import UsageError
from conda_pack.model import DiskFile, Environment, Finding, Severity
from conda_pack.paths import folders_of

_DRIVE = re.compile(r"[A-Za-z]")
_ROOTED = re.compile(r"[/\\]|[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be added: ``source`` on this machine, ``dest`` as it was given, perhaps empty."""

    source: str
    dest: str

    @property
    def path(self) -> str:
        """Where it goes within the prefix: by default its own name at the root."""
        if self.dest and not self.dest.endswith("/"):
            return posixpath.normpath(self.dest)
        return posixpath.normpath(f"{self.dest}{os.path.basename(self.source)}")


@dataclass(frozen=True, slots=True)
class Additions:
    """Files to be packed besides those of the environment, and what their owner should know of them."""

    files: tuple[DiskFile, ...] = ()
    findings: tuple[Finding, ...] = ()


def parse_addition(text: str) -> Addition:
    r"""``SRC[:DEST]``, split at the last colon that does not belong to a drive (``C:\app:opt/app``)."""
    source, colon, dest = text.rpartition(":")
    if not colon or (_DRIVE.fullmatch(source) and dest.startswith(("/", "\\"))):
        return Addition(text, "")
    return Addition(source, dest)


def read_additions(
    environment: Environment, texts: Iterable[str], cwd: str, warn: Callable[[str], None] = lambda _: None
) -> Additions:
    """The files that ``texts`` (``SRC[:DEST]``, SRC relative to ``cwd``) put into an environment.

    A folder brings all that is in it; where DEST is there already as a folder, the two become one, of which
    no file may be in both. A link that SRC itself is is followed, those within are kept; one that leads out
    of SRC, and not into the environment, is a finding. The files are read when they are packed, and no
    exclude applies to them.

    Raises UsageError with every SRC that is missing and every DEST that is taken, twice given or not
    within the prefix, and FileChanged for a folder that cannot be read.
    """
    problems: list[str] = []
    found: dict[str, DiskFile] = {}
    twice: set[str] = set()
    leaving: list[str] = []
    for text in texts:
        addition = _resolved(parse_addition(text), cwd, environment)
        problem = _problem(addition)
        if problem:
            problems.append(f"{text!r} cannot be added: {problem}")
            continue
        source = os.path.realpath(addition.source)
        for file in _read(source, addition.path, warn):
            if file.path in found:
                twice.add(file.path)
            kept = _kept_link(file, source, environment)
            if kept is None:
                leaving.append(f"{file.path} → {file.target}")
            found[file.path] = kept or file
    if not (found or problems):
        return Additions()
    if taken := sorted(_taken(found, environment)):
        problems.append(_named("The environment has these already; give them another DEST", taken))
    if records := sorted(path for path in found if _is_record(path)):
        problems.append(_named("conda-meta/ is for the records of packages; leave these out of SRC", records))
    if both := sorted(twice | (found.keys() & folders_of(found))):
        problems.append(_named("These are added twice; give one of them another DEST", both))
    if problems:
        raise UsageError("\n".join(problems))
    findings = []
    if leaving:
        message = (
            f"{len(leaving)} links in what is added lead out of it; they are packed as they are, "
            "and what they lead to is not."
        )
        findings.append(Finding(Severity.WARNING, message, tuple(leaving)))
    return Additions(tuple(found[path] for path in sorted(found)), tuple(findings))


def _resolved(addition: Addition, cwd: str, environment: Environment) -> Addition:
    """With the full path of SRC, and DEST with the archive's separators."""
    source = os.path.abspath(os.path.join(cwd, addition.source)) if addition.source else ""
    dest = addition.dest.replace("\\", "/") if environment.platform.family == "win" else addition.dest
    return Addition(source, dest)


def _problem(addition: Addition) -> str:
    """What is wrong with it as it was given."""
    full = addition.source
    try:
        mode = os.stat(full).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{full} cannot be read ({reason}). Give SRC or SRC:DEST."
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"{full} is neither a file nor a folder."
    if _ROOTED.match(addition.dest):
        return "DEST is absolute. Give a path within the prefix."
    path = addition.path
    if is_above(path):
        return "DEST leaves the prefix. Give a path without '..'."
    if path == "." and not stat.S_ISDIR(mode):
        return "DEST is the prefix itself. Give './' or a name."
    if _is_record(path):
        return "conda-meta/ is for the records of packages. Give another DEST."
    if not path.isprintable():
        return "DEST has characters that cannot be printed. Give another."
    return ""


def _is_record(path: str) -> bool:
    return path.split("/", maxsplit=1)[0].lower() == "conda-meta"


def _read(source: str, path: str, warn: Callable[[str], None]) -> Iterable[DiskFile]:
    """The file or all that is in the folder at ``source``, at ``path`` within the prefix."""
    status = os.stat(source)
    if stat.S_ISREG(status.st_mode):
        mtime = status.st_mtime_ns // 1_000_000_000
        yield DiskFile(path, "file", stat.S_IMODE(status.st_mode) & 0o777, status.st_size, mtime, "", source)
        return
    files = scan(source, (), lambda message: warn(f"{source}: {message}"))
    if not files and path != ".":
        yield DiskFile(path, "directory", stat.S_IMODE(status.st_mode) & 0o777, 0, 0, "", source)
    for file in files.values():
        yield msgspec.structs.replace(
            file,
            path=posixpath.normpath(f"{path}/{file.path}"),
            location=os.path.join(source, *file.path.split("/")),
        )


def _kept_link(file: DiskFile, source: str, environment: Environment) -> DiskFile | None:
    """A file as it is packed: of links into SRC by their path the relative form. None if a link leads out."""
    if file.kind != "link":
        return file
    if not os.path.isabs(file.target):
        target = os.path.normpath(os.path.join(os.path.dirname(file.location), file.target))
        return file if target == source or is_below(target, source) else None
    folder, name = os.path.split(os.path.normpath(file.target))
    target = os.path.join(os.path.realpath(folder), name)
    if target == source or is_below(target, source):
        inside = os.path.relpath(target, os.path.dirname(file.location))
        return msgspec.structs.replace(file, target=inside.replace(os.sep, "/"))
    return file if is_inside(environment, file.target) else None  # the plan makes it relative


def _taken(found: dict[str, DiskFile], environment: Environment) -> set[str]:
    """Which of the paths are a file or a folder of the environment's, or lie below a file of it."""
    claimed = {claim.path for record in environment.records for claim in record.claims}
    files = environment.files.keys() | claimed
    taken = found.keys() & (files | folders_of(files))
    folders = folders_of(found)
    directories = {path for path, file in environment.files.items() if file.kind == "directory"}
    return taken | ((folders & files) - directories)


def _named(message: str, paths: list[str], most: int = 10) -> str:
    more = [f"    … and {len(paths) - most} more"] if len(paths) > most else []
    return "\n".join([f"{message}:", *(f"    {path}" for path in paths[:most]), *more])
