"""A part's entries → groups, each the work of one thread and, as a rule, one segment. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conda_pack.model import Entry, Form, Part
from conda_pack.segments.tar import BLOCK

#: Where segments are cut, in bytes. Larger ones compress better (codecs.Zstd has the figures: 1.4 % from
#: 4 to 8 MiB, 0.5 % from 8 to 16) and are fewer to share among threads, each of which holds one.
SEGMENT_SIZE = 8 << 20
#: What an entry counts whose stored size follows only from its bytes: 512 of them make a group.
_UNKNOWN = 16 << 10
#: What the size of a file of no package is rounded down to: a text that holds the prefix is a little longer
#: or shorter elsewhere, and that must not move the segments; but many large files must not make one group.
_COARSE = 256 << 10


def groups(part: Part) -> Iterator[tuple[Entry, ...]]:
    """The entries in their order; a file larger than a segment is alone.

    What is grouped depends on what the packages say of their files, not on the files
    as installed: else the prefix would leave its trace in where segments end.
    """
    group: list[Entry] = []
    size = 0
    for entry in part.entries:
        if entry.size > SEGMENT_SIZE:
            if group:
                yield tuple(group)
                group, size = [], 0
            yield (entry,)
            continue
        group.append(entry)
        size += _weight(entry)
        if size >= SEGMENT_SIZE:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def is_large(group: Sequence[Entry]) -> bool:
    """Whether it is one file that is larger than a segment."""
    return len(group) == 1 and group[0].size > SEGMENT_SIZE


def _weight(entry: Entry) -> int:
    """Bytes in the stream, as far as they are known beforehand."""
    claim = entry.claim
    if entry.kind != "file":
        return BLOCK
    if claim is None:
        return max(_UNKNOWN, entry.size // _COARSE * _COARSE)
    if claim.size is None:
        return _UNKNOWN
    if entry.form is Form.AS_IS or (entry.form is Form.RESTORE and claim.file_mode == "binary"):
        return BLOCK + claim.size + -claim.size % BLOCK
    return _UNKNOWN
