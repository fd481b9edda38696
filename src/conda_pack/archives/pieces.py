"""A segment as a stream: its bytes are hashed and written while they are fresh from the decompressor."""

from __future__ import annotations

from collections.abc import Iterator

from conda_pack.errors import DamagedArchive
from conda_pack.segments.codecs import Data

_TOO_SHORT = "The archive is damaged: a segment is not as long as the index says."


class PieceStream:
    """Reads on through ``pieces``, which have ``size`` bytes together; DamagedArchive if they have not."""

    def __init__(self, pieces: Iterator[Data], size: int) -> None:
        self._pieces = pieces
        self._view = memoryview(b"")
        self._position = 0
        self.left = size

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        return b"".join(self.whole(min(size, self.left)))

    def whole(self, size: int) -> list[memoryview]:
        """The next ``size`` bytes, all at once."""
        start = self._position
        end = start + size
        if end <= len(self._view) and size <= self.left:
            self._position = end
            self.left -= size
            return [self._view[start:end]]
        return list(self.take(size))

    def take(self, size: int) -> Iterator[memoryview]:
        """The next ``size`` bytes, as they come."""
        if size > self.left:
            raise DamagedArchive(_TOO_SHORT)
        self.left -= size
        while size:
            while self._position == len(self._view):
                piece = next(self._pieces, None)
                if piece is None:
                    raise DamagedArchive(_TOO_SHORT)
                self._view, self._position = memoryview(piece), 0
            start = self._position
            self._position = min(start + size, len(self._view))
            size -= self._position - start
            yield self._view[start : self._position]

    def padding(self, size: int) -> None:
        """Read past up to ``size`` zeros."""
        if b"".join(self.whole(min(size, self.left))).strip(b"\0"):
            raise DamagedArchive("The archive is damaged: there is something between its members.")

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.left or self._position < len(self._view) or any(map(len, self._pieces)):
            raise DamagedArchive(_TOO_SHORT)
