"""What tells of an installed Python project: the names of its folders, and the lists of its files.

Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import csv
import io
import re

#: A file in a folder of metadata: the project's name and version, as they are written there.
METADATA_FILE = re.compile(r"(?:^|/)([^/]+?)-([^/-]+)\.(?:dist|egg)-info/")


def record_rows(text: str) -> list[list[str]]:
    """The rows of a RECORD: path, digest, size. Raises csv.Error."""
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
