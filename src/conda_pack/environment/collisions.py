"""Names that another system cannot tell apart, or cannot have: of environments that were made elsewhere."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator

from conda_pack.model import Environment, Finding, Severity
from conda_pack.paths import folders_of

#: Names of devices, with whatever suffix, characters that mean something else, and ends that are dropped:
#: "Naming Files, Paths, and Namespaces", Microsoft.
_NOT_ON_WINDOWS = re.compile(
    r'(?i)(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?\Z|.*[<>:"|?*\\\x00-\x1f]|.*[. ]\Z', re.DOTALL
)


def find_collisions(environment: Environment) -> Iterator[Finding]:
    """What of an environment for Windows or macOS does not arrive there."""
    family = environment.platform.family
    if family not in _FOLDS:
        return
    paths = [path for path, file in environment.files.items() if file.kind != "directory"]
    same = _same(paths, _FOLDS[family])
    if same:
        system = {"win": "Windows", "osx": "macOS on most disks"}[family]
        yield Finding(
            Severity.WARNING,
            f"{len(same)} files have names that {system} takes for those of others, so that only one of each "
            "arrives there.",
            tuple(same),
        )
    impossible = [path for path in paths if any(map(_NOT_ON_WINDOWS.match, path.split("/")))]
    if family == "win" and impossible:
        yield Finding(
            Severity.WARNING,
            f"{len(impossible)} files have names that Windows cannot have, and will not be unpacked there.",
            tuple(impossible),
        )


def _same(paths: list[str], fold: Callable[[str], str]) -> list[str]:
    """Those of several that fold to the same, or to a folder of others."""
    by_name = defaultdict(list)
    for path in paths:
        by_name[fold(path)].append(path)
    folders = {fold(folder) for folder in folders_of(paths)}
    return sorted(
        path for name, several in by_name.items() if len(several) > 1 or name in folders for path in several
    )


def _fold_windows(path: str) -> str:
    """As NTFS compares: letter by letter, so ß is not SS."""
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in path)


def _fold_macos(path: str) -> str:
    """As APFS compares by default: without case, and however letters are composed."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


_FOLDS: dict[str, Callable[[str], str]] = {"win": _fold_windows, "osx": _fold_macos}
