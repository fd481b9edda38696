"""What is installed → texts that conda, mamba and pixi rebuild it from. Pure.

Sources: ``url_pat`` of ``conda/misc.py`` (24.7: MD5 alone; SHA-256 since 24.9, conda/conda#14048), libmamba's
``create_explicit_transaction_from_urls`` (SHA-256 only behind ``sha256:``; all else is taken for MD5) and
rattler's ``ExplicitEnvironmentSpec`` (both); the draft CEP of conda/ceps#79, after which lines are in
topological order; ``format_pip_requirement`` of conda-lock for pip's projects.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from conda_pack.model import Finding, Severity
from conda_pack.sources.exports.inventory import Inventory, Package, Project

#: What a digest is written behind, by its kind.
HASHES = {"md5": "#", "sha256": "#sha256:"}
_HEADER = (
    "# This file may be used to create an environment using:",
    "# $ conda create --name <env> --file <this file>",
)
#: The name at the beginning of a match spec; a channel may stand in front of it.
_DEPENDENCY = re.compile(r"(?:[^\s\[]*::)?([^\s<>=!~\[]+)")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.=!+/@%~-]*(?:://[A-Za-z0-9_.=!+/@%~:-]*[A-Za-z0-9_.=!+/@%~-])?")
_CHANNELED = re.compile(rf"{_PLAIN.pattern}::{_PLAIN.pattern}")
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+ @ [A-Za-z0-9+._-]+://[A-Za-z0-9_.=!+/@%~:#&-]*[A-Za-z0-9_=/]")
#: What YAML 1.1 takes for something else than a text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


# ----------------------------------------------------------------- the @EXPLICIT list


def explicit_text(inventory: Inventory, kind: str = "md5") -> str:
    """The list of exact URLs, with digests of this ``kind``, or of the other where only that is known."""
    lines = [*_HEADER, f"# platform: {_printable(inventory.platform)}", "@EXPLICIT"]
    lines += [_explicit_line(package, kind) for package in inventory.packages]
    lines += [_pip_line(project) for project in inventory.pip]
    return _joined(lines)


def explicit_warnings(inventory: Inventory) -> Iterator[str]:
    """What the list does not tell, or tells only on this machine."""
    packages, pip = inventory.packages, inventory.pip
    yield from private_warnings(inventory)
    yield from _told("Left out: no URL is recorded of {}.", (p.dist for p in packages if p.url is None))
    yield from _local(packages)
    yield from _told(
        "conda may refuse what is called otherwise than its record says: the file of {}.",
        (f"{p.dist}: {p.url}" for p in packages if p.is_misnamed),
    )
    yield from _told(
        "Nothing proves what is fetched: no digest is recorded of {}.",
        (p.dist for p in packages if p.url is not None and not (p.md5 or p.sha256)),
    )
    if pip:
        yield (
            f"What pip installed ({_count(len(pip), 'project')}) stands in comments, which conda ignores: "
            "use --yaml."
        )


def _explicit_line(package: Package, kind: str) -> str:
    if package.url is None:
        return f"# no URL for: {_printable(package.dist)}"
    digests = {"md5": package.md5, "sha256": package.sha256}
    for name in sorted(digests, key=lambda name: name != kind):
        if digests[name] is not None:
            return f"{package.url}{HASHES[name]}{digests[name]}"
    return package.url


def _pip_line(project: Project) -> str:
    if project.editable is not None:
        return f"# editable: {_printable(project.name)} ({_printable(project.editable)})"
    return f"# pip {_printable(project.requirement)}"


# ------------------------------------------------------------------ environment.yml


def yaml_text(inventory: Inventory, name: str | None = None) -> str:
    """The ``environment.yml``. Every line of it is ASCII."""
    channels = channels_of(inventory.packages)
    lines = [f"name: {_scalar(name)}"] if name is not None else []
    if channels:
        lines += ["channels:", *(f"  - {_scalar(channel)}" for channel in channels)]
    specs = sorted(_spec(package, len(channels) > 1) for package in inventory.packages)
    requirements = [project for project in inventory.pip if project.editable is None]
    lines.append("dependencies:" if specs or requirements else "dependencies: []")
    lines += [f"  - {_scalar(spec)}" for _, spec in specs]
    if requirements:
        lines += ["  - pip:", *(f"    - {_scalar(project.requirement)}" for project in requirements)]
    lines += [
        f"# editable: {_escaped(project.name)} ({_escaped(project.editable)})"
        for project in inventory.pip
        if project.editable is not None
    ]
    if inventory.variables:
        lines += ["variables:", *(f"  {_scalar(n)}: {_quoted(v)}" for n, v in inventory.variables.items())]
    return _joined(lines)


def yaml_warnings(inventory: Inventory) -> Iterator[str]:
    """What the file does not tell, or tells only on this machine."""
    packages, pip = inventory.packages, inventory.pip
    yield from private_warnings(inventory)
    yield from _told(
        "Looked for in the channels that there are, because their own is not known: {}.",
        (package.dist for package in packages if package.channel is None),
    )
    yield from _local(packages)
    yield from _told(
        "pip will look in the same place on another machine for what it installed from files: {}.",
        (project.requirement for project in pip if project.is_local),
        "project",
    )
    yield from _told(
        "Left out, because the code of editable installs is on this machine only: {}.",
        (f"{project.name} ({project.editable})" for project in pip if project.editable is not None),
        "project",
    )


def private_warnings(inventory: Inventory) -> Iterator[str]:
    """That credentials are left out."""
    private = [package.name for package in inventory.packages if package.private]
    private += [project.name for project in inventory.pip if project.private]
    yield from _told("Credentials are left out, which whoever fetches it needs, of the URL of {}.", private)


def channels_of(packages: Iterable[Package]) -> list[str]:
    """The channels: those that more packages came from first."""
    count = Counter(package.channel for package in packages if package.channel is not None)
    return sorted(count, key=lambda channel: (-count[channel], channel))


def _spec(package: Package, with_channel: bool) -> tuple[str, str]:
    """A package's name, to sort by, and its exact spec.

    Where there are several channels it says which one: with strict priority the others would not even be
    looked at, and the same build may lie in two of them.
    """
    spec = f"{package.name}={package.version}={package.build}"
    prefix = f"{package.channel}::" if with_channel and package.channel is not None else ""
    return package.name, prefix + spec


def _scalar(text: str) -> str:
    """A YAML scalar that is a text for every reader, plain where it can be."""
    is_plain = any(form.fullmatch(text) for form in (_PLAIN, _CHANNELED, _REQUIREMENT))
    return text if is_plain and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    """As in YAML's double quotes, which know the forms of Python's escapes."""
    return text.encode("unicode_escape").decode()


# ----------------------------------------------------------------------- the order


def in_order(packages: Iterable[Package]) -> list[Package]:
    """Each package after those that it depends on, else by name: mamba links them as they come.

    Where packages depend on each other, Python comes first: others need it to be linked at all.
    """
    listed = sorted(packages, key=lambda package: (package.name, package.dist))
    called: dict[str, set[int]] = {}
    for number, package in enumerate(listed):
        called.setdefault(package.name, set()).add(number)
    waiting: dict[int, set[int]] = {}
    needed_by: dict[int, list[int]] = {}
    for number, package in enumerate(listed):
        waiting[number] = set().union(*(called.get(name, ()) for name in _needed(package))) - {number}
        for other in waiting[number]:
            needed_by.setdefault(other, []).append(number)
    ready = [number for number, needed in waiting.items() if not needed]  # a heap, for it is sorted
    ordered = []
    while waiting:
        next_one = (
            heapq.heappop(ready) if ready else min(waiting, key=lambda n: (listed[n].name != "python", n))
        )
        del waiting[next_one]
        ordered.append(listed[next_one])
        for other in needed_by.get(next_one, ()):
            if other in waiting:
                waiting[other].discard(next_one)
                if not waiting[other]:
                    heapq.heappush(ready, other)
    return ordered


def _needed(package: Package) -> set[str]:
    found = (_DEPENDENCY.match(spec) for spec in package.depends)
    return {match[1] for match in found if match}


# -------------------------------------------------------------------------- telling


def _local(packages: Iterable[Package]) -> Iterator[str]:
    count = sum(package.is_local for package in packages)
    if count:
        yield f"{_count(count, 'package')} came from this machine's own files (file://), which others lack."


def _told(message: str, names: Iterable[str], noun: str = "package") -> Iterator[str]:
    """A warning in which ``{}`` stands for how many there are, and then their names."""
    listed = tuple(names)
    if listed:
        text = message.replace("{}", _count(len(listed), noun))
        yield Finding(Severity.WARNING, text, listed).text()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _printable(text: str) -> str:
    """A text on one line, harmless to a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
