"""What a scan comes to for one platform: the packages that are needed, and the Pythons that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from conda_pack.sources.imports.conditions import Target, holds
from conda_pack.sources.imports.model import KINDS, Bound, Import, Kind, Scan, Versions
from conda_pack.sources.imports.naming import name_package
from conda_pack.sources.imports.standard import bounds_of

#: With this, distutils is there in every Python: setuptools brings its own.
_BRINGS_DISTUTILS = "setuptools"


@dataclass(frozen=True, slots=True)
class Need:
    """A package, and the imports that ask for it; None is one that no conda package can be called like.

    ``kind`` is the strongest of the imports'; ``is_known`` tells whether the package is known to bring them,
    or only called as they are.
    """

    package: str | None
    kind: Kind
    is_known: bool
    imports: tuple[Import, ...]

    @property
    def name(self) -> str:
        return self.package or self.imports[0].module.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Needs:
    """What sources need on a platform; each list is sorted by package.

    ``required``, ``conditional`` (under a condition that the platform does not decide), ``optional`` and
    ``type_checking`` (for type checkers alone) are packages that are known to bring what is imported, but for
    conditional and optional ones, where ``Need.is_known`` tells it. ``unresolved`` are the required ones that
    no package is known for. ``bounds`` are those that make up ``python``.
    """

    platform: str
    required: tuple[Need, ...]
    conditional: tuple[Need, ...]
    optional: tuple[Need, ...]
    unresolved: tuple[Need, ...]
    type_checking: tuple[Need, ...]
    python: Versions
    bounds: tuple[Bound, ...]

    def wanted(self, *, with_optional: bool = False) -> list[Need]:
        """What an environment is to have, sorted by package."""
        more = (*self.conditional, *self.optional) if with_optional else ()
        return sorted((*self.required, *self.unresolved, *more), key=lambda need: need.name)

    def specs(self, *, with_optional: bool = False) -> list[str]:
        """The match specs of that, Python's first."""
        wanted = self.wanted(with_optional=with_optional)
        return [
            self.python.spec,
            *(need.package for need in wanted if need.package and need.package != "python"),
        ]

    def modules(self, *, with_optional: bool = False) -> list[tuple[str, str | None]]:
        """What must be there to import then: modules, each with a name imported from it, or None."""
        kinds = KINDS[:3] if with_optional else KINDS[:1]
        wanted = self.wanted(with_optional=with_optional)
        found = {(each.module, each.name) for need in wanted for each in need.imports if each.kind in kinds}
        return sorted(found, key=lambda each: (each[0], each[1] or ""))


def needs(scan: Scan, overrides: Mapping[str, str], platform: str, python: Versions | None = None) -> Needs:
    """What a scan comes to on a conda platform, and for the Pythons given, if any.

    ``overrides`` are packages by the import names that they bring, empty for what comes from elsewhere.
    """
    standard = [each for each in scan.standard if each.module.partition(".")[0] not in overrides]
    outside = [*scan.imports, *(each for each in scan.standard if each not in standard)]
    allowed = python or Versions()
    target = Target(platform, allowed.within(scan.bounds))
    while True:
        found = list(_judged(outside, target))
        grouped = _grouped(found, overrides)
        has_distutils = any(need.package == _BRINGS_DISTUTILS and need.kind == "required" for need in grouped)
        needed = [
            each
            for each in _judged(standard, target)
            if each.kind == "required"
            and not (has_distutils and each.module.partition(".")[0] == "distutils")
        ]
        bounds = [*scan.bounds, *bounds_of(needed)]
        narrowed = allowed.within(bounds)
        if narrowed == target.python or narrowed.is_empty:
            break
        target = Target(platform, narrowed)  # which may decide conditions

    def of(kind: Kind, *, is_known: bool | None = None) -> tuple[Need, ...]:
        chosen = (need for need in grouped if need.kind == kind and is_known in (None, need.is_known))
        return tuple(chosen)

    return Needs(
        platform=platform,
        required=of("required", is_known=True),
        conditional=of("conditional"),
        optional=of("optional"),
        unresolved=of("required", is_known=False),
        type_checking=of("type_checking"),
        python=narrowed,
        bounds=tuple(each for each in bounds if narrowed.lower == each.since or narrowed.below == each.until),
    )


def _judged(found: Iterable[Import], target: Target) -> Iterator[Import]:
    """The imports that may happen on a target, with what is decided there taken out of the conditions."""
    for each in found:
        answer = True if each.condition is None else holds(each.condition, target)
        if answer is True:
            yield replace(each, condition=None)
        elif answer is None:
            yield replace(each, kind=max(each.kind, "conditional", key=KINDS.index))


def _grouped(found: Iterable[Import], overrides: Mapping[str, str]) -> list[Need]:
    """The packages for these imports, sorted."""
    named: dict[str, tuple[str | None, bool, list[Import]]] = {}
    for each in _strongest(found):
        package = name_package(each.module, each.name, overrides)
        if package is not None:
            key = package.package or each.module.partition(".")[0]
            known = package.is_known or named.get(key, (None, False))[1]
            imports = named[key][2] if key in named else []
            named[key] = (package.package, known, [*imports, each])
    return [
        Need(package, min((each.kind for each in imports), key=KINDS.index), is_known, tuple(imports))
        for _, (package, is_known, imports) in sorted(named.items())
    ]


def _strongest(found: Iterable[Import]) -> list[Import]:
    """One of each import, of the strongest kind that it has somewhere, with all places of that kind."""
    chosen: dict[tuple[str, str | None], Import] = {}
    for each in found:
        key = (each.module, each.name)
        known = chosen.get(key)
        if known is None or KINDS.index(each.kind) < KINDS.index(known.kind):
            chosen[key] = each
        elif each.kind == known.kind:
            conditions = sorted({text for text in (known.condition, each.condition) if text})
            joined = " or ".join(f"({text})" if len(conditions) > 1 else text for text in conditions)
            condition = joined if known.condition and each.condition else None
            places = sorted(
                {*known.places, *each.places}, key=lambda place: (place.path, place.cell or 0, place.line)
            )
            chosen[key] = replace(known, condition=condition, places=tuple(places))
    return sorted(chosen.values(), key=lambda each: (each.module, each.name or ""))
