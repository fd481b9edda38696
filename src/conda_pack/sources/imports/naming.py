"""The conda package that brings an imported module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from conda_pack.sources.imports.known_names import SAME
from conda_pack.sources.imports.names import NAMESPACES, PACKAGES

_PACKAGE = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Named:
    """A package, None if none could be called so; and whether it is known to bring the module."""

    package: str | None
    is_known: bool


def name_package(module: str, name: str | None, overrides: Mapping[str, str]) -> Named | None:
    """The package for ``import module`` or ``from module import name``; None if it is to come from elsewhere.

    The longest dotted name decides: of ``overrides`` (NAME → PACKAGE, an empty one leaves the import out),
    then of the tables. What no table has is taken as it is: in lower case, with ``-`` for ``_``, as most
    of conda-forge's packages are called (83 of 100 of those with ``_`` in their import name).
    """
    found = list(_prefixes(module, name))
    for dotted in found:
        if dotted in overrides:
            return Named(overrides[dotted], is_known=True) if overrides[dotted] else None
    for number, dotted in enumerate(found):
        if dotted in PACKAGES:
            return Named(PACKAGES[dotted], is_known=True)
        if dotted in NAMESPACES and number:
            package = NAMESPACES[dotted].format(_as_it_is(found[number - 1].rpartition(".")[2]))
            return Named(package, is_known=found[number - 1] in SAME or "{}" not in NAMESPACES[dotted])
    package = _as_it_is(found[-1])
    return Named(package if _PACKAGE.fullmatch(package) else None, is_known=found[-1].lower() in SAME)


def is_known(module: str) -> bool:
    """Whether a package is known to bring a module, given in full."""
    named = name_package(module, None, {})
    return module in NAMESPACES or (named is not None and named.is_known)


def _prefixes(module: str, name: str | None) -> list[str]:
    """``a.b.c``, ``a.b``, ``a``."""
    parts = module.split(".") if name is None else [*module.split("."), name]
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _as_it_is(module: str) -> str:
    return module.strip("_").lower().replace("_", "-")
