"""Give an unpacked environment the prefix of the folder it lies in.

Shipped in an archive as ``bin/conda-unpack``, with the rules it applies: needs
the standard library of any Python from 3.6 on, and nothing else.
"""

import argparse
import hashlib
import json
import os
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

from conda_pack.runtime.rules import (
    Entry,
    Installed,
    Mismatch,
    TooLong,
    find_pristine,
    shebang_limit,
    splice,
    stored_edits,
    target_edits,
    update_conda_meta,
)
from conda_pack.runtime.version import VERSION

INDEX = "conda-meta/conda-pack/index.json"
STATE = "conda-meta/conda-pack/state.json"
TEMPORARY = ".conda-unpack~"


class UnpackError(Exception):
    """Something the user can mend; ``exit_code`` as in conda_pack.errors."""

    def __init__(self, message: str, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.exit_code = exit_code


class Environment:
    """An unpacked environment: its folder, its records, and where it was relocated to last."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.content = self._read_json(INDEX)["content"]
        self.limit = shebang_limit(self.content["platform"])

    def path(self, relative: str) -> str:
        return os.path.join(self.prefix, *relative.split("/"))

    def _read_json(self, relative: str) -> Dict[str, Any]:
        try:
            with open(self.path(relative), encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError) as error:
            message = "{} cannot be read ({}): unpack the archive again.".format(self.path(relative), error)
            raise UnpackError(message, 10) from None

    def records(self) -> Iterator[Dict[str, Any]]:
        """Each pack record that tells of prefixes, if its package is there still: its conda-meta file is."""
        for package in self.content["packages"]:
            meta = self.path("conda-meta/" + package["dist"] + ".json")
            if package["prefixes"] and os.path.exists(meta):
                yield self._read_json(package["record"])
        if self.content["unmanaged"]["prefixes"]:
            yield self._read_json(self.content["unmanaged"]["record"])

    def state(self) -> Dict[str, Any]:
        """The ``prefix`` of the last run that ended, and the ``unfinished`` ones of those killed since."""
        if not os.path.exists(self.path(STATE)):
            return {}
        return self._read_json(STATE)

    def write(self, relative: str, data: bytes, mode: int) -> None:
        """Put a new file in the place of the old: never in place, so running programs are safe."""
        path = self.path(relative)
        temporary = path + TEMPORARY
        self.remove_unfinished(relative)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)

    def remove_unfinished(self, relative: str) -> None:
        """What a killed run may have left beside a file."""
        temporary = self.path(relative) + TEMPORARY
        if os.path.lexists(temporary):
            os.unlink(temporary)

    def write_state(self, state: Dict[str, Any]) -> None:
        self.write(STATE, (json.dumps(state, sort_keys=True) + "\n").encode(), 0o644)


def check_length(content: Dict[str, Any], prefix: bytes) -> None:
    """Refuse a prefix that does not fit, before anything is touched."""
    longest = content["longest_prefix"]
    if longest is not None and len(prefix) > longest:
        raise UnpackError(
            "the prefix {} is {} bytes long, and this environment fits into {} at most, because of {}. "
            "Move it to a shorter path.".format(
                os.fsdecode(prefix), len(prefix), longest, ", ".join(content["limited_by"])
            ),
            12,
        )


def relocate(environment: Environment, prefix: str, warn: Callable[[str], None]) -> int:
    """Give every file of the environment the ``prefix`` it lies at, or will; returns how many were rewritten.

    May be killed at any point and run again: each file is found in whichever
    state it is, and replaced whole.
    """
    target = os.fsencode(prefix)
    check_length(environment.content, target)
    state = environment.state()
    done = {"prefix": prefix}
    environment.remove_unfinished(STATE)
    unfinished = [former for former in state.get("unfinished", []) if former != prefix]
    if state != done:
        environment.write_state(dict(state, unfinished=unfinished + [prefix]))
    known = [os.fsencode(former) for former in [state.get("prefix")] + unfinished if former]
    candidates: List[Optional[bytes]] = [target] + [former for former in known if former != target] + [None]
    rewritten = 0
    for record in environment.records():
        entries = [entry for entry in record["files"] if "offsets" in entry]
        installed: Installed = {}
        for entry in entries:
            environment.remove_unfinished(entry["path"])
            rewritten += _relocate_file(environment, entry, candidates, installed, warn)
        if record["name"]:
            _relocate_conda_meta(environment, record, entries, installed, warn)
    if state != done:
        environment.write_state(done)
    return rewritten


def _relocate_file(
    environment: Environment,
    entry: Entry,
    candidates: Sequence[Optional[bytes]],
    installed: Installed,
    warn: Callable[[str], None],
) -> int:
    path, target, limit = environment.path(entry["path"]), candidates[0], environment.limit
    assert target is not None
    try:
        if os.path.islink(path):
            raise Mismatch()
        with open(path, "rb") as file:
            data, mode = file.read(), os.fstat(file.fileno()).st_mode & 0o7777
        found, pristine = find_pristine(data, entry, candidates, limit)
    except FileNotFoundError:
        warn("{} is gone since it was packed.".format(entry["path"]))
        return 0
    except Mismatch:
        warn("{} was changed since it was packed and is left as it is.".format(entry["path"]))
        return 0
    try:
        edits = target_edits(entry, target, limit)
    except TooLong:
        warn("{} holds a prefix too short for the new one and keeps the old.".format(entry["path"]))
        edits = stored_edits(entry)
    pieces = splice(pristine, edits)
    new = b"".join(pieces)
    installed[entry["path"]] = hashlib.sha256(new).hexdigest(), len(new)
    if found == target or new == data:
        return 0
    environment.write(entry["path"], new, mode)
    return 1


def _relocate_conda_meta(
    environment: Environment,
    record: Dict[str, Any],
    entries: Iterable[Entry],
    installed: Installed,
    warn: Callable[[str], None],
) -> None:
    relative = "conda-meta/" + record["dist"] + ".json"
    path = environment.path(relative)
    environment.remove_unfinished(relative)
    with open(path, "rb") as file:
        old, mode = file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    try:
        new = update_conda_meta(old, entries, installed, record["json_layout"])
    except (Mismatch, ValueError, LookupError, TypeError):
        warn("{} was written anew since it was packed and is left as it is.".format(relative))
        return
    if new != old:
        environment.write(relative, new, mode)


def find_prefix(script: str) -> str:
    """The environment that ``script`` (bin/conda-unpack) belongs to, by the path it was called with."""
    for path in (os.path.abspath(script), os.path.realpath(script)):
        prefix = os.path.dirname(os.path.dirname(path))
        if os.path.exists(os.path.join(prefix, *INDEX.split("/"))):
            return prefix
    raise UnpackError("{} does not lie in an unpacked environment: no {} beside it.".format(script, INDEX), 3)


def _absolute(prefix: str) -> str:
    if not prefix:
        raise UnpackError("--prefix is empty: name the folder that the environment will be moved to.", 2)
    return os.path.abspath(prefix)


def main(script: str, arguments: Optional[Sequence[str]] = None) -> int:
    """Relocate the environment that ``script`` lies in; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="conda-unpack",
        description="Make this unpacked environment exactly as if conda had installed it where it lies. "
        "Run it once after extracting the archive, and again whenever the environment was moved.",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument(
        "--prefix",
        metavar="PATH",
        help="write the files for PATH, where this folder will be moved next (default: where it lies)",
    )
    parser.add_argument("--version", action="version", version="%(prog)s " + VERSION)
    options = parser.parse_args(arguments)

    def tell(message: str) -> None:
        if not options.quiet:
            sys.stderr.write("conda-unpack: " + message + "\n")

    try:
        environment = Environment(find_prefix(script))
        prefix = environment.prefix if options.prefix is None else _absolute(options.prefix)
        rewritten = relocate(environment, prefix, lambda message: tell("warning: " + message))
        if options.prefix is None:
            tell("{} files changed; the environment is at {}.".format(rewritten, prefix))
        else:
            tell("{} files changed; move the environment to {} now.".format(rewritten, prefix))
        return 0
    except UnpackError as error:
        message, code = str(error), error.exit_code
    except OSError as error:
        message, code = "{}: {}. Run it again when that is mended.".format(error.filename, error.strerror), 9
    except KeyboardInterrupt:
        message, code = "interrupted. Run it again to go on.", 130
    sys.stderr.write("conda-unpack: error: " + message + "\n")
    return code
