"""What tells of an installed Python project: the names of its folders, and the lists of its files.

Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

from conda_pack.model import Claim

#: A file in a folder of metadata: the project's name and version, as they are written there.
METADATA_FILE = re.compile(r"(?:^|/)([^/]+?)-([^/-]+)\.(?:dist|egg)-info/")


def is_packaged(
    installer: Claim | None, *, has_claims: bool, digest: str | None, text: Callable[[], bytes | None]
) -> bool:
    """Whether a conda package brought a folder of metadata, and nobody has installed over it since.

    ``installer`` is what conda says of its file INSTALLER, ``digest`` that file's sha256 as it is there,
    ``text`` reads it; ``has_claims`` tells whether conda has anything in the folder. pip can replace a
    package by the same version of it: only INSTALLER is then another.
    """
    if installer is None:
        return has_claims and digest is None
    if digest is None or installer.sha256 is not None:
        return digest in (None, installer.sha256)
    return (text() or b"").strip() == b"conda"


def record_rows(text: str) -> list[list[str]]:
    """The rows of a RECORD: path, digest, size. Raises csv.Error."""
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
