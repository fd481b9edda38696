"""Which files the scanner reads, of the files and folders that it is given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conda_pack.errors import UsageError
from conda_pack.sources.imports.model import Problem

NOTEBOOK = ".ipynb"
_SUFFIXES = (".py", ".pyw", NOTEBOOK)
#: Folders of tools, not of sources; ``build`` and ``dist`` may be packages, too.
_LEFT_OUT = frozenset({"__pycache__", "__pypackages__", "node_modules", "site-packages"})
_OUTPUT = frozenset({"build", "dist"})
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read, by a path that begins as the user's does, and the folder given that it lies in.

    ``root`` is None for a file that was given itself.
    """

    path: str
    root: str | None


def source_files(paths: Sequence[str]) -> tuple[list[SourceFile], list[Problem]]:
    """Every Python file and notebook, each once, in the order of the paths and sorted in folders.

    Raises UsageError that names all paths that do not exist.
    """
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise UsageError(f"No such file or folder: {', '.join(missing)}. Name Python files or their folders.")
    files: list[SourceFile] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for path in paths:
        found = _in_folder(path, problems) if os.path.isdir(path) else [SourceFile(path, None)]
        for file in found:
            real = os.path.realpath(file.path)
            if real not in seen:
                seen.add(real)
                files.append(file)
    return files, problems


def _in_folder(root: str, problems: list[Problem]) -> Iterator[SourceFile]:
    def tell(error: OSError) -> None:
        problems.append(Problem(error.filename, None, None, f"cannot be read: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=tell):
        folders[:] = sorted(name for name in folders if _is_read(folder, name))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(_SUFFIXES) and not name.startswith(".") and os.path.isfile(path):
                yield SourceFile(path, root)


def _is_read(parent: str, name: str) -> bool:
    if name.startswith(".") or name in _LEFT_OUT or name.endswith((".egg-info", ".dist-info")):
        return False
    folder = os.path.join(parent, name)
    if name in _OUTPUT and not os.path.exists(os.path.join(folder, "__init__.py")):
        return False
    return not any(os.path.exists(os.path.join(folder, mark)) for mark in _ENVIRONMENT)
