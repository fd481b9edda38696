"""What the archive keeps of a file: its stored bytes and how to relocate them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conda_pack.model import Entry, Form, Note, Platform, Stored
from conda_pack.relocation import macho
from conda_pack.relocation.boundaries import is_text, prefix_positions
from conda_pack.relocation.elf import relative_rpaths
from conda_pack.relocation.offsets import RULES, find_offsets, shebang_length
from conda_pack.relocation.restore import invert_binary, renders, restore, string_room
from conda_pack.relocation.scripts import plain_shebang, trampoline
from conda_pack.runtime.rules import Mismatch, find_pristine, shebang_limit, splice, stored_edits
from conda_pack.runtime.windows import SEPARATORS, launcher_line, written

#: Stands for the prefix in files whose package has no placeholder of its own; an error
#: message that names it says what to do.
NEUTRAL = "/run-conda-unpack-first"
# conda-build's placeholder length since 2.0; a longer slot is the file's own zeros
_LONGEST_SLOT = 255
_EXECUTABLE = (
    b"\x7fELF",
    b"\xfe\xed\xfa",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"!<arch>",
)
#: The fields of a pack record's entry that say how to relocate it.
RELOCATION_FIELDS = (
    "prefix_placeholder",
    "file_mode",
    "offsets",
    "shebang_length",
    "shebang",
    "shebang_rule",
    "trampoline",
    "optional",
    "sign",
    "slashes",
)


@dataclass(frozen=True, slots=True)
class Relocator:
    """The rules of one environment: what its prefix is called and how its platform does things."""

    prefixes: tuple[bytes, ...]
    platform: Platform

    @property
    def limit(self) -> int:
        """Longest first line of a script, in bytes."""
        return shebang_limit(self.platform.subdir)

    @property
    def is_windows(self) -> bool:
        """Whether paths have two kinds of slashes, and a first line means nothing to the system."""
        return self.platform.family == "win"

    @property
    def forms(self) -> tuple[tuple[bytes, str | None], ...]:
        """Each way to write each prefix, and on Windows what separates its parts; each text once."""
        if not self.is_windows:
            return tuple((prefix, None) for prefix in self.prefixes)
        every = [(written(prefix, name), name) for prefix in self.prefixes for name in SEPARATORS]
        return tuple({text: (text, name) for text, name in reversed(every)}.values())[::-1]

    @property
    def sought(self) -> tuple[bytes, ...]:
        """What to look for in anybody's file."""
        return tuple(text for text, _ in self.forms)

    def prefixes_in(self, entry: Entry) -> tuple[bytes, ...]:
        """What must not occur in a file that is stored as it is; no package's file is searched."""
        return () if entry.form is Form.AS_IS else self.sought

    def store(self, entry: Entry, data: bytes, installer: str = "conda") -> Stored:
        """The stored form of ``data``, the installed bytes of ``entry``.

        ``installer`` is the one that linked the entry's package.
        """
        stored = self._store(entry, data, installer)
        if stored.fields.get("file_mode") == "binary" and self._is_signed(stored.data):
            return Stored(stored.data, stored.sha256, {**stored.fields, "sign": True}, stored.note)
        return stored

    def _store(self, entry: Entry, data: bytes, installer: str) -> Stored:
        if entry.form is Form.BYTECODE:
            return _stored(_with_source_mtime(entry, data))
        if entry.previous is not None:
            before = self._as_before(entry.previous, data)
            if before is not None:
                pristine, stored = before
                return _noted(stored, note_of(entry, _sha256(data), pristine))
        if entry.form is Form.RESTORE:
            return self._restored(entry, data, installer)
        digest = _sha256(data)
        note = note_of(entry, digest)
        if entry.form is Form.AS_IS and not note:
            return Stored(data, digest)
        rule = {"conda": "conda-entry"}.get(installer, installer) if entry.form is Form.SCRIPT else "distlib"
        return self._searched(entry, data, rule, note)

    def _as_before(self, previous: Mapping[str, Any], data: bytes) -> tuple[bytes, Stored] | None:
        """The pristine and the stored form in the archive which this environment was unpacked from."""
        entry = dict(previous)
        try:
            _, pristine = find_pristine(data, entry, [*self.prefixes, None], self.limit)
        except Mismatch:
            return None
        fields = {key: previous[key] for key in RELOCATION_FIELDS if key in previous}
        data = b"".join(splice(pristine, stored_edits(entry)))
        return pristine, Stored(data, previous["sha256"], fields)

    def _restored(self, entry: Entry, data: bytes, installer: str) -> Stored:
        claim = entry.claim
        assert claim is not None and claim.placeholder is not None and claim.file_mode is not None
        if self.is_windows:
            return self._restored_on_windows(entry, data, installer)
        found = restore(
            data, self.prefixes, claim.placeholder, claim.file_mode, claim.sha256, installer, self.limit
        )
        if found is not None:
            return self._with_trampoline(entry, *found)
        note = note_of(entry, _sha256(data))
        if self._is_signed(data):
            # not by its package, but when the prefix was written; so the rest has to prove it
            found = restore(
                data, self.prefixes, claim.placeholder, claim.file_mode, None, installer, self.limit
            )
            if found is not None and found[1]["offsets"]:
                return _noted(_stored(*found), "" if note == "unrestored" else note)
        return self._searched(entry, data, installer, note)

    def _restored_on_windows(self, entry: Entry, data: bytes, installer: str) -> Stored:
        """Of a text every prefix is replaced, the first line's too, with slashes; of a binary none is."""
        claim = entry.claim
        assert claim is not None and claim.placeholder is not None and claim.file_mode is not None
        digest = _sha256(data)
        if digest == claim.sha256:
            return Stored(data, digest)
        prefixes = tuple(written(prefix, "forward") for prefix in self.prefixes)
        if claim.file_mode == "text":
            found = restore(
                data, prefixes, claim.placeholder, "text", claim.sha256, f"{installer}-windows", self.limit
            )
            if found is not None:
                return _stored(found[0], {**found[1], "slashes": "forward"})
        return self._searched(entry, data, installer, note_of(entry, digest))

    def _is_signed(self, data: bytes) -> bool:
        """Whether macOS runs it only with a signature that fits."""
        return self.platform.family == "osx" and macho.is_signed(data)

    def _searched(self, entry: Entry, data: bytes, rule: str, note: Note) -> Stored:
        """Anybody's file: find what in it is the prefix."""
        for prefix, slashes in self.forms:
            if prefix not in data:
                continue
            if slashes is not None:
                found = self._on_windows(entry, data, prefix, slashes)
                return _noted(found, note or found.note)
            if is_text(data):
                stored = self._text(entry, data, prefix, rule)
                if stored is not None:
                    return _noted(stored, note)
            elif data.startswith(_EXECUTABLE):
                return _noted(self._executable(entry, data, prefix), note)
            elif not entry.path.endswith(".pyc"):
                return _stored(data, note=note or "left")
        return _stored(data, note=note)

    def _on_windows(self, entry: Entry, data: bytes, prefix: bytes, slashes: str) -> Stored:
        """Anybody's text, or a launcher, where it holds the prefix in this form."""
        line = launcher_line(data)
        if line is None and not is_text(data):
            return _stored(data, note="" if entry.path.endswith(".pyc") else "left")
        start, end = line or (0, len(data))
        places = [start + place for place in prefix_positions(data[start:end], prefix)]
        if not places:
            return _stored(data, note="left" if line else "")
        neutral = written(NEUTRAL.encode(), slashes)
        pristine = b"".join(splice(data, [(place, prefix, neutral) for place in places]))
        shift = len(neutral) - len(prefix)
        fields = {
            "prefix_placeholder": neutral.decode(),
            "file_mode": "text",
            "offsets": [
                {
                    "encoding": "utf-8",
                    "ranges": [place + index * shift for index, place in enumerate(places)],
                }
            ],
            "slashes": slashes,
        }
        others = any(text in pristine for text in self.sought)
        return _stored(pristine, fields, "left" if others else "")

    def _text(self, entry: Entry, data: bytes, prefix: bytes, rule: str) -> Stored | None:
        neutral = NEUTRAL.encode()
        plain = plain_shebang(data)
        if plain is not None and plain[0].startswith(b"#!" + prefix + b"/"):
            first, rest = plain[0], data[plain[1] :]
        else:
            length = shebang_length(data) or 0
            first, rest = data[:length], data[length:]
        first_pristine = _replaced(first, prefix, neutral)
        places = prefix_positions(rest, prefix)
        if first_pristine == first and not places:
            return None
        shift = len(neutral) - len(prefix)
        offsets = [len(first_pristine) + place + index * shift for index, place in enumerate(places)]
        fields: dict[str, Any] = {
            "prefix_placeholder": NEUTRAL,
            "file_mode": "text",
            "offsets": [{"encoding": "utf-8", "ranges": offsets}] if offsets else [],
        }
        if first:
            fields["shebang_length"] = len(first_pristine)
            if first_pristine != first:
                fields["shebang"] = first_pristine.decode()
                fields["shebang_rule"] = rule
        pristine = first_pristine + b"".join(splice(rest, [(place, prefix, neutral) for place in places]))
        if not renders(pristine, fields, prefix, self.limit, data):
            return None
        return self._with_trampoline(entry, pristine, fields)

    def _executable(self, entry: Entry, data: bytes, prefix: bytes) -> Stored:
        """A binary: relative RPATHs, and its C strings with the room that they have."""
        if entry.form is Form.PATCHED:
            room = min(string_room(data, prefix), _LONGEST_SLOT)
            placeholder = NEUTRAL[:room].ljust(room, "_")
            pristine = invert_binary(data, prefix, placeholder.encode())
        else:
            pristine = b"".join(splice(data, relative_rpaths(data, entry.path, prefix)))
            placeholder = prefix.decode()
            data = pristine
        fields: dict[str, Any] = {
            "prefix_placeholder": placeholder,
            "file_mode": "binary",
            **find_offsets(pristine, placeholder, "binary", RULES["rattler-utf8"]),
            "optional": True,
        }
        if not fields["offsets"] or not renders(pristine, fields, prefix, self.limit, data):
            return _stored(data)
        return _stored(pristine, fields)

    def _with_trampoline(self, entry: Entry, pristine: bytes, fields: dict[str, Any]) -> Stored:
        if not fields["offsets"] and "shebang" not in fields:
            return _stored(pristine)  # nothing in it depends on the prefix
        if "shebang" in fields:
            lines = trampoline(
                entry.path, pristine, fields["prefix_placeholder"].encode(), self.platform.scripts
            )
            if lines is not None:
                fields = {**fields, "trampoline": lines.decode()}
        return _stored(b"".join(splice(pristine, stored_edits(fields))), fields)


def note_of(entry: Entry, digest: str, pristine: bytes | None = None) -> Note:
    """What conda-meta says of the installed bytes, by their ``digest``, and of the pristine ones if known."""
    claim = entry.claim
    if claim is None or claim.sha256 is None:
        return ""
    proved = entry.form is Form.RESTORE and pristine is not None and _sha256(pristine) == claim.sha256
    if proved or digest in entry.accepted:
        return ""
    if entry.form in (Form.RESTORE, Form.PATCHED):
        return "unrestored" if digest == claim.sha256_in_prefix else "modified"
    return "" if digest in (claim.sha256, claim.sha256_in_prefix) else "modified"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stored(data: bytes, fields: Mapping[str, Any] | None = None, note: Note = "") -> Stored:
    return Stored(data, _sha256(data), fields or {}, note)


def _noted(stored: Stored, note: Note) -> Stored:
    return Stored(stored.data, stored.sha256, stored.fields, note)


def _replaced(line: bytes, prefix: bytes, replacement: bytes) -> bytes:
    return b"".join(splice(line, [(place, prefix, replacement) for place in prefix_positions(line, prefix)]))


def _with_source_mtime(entry: Entry, data: bytes) -> bytes:
    """Bytecode whose source gets another mtime in the archive: keep the two in step (PEP 552).

    Only where the bytecode is valid for the source as installed.
    """
    header = struct.unpack_from("<4xIII", data) if len(data) >= 16 else (1, 0, 0)
    if entry.source is None or header != (0, entry.source.mtime & 0xFFFFFFFF, entry.source.size):
        return data
    return data[:8] + struct.pack("<I", entry.source_mtime & 0xFFFFFFFF) + data[12:]
