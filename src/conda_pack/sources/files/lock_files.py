"""pixi.lock and conda-lock.yml, told by what is in them; rattler reads the rest."""

from __future__ import annotations

import re

from conda_pack.errors import SourceProblem, UsageError
from conda_pack.sources.files.texts import Text
from conda_pack.sources.model import Lock

#: Keys without indentation, and what is behind them in the same line: both programs write block style.
_TOP = re.compile(r"^([A-Za-z_-]+):[ \t]*['\"]?([^\s'\"#]*)", re.MULTILINE)
_PIXI = ("5", "6", "7")
_CONDA_LOCK = ("1",)


def is_lock(text: Text) -> bool:
    top = _top(text)
    return {"version", "environments"} <= top.keys() or {"metadata", "package"} <= top.keys()


def read_lock(text: Text, environment: str | None) -> Lock:
    """The lock file; raises SourceProblem for a version that cannot be read, and UsageError for an
    ``environment`` of a conda-lock.yml, which has only one.
    """
    top = _top(text)
    version = top.get("version", "")
    by_pixi = "environments" in top
    if version not in (_PIXI if by_pixi else _CONDA_LOCK):
        raise SourceProblem(
            f"{text.path} is a lock file of version {version or 'unknown'}, and those that can be read are "
            "5 to 7 of pixi and 1 of conda-lock: write it anew with a current pixi lock or conda-lock."
        )
    if environment and not by_pixi:
        raise UsageError(f"{text.path} has no environments by name: leave out --environment {environment}.")
    return Lock(name=None, path=text.path, environment=environment or "default")


def _top(text: Text) -> dict[str, str]:
    return dict(_TOP.findall(text.content))
