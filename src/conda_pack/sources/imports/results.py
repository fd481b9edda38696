"""What ``conda-pack imports`` tells programs, with --json: the fields are the documented schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from conda_pack.sources.imports.model import Scan
from conda_pack.sources.imports.needs import Need, Needs

_Kind = Literal["required", "conditional", "optional", "type_checking"]


class FoundAt(msgspec.Struct, frozen=True):
    """A place: ``cell`` counts a notebook's cells from 1, and ``line`` then that cell's; else it is null."""

    path: str
    line: int
    cell: int | None


class FoundImport(msgspec.Struct, frozen=True):
    """An import of ``module``, or of ``name`` from it; ``condition`` is null unless it is under one.

    A condition is a Python expression of what the platform does not decide.
    """

    module: str
    name: str | None
    kind: _Kind
    condition: str | None
    places: list[FoundAt]


class NeededPackage(msgspec.Struct, frozen=True):
    """A package that imports ask for; ``kind`` is the strongest of theirs.

    ``known`` tells whether it is known to bring them; else it is only called as they are. ``package`` is null
    if no conda package can be called so.
    """

    package: str | None
    kind: _Kind
    known: bool
    imports: list[FoundImport]


class Unread(msgspec.Struct, frozen=True):
    """A file, or a part of one, that could not be read; ``line`` is null if that is the whole file."""

    path: str
    line: int | None
    cell: int | None
    message: str


class Imports(msgspec.Struct, frozen=True):
    """What the sources need on ``platform``.

    ``python`` is a match spec, and ``python_reasons`` say what makes it so. ``unresolved`` are the required
    packages that are not known to bring what is imported. ``files`` are those that were read, ``problems``
    tell what could not be.
    """

    platform: str
    python: str
    python_reasons: list[str]
    required: list[NeededPackage]
    conditional: list[NeededPackage]
    optional: list[NeededPackage]
    unresolved: list[NeededPackage]
    type_checking: list[NeededPackage]
    files: list[str]
    problems: list[Unread]
    warnings: list[str]


def result_of(scan: Scan, needs: Needs, warnings: Sequence[str]) -> Imports:
    """The result for programs; bytes of names that are no UTF-8, which JSON cannot have, are escaped."""
    return Imports(
        platform=needs.platform,
        python=needs.python.spec,
        python_reasons=[_text(bound.text) for bound in needs.bounds],
        required=_packages(needs.required),
        conditional=_packages(needs.conditional),
        optional=_packages(needs.optional),
        unresolved=_packages(needs.unresolved),
        type_checking=_packages(needs.type_checking),
        files=[_text(path) for path in scan.files],
        problems=[
            Unread(_text(each.path), each.line, each.cell, _text(each.message)) for each in scan.problems
        ],
        warnings=[_text(warning) for warning in warnings],
    )


def _packages(found: Sequence[Need]) -> list[NeededPackage]:
    return [
        NeededPackage(
            need.package,
            need.kind,
            need.is_known,
            [
                FoundImport(
                    _text(each.module),
                    each.name and _text(each.name),
                    each.kind,
                    each.condition and _text(each.condition),
                    [FoundAt(_text(place.path), place.line, place.cell) for place in each.places],
                )
                for each in need.imports
            ],
        )
        for need in found
    ]


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
