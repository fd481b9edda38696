"""Every file that holds the prefix is given another: what bin/conda-unpack is for."""

import hashlib
import os
import shutil
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from conda_pack.runtime.folder import Environment, UnpackError, Writer, held
from conda_pack.runtime.macho import TOOL, SigningFailed, find, sign
from conda_pack.runtime.rules import (
    Entry,
    Installed,
    Mismatch,
    TooLong,
    splice,
    stored_edits,
    target_edits,
    update_conda_meta,
)


class Outcome:
    """What a run did: the paths of the files that it changed, and those it did not, with the reason."""

    def __init__(self) -> None:
        self.changed: List[str] = []
        self.left: List[Tuple[str, str]] = []

    def warnings(self) -> List[str]:
        return ["{} {}.".format(path, reason) for path, reason in self.left]


class _Needed(Exception):
    """Something is to be written."""


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


def relocate(environment: Environment, prefix: str, tell: Callable[[str], None]) -> Outcome:
    """Give every file of the environment the ``prefix`` it lies at, or will.

    May be killed at any point and run again: each file is found in whichever
    state it is, and replaced whole. Runs at the same time wait for one another.
    Where nothing is to be done nothing is written, no lock either.
    """
    check_length(environment.content, os.fsencode(prefix))
    before = environment.is_at(prefix)
    records = [_with_prefixes(record) for record in environment.records()]
    if before:
        try:
            outcome = _Pass(environment, prefix, [], None).run(records)
        except _Needed:
            pass
        else:
            environment.tidy()
            return outcome
    environment.check_writable(path for record in records for path in _paths(record))
    with environment.alone(tell) as writer:
        if before or not environment.is_at(prefix):
            known = writer.begin(prefix)
            work = _Pass(environment, prefix, known, writer)
            outcome = work.run(records)
            writer.end(prefix, known, work.signed)
            return outcome
    return relocate(environment, prefix, tell)  # another run has done it: look only


def _with_prefixes(record: Dict[str, Any]) -> Dict[str, Any]:
    return dict(record, files=[entry for entry in record["files"] if "offsets" in entry])


def _paths(record: Dict[str, Any]) -> List[str]:
    return [entry["path"] for entry in record["files"]]


class _Pass:
    """One way through all the files; without a ``writer`` it ends with _Needed where it would write."""

    def __init__(
        self, environment: Environment, prefix: str, known: List[str], writer: Optional[Writer]
    ) -> None:
        self._environment, self._writer = environment, writer
        self._target = os.fsencode(prefix)
        former = [os.fsencode(name) for name in known if name != prefix]
        self._candidates: List[Optional[bytes]] = [self._target, *former, None]
        self._outcome = Outcome()
        self._known_signed = frozenset(environment.state().get("signed", []))
        self._can_sign = shutil.which(TOOL) is not None
        #: new files that are to be signed: where they are now, where they go, and what is installed besides
        self._to_sign: List[Tuple[str, str, Installed]] = []
        #: sha256 of those that are there and signed
        self.signed: Set[str] = set()

    def run(self, records: Iterable[Dict[str, Any]]) -> Outcome:
        waiting: List[Tuple[Dict[str, Any], Installed]] = []
        for record in records:
            installed: Installed = {}
            count = len(self._to_sign)
            for entry in record["files"]:
                self._file(entry, installed)
            if record["name"] and len(self._to_sign) > count:
                waiting.append((record, installed))
            elif record["name"]:
                self._conda_meta(record, installed)
        self._sign()
        for record, installed in waiting:
            self._conda_meta(record, installed)
        return self._outcome

    def _leave(self, path: str, reason: str) -> None:
        self._outcome.left.append((path, reason))

    def _needed_writer(self) -> Writer:
        if self._writer is None:
            raise _Needed()
        return self._writer

    def _file(self, entry: Entry, installed: Installed) -> None:
        path, limit = entry["path"], self._environment.limit
        try:
            data, status = held(self._environment, path)
            found, pristine, is_signed = find(data, entry, self._candidates, self._known_signed, limit)
        except (FileNotFoundError, NotADirectoryError):
            return self._leave(path, "is gone since it was packed")
        except Mismatch:
            return self._leave(path, "was changed since it was packed and is left as it is")
        try:
            edits = target_edits(entry, self._target, limit)
        except TooLong:
            self._leave(path, "holds a prefix too short for the new one and keeps the old")
            edits = stored_edits(entry)
        new = b"".join(splice(pristine, edits))
        if entry.get("sign") and (is_signed or new != pristine) and not (is_signed and new == data):
            if self._can_sign:
                name = "{}/{}".format(len(self._to_sign), os.path.basename(path))  # which is signed, too
                self._to_sign.append((self._needed_writer().make(name, new, status), path, installed))
                return None
            self._leave(path, "has to be signed before macOS runs it: run conda-unpack there")
        digest = hashlib.sha256(new).hexdigest()
        installed[path] = digest, len(new)
        if is_signed:
            self.signed.add(digest)
        if found != self._target and new != data:
            self._needed_writer().replace(path, new, status)
            self._outcome.changed.append(path)
        return None

    def _sign(self) -> None:
        """Sign new files before they are put in their places: whoever kills us leaves none without."""
        if not self._to_sign:
            return
        try:
            sign(new for new, _, _ in self._to_sign)
        except SigningFailed as error:
            message = "the files that hold the prefix cannot be signed: {}. Run it again when that is mended."
            raise UnpackError(message.format(error), 9) from None
        for new, path, installed in self._to_sign:
            with open(new, "rb") as file:
                data = file.read()
            installed[path] = hashlib.sha256(data).hexdigest(), len(data)
            self.signed.add(installed[path][0])
        writer = self._needed_writer()
        writer.note_signed(self.signed)
        for new, path, _ in self._to_sign:
            writer.put(new, path)
            self._outcome.changed.append(path)

    def _conda_meta(self, record: Dict[str, Any], installed: Installed) -> None:
        path = "conda-meta/" + record["dist"] + ".json"
        try:
            old, status = held(self._environment, path)
            new = update_conda_meta(old, record["files"], installed, record["json_layout"])
        except (Mismatch, ValueError, LookupError, TypeError):
            return self._leave(path, "was written anew since it was packed and is left as it is")
        if new != old:
            self._needed_writer().replace(path, new, status)
        return None
