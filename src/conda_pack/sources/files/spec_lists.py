"""Lists with one match spec a line: what ``conda create --file`` and ``conda list --export`` know.

pip's requirements.txt looks much the same: what tells the two apart is here as well.
"""

from __future__ import annotations

import re

from conda_pack.errors import UsageError
from conda_pack.sources.files.requirements import logical_lines, without_comment
from conda_pack.sources.files.texts import Text, refuse
from conda_pack.sources.model import PipRequirements, Specs

HEADER_PLATFORM = re.compile(r"^#[ \t]*platform:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_CONDA_HEADER = re.compile(r"^# \$ conda create ", re.MULTILINE)

_NAME = r"(?:[^\s=<>!~\[;@]+::)?[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SPEC = re.compile(rf"{_NAME}(?:\s*\[.*\]|\s*[=<>!~].*|\s+[\d*][^\s=]*(?:\s+\S+)?)?")
#: ``name=version`` and ``name=version=build``, which in such lists mean exactly that version.
_PINNED = re.compile(rf"(?P<name>{_NAME})\s*=(?P<version>[^=\s<>!~]+)(?:=(?P<build>[^=\s]+))?")
_ONLY_CONDA = re.compile(rf"[^\s=]+::|{_PINNED.pattern}$|{_NAME}\s*\[[^\]]*=.*\]|{_NAME}\s+\d")
_ONLY_PIP = re.compile(
    rf"-|(?:git|hg|svn|bzr)\+|{_NAME}\s*(?:\[[^=\]]*\]|===)|.*(?:\s--hash|\s@\s|;)|\S*\.whl$"
)
#: The builds that ``conda list --export`` gives to what pip has installed.
_BUILDS_OF_PIP = ("pypi_0", "<pip>")


def is_pip_requirements(text: Text) -> bool:
    """Whether this is pip's: by what only one of the two can have, and else by its name."""
    if HEADER_PLATFORM.search(text.content) or _CONDA_HEADER.search(text.content):
        return False
    lines = [without_comment(line) for _, line in logical_lines(text.content)]
    if any(_ONLY_PIP.match(line) for line in lines):
        return True
    return "requirements" in text.name and not any(_ONLY_CONDA.match(line) for line in lines)


def refuse_requirements(text: Text) -> Specs:
    """Raise UsageError: nothing in a requirements.txt says which Python is meant, or from where."""
    raise UsageError(
        f"{text.path} holds pip's requirements, and an environment needs a Python from conda: name it in an "
        f"environment.yml, dependencies: [python, pip, {{pip: [-r {text.name}]}}], and give that "
        "(or, if these are match specs of conda, rename it to specs.txt)."
    )


def read_spec_list(text: Text) -> Specs:
    """What such a list asks for, ``name=version`` meaning exactly that version, as for conda.

    What ``conda list --export`` tells of pip's packages becomes requirements for pip.
    Raises SourceProblem with each line that is no match spec.
    """
    conda: list[str] = []
    pip: list[str] = []
    findings: list[str] = []
    for number, line in enumerate(text.content.split("\n"), 1):
        spec = without_comment(line)
        pinned = _PINNED.fullmatch(spec)
        if pinned and pinned["build"] in _BUILDS_OF_PIP:
            pip.append(f"{pinned['name']}=={pinned['version']}")
        elif pinned:
            conda.append(" ".join(filter(None, pinned.groups())))
        elif "://" in spec and "::" not in spec:
            findings.append(f"line {number}: a list of package files needs a line @EXPLICIT before them.")
        elif spec and not _SPEC.fullmatch(spec):
            findings.append(f"line {number}: {spec} is no match spec.")
        elif spec:
            conda.append(spec)
    refuse(text.path, findings)
    return Specs(
        conda=tuple(conda),
        pip=PipRequirements(tuple(pip)),
        platforms=tuple(dict.fromkeys(HEADER_PLATFORM.findall(text.content))),
    )
