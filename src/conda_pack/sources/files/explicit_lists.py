"""``@EXPLICIT`` lists: package files by their URLs, for one platform.

conda writes them (``conda list --explicit``, ``conda export --format=explicit``), pixi (``pixi workspace
export conda-explicit-spec``) and conda-lock (``conda-lock render --kind explicit``). Hashes are read as
conda 24.9 and later do: ``#MD5``, ``#SHA256`` and ``#sha256:SHA256``.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from conda_pack.errors import UsageError
from conda_pack.sources.files.requirements import Line, read_lines
from conda_pack.sources.files.spec_lists import HEADER_PLATFORM
from conda_pack.sources.files.texts import Text, refuse
from conda_pack.sources.model import Explicit, Pinned

_MARKER = re.compile(r"^[ \t]*@EXPLICIT[ \t]*$", re.MULTILINE)
_PACKAGE = re.compile(r"(?P<location>[^#]*[^/\\#]\.(?:conda|tar\.bz2))(?:#(?P<hash>\S*))?")
_MD5 = re.compile(r"(?:md5[:=])?([0-9a-f]{32})", re.IGNORECASE)
_SHA256 = re.compile(r"(?:sha256[:=])?([0-9a-f]{64})", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
#: As conda-lock and we write them; other comments may begin with the same word.
_PIP = re.compile(r"#\s*pip\s+([^\s=@]+\s*(?:@|==).*)")
#: What the list could not tell, as conda and we write it.
_MISSING = re.compile(r"^#[ \t]*((?:no URL for|editable): .*\S)", re.MULTILINE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SUBDIR = re.compile(r"/((?:linux|osx|win|freebsd|emscripten|wasi|zos)-[a-z0-9_]+|noarch)/[^/]+$")


def is_explicit(text: Text) -> bool:
    return _MARKER.search(text.content) is not None


def read_explicit(text: Text, platforms: Sequence[str]) -> Explicit:
    """The package files of a list; relative paths are looked for from the working folder, as by conda.

    Without a header that names the platform it is that of the packages, if they have only one.
    What was left out when the list was written is told in a warning.
    Raises SourceProblem with all that is wrong, UsageError where the list is for others than ``platforms``.
    """
    packages: list[Pinned] = []
    pip: list[Line] = []
    findings: list[str] = []
    explicit = False
    for number, line in enumerate(text.content.split("\n"), 1):
        for_pip = _PIP.fullmatch(line.strip())
        content = _COMMENT.sub("", line).strip()
        if for_pip:
            pip.append(Line(for_pip[1], f"line {number}"))
        elif content == "@EXPLICIT":
            explicit = True
        elif content and not explicit:
            findings.append(f"line {number}: {content} comes before @EXPLICIT: specs and files do not mix.")
        elif content:
            packages += _package(content, number, findings)
    requirements, wrong = read_lines(pip, text.folder)
    platform = _platform(text, packages, findings)
    if not packages and not findings:
        findings.append("no package file is named after @EXPLICIT.")
    refuse(text.path, findings + wrong)
    if platform and platforms and set(platforms) != {platform}:
        others = ", ".join(asked for asked in platforms if asked != platform)
        raise UsageError(f"{text.path} lists packages for {platform}, not for {others}.")
    if missing := _MISSING.findall(text.content):
        warnings.warn(f"{text.path} lacks what it says: {'; '.join(missing)}.", UserWarning, stacklevel=2)
    return Explicit(None, platform, tuple(packages), requirements)


def _package(content: str, number: int, findings: list[str]) -> list[Pinned]:
    found = _PACKAGE.fullmatch(content)
    if found is None:
        findings.append(f"line {number}: {content} is no URL or path of a package file (.conda, .tar.bz2).")
        return []
    digest = found["hash"] or ""
    md5, sha256 = _MD5.fullmatch(digest), _SHA256.fullmatch(digest)
    if digest and not md5 and not sha256:
        findings.append(f"line {number}: {digest} is neither an MD5 nor a SHA-256.")
    url = _url(found["location"])
    return [Pinned(url, sha256[1].lower() if sha256 else None, md5[1].lower() if md5 else None)]


def _url(location: str) -> str:
    if _SCHEME.match(location):
        return location
    if re.match(r"[A-Za-z]:[\\/]", location):
        return PureWindowsPath(location).as_uri()
    return Path(os.path.abspath(os.path.expanduser(os.path.expandvars(location)))).as_uri()


def _platform(text: Text, packages: Sequence[Pinned], findings: list[str]) -> str | None:
    named = set(HEADER_PLATFORM.findall(text.content))
    subdirs = {found[1] for package in packages if (found := _SUBDIR.search(package.url))} - {"noarch"}
    platforms = sorted((named or subdirs) | subdirs)
    if len(platforms) > 1:
        findings.append(f"it is for {' and '.join(platforms)}, and a list can be for one platform only.")
    return platforms[0] if platforms else None
