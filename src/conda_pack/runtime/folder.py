"""The folder of an unpacked environment: its records, its state, and safe ways to read and replace files."""

import contextlib
import errno
import json
import os
import shutil
import stat
import time
from typing import IO, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from conda_pack.runtime.rules import Mismatch, shebang_limit

try:
    import fcntl
except ImportError:  # no Unix
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # no Windows
    msvcrt = None  # type: ignore[assignment]

PACK_FOLDER = "conda-meta/conda-pack"
INDEX = PACK_FOLDER + "/index.json"
STATE = PACK_FOLDER + "/state.json"
#: What the folders end with in which new files are made. Packing leaves them out.
TEMPORARY = ".conda-unpack~"
#: Where Windows locks a byte, which nobody can read then: far behind the end of the file.
_BEHIND = 1 << 30
#: Seconds after which nobody who made such a folder goes on, where there are no locks to tell.
_ABANDONED = 24 * 60 * 60


class UnpackError(Exception):
    """Something the user can mend; ``exit_code`` as in conda_pack.errors."""

    def __init__(self, message: str, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.exit_code = exit_code


class Environment:
    """An unpacked environment: where it lies, what its records tell, and where it was relocated to last."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.index = self.read_json(INDEX)
        try:
            self.content = dict(self.index["content"])
            self.limit = shebang_limit(self.content["platform"])
        except (LookupError, TypeError, ValueError, AttributeError):
            raise UnpackError(self.path(INDEX) + " is no index: unpack the archive again.", 10) from None
        self._root = _real(prefix)
        self._within: Dict[str, bool] = {}

    # ------------------------------------------------------------------ reading

    def path(self, relative: str) -> str:
        return os.path.join(self.prefix, *relative.split("/"))

    def read_json(self, relative: str) -> Dict[str, Any]:
        try:
            with open(self.path(relative), encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError, TypeError) as error:
            message = "{} cannot be read ({}): unpack the archive again.".format(self.path(relative), error)
            raise UnpackError(message, 10) from None

    def records(self) -> Iterator[Dict[str, Any]]:
        """Each pack record that tells of prefixes, if its package is there still: its conda-meta file is."""
        for package in self.content["packages"]:
            if package["prefixes"] and os.path.exists(self.path("conda-meta/" + package["dist"] + ".json")):
                yield self.read_json(package["record"])
        if self.content["unmanaged"]["prefixes"]:
            yield self.read_json(self.content["unmanaged"]["record"])

    def state(self) -> Dict[str, Any]:
        """The ``prefix`` of the last run that ended, and the ``unfinished`` ones of those killed since."""
        if not os.path.exists(self.path(STATE)):
            return {}
        return self.read_json(STATE)

    def is_at(self, prefix: str) -> bool:
        """Whether the last run was for ``prefix`` and ended."""
        state = self.state()
        return bool(state.get("prefix") == prefix and not state.get("unfinished"))

    def is_within(self, relative: str) -> bool:
        """Whether a file lies in the environment: a folder on its way may be a link that leads out of it."""
        folder = os.path.dirname(self.path(relative))
        if folder not in self._within:
            real = _real(folder)
            self._within[folder] = real == self._root or real.startswith(self._root.rstrip(os.sep) + os.sep)
        return self._within[folder]

    def open(self, relative: str) -> IO[bytes]:
        """A regular file of the environment, to be read; Mismatch if it is anything else."""
        path = self.path(relative)
        if not (self.is_within(relative) and stat.S_ISREG(os.lstat(path).st_mode)):
            raise Mismatch()
        return open(path, "rb")

    # ------------------------------------------------------------------ writing

    def check_writable(self, paths: Iterable[str]) -> None:
        """Refuse to begin where these files cannot be replaced: their folders must be open to us."""
        folders = {os.path.dirname(self.path(relative)) for relative in paths if self.is_within(relative)}
        for folder in sorted(folders | {self.path(PACK_FOLDER)}):
            if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
                message = (
                    "{} cannot be written, so nothing was changed. Let somebody run it who may, or copy the "
                )
                raise UnpackError(message.format(folder) + "environment to where you may.", 9)

    @contextlib.contextmanager
    def alone(self, tell: Callable[[str], None]) -> Iterator["Writer"]:
        """Write without another run in between; the lock ends with the process, however that ends.

        Some network disks have no locks. Without one it is safe as well, only slower: each run makes its
        new files in a folder of its own, and all of them put the same bytes in the same place, whole.
        """
        for relative in ("conda-meta", PACK_FOLDER, STATE):
            if not self.is_within(relative):
                message = (
                    "{} is reached by a link out of the environment and is not followed: unpack it again."
                )
                raise UnpackError(message.format(self.path(relative)), 10)
        with _open_for_locking(self.path(INDEX)) as file:
            try:
                locked = _lock(file, False)
            except BlockingIOError:
                tell("waiting for another conda-unpack.")
                locked = _lock(file, True)
            self._sweep(locked)
            # not tempfile: on Windows it tries for ever where nothing may be written (bpo-22107)
            workshop = os.path.join(self.path(PACK_FOLDER), os.urandom(8).hex() + TEMPORARY)
            os.mkdir(workshop, 0o700)
            try:
                yield Writer(self, workshop, locked)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what killed runs left, where nobody is at work and it can be removed."""
        if self._workshops():
            with contextlib.suppress(OSError), _open_for_locking(self.path(INDEX)) as file:
                self._sweep(_lock(file, False))

    def _sweep(self, locked: bool) -> None:
        for path in self._workshops():
            with contextlib.suppress(OSError):  # another run may sweep too
                if locked or time.time() - os.lstat(path).st_mtime > _ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)

    def _workshops(self) -> List[str]:
        folder = self.path(PACK_FOLDER)
        return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(TEMPORARY)]


class Writer:
    """Replaces files whole, never in place, so that running programs are safe."""

    def __init__(self, environment: Environment, workshop: str, locked: bool) -> None:
        self._environment = environment
        self._workshop = workshop
        self._locked = locked

    def replace(self, relative: str, data: bytes, like: Optional[os.stat_result]) -> None:
        """Put a new file in the place of the old, with the owner and the mode of ``like``, else our own."""
        self.put(self.make("new", data, like), relative)

    def make(self, name: str, data: bytes, like: Optional[os.stat_result]) -> str:
        """A new file, to be put somewhere when it is whole; returns its path."""
        new = os.path.join(self._workshop, *name.split("/"))
        os.makedirs(os.path.dirname(new), exist_ok=True)
        with open(new, "wb") as file:
            file.write(data)
        if like is None:
            os.chmod(new, 0o644)
        else:
            status = os.stat(new)
            if (status.st_uid, status.st_gid) != (like.st_uid, like.st_gid):
                with contextlib.suppress(OSError):  # only root gives files away
                    os.chown(new, like.st_uid, like.st_gid)
            os.chmod(new, stat.S_IMODE(like.st_mode))
        return new

    def put(self, new: str, relative: str) -> None:
        """Replace a file, at once, by one that was made."""
        path = self._environment.path(relative)
        try:
            os.replace(new, path)
        except PermissionError:
            if fcntl is not None:  # only Windows minds what the old file is like
                raise
            try:
                os.chmod(path, stat.S_IWRITE)  # it may be read-only
                os.replace(new, path)
            except PermissionError:
                message = "{} cannot be replaced: a program uses it, or it may not be written. End what runs "
                raise UnpackError(
                    message.format(path) + "from this environment, and run conda-unpack again.", 9
                ) from None

    def begin(self, prefix: str) -> List[str]:
        """Note that files may hold ``prefix`` from now on; returns those that they may hold already."""
        state = self._environment.state()
        unfinished = [former for former in state.get("unfinished", []) if former != prefix]
        self._write_state(dict(state, unfinished=unfinished + [prefix]))
        return [former for former in [state.get("prefix")] + unfinished if former]

    def note_signed(self, digests: Iterable[str]) -> None:
        """Note that files with these sha256 are ours, before they are put in their places."""
        state = self._environment.state()
        self._write_state(dict(state, signed=sorted({*state.get("signed", []), *digests})))

    def end(self, prefix: str, known: List[str], signed: Iterable[str]) -> None:
        """Note that all files hold ``prefix``, and which of those that are there are ``signed``.

        Without a lock another run may have begun for another prefix meanwhile.
        """
        state: Dict[str, Any] = {"prefix": prefix}
        signed = set(signed)
        if not self._locked:
            now = self._environment.state()
            others = [now.get("prefix")] + now.get("unfinished", [])
            begun = [other for other in others if other and other != prefix and other not in known]
            if begun:
                state["unfinished"] = begun
                signed.update(now.get("signed", []))
        if signed:
            state["signed"] = sorted(signed)
        self._write_state(state)

    def _write_state(self, state: Dict[str, Any]) -> None:
        self.replace(STATE, state_text(state), None)


def state_text(state: Dict[str, Any]) -> bytes:
    """The state as it is written: a line that shells can read, too, as long as the prefix is text at all."""
    try:
        return (json.dumps(state, sort_keys=True, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(state, sort_keys=True) + "\n").encode()


def _open_for_locking(path: str) -> IO[bytes]:
    """A file that can be locked; opened to be written only where it must be, or an overlay would copy it."""
    file = open(path, "rb")  # noqa: SIM115 - whoever asked closes it
    try:
        _lock_unix(file, False)
    except OSError as error:
        if error.errno == errno.EBADF:  # NFS locks only what could be written
            with contextlib.suppress(OSError):
                writable = open(path, "r+b")  # noqa: SIM115 - likewise
                file.close()
                return writable
    return file


def _lock(file: IO[bytes], wait: bool) -> bool:
    """Have the file alone, or BlockingIOError if another run has it; False where there are no locks."""
    if fcntl is None:
        return msvcrt is not None and _lock_byte(file, wait)
    try:
        _lock_unix(file, wait)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _lock_unix(file: IO[bytes], wait: bool) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _lock_byte(file: IO[bytes], wait: bool) -> bool:
    """The same on Windows, where others cannot even read what is locked."""
    while True:
        file.seek(_BEHIND)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            return True
        except PermissionError:
            if not wait:
                raise BlockingIOError() from None
            time.sleep(0.1)
        except OSError:
            return False


def _real(path: str) -> str:
    """The path without links, and without the mark by which Windows tells those beyond its old limits."""
    real = os.path.realpath(path)
    if real.startswith("\\\\?\\UNC\\"):
        return "\\\\" + real[8:]
    return real[4:] if real.startswith("\\\\?\\") else real


def held(environment: Environment, relative: str) -> Tuple[bytes, os.stat_result]:
    """The bytes of a file, and what the system says of it."""
    with environment.open(relative) as file:
        return file.read(), os.fstat(file.fileno())
