"""Our commands as users run them, and environments in the form in which two of them can be compared."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.commands import clean_environ
from tests.support.channels import LocalChannel
from tests.support.environments import Tree, tree

ADDITIONS = (
    *("bin/activate*", "bin/activation-*", "bin/deactivate*"),
    *("bin/conda-unpack", "conda-meta/conda-pack"),
)
"""What an unpacked environment has that an installer does not make."""

BARE = {"PATH": "/usr/bin:/bin"}
"""The variables of a machine where nobody has set up anything."""

_MACHINE_FIELDS = {"extracted_package_dir", "package_tarball_full_path", "link"}
_CONDAS_FIELDS = {"arch", "platform"}
"""conda writes these only of packages that were in its cache already."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def start(
    argv: Sequence[str | Path],
    *,
    environ: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    user: int | None = None,
) -> Done:
    """Run a command to its end; ``user`` is another user's number, for root alone."""
    others: list[int] | None = [] if user is not None else None
    with open(stdin or os.devnull, "rb") as file:
        done = subprocess.run(
            [str(word) for word in argv],
            env=clean_environ(Path(os.environ["HOME"])) if environ is None else environ,
            cwd=cwd,
            stdin=file,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=120,
            user=user,
            group=user,
            extra_groups=others,
            check=False,
        )
    return Done(done.returncode, done.stdout, done.stderr)


def succeed(argv: Sequence[str | Path], **options: Any) -> Done:
    """Run a command that ends well."""
    done = start(argv, **options)
    assert (0, done) == (done.code, done), done.err
    return done


def conda_pack(*arguments: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> Done:
    """``conda-pack ARGUMENTS``."""
    return start([sys.executable, "-m", "conda_pack", *arguments], stdin=stdin, cwd=cwd)


def pack(prefix: Path, archive: Path, *options: str) -> Done:
    """Pack the environment at ``prefix``, which goes well, and fast."""
    done = conda_pack("--quiet", "--compress-level", "1", "-p", prefix, "-o", archive, *options)
    assert (0, done) == (done.code, done), done.err
    return done


def unpack(archive: Path, dest: Path) -> None:
    """``conda-pack unpack``, without a word."""
    done = conda_pack("unpack", "--quiet", archive, dest)
    assert Done(0, "", "") == done


def unpack_stream(archive: Path, dest: Path) -> None:
    """``conda-pack unpack - DEST < ARCHIVE``, without a word."""
    done = conda_pack("unpack", "--quiet", "-", dest, stdin=archive)
    assert Done(0, "", "") == done


def untar(archive: Path, dest: Path) -> None:
    """Plain GNU tar: the environment as the archive holds it, at no place in particular."""
    dest.mkdir(parents=True)
    assert Done(0, "", "") == start(["tar", "-xf", archive], cwd=dest)  # -C would unquote the name


def relocate(prefix: Path) -> Done:
    """``bin/conda-unpack``."""
    return start([prefix / "bin/conda-unpack", "--quiet"], environ=BARE)


def untar_and_relocate(archive: Path, dest: Path) -> None:
    """What users do who have no conda-pack at the destination."""
    untar(archive, dest)
    assert Done(0, "", "") == relocate(dest)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "unpack": unpack,
    "unpack -": unpack_stream,
    "tar": untar_and_relocate,
}
"""How an archive becomes an environment at its place."""


Install = Callable[[Path, Sequence[str]], None]
"""An installer: installs specs of a channel at a place."""


@dataclass(frozen=True)
class Packed:
    """An environment, the archives made of it, and how to install the same packages elsewhere."""

    installer: str
    install: Install
    specs: tuple[str, ...]
    prefix: Path
    gz: Path
    zst: Path

    @classmethod
    def make(cls, folder: Path, installer: str, install: Install, specs: tuple[str, ...]) -> Packed:
        """Install and pack in ``folder``."""
        packed = cls(installer, install, specs, folder / "env", folder / "env.tar.gz", folder / "env.tar.zst")
        packed.install_at(packed.prefix)
        pack(packed.prefix, packed.gz)
        pack(packed.prefix, packed.zst)
        return packed

    def install_at(self, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self.install(place, self.specs)


def small_specs(channel: LocalChannel) -> tuple[str, ...]:
    """What to install for a Python, something with the prefix in every kind of file, and entry points."""
    return (*channel.specs[:2], channel.noarch_package)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def path_of_length(folder: Path, length: int) -> Path:
    """A path below ``folder`` of so many bytes."""
    path = folder
    while (missing := length - len(os.fsencode(path)) - 1) > 120:
        path /= "d" * 100
    return path / ("e" * missing)


def pack_records(prefix: Path) -> dict[str, dict[str, Any]]:
    """The entries of all pack records, by path."""
    entries = {}
    for path in prefix.glob("conda-meta/conda-pack/*.json"):
        document = json.loads(path.read_text("utf-8"))
        entries.update({entry["path"]: entry for entry in document.get("files", ())})
    return entries


def installation(prefix: Path) -> Tree:
    """All that an installer made of an environment, in the same form wherever and whenever that was.

    Of conda-meta everything but the fields that tell of the source machine, of ``history`` all but the
    times and the order of a set, and not the bytecode that Python wrote while conda ran it, which no
    package has.
    """
    nodes = tree(prefix, ADDITIONS)
    owned = set()
    for path in nodes:
        if path.startswith("conda-meta/") and path.endswith(".json"):
            document, text = _without_machine(prefix / path)
            owned.update(document["files"])
            nodes[path] = nodes[path]._replace(content=_digest(text))
        elif path == "conda-meta/history":
            text = re.sub("==> .* <==", "==> TIME <==", (prefix / path).read_text("utf-8"))
            text = re.sub(r"(?<=specs: \[).*(?=\])", lambda match: str(sorted(match[0].split(", "))), text)
            nodes[path] = nodes[path]._replace(content=_digest(text))
    kept_folders = {parent for path in owned for parent in _parents(path)}
    return {
        path: node
        for path, node in nodes.items()
        if path in owned
        or path in kept_folders
        or not (path.endswith(".pyc") or path.rsplit("/", 1)[-1] == "__pycache__")
    }


def stale_bytecode(prefix: Path) -> list[str]:
    """Bytecode that Python would not use, because its source has another time or size (PEP 552)."""
    stale = []
    for compiled in prefix.rglob("__pycache__/*.cpython-*.pyc"):
        source = compiled.parent.parent / f"{compiled.name.split('.')[0]}.py"
        flags, mtime, size = struct.unpack("<4xIII", compiled.read_bytes()[:16])
        status = source.stat()
        if flags == 0 and (mtime, size) != (int(status.st_mtime), status.st_size):
            stale.append(str(compiled.relative_to(prefix)))
    return sorted(stale)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without_machine(path: Path) -> tuple[dict[str, Any], str]:
    raw = path.read_text("utf-8")
    document: dict[str, Any] = json.loads(raw)
    end = raw[len(raw.rstrip()) :]

    def dump(value: dict[str, Any]) -> str:
        return json.dumps(value, indent=2, ensure_ascii=raw.isascii()) + end

    expected = dump(document)
    assert expected == raw  # so the text that is compared has everything that the file has
    dropped = _MACHINE_FIELDS | (_CONDAS_FIELDS if list(document) == sorted(document) else set())
    return document, dump({key: value for key, value in document.items() if key not in dropped})


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
