"""pip's requirements, as a section of an environment.yml has them and the files that it names.

The syntax is that of pip's requirements files. Only wheels are packed: what has to be built is refused.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from conda_pack.errors import CondaPackException, ToolMissing
from conda_pack.sources.files.texts import read_text
from conda_pack.sources.model import PipRequirements

_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VERSION_CONTROL = re.compile(r"(git|hg|svn|bzr)\+")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?)\s*@\s*(?P<location>\S.*)")
_LOOKS_LIKE_A_PATH = re.compile(r"[./~\\]|[A-Za-z]:[\\/]|[^;@=<>!\[\s]*[/\\]")
_HASH = re.compile(r"\s--hash[= ]\s*(\S+)")
_MARKER = re.compile(r"\s;\s*")

_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
_WITH_VALUE = {
    *_SHORT.values(),
    *("--extra-index-url", "--trusted-host", "--only-binary", "--no-binary"),
}
_FLAGS = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
_BUILD_A_WHEEL = "only wheels are packed: build one (pip wheel) and name its file."


@dataclass(frozen=True, slots=True)
class Line:
    """A line and where it is, such as ``line 7`` or ``requirements.txt, line 7``."""

    text: str
    place: str


@dataclass(slots=True)
class _Found:
    requirements: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def read_lines(lines: Iterable[Line], folder: str) -> tuple[PipRequirements, list[str]]:
    """What ``lines`` ask pip for, and what is wrong with them; paths are relative to ``folder``.

    A requirement keeps its ``--hash`` behind it, as in pip's files; ``split_hashes`` takes it off.
    Raises ToolMissing without packaging.
    """
    found = _Found()
    for line in lines:
        _read_line(line, folder, found, constrains=False, within=())
    pip = PipRequirements(tuple(found.requirements), tuple(found.options), tuple(found.constraints))
    return pip, found.findings


def split_hashes(requirement: str) -> tuple[str, tuple[str, ...]]:
    """A requirement without its hashes, and these, such as ``sha256:…``.

    >>> split_hashes("tool==1.0 --hash=sha256:12ab")
    ('tool==1.0', ('sha256:12ab',))
    """
    return _HASH.sub("", requirement).strip(), tuple(_HASH.findall(requirement))


def logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """The lines of a requirements file and their numbers, joined where they end in a backslash."""
    start, joined = 0, ""
    for number, line in enumerate(content.split("\n"), 1):
        start = start or number
        comment = line.lstrip().startswith("#")  # which ends what is joined
        if line.endswith("\\") and not comment:
            joined += line[:-1]
            continue
        yield start, f"{joined} {line}" if comment else joined + line
        start, joined = 0, ""
    if joined:
        yield start, joined


def without_comment(line: str) -> str:
    return _COMMENT.sub("", line).strip()


def _read_line(line: Line, folder: str, found: _Found, *, constrains: bool, within: tuple[str, ...]) -> None:
    text = _VARIABLE.sub(lambda name: os.environ.get(name[1], name[0]), without_comment(line.text))
    if text.startswith("-"):
        for option, value in _options(text, line.place, found.findings):
            _read_option(option, value, line.place, folder, found, constrains=constrains, within=within)
    elif text:
        requirement, wrong = _requirement(text, folder)
        if wrong:
            found.findings.append(f"{line.place}: {text}: {wrong}")
        else:
            (found.constraints if constrains else found.requirements).append(requirement)


def _options(text: str, place: str, findings: list[str]) -> Iterator[tuple[str, str]]:
    """The options of a line, by their long names, and their values."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        findings.append(f"{place}: {text}: {error}.")
        return
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if word[:2] in _SHORT:
            option, value, equals = _SHORT[word[:2]], word[2:].removeprefix("="), word[2:]
        if option in _FLAGS:
            yield option, ""
        elif option not in _WITH_VALUE:
            findings.append(f"{place}: {word} is no option that can be followed here.")
        elif not equals and not words:
            findings.append(f"{place}: {option} needs a value.")
        else:
            yield option, value if equals else words.pop(0)


def _read_option(
    option: str,
    value: str,
    place: str,
    folder: str,
    found: _Found,
    *,
    constrains: bool,
    within: tuple[str, ...],
) -> None:
    if option in ("--requirement", "--constraint"):
        constrains = constrains or option == "--constraint"
        _read_file(value, place, folder, found, constrains=constrains, within=within)
    elif option == "--editable":
        found.findings.append(f"{place}: {option} {value}: {_BUILD_A_WHEEL}")
    elif option == "--no-binary":
        found.findings.append(f"{place}: {option} {value} asks for a build, but only wheels are packed.")
    elif option == "--find-links":
        location = value if _SCHEME.match(value) else os.path.join(folder, os.path.expanduser(value))
        found.options += [option, location if _SCHEME.match(location) else os.path.normpath(location)]
    elif option != "--only-binary":  # that is the only way here
        found.options += [option, value] if value else [option]


def _read_file(
    name: str, place: str, folder: str, found: _Found, *, constrains: bool, within: tuple[str, ...]
) -> None:
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(name)))
    if _SCHEME.match(name):
        found.findings.append(f"{place}: {name} is not a file: fetch it first and name the file.")
        return
    if path in within:
        found.findings.append(f"{place}: {name} includes itself.")
        return
    try:
        text = read_text(path)
    except CondaPackException as error:
        found.findings.append(f"{place}: {error}")
        return
    for number, line in logical_lines(text.content):
        inner = Line(line, f"{name}, line {number}")
        _read_line(inner, text.folder, found, constrains=constrains, within=(*within, path))


def _requirement(text: str, folder: str) -> tuple[str, str]:
    """A requirement as it goes on, or what is wrong with it."""
    bare, hashes = split_hashes(text)
    if re.search(r"\s--", bare):
        return "", "options for builds cannot be followed, for only wheels are packed."
    named = _NAMED.fullmatch(bare)
    location, _, marker = _split_marker(named["location"] if named else bare)
    if _VERSION_CONTROL.match(location):
        return "", _BUILD_A_WHEEL
    if not _SCHEME.match(location):
        if named is None and not location.endswith(".whl") and not _LOOKS_LIKE_A_PATH.match(location):
            return _by_name(bare, hashes)
        path = os.path.normpath(os.path.join(folder, os.path.expanduser(location)))
        if path.endswith(".whl") and not os.path.isfile(path):
            return "", "there is no such file."
        location = Path(path).as_uri()
    if not urlsplit(location).path.endswith(".whl"):
        return "", _BUILD_A_WHEEL
    if hashes and not urlsplit(location).fragment:
        location += "#" + hashes[0].replace(":", "=", 1)
    if named is None and not marker:
        return location, ""
    name = named["name"] if named else os.path.basename(urlsplit(location).path).split("-")[0]
    return _valid(f"{name.strip()} @ {location}" + (f" ; {marker}" if marker else ""))


def _split_marker(location: str) -> tuple[str, str, str]:
    found = _MARKER.search(location)
    return (
        (location, "", "")
        if found is None
        else (location[: found.start()].rstrip(), ";", location[found.end() :])
    )


def _by_name(text: str, hashes: tuple[str, ...]) -> tuple[str, str]:
    requirement, wrong = _valid(text)
    return " ".join([requirement, *(f"--hash={digest}" for digest in hashes)]), wrong


def _valid(text: str) -> tuple[str, str]:
    try:
        from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    except ImportError as error:
        raise ToolMissing(
            "Reading pip's requirements needs packaging: pip install 'conda-pack[create]', "
            "or conda install packaging."
        ) from error
    try:
        Requirement(text)
    except InvalidRequirement as error:
        return "", f"is no requirement (PEP 508): {str(error).splitlines()[0]}."
    return text, ""
