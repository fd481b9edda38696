"""A small conda channel made on the spot: Python as it runs here, a program and a library."""

from __future__ import annotations

from pathlib import Path

from demo.examples import library_package, tool_package
from demo.interpreter import python_package
from demo.packages import (
    PLACEHOLDER,
    Entry,
    File,
    FileMode,
    Link,
    Package,
    native_subdir,
    text,
    write_package,
)

__all__ = [
    "PLACEHOLDER",
    "Entry",
    "File",
    "FileMode",
    "Link",
    "Package",
    "build_channel",
    "native_subdir",
    "text",
    "write_package",
]


def build_channel(folder: Path) -> None:
    """Write the packages into ``folder/<subdir>`` and ``folder/noarch``; the index is rattler's to make."""
    for package in (python_package(), tool_package(), tool_package("1.1"), library_package()):
        write_package(folder, package)
