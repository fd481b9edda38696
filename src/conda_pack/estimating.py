"""How large an archive would be, from a small sample of what goes in: the same for the same plan."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from isal import isal_zlib

from conda_pack.archives.formats import Format
from conda_pack.archives.squashfs import squashfs_options
from conda_pack.model import Entry, Part, Plan
from conda_pack.results import Estimate
from conda_pack.segments.codecs import CODECS, Data, deflate_level, deflater
from conda_pack.segments.tar import Member, header, padding

_MIB = 1 << 20
#: What pack records have of a file, in bytes, plain and compressed: 6.71 MB and 1.88 MB of 35,450 files.
_RECORDED, _RECORDED_PACKED = 189, 53
#: What a zip has of each file besides its name twice: the headers of segments/zipping.py.
_ZIP_HEADERS = 94
#: mksquashfs without options for it: the blocks of its xz, and that one's level.
_SQUASHFS_BLOCK, _XZ_LEVEL = 128 << 10, 6


@dataclass(frozen=True, slots=True)
class _Sample:
    """``count`` pieces of the stream, ``length`` bytes each, at even distances.

    What they become ``by`` another method, whose size of the whole is known better, tells how they differ
    from the whole: a ratio estimate.
    """

    length: int
    count: int
    by: tuple[str, int] | None


_QUICK, _LONG = ("quick", 1), ("zstd", 3)
#: Of the 1.4 GB environment, on one core: quick 0.17 s, and its own size to 1 %; gzip in 16 pieces of 1 MiB
#: 0.13 s and 3 %. zstd in 24 of 4 MiB 0.4 s and 4 %, in 32 of 1 MiB 0.12 s and 8 % too much, because what it
#: finds again is farther away than in deflate. xz's size differs least from zstd's.
_SAMPLES = {
    "quick": _Sample(64 << 10, 1024, None),
    "gzip": _Sample(_MIB, 16, _QUICK),
    "zip": _Sample(_MIB, 16, _QUICK),
    "squashfs": _Sample(_MIB, 16, _QUICK),
    "bzip2": _Sample(_MIB, 12, _QUICK),
    "zstd": _Sample(4 * _MIB, 24, _QUICK),
    "xz": _Sample(2 * _MIB, 4, _LONG),
}
#: The level from which on zstd is as slow as xz, and sampled alike.
_SLOW_ZSTD = 10


def estimates(plans: Iterable[tuple[Format, Plan]], level: int | None, threads: int) -> list[Estimate]:
    """About how large, in bytes, the archive would be in each format, at ``level`` where that has it.

    With each format comes its plan, for a zip may have files in the place of links. Measured on 1.4 GB:
    within 5 % of the archives. The number of threads changes nothing.
    """
    with ThreadPoolExecutor(threads) as pool:
        wholes: dict[int, _Whole] = {}
        made = []
        for format_, plan in plans:
            if id(plan) not in wholes:
                wholes[id(plan)] = _Whole(_Stream(plan), pool)
            made.append(_estimate(wholes[id(plan)], format_, level))
        return made


def _estimate(whole: _Whole, format_: Format, level: int | None) -> Estimate:
    chosen = level if level is not None and level in format_.levels else format_.default_level
    size = _SIZES.get(format_.writer, _tar_size)(whole, format_, chosen)
    return Estimate(format_.name, chosen if format_.levels else None, round(size))


def _tar_size(whole: _Whole, format_: Format, level: int) -> float:
    stream = whole.stream
    if format_.codec_name == "none":
        return stream.size + stream.files * _RECORDED
    return whole.compressed(format_.codec_name, level) + stream.files * _RECORDED_PACKED


def _zip_size(whole: _Whole, format_: Format, level: int) -> float:  # noqa: ARG001
    stream = whole.stream
    headers = sum(_ZIP_HEADERS + 2 * len(member.name.encode()) for member in stream.members)
    return whole.compressed("zip", level) + headers + stream.files * _RECORDED_PACKED


def _squashfs_size(whole: _Whole, format_: Format, level: int) -> float:  # noqa: ARG001
    stream = whole.stream
    once = 1 - stream.repeated / max(1, stream.contents)
    return whole.compressed("squashfs", level) * once + stream.files * _RECORDED_PACKED


def _folder_size(whole: _Whole, format_: Format, level: int) -> float:  # noqa: ARG001
    return whole.stream.contents + whole.stream.files * _RECORDED


_SIZES: dict[str, Callable[[_Whole, Format, int], float]] = {
    "zip": _zip_size,
    "squashfs": _squashfs_size,
    "folder": _folder_size,
}


class _Whole:
    """The whole stream's size by several methods, each estimated once."""

    def __init__(self, stream: _Stream, pool: Executor) -> None:
        self.stream, self._pool = stream, pool
        self._known: dict[tuple[str, int], float] = {}

    def compressed(self, method: str, level: int) -> float:
        """Bytes by a method, which is a codec's name or one more."""
        if (method, level) not in self._known:
            sample = _SAMPLES["xz" if method == "zstd" and level >= _SLOW_ZSTD else method]
            measured = self._pool.map(partial(self._measured, method, level, sample), self._places(sample))
            sizes, others = map(sum, zip(*measured, strict=True))
            whole = self.compressed(*sample.by) if sample.by else self.stream.size
            self._known[method, level] = whole * sizes / max(1, others)
        return self._known[method, level]

    def _places(self, sample: _Sample) -> list[int]:
        """Where the pieces begin: all of the stream, if it has no more."""
        size = self.stream.size
        if size <= sample.length * sample.count:
            return list(range(0, max(1, size), sample.length))
        return [(2 * n + 1) * size // (2 * sample.count) - sample.length // 2 for n in range(sample.count)]

    def _measured(self, method: str, level: int, sample: _Sample, start: int) -> tuple[int, int]:
        """A piece by a method, and by the other."""
        piece = self.stream.piece(start, start + sample.length)
        other, at = sample.by or ("plain", 0)
        return _METHODS[method](piece, level), _METHODS[other](piece, at)


# -------------------------------------------------------------------- methods


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the stream, of each member in it the header, the data and the padding."""

    members: list[tuple[bytes, bytes, bytes]]

    @property
    def stream(self) -> bytes:
        return b"".join(text for member in self.members for text in member)

    @property
    def contents(self) -> list[bytes]:
        return [data for _, data, _ in self.members]


def _plain(piece: _Piece, level: int) -> int:  # noqa: ARG001
    return len(piece.stream)


def _quick(piece: _Piece, level: int) -> int:
    step = _SAMPLES["quick"].length
    stream = piece.stream
    return sum(
        len(isal_zlib.compress(stream[start : start + step], level)) for start in range(0, len(stream), step)
    )


def _by_codec(name: str, piece: _Piece, level: int) -> int:
    return len(CODECS[name].compress(piece.stream, level).data)


def _zip(piece: _Piece, level: int) -> int:
    """Each file on its own."""
    chosen = deflate_level(piece.stream, level)
    return sum(min(len(data), _deflated(data, chosen)) for data in piece.contents)


def _deflated(data: Data, level: int) -> int:
    if not level or not data:
        return len(data)
    compressor = deflater(level)
    return len(compressor.compress(data)) + len(compressor.flush(zlib.Z_FINISH))


def _squashfs(piece: _Piece, level: int) -> int:
    """In blocks, each on its own; the ends of files share some."""
    options = squashfs_options(level)
    given = dict(zip(options[::2], options[1::2], strict=True))
    data = b"".join(piece.contents)
    if "-comp" not in given:
        return len(data)
    level = int(given.get("-Xcompression-level", _XZ_LEVEL))
    block = int(given.get("-b", _SQUASHFS_BLOCK))
    blocks = [data[start : start + block] for start in range(0, len(data), block)]
    return sum(min(len(each), len(CODECS[given["-comp"]].compress(each, level).data)) for each in blocks)


_METHODS: dict[str, Callable[[_Piece, int], int]] = {
    "plain": _plain,
    "quick": _quick,
    "zip": _zip,
    "squashfs": _squashfs,
    **{name: partial(_by_codec, name) for name in CODECS},
}


# --------------------------------------------------------------------- stream


class _Stream:
    """The tar stream that packing would make, less the records: to be read at any place.

    Files are as they are installed, which is about as they will be stored. ``contents`` is their size,
    ``repeated`` that of those whose bytes came before.
    """

    def __init__(self, plan: Plan) -> None:
        self._prefix, self._root = plan.environment.prefix, f"{plan.arcroot}/" if plan.arcroot else ""
        sources: list[tuple[Member, Entry | bytes]] = [
            (self._member(blob.path, "file", blob.mode, len(blob.data), plan.mtime), blob.data)
            for blob in plan.runtime
        ]
        for part in plan.parts:
            sources += self._part(part)
        self.members = [member for member, _ in sources]
        self._data = [data for _, data in sources]
        sizes = [len(header(m)) + m.size + len(padding(m.size)) for m in self.members]
        self._starts = [0, *accumulate(sizes)]
        self.size, self.files = self._starts[-1], len(sources)
        self.contents = sum(member.size for member in self.members)
        self.repeated = _repeated(plan)

    def piece(self, start: int, end: int) -> _Piece:
        """The bytes from ``start`` to ``end``, or to the stream's end."""
        members = []
        number = bisect_right(self._starts, start) - 1
        while number < self.files and self._starts[number] < end:
            at, member = self._starts[number], self.members[number]
            head, fill = header(member), padding(member.size)
            first = max(0, start - at - len(head))
            last = min(member.size, end - at - len(head))
            after = at + len(head) + member.size
            members.append(
                (
                    head[max(0, start - at) : end - at],
                    self._read(self._data[number], first, last) if first < last else b"",
                    fill[max(0, start - after) : max(0, end - after)],
                )
            )
            number += 1
        return _Piece(members)

    def _part(self, part: Part) -> Iterable[tuple[Member, Entry | bytes]]:
        for entry in part.entries:
            size = entry.size if entry.kind == "file" else 0
            yield self._member(entry.path, entry.kind, entry.mode, size, part.mtime, entry.target), entry
        if part.record is not None:
            path, text = f"conda-meta/{part.record.dist}.json", part.record.text
            yield self._member(path, "file", 0o644, len(text), part.mtime), text

    def _member(self, path: str, kind: str, mode: int, size: int, mtime: int, target: str = "") -> Member:
        return Member(f"{self._root}{path}", kind, mode, size, mtime, target)

    def _read(self, source: Entry | bytes, first: int, last: int) -> bytes:
        """A stretch of a file; less or nothing of one that has become shorter, or cannot be read."""
        data = source if isinstance(source, bytes) else source.data
        if data is not None:
            return data[first:last]
        assert isinstance(source, Entry)
        try:
            with open(source.location or f"{self._prefix}/{source.path}", "rb", buffering=0) as file:
                file.seek(first)
                return file.read(last - first)
        except OSError:
            return b""


def _repeated(plan: Plan) -> int:
    """Bytes of files that packages have more than once, by the digests that their records tell."""
    seen: set[str] = set()
    size = 0
    for part in plan.parts:
        for entry in part.entries:
            digest = entry.claim.sha256 if entry.claim is not None else None
            if entry.kind == "file" and digest is not None:
                size += entry.size if digest in seen else 0
                seen.add(digest)
    return size
