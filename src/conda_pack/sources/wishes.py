"""What a user asks an environment to be made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Instead of platforms: all that the source is for.
EVERY_PLATFORM = "all"


@dataclass(frozen=True, slots=True)
class Wishes:
    """See the options of ``conda-pack`` of the same names.

    ``imports`` are files and folders to scan, ``import_names`` what their imports' packages are called where
    the table does not know (import name → package); ``platforms`` without any is this machine's.
    """

    files: tuple[str, ...] = ()
    environment: str | None = None
    imports: tuple[str, ...] = ()
    import_names: Mapping[str, str] = field(default_factory=dict)
    with_optional: bool = False
    specs: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    injected: tuple[str, ...] = ()
    offline: bool = False
    name: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether an environment is to be made at all."""
        return bool(self.files or self.imports or self.specs)
