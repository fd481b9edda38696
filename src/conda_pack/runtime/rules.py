"""The rules of relocation: how a file depends on its prefix, and what installers write.

They are applied when an environment is packed and, shipped inside the archive
with conda_unpack.py, when it is moved; so the two cannot drift. Standard
library only, Python 3.6 and later.

A *pack record* (``conda-meta/conda-pack/<dist>.json``) says for each file that
holds the prefix where it does, in the schema of the draft standard
conda/ceps#179: ``offsets`` are byte positions in the *pristine* file, the one
that the package shipped. From them follow *edits*, ``(offset, old, new)``,
sorted and not overlapping, and all that relocation ever does is to splice
edits or their inverse into a file.
"""

import hashlib
import json
import re
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from conda_pack.runtime.windows import written

Buffer = Union[bytes, memoryview]
Edit = Tuple[int, bytes, bytes]
Entry = Dict[str, Any]
Installed = Dict[str, Tuple[str, int]]

# The first line of a script is cut by the kernel beyond this (binfmt_script
# reads 128 bytes since Linux 2.0; 512 on macOS), so installers rewrite it.
SHEBANG_LIMITS = {"linux": 127, "osx": 512}
SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)([^\n]*)\Z")
ESCAPED = re.compile(rb"#! */(?:\\ |[^ \n\r\t])*\\ (?:\\ |[^ \n\r\t])*/")
PYTHON = re.compile(rb"python(\d+(\.\d+)?)?\Z")
_PATH = re.compile(rb'"_path": ')
EXEC_SHEBANG = b"#!/bin/sh\n'''exec' \"%b\"%b \"$0\" \"$@\" #'''"  # a string to Python


class Mismatch(Exception):
    """The file does not hold what the record says it holds."""


class TooLong(Exception):
    """The new prefix needs more room than the file has."""


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
    prefix = written(prefix, entry.get("slashes"))
    placeholder = entry["prefix_placeholder"].encode()
    edits: List[Edit] = []
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
    pieces: List[Buffer] = []
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


def update_conda_meta(
    text: bytes, entries: Iterable[Entry], installed: Installed, layout: Dict[str, Any]
) -> bytes:
    """A conda-meta file with what is true after relocation.

    ``installed`` maps a path to ``(sha256, size)`` of the file as it lies there.
    Each entry names its place in ``paths_data.paths`` and the fields that depend
    on the prefix, because installers differ in them (conda records the pristine
    size of a text file, rattler the installed one). Mismatch if the document is
    not the one that was packed: the package was installed anew since.
    """
    changes = []
    for entry in entries:
        meta = entry.get("conda_meta")
        if meta is not None and entry["path"] in installed:
            sha256, size = installed[entry["path"]]
            values = {"sha256": sha256, "sha256_in_prefix": sha256, "size_in_bytes": size}
            changes.append((meta["index"], entry["path"], {field: values[field] for field in meta["fields"]}))
    changes.sort(key=lambda change: int(change[0]))
    try:
        return _patched(text, changes)
    except Mismatch:
        document = json.loads(text.decode())
    paths = document["paths_data"]["paths"]
    for index, path, values in changes:
        if index >= len(paths) or _name(paths[index]["_path"]) != _name(path):
            raise Mismatch()
        paths[index].update(values)
    return dump_json(document, layout)


def _patched(text: bytes, changes: List[Tuple[int, str, Dict[str, Any]]]) -> bytes:
    """The text with some values exchanged, parsed only where they are: it may tell of 10,000 paths.

    Mismatch where it is not laid out as installers do.
    """
    begin = max(0, text.find(b'"paths_data": {'))
    places = [match.start() for match in _PATH.finditer(text, begin)] if changes else []
    pieces, position = [], 0
    for index, path, values in changes:
        if index >= len(places):
            raise Mismatch()
        start, end = text.rfind(b"{", position, places[index]), text.find(b"}", places[index]) + 1
        item = text[start:end] if 0 <= start < end else b""
        try:
            old = json.loads(item.decode())
            if _name(old["_path"]) != _name(path):
                raise Mismatch()
            known = [_member(field, old[field]) for field in values]
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Mismatch() from None
        for before, field in zip(known, values):  # noqa: B905 - strict= is of 3.10
            if item.count(before) != 1:
                raise Mismatch()
            item = item.replace(before, _member(field, values[field]))
        pieces += [text[position:start], item]
        position = end
    return b"".join(pieces) + text[position:]


def _member(name: str, value: Any) -> bytes:
    return (json.dumps(name) + ": " + json.dumps(value)).encode()


def _name(path: str) -> str:
    """The last part, which is the same in a noarch package and where it is installed."""
    return path.rsplit("/", 1)[-1]


def dump_json(document: Dict[str, Any], layout: Dict[str, Any]) -> bytes:
    """JSON text as bytes, laid out as its first writer did: conda and rattler differ."""
    text = json.dumps(document, indent=layout["indent"], ensure_ascii=layout["ascii"]) + str(layout["end"])
    return text.encode()
