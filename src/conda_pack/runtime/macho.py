"""Mach-O files that were changed: macOS kills a program whose signature does not fit, so they are signed.

An ad-hoc signature, which is all that conda's packages have, proves nothing of who made it. Shipped inside
archives, too: standard library only, Python 3.6 and later.
"""

import contextlib
import hashlib
import os
import stat
import subprocess
from typing import Container, Iterable, Iterator, List, Optional, Sequence, Tuple

from conda_pack.runtime.rules import Entry, Mismatch, TooLong, find_pristine, inverse, splice, target_edits

#: What signs; only macOS has it.
TOOL = "codesign"
#: What installers call, but that they keep the entitlements alone (rattler 0.28, conda nothing).
COMMAND = ("--force", "--sign", "-", "--preserve-metadata=entitlements,requirements,flags,runtime")
#: Bytes of paths for one call; macOS has room for a MiB, environment variables included.
_MOST_PATHS = 1 << 17


class SigningFailed(Exception):
    """The tool is not there, or has refused a file; the message is its own."""


def sign(paths: Iterable[str], tool: str = TOOL) -> None:
    """Sign files in place, many with one call; raises SigningFailed."""
    for batch in _batches(paths):
        modes = {path: stat.S_IMODE(os.stat(path).st_mode) for path in batch}
        read_only = [path for path in batch if not modes[path] & 0o200]
        for path in read_only:  # which it would refuse
            os.chmod(path, modes[path] | 0o200)
        try:
            done = subprocess.run(  # noqa: S603 - Apple's, from PATH
                [tool, *COMMAND, *batch],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
            )
        except OSError as error:
            raise SigningFailed("{}: {}".format(tool, error.strerror)) from None
        finally:
            for path in read_only:
                os.chmod(path, modes[path])
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").splitlines()
            # it also tells of each signature that it replaces
            told = [line for line in lines if not line.endswith("replacing existing signature")]
            raise SigningFailed("; ".join(told) or "{} ended with {}".format(tool, done.returncode))


def _batches(paths: Iterable[str]) -> Iterator[List[str]]:
    batch, size = [], 0  # type: List[str], int
    for path in paths:
        if batch and size + len(path) > _MOST_PATHS:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += len(path) * 4 + 1  # bytes of UTF-8, at most
    if batch:
        yield batch


def find(
    data: bytes, entry: Entry, prefixes: Sequence[Optional[bytes]], signed: Container[str], limit: int
) -> Tuple[Optional[bytes], bytes, bool]:
    """As ``rules.find_pristine``, and whether the file was signed after it was relocated.

    ``signed`` has the sha256 of the files that were, from the state of the environment. What comes back as
    pristine of such a file has the signature of now, and must be signed again when it is relocated.
    """
    try:
        return find_pristine(data, entry, prefixes, limit) + (False,)
    except Mismatch:
        if not entry.get("sign") or hashlib.sha256(data).hexdigest() not in signed:
            raise
    for prefix in prefixes:
        if prefix is not None:
            with contextlib.suppress(Mismatch, TooLong):
                return prefix, b"".join(splice(data, inverse(target_edits(entry, prefix, limit)))), True
    raise Mismatch()
