"""An environment of any size, as an installer would have left it: for seeing how time and memory grow.

usage: python -m benchmarks.synthetic PREFIX FILES SCALE

Nothing in it runs. Its files have the kinds and the spread of sizes of real ones, and more prefixes; its
records the fields that conda and rattler write, and its bytes are the same each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PLACEHOLDER = ("/opt/conda-bld/synthetic_1700000000000/_h_env" + 25 * "_placehold")[:255]
PER_PACKAGE = 1000  # files; the benchmark environment has 290 on average, 12,000 at most

# Of each 100 files: this many scripts, texts and binaries with the prefix inside, and libraries without it.
SCRIPTS, TEXTS, BINARIES, LIBRARIES = 1, 1, 1, 3

_POOL = 8 << 20  # bytes that contents are cut from: further back than a compressor of our level looks
_TYPICAL_TEXT, _TYPICAL_BINARY = 2000, 24_000  # bytes; half of the benchmark environment's are under 1,900
_SPREAD = 0.8  # of the logarithm of sizes: a few files are ten times the typical


@dataclass(frozen=True)
class SyntheticFile:
    """One file as its package ships it."""

    path: str
    content: bytes
    file_mode: str | None = None
    mode: int = 0o644

    def installed(self, prefix: str) -> bytes:
        """What an installer writes at ``prefix``."""
        old, new = PLACEHOLDER.encode(), os.fsencode(prefix)
        if self.file_mode == "binary":  # one C string, padded to its length
            head, _, rest = self.content.partition(old)
            string, _, tail = rest.partition(b"\0")
            return head + new + string + b"\0" * (len(old) - len(new) + 1) + tail
        return self.content.replace(old, new) if self.file_mode else self.content


def files(package: int, count: int, scale: float = 1.0) -> Iterator[SyntheticFile]:
    """The files of one package; ``scale`` multiplies their sizes."""
    source = random.Random(package)
    pool = _Pool.shared()
    for number in range(count):
        kind = number % 100
        stem = f"p{package:05}/m{number // 50:03}/f{number:05}"
        size = _size(source, _TYPICAL_TEXT, scale)
        if kind < SCRIPTS:
            line = f"#!{PLACEHOLDER}/bin/python\n".encode()
            path = f"bin/tool-{package}-{number}"
            yield SyntheticFile(path, line + pool.text(source, size), "text", 0o755)
        elif kind < SCRIPTS + TEXTS:
            line = f"prefix = {PLACEHOLDER}\n".encode()
            content = pool.text(source, size) + b"\n" + line
            yield SyntheticFile(f"share/{stem}.conf", content, "text")
        elif kind < SCRIPTS + TEXTS + BINARIES + LIBRARIES:
            content = b"\x7fELF" + pool.binary(source, _size(source, _TYPICAL_BINARY, scale))
            with_prefix = kind < SCRIPTS + TEXTS + BINARIES
            if with_prefix:
                content += f"{PLACEHOLDER}/share/{stem}".encode() + b"\0" + pool.binary(source, size)
            yield SyntheticFile(f"lib/{stem}.so", content, "binary" if with_prefix else None, 0o755)
        else:
            yield SyntheticFile(f"lib/python3.11/site-packages/{stem}.py", pool.text(source, size))


def make(prefix: Path, count: int, scale: float = 1.0) -> None:
    """Write an environment of ``count`` files, besides its records."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta/history").touch()
    for package, start in enumerate(range(0, count, PER_PACKAGE)):
        paths = [_install(prefix, file) for file in files(package, min(PER_PACKAGE, count - start), scale)]
        record = _record(f"synthetic-{package:05}", paths)
        path = prefix / "conda-meta" / f"{record['name']}-1.0-0.json"
        path.write_text(json.dumps(record, indent=2), encoding="utf-8")


def _install(prefix: Path, file: SyntheticFile) -> dict[str, object]:
    """Write a file and return its entry for the record."""
    target = os.path.join(prefix, file.path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    content = file.installed(str(prefix))
    with open(target, "wb") as output:
        output.write(content)
    os.chmod(target, file.mode)
    entry: dict[str, object] = {
        "_path": file.path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "size_in_bytes": len(file.content),
    }
    if file.file_mode:
        entry["sha256_in_prefix"] = hashlib.sha256(content).hexdigest()
        entry |= {"file_mode": file.file_mode, "prefix_placeholder": PLACEHOLDER}
    return entry


def _record(name: str, paths: list[dict[str, object]]) -> Mapping[str, object]:
    url = f"https://example.invalid/channel/linux-64/{name}-1.0-0.conda"
    return {
        "name": name,
        "version": "1.0",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "arch": "x86_64",
        "platform": "linux",
        "subdir": "linux-64",
        "timestamp": 1_700_000_000_000,
        "fn": f"{name}-1.0-0.conda",
        "url": url,
        "channel": "https://example.invalid/channel",
        "sha256": hashlib.sha256(url.encode()).hexdigest(),
        "requested_spec": "",
        "files": [path["_path"] for path in paths],
        "paths_data": {"paths_version": 1, "paths": paths},
    }


def _size(source: random.Random, typical: int, scale: float) -> int:
    return int(scale * typical * source.lognormvariate(0, _SPREAD))


class _Pool:
    """Bytes to cut contents from: making 2 GB of them anew would take longer than packing them."""

    _one: _Pool | None = None

    def __init__(self) -> None:
        source = random.Random(0)
        words = [
            "".join(source.choices("abcdefghijklmnopqrstuvwxyz_", k=source.randint(2, 10)))
            for _ in range(20_000)
        ]
        chosen = source.choices(words, cum_weights=None, k=_POOL // 7)
        glue = source.choices([" ", " ", ", ", "(", ") ", " = ", ".", "\n    ", "\n"], k=len(chosen))
        text = "".join(part for pair in zip(chosen, glue, strict=True) for part in pair)
        self._text = text.encode()
        # machine code: half of it is as good as random, half repeats
        self._binary = b"".join(
            source.randbytes(64) + bytes([source.randrange(256)]) * 64 for _ in range(_POOL // 128)
        )

    @classmethod
    def shared(cls) -> _Pool:
        cls._one = cls._one or cls()
        return cls._one

    def text(self, source: random.Random, size: int) -> bytes:
        return _cut(self._text, source, size)

    def binary(self, source: random.Random, size: int) -> bytes:
        # a prefix in a C string must not begin within random bytes
        return _cut(self._binary, source, size) + b"\0"


def _cut(pool: bytes, source: random.Random, size: int) -> bytes:
    size = min(size, len(pool))
    start = source.randrange(len(pool) - size + 1)
    return pool[start : start + size]


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
