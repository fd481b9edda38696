"""A package of an environment's own files: what is wanted → which files → their contents → the package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message

from conda_pack.archives.output import AtomicFile
from conda_pack.environment.editable import find_editable
from conda_pack.environment.modules import normalised
from conda_pack.environment.read import read_bytes, read_environment
from conda_pack.errors import EnvironmentFindings, FileChanged, UsageError
from conda_pack.model import DiskFile, Environment, Finding, Severity
from conda_pack.packages.building import check_tools, write_package
from conda_pack.packages.contents import Transformer
from conda_pack.packages.indexing import check_indexer, index_channel
from conda_pack.packages.noarch import HEAD, NoarchFiles, is_entry_points, to_noarch
from conda_pack.packages.owners import project_owner
from conda_pack.packages.recipe import (
    Noarch,
    PackageFormat,
    Recipe,
    build_string,
    checked,
    conda_version,
    name_in,
    python_dependency,
    with_depends,
)
from conda_pack.packages.requirements import Depends, depends_of, parse_metadata, said
from conda_pack.packages.results import MadePackage
from conda_pack.packages.surveying import Source, reading, survey
from conda_pack.packages.tracking import Tracked, untracked
from conda_pack.packages.untracked import UntrackedProject
from conda_pack.plan.select import check_filters, excluded
from conda_pack.progress import Reporter

_METADATA = ("METADATA", "PKG-INFO")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a package is to be made of, and how.

    ``recipe`` is what its maker said of it, ``build`` perhaps a number alone. Of the untracked files only
    those are taken that match one of ``patterns``, or belong to one of ``projects``, if there are any. It is
    written into ``folder``, or into ``channel``, which is indexed. None of its files is dated after
    ``latest`` (SOURCE_DATE_EPOCH), in seconds, if there is one.
    """

    recipe: Recipe
    patterns: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    filters: Sequence[tuple[str, str]] = ()
    package_format: PackageFormat = "conda"
    noarch: bool = False
    keep_short: bool = False
    folder: str = "."
    channel: str | None = None
    force: bool = False
    latest: int | None = None


def make_package(name: str | None, prefix: str | None, wanted: Wanted, reporter: Reporter) -> MadePackage:
    """Make a package of files in the environment ``name`` or at ``prefix``, which are not changed.

    Raises EnvironmentNotFound, UsageError, EnvironmentFindings with all files that cannot be in it,
    FileChanged, CorruptMetadata, OutputExists, FolderMissing, WriteFailed and ToolMissing.
    """
    _check_tools(wanted)
    tracked = untracked(name, prefix, wanted.filters)
    projects = _projects(wanted, tracked)
    recipe = checked(_named(wanted.recipe, projects))
    environment = read_environment(tracked.listing.prefix, reporter.warn)
    files = _files(environment, _chosen(wanted, tracked, projects))
    _check_projects(environment, files, projects if wanted.projects else tracked.untracked.projects)
    kind, python = _kind(wanted, environment, files)
    metadata = _metadata(environment, projects)
    depends = _depends(metadata, projects, environment, python)
    recipe = _completed(wanted, recipe, environment, files, kind, python, depends, metadata)
    noarch_files = _as_noarch(kind, environment, files) if kind else None
    if depends.without:
        reporter.warn(
            f"{', '.join(depends.without)}: needed, but brought by no conda package. Make packages of "
            "them, or name what has them with --depends."
        )
    _warn_of_empty(wanted, environment, tracked, reporter)
    paths = noarch_files.paths if noarch_files else {path: path for path in files}
    transformer = Transformer(environment.prefixes, environment.platform, wanted.keep_short)
    source = Source(environment.prefix, files, paths, transformer, wanted.latest)
    output = _output(wanted, recipe)
    reporter.start("making the package", 2 * sum(files[path].size for path in paths))
    try:
        packaged = survey(source, reporter)
        entry_points = noarch_files.entry_points if noarch_files else ()
        write_package(output, recipe, packaged, entry_points, source, reporter)
    finally:
        reporter.finish()
    if wanted.channel is not None:
        index_channel(os.path.abspath(wanted.channel))
    package_size, sha256 = _measured(output.path)
    return MadePackage(
        path=output.path,
        name=recipe.name,
        version=recipe.version,
        build=recipe.build,
        subdir=recipe.subdir,
        depends=list(recipe.depends),
        files=[path.path for path in packaged],
        size=sum(path.size for path in packaged if path.target is None),
        package_size=package_size,
        sha256=sha256,
    )


def _check_tools(wanted: Wanted) -> None:
    check_tools(wanted.package_format)
    if wanted.channel is not None:
        check_indexer()


# -------------------------------------------------------------------- which files


def _projects(wanted: Wanted, tracked: Tracked) -> list[UntrackedProject]:
    """The projects that are named; raises UsageError where one is not there."""
    by_name = {normalised(each.project.name): each for each in tracked.untracked.projects}
    missing = [name for name in wanted.projects if normalised(name) not in by_name]
    if missing:
        there = ", ".join(sorted(by_name)) or "none"
        raise UsageError(f"pip has installed no project {', '.join(missing)}; there is {there}.")
    return [by_name[normalised(name)] for name in wanted.projects]


def _named(recipe: Recipe, projects: Sequence[UntrackedProject]) -> Recipe:
    """The recipe with the name and the version of the first project, where it has none of its own."""
    first = projects[0].project if projects else None
    return replace(
        recipe,
        name=recipe.name or (normalised(first.name) if first else ""),
        version=recipe.version or (conda_version(first.version) if first else "") or "0.0",
    )


def _chosen(wanted: Wanted, tracked: Tracked, projects: Sequence[UntrackedProject]) -> list[str]:
    """The paths that go in; raises UsageError for patterns that no untracked file matches."""
    everything = tracked.untracked.all_files
    if not (wanted.patterns or projects):
        return list(everything)
    chosen = {path for each in projects for path in each.files}
    problems = []
    for pattern in wanted.patterns:
        matching = _matching(pattern, everything)
        if not matching:
            owners = tracked.installed.owners.listed(pattern.strip("/"))
            whose = f": it belongs to {', '.join(owner.text for owner in owners)}" if owners else ""
            problems.append(f"--files {pattern} matches no untracked file{whose}.")
        chosen |= matching
    if problems:
        raise UsageError("\n    ".join(problems))
    return sorted(chosen)


def _matching(pattern: str, paths: Collection[str]) -> set[str]:
    files = {path: DiskFile(path, "file", 0, 0, 0) for path in paths}
    return set(excluded(files, check_filters([("exclude", pattern)])))


def _files(environment: Environment, paths: Sequence[str]) -> dict[str, DiskFile]:
    """The files as they lie there; those that are no files, such as sockets, were warned of."""
    files = {}
    for path in paths:
        file = environment.files.get(path)
        if file is not None and file.kind != "directory":
            files[path] = file
        elif not os.path.lexists(os.path.join(environment.prefix, *path.split("/"))):
            raise FileChanged(f"{path} vanished while it was looked at. Nothing was written.")
    if not files:
        raise UsageError(f"There is nothing to make a package of: {environment.prefix} has no such files.")
    return files


def _check_projects(
    environment: Environment, files: Mapping[str, DiskFile], projects: Sequence[UntrackedProject]
) -> None:
    """Refuse projects of which the files are not all there is; raises EnvironmentFindings."""
    parts = [
        f"{project_owner(each.project).text}, installed over {', '.join(each.replaces)}"
        for each in projects
        if each.replaces and not files.keys().isdisjoint(each.files)
    ]
    told = []
    if parts:
        message = (
            "These projects were installed over conda packages, which own some of their files. Reinstall "
            "those packages, or leave the projects out:"
        )
        told.append(Finding(Severity.ERROR, message, tuple(parts)).text())
    chosen = replace(environment, files=files)
    for finding in find_editable(
        chosen, lambda path: read_bytes(os.path.join(environment.prefix, *path.split("/")))
    ):
        message = (
            "These are installed in editable mode: their code lies outside of the environment and would not "
            "be in the package. Install them without -e:"
        )
        told.append(Finding(Severity.ERROR, message, finding.paths).text())
    if told:
        raise EnvironmentFindings("\n".join(told))


def _warn_of_empty(wanted: Wanted, environment: Environment, tracked: Tracked, reporter: Reporter) -> None:
    """Tell of empty folders, if all untracked files go in: no package can have them."""
    if wanted.patterns or wanted.projects:
        return
    kept = tracked.untracked.kept_folders | tracked.installed.owners.folders()
    empty = tuple(
        path
        for path, file in environment.files.items()
        if file.kind == "directory" and path in tracked.listing.entries and path not in kept
    )
    if empty:
        message = f"{len(empty)} empty folders are left out: a package has files alone."
        reporter.warn(Finding(Severity.WARNING, message, empty).text())


# ------------------------------------------------------------------ what it says


def _kind(
    wanted: Wanted, environment: Environment, files: Mapping[str, DiskFile]
) -> tuple[Noarch | None, str | None]:
    """The kind of noarch, if it is one, and the version of the Python whose site-packages have the files."""
    folder = environment.site_packages
    python = None
    if folder is not None and any(path.startswith(f"{folder}/") for path in files):
        python = next((record.version for record in environment.records if record.name == "python"), None)
    if wanted.noarch:
        return "generic" if python is None else "python", python
    if environment.platform.subdir == "noarch":
        raise UsageError(
            f"No package in {environment.prefix} tells which platform it is for. Make a package for every "
            "platform, with --noarch."
        )
    return None, python


def _metadata(environment: Environment, projects: Sequence[UntrackedProject]) -> list[Message]:
    """What the named projects say of themselves."""
    found = []
    for each in projects:
        folder = os.path.join(environment.prefix, *each.project.metadata.split("/"))
        for path in (os.path.join(folder, name) for name in _METADATA):
            if os.path.isfile(path):
                found.append(parse_metadata(read_bytes(path).decode("utf-8", "replace")))
                break
    return found


def _depends(
    metadata: Sequence[Message],
    projects: Sequence[UntrackedProject],
    environment: Environment,
    python: str | None,
) -> Depends:
    if not metadata:
        return Depends()
    names = [each.project.name for each in projects]
    return depends_of(metadata, environment.records, names, python, environment.platform)


def _completed(
    wanted: Wanted,
    recipe: Recipe,
    environment: Environment,
    files: Mapping[str, DiskFile],
    kind: Noarch | None,
    python: str | None,
    depends: Depends,
    metadata: Sequence[Message],
) -> Recipe:
    """The recipe with what follows from the files."""
    named = {name_in(spec) for spec in recipe.depends}
    if python is not None and "python" not in named:
        specs = (python_dependency(python, kind, depends.python), *recipe.depends)
        recipe = replace(recipe, depends=specs)
    newest = max(file.mtime for file in files.values())
    return replace(
        with_depends(recipe, depends.specs),
        build=build_string(recipe.build, python, kind),
        noarch=kind,
        subdir="noarch" if kind else environment.platform.subdir,
        timestamp=newest if wanted.latest is None else wanted.latest,
        summary=recipe.summary or (said(metadata[0], "Summary") if metadata else ""),
        license=recipe.license or (said(metadata[0], "License-Expression", "License") if metadata else ""),
    )


def _as_noarch(kind: Noarch, environment: Environment, files: Mapping[str, DiskFile]) -> NoarchFiles:
    """The files as those of a noarch package; raises EnvironmentFindings with those that it cannot have."""
    heads, texts = {}, []
    for path, file in files.items():
        full = os.path.join(environment.prefix, *path.split("/"))
        heads[path] = b""
        if file.kind == "file":
            with reading(full) as content:
                heads[path] = content.read(HEAD)
            if is_entry_points(path):
                texts.append(read_bytes(full).decode("utf-8", "replace"))
    mapped, problems = to_noarch(kind, heads, environment.site_packages, environment.platform.scripts, texts)
    if problems:
        message = "It cannot be a noarch package; make one of this platform, without --noarch:"
        raise EnvironmentFindings(Finding(Severity.ERROR, message, tuple(problems)).text(len(problems)))
    return mapped


# ----------------------------------------------------------------- where it goes


def _output(wanted: Wanted, recipe: Recipe) -> AtomicFile:
    """The file to be written, which is refused before a file is read; a channel's folders are made."""
    name = f"{recipe.stem}.{wanted.package_format}"
    if wanted.channel is None:
        return AtomicFile(os.path.join(wanted.folder, name), force=wanted.force)
    path = os.path.join(wanted.channel, recipe.subdir, name)
    return AtomicFile(path, force=wanted.force or not os.path.lexists(path))


def _measured(path: str) -> tuple[int, str]:
    sha256, size = hashlib.sha256(), 0
    with reading(path) as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            size += len(block)
    return size, sha256.hexdigest()
