"""Give an unpacked environment the prefix of the folder it lies in.

This one file is both halves of relocation. Inside the package it holds the
rules by which the rest of conda-pack restores and renders files; shipped in
an archive as ``bin/conda-unpack`` it applies them, with the standard library
of any Python from 3.6 on and nothing else. So the two cannot drift.

A *pack record* (``conda-meta/conda-pack/<dist>.json``) says for each file that
holds the prefix where it does, in the schema of the draft standard
conda/ceps#179: ``offsets`` are byte positions in the *pristine* file, the one
that the package shipped. From them follow *edits*, ``(offset, old, new)``,
sorted and not overlapping, and all that relocation ever does is to splice
edits or their inverse into a file.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

Buffer = Union[bytes, memoryview]
Edit = Tuple[int, bytes, bytes]
Entry = Dict[str, Any]
Installed = Dict[str, Tuple[str, int]]

VERSION = "1.0.0.dev0"

INDEX = "conda-meta/conda-pack/index.json"
STATE = "conda-meta/conda-pack/state.json"
TEMPORARY = ".conda-unpack~"

# The first line of a script is cut by the kernel beyond this (binfmt_script
# reads 128 bytes since Linux 2.0; 512 on macOS), so installers rewrite it.
SHEBANG_LIMITS = {"linux": 127, "osx": 512}
SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)([^\n]*)\Z")
ESCAPED = re.compile(rb"#! */(?:\\ |[^ \n\r\t])*\\ (?:\\ |[^ \n\r\t])*/")
PYTHON = re.compile(rb"python(\d+(\.\d+)?)?\Z")
EXEC_SHEBANG = b"#!/bin/sh\n'''exec' \"%b\"%b \"$0\" \"$@\" #'''"  # a string to Python


class UnpackError(Exception):
    """Something the user can mend; ``exit_code`` as in conda_pack.errors."""

    def __init__(self, message: str, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.exit_code = exit_code


class Mismatch(Exception):
    """The file does not hold what the record says it holds."""


class TooLong(Exception):
    """The new prefix needs more room than the file has."""


# --------------------------------------------------------------------- rules


def shebang_limit(subdir: str) -> int:
    """The longest first line of a script, in bytes, on a platform such as linux-64."""
    return SHEBANG_LIMITS.get(subdir.split("-", maxsplit=1)[0], 127)


def render_shebang(line: bytes, placeholder: bytes, prefix: bytes, rule: str, limit: int) -> bytes:
    """The first line(s) that an installer writes for the package's first ``line``.

    ``rule`` names the installer; each has its own way out of a line that is
    longer than ``limit`` or holds a space: conda 24.7 portability.py, rattler
    0.28 link.rs and entry_point.rs, distlib (pip) scripts.py.
    """
    text = line[:-1] if line.endswith(b"\n") else line
    newline = line[len(text) :]
    if rule == "conda":
        # it escapes spaces first, and only right behind the #! of a whole line
        if newline:
            text = text.replace(b"#!" + placeholder, b"#!" + prefix.replace(b" ", b"\\ "))
        text = text.replace(placeholder, prefix)
        if len(text) > limit or ESCAPED.match(text):
            text = _long_shebang(text, False)
    elif rule == "rattler":
        if b" " in prefix:  # then it leaves other lines alone, however long
            text = _long_shebang(text, True) if placeholder in text else text
            return text.replace(placeholder, prefix) + newline
        text = text.replace(placeholder, prefix)
        if len(text) > limit:
            text = _long_shebang(text, True)
    else:
        text = _generated_shebang(text, placeholder, prefix, rule, limit)
    return text + newline


def _long_shebang(text: bytes, for_python: bool) -> bytes:
    """What works in place of a first line that does not; ``for_python`` tells if Python keeps its path."""
    match = SHEBANG.match(text)
    if match is None:
        return text
    executable, options = match.groups()
    name = executable.rpartition(b"/")[2]
    if for_python and PYTHON.match(name):
        return EXEC_SHEBANG % (executable, options)
    return b"#!/usr/bin/env " + name + options


def _generated_shebang(text: bytes, placeholder: bytes, prefix: bytes, rule: str, limit: int) -> bytes:
    """Of scripts that no package has: conda makes those of entry points, pip (distlib) its own."""
    new = text.replace(placeholder, prefix)
    match = SHEBANG.match(text)
    if match is None:
        return new
    executable, options = (group.replace(placeholder, prefix) for group in match.groups())
    # both count the newline, and conda characters
    length = len(new.decode("utf-8", "surrogateescape") if rule == "conda-entry" else new) + 1
    if length <= limit and b" " not in executable:
        return new
    if rule == "distlib" and PYTHON.match(executable.rpartition(b"/")[2]):
        quoted = b'"' + executable + b'"' if b" " in executable else executable
        return b"#!/bin/sh\n'''exec' " + quoted + options + b" \"$0\" \"$@\"\n' '''"
    if rule == "conda-entry":
        return EXEC_SHEBANG % (executable, options)
    return b"#!/usr/bin/env " + executable.rpartition(b"/")[2] + options


def target_edits(entry: Entry, prefix: bytes, limit: int) -> List[Edit]:
    """The edits that make the pristine file into the one installed at ``prefix`` (bytes)."""
    placeholder = entry["prefix_placeholder"].encode()
    edits = []  # type: List[Edit]
    if "shebang" in entry:
        line = entry["shebang"].encode()
        edits.append((0, line, render_shebang(line, placeholder, prefix, entry["shebang_rule"], limit)))
    for group in entry["offsets"]:
        encoding = group["encoding"]
        old, new = _encode(placeholder, encoding), _encode(prefix, encoding)
        for places in group["ranges"]:
            if entry["file_mode"] == "text":
                edits.append((places, old, new))
                continue
            # a C string: the rest of it moves up and NULs fill the gap before its end
            gap = (len(old) - len(new)) * (len(places) - 1)
            if gap < 0:
                raise TooLong(entry["path"])
            edits.extend((offset, old, new) for offset in places[:-1])
            edits.append((places[-1], b"", b"\0" * gap))
    return sorted(edits)


def stored_edits(entry: Entry) -> List[Edit]:
    """The edits that make the pristine file into the one stored in the archive."""
    if "trampoline" not in entry:
        return []
    return [(0, entry["shebang"].encode(), entry["trampoline"].encode())]


def _encode(text: bytes, encoding: str) -> bytes:
    return text if encoding == "utf-8" else text.decode().encode(encoding)


def inverse(edits: Iterable[Edit]) -> List[Edit]:
    """The edits that undo ``edits``."""
    undone = []
    shift = 0
    for offset, old, new in edits:
        undone.append((offset + shift, new, old))
        shift += len(new) - len(old)
    return undone


def splice(data: Buffer, edits: Iterable[Edit]) -> List[Buffer]:
    """The pieces of ``data`` (any buffer) with ``edits`` applied; Mismatch if an old text is not there."""
    view, position = memoryview(data), 0
    pieces = []  # type: List[Buffer]
    for offset, old, new in edits:
        if not position <= offset <= len(view) or view[offset : offset + len(old)] != old:
            raise Mismatch()
        pieces += [view[position:offset], new]
        position = offset + len(old)
    pieces.append(view[position:])
    return pieces


def digest(pieces: Iterable[Buffer]) -> str:
    """The sha256 of the pieces, in hexadecimal."""
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest()


def find_pristine(
    data: bytes, entry: Entry, prefixes: Iterable[Optional[bytes]], limit: int
) -> Tuple[Optional[bytes], bytes]:
    """Whose prefix ``data`` holds now, and its pristine bytes.

    ``prefixes`` are the candidates, None standing for the stored form. The
    recorded sha256 decides. Returns ``(prefix, pristine)``; Mismatch if none fits,
    because somebody changed the file since.
    """
    for prefix in prefixes:
        try:
            edits = stored_edits(entry) if prefix is None else target_edits(entry, prefix, limit)
            pristine = b"".join(splice(data, inverse(edits)))
        except (Mismatch, TooLong):
            continue
        if digest(splice(pristine, stored_edits(entry))) == entry["sha256"]:
            return prefix, pristine
    raise Mismatch()


def update_conda_meta(document: Dict[str, Any], entries: Iterable[Entry], installed: Installed) -> None:
    """Write into a conda-meta ``document`` what is true after relocation.

    ``installed`` maps a path to ``(sha256, size)`` of the file as it lies there.
    Each entry names its place in ``paths_data.paths`` and the fields that depend
    on the prefix, because installers differ in them (conda records the pristine
    size of a text file, rattler the installed one).
    """
    paths = document["paths_data"]["paths"]
    for entry in entries:
        meta = entry.get("conda_meta")
        if meta is None or entry["path"] not in installed:
            continue
        sha256, size = installed[entry["path"]]
        values = {"sha256": sha256, "sha256_in_prefix": sha256, "size_in_bytes": size}
        for field in meta["fields"]:
            paths[meta["index"]][field] = values[field]


def dump_json(document: Dict[str, Any], layout: Dict[str, Any]) -> bytes:
    """JSON text as bytes, laid out as its first writer did: conda and rattler differ."""
    text = json.dumps(document, indent=layout["indent"], ensure_ascii=layout["ascii"]) + str(layout["end"])
    return text.encode()


# -------------------------------------------------------------------- script


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
        """Each pack record whose package is still there, as the package's conda-meta file says."""
        for package in self.content["packages"]:
            if os.path.exists(self.path("conda-meta/" + package["dist"] + ".json")):
                yield self._read_json(package["record"])
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


def relocate(environment: Environment, warn: Callable[[str], None]) -> int:
    """Give every file of the environment the prefix it lies at; returns how many were rewritten.

    May be killed at any point and run again: each file is found in whichever
    state it is, and replaced whole.
    """
    target = os.fsencode(environment.prefix)
    check_length(environment.content, target)
    state = environment.state()
    done = {"prefix": environment.prefix}
    environment.remove_unfinished(STATE)
    unfinished = [prefix for prefix in state.get("unfinished", []) if prefix != environment.prefix]
    if state != done:
        environment.write_state(dict(state, unfinished=unfinished + [environment.prefix]))
    known = [os.fsencode(prefix) for prefix in [state.get("prefix")] + unfinished if prefix]
    candidates = [target] + [prefix for prefix in known if prefix != target] + [None]  # type: List[Optional[bytes]]
    rewritten = 0
    for record in environment.records():
        entries = [entry for entry in record["files"] if "offsets" in entry]
        installed = {}  # type: Installed
        for entry in entries:
            environment.remove_unfinished(entry["path"])
            rewritten += _relocate_file(environment, entry, candidates, installed, warn)
        if record["name"]:
            _relocate_conda_meta(environment, record, entries, installed)
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
    environment: Environment, record: Dict[str, Any], entries: Iterable[Entry], installed: Installed
) -> None:
    relative = "conda-meta/" + record["dist"] + ".json"
    path = environment.path(relative)
    environment.remove_unfinished(relative)
    with open(path, "rb") as file:
        old, mode = file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    document = json.loads(old.decode())
    update_conda_meta(document, entries, installed)
    new = dump_json(document, record["json_layout"])
    if new != old:
        environment.write(relative, new, mode)


def find_prefix(script: str) -> str:
    """The environment that ``script`` (bin/conda-unpack) belongs to, by the path it was called with."""
    for path in (os.path.abspath(script), os.path.realpath(script)):
        prefix = os.path.dirname(os.path.dirname(path))
        if os.path.exists(os.path.join(prefix, *INDEX.split("/"))):
            return prefix
    raise UnpackError("{} does not lie in an unpacked environment: no {} beside it.".format(script, INDEX), 3)


def main(script: str, arguments: Optional[Sequence[str]] = None) -> int:
    """Relocate the environment that ``script`` lies in; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="conda-unpack",
        description="Make this unpacked environment exactly as if conda had installed it where it lies. "
        "Run it once after extracting the archive, and again whenever the environment was moved.",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--version", action="version", version="%(prog)s " + VERSION)
    quiet = parser.parse_args(arguments).quiet

    def tell(message: str) -> None:
        if not quiet:
            sys.stderr.write("conda-unpack: " + message + "\n")

    try:
        environment = Environment(find_prefix(script))
        rewritten = relocate(environment, lambda message: tell("warning: " + message))
        tell("{} files changed; the environment is at {}.".format(rewritten, environment.prefix))
        return 0
    except UnpackError as error:
        message, code = str(error), error.exit_code
    except OSError as error:
        message, code = "{}: {}. Run it again when that is mended.".format(error.filename, error.strerror), 9
    except KeyboardInterrupt:
        message, code = "interrupted. Run it again to go on.", 130
    sys.stderr.write("conda-unpack: error: " + message + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(__file__))
