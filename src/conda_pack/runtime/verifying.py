"""Every file of an unpacked environment against the records, and what is known of its relocation."""

import hashlib
import json
import os
import stat
from typing import IO, Any, Dict, Iterator, List, Optional, Set, Tuple

from conda_pack.runtime.folder import Environment, held
from conda_pack.runtime.macho import find
from conda_pack.runtime.rules import Entry, Mismatch, update_conda_meta

_CHUNK = 1 << 20  # bytes read at once

MISSING = "missing"
CHANGED = "changed"
NOT_EXECUTABLE = "not executable"
NOT_RELOCATED = "not relocated"

Finding = Tuple[str, str]


def verify(environment: Environment) -> Tuple[int, List[Finding]]:
    """How many paths were compared, and of each that is not as it should be what is wrong with it.

    A file with prefixes is right if it holds the one that the state tells, whichever that is; of modes it
    only matters whether the owner may execute a file, because others depend on the umask of who unpacked.
    """
    return _Verification(environment).run()


def status(environment: Environment) -> Dict[str, Any]:
    """Where it lies, where it was relocated to last, if anywhere, and which runs were killed since.

    ``current`` tells whether there is nothing to do: it was relocated to where it lies.
    """
    state = environment.state()
    former = state.get("prefix")
    moved = former is not None and not _is_same(former, environment.prefix)
    return {
        "prefix": environment.prefix,
        "identity": environment.index.get("identity"),
        "relocated_to": former,
        "moved": moved,
        "unfinished": state.get("unfinished", []),
        "current": former is not None and not moved and not state.get("unfinished"),
    }


def _is_same(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


class _Verification:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        state = environment.state()
        former = state.get("prefix")
        #: the prefixes that files may hold, the one they should first; None is what the archive has
        self._expected: List[Optional[bytes]] = [former and os.fsencode(former)]
        self._expected += [os.fsencode(name) for name in state.get("unfinished", [])]
        self._signed = frozenset(state.get("signed", []))
        #: the bits of a mode to look at: Windows knows by the name whether a file can be executed
        self._bits = 0 if environment.content["platform"].startswith("win") else stat.S_IXUSR
        self._findings: List[Finding] = []
        self._seen: Set[str] = set()

    def run(self) -> Tuple[int, List[Finding]]:
        content = self._environment.content
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        if hashlib.sha256(text).hexdigest() != self._environment.index.get("identity"):
            self._find("conda-meta/conda-pack/index.json", CHANGED)
        for entry in content["runtime"]:
            self._path(entry)
        for record in self._records():
            conda_meta = "conda-meta/" + record["dist"] + ".json" if record["name"] else None
            for entry in record["files"]:
                if entry["path"] == conda_meta:
                    self._conda_meta(entry, record)
                else:
                    self._path(entry)
        return len(self._seen), sorted(self._findings)

    def _find(self, path: str, problem: str) -> None:
        self._findings.append((path, problem))

    def _records(self) -> Iterator[Dict[str, Any]]:
        """Those that are as they were packed, of the packages that are there still."""
        content = self._environment.content
        for item in content["packages"] + [content["unmanaged"]]:
            if "dist" in item:
                conda_meta = "conda-meta/" + item["dist"] + ".json"
                if not os.path.lexists(self._environment.path(conda_meta)):
                    self._seen.add(conda_meta)
                    self._find(conda_meta, MISSING)
                    continue
            self._seen.add(item["record"])
            try:
                with self._environment.open(item["record"]) as file:
                    data = file.read()
            except (FileNotFoundError, NotADirectoryError):
                self._find(item["record"], MISSING)
                continue
            except Mismatch:
                data = b""
            if hashlib.sha256(data).hexdigest() == item["record_sha256"]:
                yield json.loads(data.decode())
            else:
                self._find(item["record"], CHANGED)

    def _path(self, entry: Entry) -> None:
        self._seen.add(entry["path"])
        path, kind = self._environment.path(entry["path"]), entry.get("type", "file")
        try:
            if kind == "directory":
                problem = None if stat.S_ISDIR(os.lstat(path).st_mode) else CHANGED
            elif kind == "link":
                problem = None if os.readlink(path) == entry["target"] else CHANGED
            else:
                problem = self._file(entry)
        except (FileNotFoundError, NotADirectoryError):
            problem = MISSING
        except (Mismatch, OSError):
            problem = CHANGED
        if problem is not None:
            self._find(entry["path"], problem)

    def _file(self, entry: Entry) -> Optional[str]:
        if "offsets" in entry:
            data, status = held(self._environment, entry["path"])
            candidates = self._expected + [None]
            found, _, _ = find(data, entry, candidates, self._signed, self._environment.limit)
            if found not in self._expected and not entry.get("optional"):
                return NOT_RELOCATED
        else:
            with self._environment.open(entry["path"]) as file:
                status = os.fstat(file.fileno())
                if _digest(file) != entry["sha256"]:
                    return CHANGED
        return NOT_EXECUTABLE if self._bits & _mode(entry) & ~status.st_mode else None

    def _conda_meta(self, entry: Entry, record: Dict[str, Any]) -> None:
        """It tells the digests of files with prefixes: given those of the stored files it is as stored."""
        self._seen.add(entry["path"])
        stored = {other["path"]: (other["sha256"], other.get("size", 0)) for other in _files(record)}
        entries = [other for other in record["files"] if "conda_meta" in other]
        try:
            text, _ = held(self._environment, entry["path"])
            text = update_conda_meta(text, entries, stored, record["json_layout"])
        except (Mismatch, OSError, ValueError, LookupError, TypeError):
            text = b""
        if hashlib.sha256(text).hexdigest() != entry["sha256"]:
            self._find(entry["path"], CHANGED)


def _files(record: Dict[str, Any]) -> List[Entry]:
    return [entry for entry in record["files"] if entry.get("type", "file") == "file"]


def _mode(entry: Entry) -> int:
    return int(entry.get("mode", 0o644))


def _digest(file: IO[bytes]) -> str:
    sha256 = hashlib.sha256()
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        sha256.update(chunk)
    return sha256.hexdigest()
