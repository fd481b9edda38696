"""What a project that pip installed says of itself, as a conda package says it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Any

from conda_pack.environment.distributions import METADATA_FILE
from conda_pack.environment.modules import normalised
from conda_pack.environment.pythons import SYSTEMS, machine_of
from conda_pack.errors import ToolMissing
from conda_pack.model import Platform, Record


@dataclass(frozen=True, slots=True)
class Depends:
    """Specs of conda packages; ``without`` are required projects that no conda package brought.

    ``python`` is which Pythons the projects ask for, such as ``>=3.8``.
    """

    specs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    python: str = ""


def parse_metadata(text: str) -> Message:
    """A project's METADATA or PKG-INFO (core metadata, PyPA)."""
    return HeaderParser().parsestr(text)


def said(metadata: Message, *fields: str) -> str:
    """The first of these fields that is filled in on one line, or nothing."""
    values = (str(metadata.get(field, "")).strip() for field in fields)
    return next((value for value in values if value not in ("", "UNKNOWN") and "\n" not in value), "")


def depends_of(
    metadata: Iterable[Message],
    records: Iterable[Record],
    packaged: Collection[str],
    python: str | None,
    platform: Platform,
) -> Depends:
    """What these projects need besides one another.

    ``packaged`` are the names of those that go into the package, ``python`` is the version they run with.
    Raises ToolMissing.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - few make packages
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415
    except ImportError:
        raise ToolMissing(
            "What a project depends on is understood with 'packaging', which is not installed: "
            "pip install 'conda-pack[package]', or conda install packaging."
        ) from None
    brought = _brought(records)
    environment = _environment(python, platform)
    own = {normalised(name) for name in packaged}
    specs: dict[str, set[str]] = {}
    without: set[str] = set()
    pythons: set[str] = set()
    for document in metadata:
        try:
            pythons.update(map(_clause, SpecifierSet(said(document, "Requires-Python"))))
        except InvalidSpecifier:
            without.add(f"python {said(document, 'Requires-Python')}")
        for line in document.get_all("Requires-Dist") or []:
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                without.add(line)
                continue
            name = normalised(requirement.name)
            if name in own or (requirement.marker and not requirement.marker.evaluate({**environment})):
                continue
            if name in brought:
                specs.setdefault(brought[name], set()).update(map(_clause, requirement.specifier))
            else:
                without.add(requirement.name)
    lines = (f"{name} {','.join(sorted(clauses))}".strip() for name, clauses in specs.items())
    return Depends(tuple(sorted(lines)), tuple(sorted(without)), ",".join(sorted(pythons)))


def _clause(specifier: Any) -> str:
    """One condition on a version as conda writes it: it has no ===, and == only of whole versions."""
    operator, version = specifier.operator, specifier.version.lower().replace("-", "_")
    if operator in ("==", "===") and version.endswith(".*"):
        return f"{version}"
    return f"{'==' if operator == '===' else operator}{version}"


def _brought(records: Iterable[Record]) -> Mapping[str, str]:
    """Project → the name of the conda package that brought it."""
    return {
        normalised(match[1]): record.name
        for record in records
        for claim in record.claims
        if (match := METADATA_FILE.search(claim.path))
    }


def _environment(python: str | None, platform: Platform) -> dict[str, str]:
    """What markers ask for: the environment's, not this machine's (dependency specifiers, PyPA)."""
    environment = {
        "extra": "",
        **SYSTEMS.get(platform.family, SYSTEMS["linux"])._asdict(),
        "platform_machine": machine_of(platform.subdir),
    }
    if python is not None:
        environment |= {
            "python_full_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    return environment
