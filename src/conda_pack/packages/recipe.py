"""What a package is to be called, and what it says of itself: checked before a file is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from conda_pack.errors import UsageError

#: Names, versions and builds of packages: CEP 26 and CEP 33. Dashes stand between the three in a file's name.
_NAME = re.compile(r"_?[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")
_VERSION = re.compile(r"(?:\d+!)?[a-z0-9]+(?:[._][a-z0-9]+)*(?:\+[a-z0-9]+(?:[._][a-z0-9]+)*)?\Z")
_BUILD = re.compile(r"[A-Za-z0-9_.+]+\Z")
_NUMBER = re.compile(r"(?:.*_)?(\d+)\Z", re.ASCII)
_SPEC = re.compile(r"(?P<name>_{0,2}[a-z0-9][a-z0-9._-]*?) *(?:[ =<>!~\[][^\n]*)?\Z", re.IGNORECASE)
_LONGEST = 64

#: What ``noarch`` may be: for any Python, or for any platform without Python.
Noarch = Literal["python", "generic"]
PackageFormat = Literal["conda", "tar.bz2"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A package to be made. ``build`` is its whole build string, ``timestamp`` is in seconds."""

    name: str
    version: str = "0.0"
    build: str = "0"
    depends: tuple[str, ...] = ()
    summary: str = ""
    license: str = ""
    subdir: str = "noarch"
    noarch: Noarch | None = None
    timestamp: int = 0

    @property
    def stem(self) -> str:
        """The file's name, without what tells its format."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def build_number(self) -> int:
        """Which of several builds of a version is preferred: the number that the build ends with, or 0."""
        match = _NUMBER.match(self.build)
        return int(match[1]) if match else 0


def checked(recipe: Recipe) -> Recipe:
    """The recipe, its names in lower case, as conda has them; raises UsageError for what cannot be one."""
    recipe = replace(recipe, name=recipe.name.lower())
    problems = [
        f"{option} {value!r}: {rule}"
        for option, value, pattern, rule in (
            ("--pkg-name", recipe.name, _NAME, "letters and digits, and single ., _ and - between them"),
            (
                "--pkg-version",
                recipe.version,
                _VERSION,
                "small letters and digits, and single . and _ between",
            ),
            ("--pkg-build", recipe.build, _BUILD, "letters, digits, _, . and +, without dashes"),
        )
        if not pattern.match(value) or len(value) > _LONGEST
    ]
    problems += [
        f"--depends {spec!r}: begins with a package's name, and is one line"
        for spec in recipe.depends
        if not _SPEC.match(spec)
    ]
    if problems:
        raise UsageError("\n    ".join(["No package can have these:", *problems]))
    return replace(recipe, depends=tuple(map(_spec, recipe.depends)))


def _spec(spec: str) -> str:
    name = name_in(spec)
    return name + spec[len(name) :]


def name_in(spec: str) -> str:
    """The package that a dependency names, in lower case."""
    match = _SPEC.match(spec)
    return match["name"].lower() if match else ""


def with_depends(recipe: Recipe, specs: Iterable[str]) -> Recipe:
    """The recipe with further dependencies, but of packages that it names already: its maker knows best."""
    named = {name_in(spec) for spec in recipe.depends}
    further = (spec for spec in specs if name_in(spec) not in named)
    return replace(recipe, depends=tuple(dict.fromkeys([*recipe.depends, *further])))


def conda_version(version: str) -> str:
    """A Python project's version as conda writes it: without capitals and dashes (PEP 440 has hardly any)."""
    return version.lower().removeprefix("v").replace("-", "_")


def build_string(wanted: str, python: str | None, noarch: Noarch | None) -> str:
    """The whole build string: a number alone gets the Python in front (py311_0, py_0), as conda does it.

    ``python`` is the version that the files belong to, None for none.
    """
    if python is None or noarch == "generic" or not (wanted.isascii() and wanted.isdigit()):
        return wanted
    version = "" if noarch == "python" else "".join(python.split(".")[:2])
    return f"py{version}_{wanted}"


def python_dependency(version: str, noarch: Noarch | None, required: str = "") -> str:
    """Which Pythons find the files: those of the same minor version, or, of noarch packages, any.

    ``required`` is what the files ask for themselves, such as ``>=3.8``.
    """
    if noarch == "python":
        return f"python {required}".strip()
    major, minor = version.split(".")[:2]
    return f"python >={major}.{minor},<{major}.{int(minor) + 1}.0a0"
