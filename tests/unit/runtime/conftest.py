"""Shells, awks, and machines with few programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.shells import AWKS, SHELLS, few_tools, need


@pytest.fixture(scope="session", params=AWKS)
def awk(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return (need("busybox"), "awk") if request.param == "busybox" else (need(request.param),)


@pytest.fixture(scope="session", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    name, *rest = SHELLS[request.param]
    return (need(name), *rest)


@pytest.fixture
def few(work: Path) -> str:
    """A PATH without a Python."""
    return few_tools(work / "tools")


@pytest.fixture
def with_python(few: str, work: Path) -> str:
    """The same PATH, with one."""
    (work / "python").mkdir()
    (work / "python/python3").symlink_to(sys.executable)
    return f"{few}:{work / 'python'}"
