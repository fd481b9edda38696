"""A Cloudera parcel: where it goes on a cluster, and what Cloudera Manager reads in it.

Names and files follow Cloudera's "The parcel format" and "The parcel.json file", defaults the incumbent.
"""

from __future__ import annotations

import json
import posixpath
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from conda_pack.errors import UsageError
from conda_pack.model import Blob, Record

_ROOT, _DISTRO = "/opt/cloudera/parcels", "el7"

#: Sourced by Cloudera Manager's agent in a function of bash, with PARCELS_ROOT and PARCEL_DIRNAME set.
_DEFINES = """\
#!/bin/bash
# What a service gets that uses this parcel: its Python, and what its packages set.
local prefix="${PARCELS_ROOT}/${PARCEL_DIRNAME}" script
export CDH_PYTHON="${CDH_PYTHON:-$prefix/bin/python}"
for script in "$prefix"/etc/conda/activate.d/*.sh; do
  if [ -e "$script" ]; then
    . "$script"
  fi
done
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel's name, version and distribution, none with what would part them otherwise."""

    root: str
    name: str
    version: str
    distro: str

    @property
    def folder(self) -> str:
        """Its folder in the archive and on the cluster."""
        return f"{self.name}-{self.version}"

    @property
    def dest_prefix(self) -> str:
        """Where it will lie."""
        return posixpath.join(self.root, self.folder)

    @property
    def filename(self) -> str:
        """The name that Cloudera Manager wants."""
        return f"{self.folder}-{self.distro}.parcel"


def parcel(
    environment: str,
    now: float,
    *,
    root: str | None = None,
    name: str | None = None,
    version: str | None = None,
    distro: str | None = None,
) -> Parcel:
    """The parcel of the environment called ``environment``, its version by default the day of ``now`` (UTC).

    Raises UsageError for every part that cannot be.
    """
    made = Parcel(
        root=(root or _ROOT).rstrip("/") or "/",
        name=name or environment,
        version=version or time.strftime("%Y.%m.%d", time.gmtime(now)),
        distro=distro or _DISTRO,
    )
    wrong = []
    if not made.root.startswith("/"):
        wrong.append(f"The parcel root {made.root!r} is no absolute path.")
    for option, part in (("name", made.name), ("version", made.version), ("distro", made.distro)):
        if "-" in part:
            wrong.append(
                f"The parcel {option} {part!r} has a dash, and dashes part name, version and distro."
            )
        elif not re.fullmatch(r"[A-Za-z0-9_.+]+", part):
            wrong.append(f"The parcel {option} {part!r} has more than letters, digits, '.', '_' and '+'.")
    if wrong:
        raise UsageError(
            " ".join(wrong) + " Choose others with --parcel-root, --parcel-name, --parcel-version, "
            "--parcel-distro."
        )
    return made


def parcel_files(made: Parcel, records: Iterable[Record]) -> tuple[Blob, ...]:
    """What a parcel has in ``meta``."""
    document = {
        "schema_version": 1,
        "name": made.name,
        "version": made.version,
        "extraVersionInfo": {
            "baseVersion": made.version,
            "fullVersion": f"{made.version}-{made.distro}",
            "patchCount": "0",
        },
        "setActiveSymlink": True,
        "scripts": {"defines": "conda_env.sh"},
        "provides": ["spark-plugin"],
        "components": [{"name": made.name, "version": made.version, "pkg_version": made.version}],
        "packages": [
            {"name": record.name, "version": f"{record.version}-{record.build}"} for record in records
        ],
        "users": {},
        "groups": [],
    }
    text = json.dumps(document, indent=2) + "\n"
    return (
        Blob("meta/conda_env.sh", 0o644, _DEFINES.encode()),
        Blob("meta/parcel.json", 0o644, text.encode()),
    )
