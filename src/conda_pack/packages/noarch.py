"""Files of one environment → those of a package for any platform. Pure.

A noarch Python package has ``site-packages/…`` and ``python-scripts/…``, and names its entry points, of
which installers make scripts; bytecode is made when it is installed. Source: CEP 34, link.json.
"""

from __future__ import annotations

import configparser
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from conda_pack.packages.contents import BYTECODE
from conda_pack.packages.recipe import Noarch

#: What is compiled for one platform, by the names of files.
_COMPILED = re.compile(r"\.(?:so(?:\.[0-9.]+)?|pyd|dylib|dll|exe|a|lib|o)\Z")
#: The same by how they begin: ELF, Windows, macOS (of one machine, of several; with more it is Java), ar.
_MAGIC = re.compile(
    rb"\x7fELF|MZ[^\0]{0,5}\0|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe\0\0\0[\0-\x1f]|!<arch>\n", re.DOTALL
)
#: How many bytes of a file tell whether it is compiled.
HEAD = 8
_ONE_PYTHON = re.compile(r"(?:^|/)python\d[\d.]*t?/")
_ENTRY_POINTS = "entry_points.txt"
_FUNCTION = re.compile(r"[\w.]+ *: *[\w.]+\Z")


@dataclass(frozen=True, slots=True)
class NoarchFiles:
    """``paths`` maps the environment's path to the package's, but of what installers make anew."""

    paths: Mapping[str, str]
    entry_points: tuple[str, ...]


def to_noarch(
    noarch: Noarch,
    heads: Mapping[str, bytes],
    site_packages: str | None,
    scripts: str,
    texts: Iterable[str],
) -> tuple[NoarchFiles, list[str]]:
    """The files as a noarch package has them, and of those that it cannot have why, a sentence each.

    ``heads`` has how each file begins, by path, ``texts`` what is in those called ``entry_points.txt``;
    ``scripts`` is bin or Scripts.
    """
    declared = {name: line for text in texts for name, line in _console_scripts(text)}
    mapped: dict[str, str] = {}
    made: set[str] = set()
    problems = []
    for path, head in heads.items():
        folder, name = posixpath.split(path)
        in_site = bool(site_packages) and path.startswith(f"{site_packages}/")
        if noarch == "python" and path.endswith(BYTECODE):
            continue
        if noarch == "python" and folder == scripts and _entry_point(name) in declared:
            made.add(declared[_entry_point(name)])
            continue
        if _COMPILED.search(path) or _MAGIC.match(head):
            problems.append(f"{path} is compiled for one platform")
        elif (in_site and noarch == "generic") or (not in_site and _ONE_PYTHON.search(path)):
            problems.append(f"{path} belongs to one Python")
        if noarch == "python" and folder == scripts:
            mapped[path] = f"python-scripts/{name}"
        elif noarch == "python" and in_site:
            mapped[path] = "site-packages" + path[len(site_packages or "") :]
        else:
            mapped[path] = path
    return NoarchFiles(mapped, tuple(sorted(made))), problems


def _entry_point(name: str) -> str:
    """The entry point that a script is made for, whatever Windows puts behind it."""
    return re.sub(r"(?:\.exe|-script\.pyw?)\Z", "", name)


def _console_scripts(text: str) -> Iterator[tuple[str, str]]:
    """Each script, and its ``name = module:function``."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names differ by case
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for name, value in parser["console_scripts"].items() if parser.has_section("console_scripts") else ():
        function = (value or "").split("[")[0].strip()
        if _FUNCTION.match(function):
            yield name, f"{name} = {function}"


def is_entry_points(path: str) -> bool:
    """Whether a file tells of entry points."""
    return posixpath.basename(path) == _ENTRY_POINTS and posixpath.dirname(path).endswith(
        (".dist-info", ".egg-info")
    )
