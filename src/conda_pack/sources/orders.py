"""Wishes → an order for each platform: what the helper process is to make, and what comes on top."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from conda_pack.environment.modules import normalised
from conda_pack.errors import SourceProblem, UsageError
from conda_pack.progress import Reporter
from conda_pack.sources.files.reading import merged, read_source
from conda_pack.sources.imports.model import Scan, Versions
from conda_pack.sources.imports.needs import Needs, needs
from conda_pack.sources.imports.scanning import scan
from conda_pack.sources.making.crew import make, survey
from conda_pack.sources.making.protocol import Job
from conda_pack.sources.model import Explicit, Lock, PipRequirements, Source, Specs
from conda_pack.sources.sites import Surroundings, settings_of, site
from conda_pack.sources.targets import check_platforms, this_platform, virtual_packages
from conda_pack.sources.wishes import EVERY_PLATFORM, Wishes

_PACKAGES = (".conda", ".tar.bz2")
_WHEEL = ".whl"


@dataclass(frozen=True, slots=True)
class Order:
    """An environment to be made. ``wheels`` are paths of those injected, ``modules`` the imports to prove.

    Each of these is a module, and a name that is imported from it, or None.
    """

    name: str
    job: Job
    pip: PipRequirements = field(default_factory=PipRequirements)
    wheels: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[tuple[str, str | None], ...] = ()

    @property
    def platform(self) -> str:
        """Which platform it is for."""
        return self.job.platform


def orders(wishes: Wishes, here: Surroundings, reporter: Reporter) -> list[Order]:
    """What is to be made. Raises UsageError and SourceProblem, each with all that is wrong."""
    check_platforms(tuple(name for name in wishes.platforms if name != EVERY_PLATFORM))
    packages, wheels = _injected(wishes.injected)
    asked = () if EVERY_PLATFORM in wishes.platforms else wishes.platforms
    source = _source(wishes, asked, reporter)
    platforms = _platforms(wishes, source, asked, reporter)
    check_platforms(tuple(platforms))
    settings = settings_of(here)
    scanned = _scanned(wishes, reporter)
    made = []
    for platform in platforms:
        own = _source(wishes, [platform])  # again, because a line of a file may be for one platform
        job = Job(
            platform=platform,
            site=site(
                [*wishes.channels, *(own.channels if isinstance(own, Specs) else ())],
                settings,
                here,
                platform,
                offline=wishes.offline,
            ),
            injected=list(packages),
            virtual_packages=virtual_packages(platform, here.environ),
        )
        wanted = _wanted(wishes, scanned, platform) if scanned is not None else None
        order = _order(wishes, own, job, wanted, wheels)
        if wanted is not None and scanned is not None and isinstance(own, Specs):
            if wanted.conditional:
                python = _solved_python(order, reporter)
                order = _order(wishes, own, job, _wanted(wishes, scanned, platform, python), wheels)
            _warn_of_unresolved(wanted, platform, reporter)
        made.append(order)
    return made


def _scanned(wishes: Wishes, reporter: Reporter) -> Scan | None:
    if not wishes.imports:
        return None
    found = scan(wishes.imports)
    for problem in found.problems:
        reporter.warn(f"{problem.text}; what it imports is not looked for.")
    return found


def _wanted(wishes: Wishes, scanned: Scan, platform: str, python: Versions | None = None) -> Needs:
    """What the sources need; SourceProblem if no Python could run them all."""
    wanted = needs(scanned, wishes.import_names, platform, python)
    if wanted.python.is_empty:
        reasons = "".join(f"\n  {bound.text}" for bound in wanted.bounds)
        raise SourceProblem(f"No Python can run all of these sources on {platform}:{reasons}")
    return wanted


def _solved_python(order: Order, reporter: Reporter) -> Versions | None:
    """The Python that the packages come with: it decides what is imported under conditions about it."""
    (made,) = make([order.job], reporter)
    versions = [package.version for package in made.packages if package.name == "python"]
    if not versions:
        return None
    major, minor = map(int, versions[0].split(".")[:2])
    return Versions((major, minor), (major, minor + 1))


def _warn_of_unresolved(wanted: Needs, platform: str, reporter: Reporter) -> None:
    if not wanted.unresolved:
        return
    names = ", ".join(f"{need.name} ({need.imports[0].places[0].text})" for need in wanted.unresolved)
    reporter.warn(
        f"{platform}: no package is known for the import of {names}: a package of that name is taken. "
        "Say another with --map NAME=PACKAGE, or none with --map NAME=."
    )


def _source(wishes: Wishes, asked: Sequence[str], reporter: Reporter | None = None) -> Source:
    """All files together; ``reporter`` is told what in them is not understood."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        read = {
            path: read_source(path, environment=wishes.environment, platforms=asked) for path in wishes.files
        }
    if reporter is not None:
        for message in dict.fromkeys(str(warning.message) for warning in told):
            reporter.warn(message)
    if wishes.environment is not None and not read:
        raise UsageError("--environment chooses one of a lock file's or pixi.toml's: give that with --file.")
    together = merged(read)
    if isinstance(together, Specs):
        return replace(together, conda=(*together.conda, *wishes.specs))
    if wishes.specs:
        raise UsageError(
            f"{wishes.files[0]} says exactly which packages there are: leave out --spec, or put it into what "
            "that file was made from."
        )
    return together


def _platforms(wishes: Wishes, source: Source, asked: Sequence[str], reporter: Reporter) -> Sequence[str]:
    if isinstance(source, Explicit):
        return list(dict.fromkeys(asked)) or [source.platform or this_platform()]
    if EVERY_PLATFORM not in wishes.platforms:
        return list(dict.fromkeys(asked)) or [this_platform()]
    if isinstance(source, Lock):
        there = survey(source.path, reporter).environments
        if source.environment not in there:
            raise SourceProblem(
                f"{source.path} has no environment {source.environment}, but {', '.join(sorted(there))}."
            )
        return there[source.environment]
    if not source.platforms:
        raise UsageError(
            "--platform all is for files that say for which platforms they are, and this one does not: "
            "name the platforms, each with --platform."
        )
    return source.platforms


def _order(wishes: Wishes, source: Source, job: Job, wanted: Needs | None, wheels: tuple[str, ...]) -> Order:
    pip, variables = PipRequirements(), dict[str, str]()
    if isinstance(source, Lock):
        manifest = source.wanted.get(job.platform, Specs())
        job = msgspec.structs.replace(
            job,
            lock=os.path.abspath(source.path),
            environment=source.environment,
            wanted_conda=list(manifest.conda),
            wanted_pip=list(manifest.pip.requirements),
        )
    elif isinstance(source, Explicit):
        pip = source.pip
        job = msgspec.structs.replace(job, pinned=list(source.packages))
    else:
        pip, variables = source.pip, dict(source.variables)
        job = msgspec.structs.replace(job, specs=[*source.conda, *_import_specs(wishes, source, wanted)])
    modules = tuple(wanted.modules(with_optional=wishes.with_optional)) if wanted is not None else ()
    return Order(_name(wishes, source), job, pip, wheels, variables, modules)


def _import_specs(wishes: Wishes, source: Specs, wanted: Needs | None) -> list[str]:
    """What the imports need of conda: all that is not brought by pip or injected."""
    if wanted is None:
        return []
    elsewhere = {
        _project(os.path.basename(text) if _WHEEL in text else text) for text in source.pip.requirements
    }
    elsewhere |= {_project(os.path.basename(path)) for path in wishes.injected}
    return [
        spec for spec in wanted.specs(with_optional=wishes.with_optional) if _project(spec) not in elsewhere
    ]


def _project(text: str) -> str:
    """The name that a requirement, a spec or a file's name begins with, normalised (PEP 503)."""
    match = re.match(r"[A-Za-z0-9._-]+?(?=-\d|[^A-Za-z0-9._-]|$)", text)
    return normalised(match[0]) if match else ""


def _injected(paths: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The packages and the wheels among the files to be put in. Raises UsageError."""
    wrong = [path for path in paths if not path.endswith((*_PACKAGES, _WHEEL)) or not os.path.isfile(path)]
    if wrong:
        raise UsageError(
            f"--inject takes .conda, .tar.bz2 and .whl files, and {', '.join(wrong)} "
            f"{'is none' if len(wrong) == 1 else 'are none'} that is here."
        )
    found = [os.path.abspath(path) for path in paths]
    return (
        tuple(path for path in found if path.endswith(_PACKAGES)),
        tuple(path for path in found if path.endswith(_WHEEL)),
    )


def _name(wishes: Wishes, source: Source) -> str:
    """What the environment is called: as asked for, as the file says, or as what it is made from."""
    given = wishes.name or source.name
    if given and (given in (os.curdir, os.pardir) or re.search(r"[/\\\0]", given)):
        raise UsageError(
            f"{given!r} cannot be the name of an environment, because archives and folders are called like "
            "it: give another one with --name."
        )
    path = os.path.abspath((*wishes.files, *wishes.imports, "environment")[0])
    return given or os.path.basename(path).split(".")[0] or "environment"
