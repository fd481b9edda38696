"""Environments, archives of them and ways to read and to forge them, for the tests of archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from conda_pack import api
from conda_pack.archives.container import CONTAINERS
from conda_pack.archives.formats import by_suffix
from conda_pack.archives.reader import ArchiveFile
from conda_pack.model import FOOTER, FOOTER_WIDTH, INDEX_PATH, PACK_FOLDER, Kind
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.schema import (
    Content,
    FileEntry,
    Index,
    PackageItem,
    PackRecord,
    SegmentItem,
    UnmanagedItem,
    encode,
    identity,
)
from conda_pack.segments.tar import BLOCK, END, Member, comment, header, members, padding
from demo.installer import index_channel
from demo.packages import PLACEHOLDER, Entry, File, Link, Package, text, write_package
from tests.support.environments import LocalChannel, rattler_install
from tests.support.trees import Tree, tree

QUICK_FORMATS = ("tar", "tar.gz", "tar.zst")
FORMATS = (*QUICK_FORMATS, "tar.bz2", "tar.xz")
_LEVELS = {"tar.bz2": 1, "tar.xz": 0}
"""Of slow formats, to leave time for other tests."""
SEGMENT = SEGMENT_SIZE
SIZES = (0, 1, 511, 512, 513, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 700)
"""Of files around all the borders that there are: of tar blocks and of segments."""


# ------------------------------------------------------------- environments


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, always the same."""
    return random.Random(seed).randbytes(size)


def bulk_package() -> Package:
    """Files of every size that matters, awkward names, and large files that hold the prefix."""
    patched = noise(SEGMENT + 12345, 1) + b"\0" + PLACEHOLDER.encode() + b"/lib\0" + noise(SEGMENT, 2)
    lines = "".join(f"line {number}\n" for number in range(450_000))
    entries: list[Entry] = [
        *(File(f"share/bulk/{size:08}.bin", noise(size, size)) for size in SIZES),
        File("lib/patched.bin", patched + b"\0" + PLACEHOLDER.encode() + b"\0end", 0o755, "binary"),
        text("etc/patched.txt", f"{lines}prefix={PLACEHOLDER}\n{lines}{PLACEHOLDER}/end\n"),
        text("etc/small.conf", f"prefix={PLACEHOLDER}\n"),
        text("bin/bulk-sh", f"#!/bin/sh\necho {PLACEHOLDER}\n", 0o755),
        File("share/bulk/read-only", b"read only\n", 0o444),
        File("share/bulk/private", b"private\n", 0o600),
        File("share/bulk/na\u00efve \u2603 name", b"unicode\n"),
        File("share/bulk/" + "d" * 90 + "/" + "n" * 120, b"a long name\n"),
        File("share/bulk/" + "/".join(["deep" * 20] * 4), b"a long path\n"),
        Link("share/bulk/link", "read-only"),
        Link("share/bulk/nowhere", "does/not/exist"),
        Link("share/bulk/far", "../../etc/small.conf"),
    ]
    return Package("bulk", "1.0", entries=tuple(entries))


def rich_channel(demo: LocalChannel, folder: Path) -> Path:
    """The channel of the demonstration with the package of ``bulk_package``, indexed."""
    shutil.copytree(demo.path, folder)
    write_package(folder, bulk_package())
    index_channel(folder)
    return folder


def rich_environment(demo: LocalChannel, work_root: Path) -> Path:
    """One environment with everything, for tests that only read it: packages, and files that nobody owns."""
    prefix = work_root / "rich" / "env"
    if not prefix.exists():
        channel = rich_channel(demo, work_root / "rich" / "channel")
        rattler_install(channel, prefix, [*demo.specs, "bulk"])
        add_own_files(prefix)
    return prefix


def rich_pack(demo: LocalChannel, work_root: Path, suffix: str) -> Path:
    """An archive of ``rich_environment``."""
    archive = work_root / "rich" / f"env.{suffix}"
    return archive if archive.exists() else pack(rich_environment(demo, work_root), archive)


def add_own_files(prefix: Path) -> None:
    """What users and pip leave in an environment."""
    (prefix / "own" / "empty folder").mkdir(parents=True)
    (prefix / "own" / "closed").mkdir(mode=0o750)
    (prefix / "own" / "note.txt").write_text(f"I live in {prefix}, not in {prefix}-data\n")
    (prefix / "own" / "data.bin").write_bytes(noise(SEGMENT + 77, 9))
    (prefix / "own" / "up").symlink_to("..")
    script = prefix / "bin" / "own-script"
    script.write_text(f"#!{prefix}/bin/python\nimport sys\nprint(sys.prefix)\n")
    script.chmod(0o755)
    os.utime(prefix / "own" / "data.bin", (1_500_000_000, 1_500_000_000))


def write_environment(
    prefix: Path, files: Mapping[str, bytes] = {}, name: str = "tiny", subdir: str = "linux-64"
) -> Path:
    """An environment of one package that owns ``files``, written here: no installer, no interpreter.

    What holds ``PLACEHOLDER`` is installed with the prefix there, as text.
    """
    entries = []
    for path, content in files.items():
        installed = content.replace(PLACEHOLDER.encode(), os.fsencode(prefix))
        target = prefix / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(installed)
        digest = hashlib.sha256(content).hexdigest()
        entry: dict[str, object] = {"_path": path, "path_type": "hardlink", "sha256": digest}
        entry |= {"size_in_bytes": len(content), "sha256_in_prefix": hashlib.sha256(installed).hexdigest()}
        if installed != content:
            entry |= {"file_mode": "text", "prefix_placeholder": PLACEHOLDER}
        entries.append(entry)
    record = {
        "build": "0",
        "depends": [],
        "files": sorted(files),
        "link": {"source": "", "type": 1},
        "name": name,
        "paths_data": {"paths": entries, "paths_version": 1},
        "subdir": subdir,
        "timestamp": 1_700_000_000_000,
        "url": f"https://example.org/{subdir}/{name}-1.0-0.conda",
        "version": "1.0",
    }
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    (prefix / "conda-meta" / f"{name}-1.0-0.json").write_text(json.dumps(record, indent=2))
    (prefix / "conda-meta" / "history").write_text("")
    return prefix


def small_environment(prefix: Path) -> Path:
    """All kinds of members in little space, one file in three segments."""
    files = {
        "bin/tool": b"#!/bin/sh\necho " + PLACEHOLDER.encode() + b"\n",
        "etc/tool.conf": b"prefix=" + PLACEHOLDER.encode() + b"\n",
        "lib/plain.txt": b"plain\n" * 100,
        # small when it is compressed, and of copies from elsewhere in it none is right by accident
        "lib/large.bin": (noise(20_000) * (2 * SEGMENT // 20_000 + 1))[: 2 * SEGMENT] + noise(3000),
    }
    write_environment(prefix, files)
    (prefix / "own").mkdir()
    (prefix / "own" / "empty").mkdir()
    (prefix / "own" / "link").symlink_to("../etc/tool.conf")
    (prefix / "own" / "note.txt").write_text(f"{prefix}\n")
    return prefix


# ----------------------------------------------------------------- commands


def conda_pack(
    *arguments: str | Path,
    env: Mapping[str, str] = {},
    cwd: Path | None = None,
    stdin: bytes | None = None,
    before: Callable[[], None] | None = None,
    wrapper: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; ``before`` runs in it first."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "conda_pack", *map(str, arguments)],
        env={**os.environ, **env},
        cwd=cwd,
        input=stdin if stdin is not None else b"",
        capture_output=True,
        preexec_fn=before,
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)
    )


class Silent:
    """A reporter that keeps the warnings for later."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def start(self, description: str, total: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass


def pack(prefix: Path, output: Path, **options: object) -> Path:
    """``conda_pack.pack`` without a word, in this process."""
    options = {"compress_level": _LEVELS.get(output.name.partition(".")[2])} | options
    api.pack(prefix=str(prefix), output=str(output), reporter=Silent(), **options)  # type: ignore[arg-type]
    return output


def unpack_file(archive: Path, dest: Path) -> None:
    """The way of unpacking that seeks."""
    api.unpack(str(archive), str(dest), n_threads=2, reporter=Silent())


def unpack_stream(archive: Path, dest: Path) -> None:
    """The way of unpacking that only reads on."""
    with archive.open("rb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(_Pipe(file.read()))))
        api.unpack("-", str(dest), reporter=Silent())


WAYS = {"file": unpack_file, "stream": unpack_stream}


class _Pipe(io.RawIOBase):
    """What cannot seek, and gives as much as it likes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = memoryview(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        size = min(len(buffer), len(self._data), 65536)
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


# --------------------------------------------------------------- comparisons


def index_of(archive: Path) -> Index:
    """The index that an archive ends with."""
    with ArchiveFile(str(archive)) as opened:
        return opened.index


def package_segments(index: Index) -> dict[str, list[tuple[str, str, int]]]:
    """For each package: the role, digest and size of its segments in this file."""
    segments: dict[str, list[tuple[str, str, int]]] = {}
    for item in index.segments:
        if item.part:
            segments.setdefault(item.part, []).append((item.role, item.sha256, item.size))
    return segments


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def mtimes(prefix: Path) -> dict[str, int]:
    """The modification time of every file, in seconds."""
    return {
        path: int((prefix / path).lstat().st_mtime)
        for path, node in tree(prefix).items()
        if node.type == "file"
    }


def stored_entries(index: Index, archive: Path) -> list[FileEntry]:
    """Every entry of every record of an archive."""
    with ArchiveFile(str(archive)) as opened:
        items: list[PackageItem | UnmanagedItem] = [*index.content.packages, index.content.unmanaged]
        return [entry for item in items for entry in opened.record(item).files]


@dataclass(frozen=True)
class Watched:
    """A folder in which an attempt must leave no trace."""

    folder: Path
    before: Tree

    @classmethod
    def start(cls, folder: Path) -> Watched:
        return cls(folder, tree(folder))

    def changes(self) -> list[str]:
        after = tree(self.folder)
        return sorted(
            path for path in self.before.keys() | after.keys() if self.before.get(path) != after.get(path)
        )


# ------------------------------------------------------------------ forgery


@dataclass
class Forgery:
    """An archive of ours taken apart, to be changed and put together with every digest right again.

    So whatever is wrong with it is the one lie that a test tells.
    """

    content: Content
    records: dict[str, PackRecord]
    segments: list[tuple[SegmentItem, bytes]]
    arcroot: str = ""
    swap_records: dict[str, bytes] = field(default_factory=dict)
    """Bytes to ship in the place of a record, its digest staying that of ``records``."""
    lies: dict[int, dict[str, object]] = field(default_factory=dict)
    """Fields of the segment table to state otherwise, by the segment's number."""

    @classmethod
    def of(cls, archive: Path) -> Forgery:
        with ArchiveFile(str(archive)) as opened:
            index = opened.index
            items: list[PackageItem | UnmanagedItem] = [*index.content.packages, index.content.unmanaged]
            records = {item.record: opened.record(item) for item in items}
            segments = [(item, opened.segment(item)) for item in index.segments]
        return cls(index.content, records, segments, index.arcroot)

    @property
    def package(self) -> PackRecord:
        """The record of the only package."""
        return self.records[self.content.packages[0].record]

    @property
    def unmanaged(self) -> PackRecord:
        return self.records[self.content.unmanaged.record]

    def entry(self, path: str) -> FileEntry:
        (found,) = (file for record in self.records.values() for file in record.files if file.path == path)
        return found

    def replace(self, old: bytes, new: bytes) -> None:
        """Change bytes of one segment."""
        (number,) = (
            number
            for number, (item, data) in enumerate(self.segments)
            if old in data and item.role != "record"
        )
        item, data = self.segments[number]
        self.segments[number] = (item, data.replace(old, new))

    def rename(self, old: str, new: str) -> None:
        """Another name for a member, in its header and in its record."""
        self.replace(self.header_of(old), self.header_of(old, new))
        self.entry(old).path = new

    def header_of(self, path: str, name: str | None = None) -> bytes:
        """The header that the archive has for ``path``."""
        return header(self.member_of(path, name))

    def member_of(self, path: str, name: str | None = None) -> Member:
        entry = self.entry(path)
        return Member(
            name or path, _kind(entry.type), entry.mode, entry.size, 1_700_000_000, entry.target or ""
        )

    def add(self, entry: FileEntry, data: bytes = b"", member: Member | None = None) -> None:
        """One more file of the user's, after the others."""
        if entry.type == "file" and entry.sha256 is None:
            entry.sha256, entry.size = hashlib.sha256(data).hexdigest(), len(data)
        self.unmanaged.files.append(entry)
        self.add_member(
            member or Member(entry.path, _kind(entry.type), entry.mode, entry.size, 1, entry.target or ""),
            data,
        )

    def add_member(self, member: Member, data: bytes = b"") -> None:
        """A member that no record tells of."""
        self.add_bytes(header(member) + data + padding(len(data)))

    def add_bytes(self, data: bytes) -> None:
        last = len(self.segments) - 1  # the record of the unmanaged files
        item = SegmentItem("", "files", 0, 0, 0, "")
        self.segments.insert(last, (item, data))

    def write(self, path: Path) -> Path:
        """Put it together."""
        kind = by_suffix(str(path))
        container = CONTAINERS[kind.codec_name]()
        out = bytearray(container.begin())
        items: list[SegmentItem] = []
        for package in self.content.packages:
            package.record_sha256 = hashlib.sha256(encode(self.records[package.record])).hexdigest()
        unmanaged = self.content.unmanaged
        unmanaged.record_sha256 = hashlib.sha256(encode(self.records[unmanaged.record])).hexdigest()
        by_part = {package.dist: package.record for package in self.content.packages}
        by_part[""] = unmanaged.record
        for old, plain in self.segments:
            data = plain
            if old.role == "record":
                record = by_part[old.part]
                shipped = self.swap_records.get(record, encode(self.records[record]))
                data = plain[: _last_member(plain)] + self._blob(record, shipped)
            compressed = kind.codec.compress(data, 1)
            digest = hashlib.sha256(compressed.data).hexdigest()
            items.append(
                SegmentItem(
                    old.part,
                    old.role,
                    len(out),
                    len(compressed.data),
                    len(data),
                    digest,
                    old.continues,
                    old.at,
                )
            )
            out += compressed.data
            container.add(compressed)
        for number, lie in self.lies.items():
            items[number] = msgspec.structs.replace(items[number], **lie)
        index = Index(1, identity(self.content), self.arcroot, self.content, items)
        compressed = kind.codec.compress(self._blob(INDEX_PATH, encode(index)), 1)
        digest = hashlib.sha256(compressed.data).hexdigest()
        told = f"{FOOTER} index={len(out)},{len(compressed.data)},{compressed.size} sha256={digest}"
        out += compressed.data
        container.add(compressed)
        folder = header(Member(self._name(PACK_FOLDER), "directory", 0o755, 0, 0))
        out += container.end(comment(told.encode(), FOOTER_WIDTH) + folder + END)
        path.write_bytes(out)
        return path

    def _name(self, path: str) -> str:
        return f"{self.arcroot}/{path}" if self.arcroot else path

    def _blob(self, path: str, data: bytes) -> bytes:
        member = Member(self._name(path), "file", 0o644, len(data), 1_700_000_000)
        return header(member) + data + padding(len(data))


def _kind(name: str) -> Kind:
    assert name in ("file", "link", "directory")
    return name  # type: ignore[return-value]


def _last_member(stream: bytes) -> int:
    """Where it begins: in a record's segment, after the package's conda-meta file."""
    source, start = io.BytesIO(stream), 0
    for member in members(source):
        start = source.tell() - len(header(member))
        source.seek(member.size + -member.size % BLOCK, io.SEEK_CUR)
    return start


def checksummed(block: bytes) -> bytes:
    """A tar header block with the checksum that belongs to it."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + b"%06o\0 " % total + block[156:]


def with_type(block: bytes, flag: bytes) -> bytes:
    """A tar header block of another type."""
    return checksummed(block[:156] + flag + block[157:])
