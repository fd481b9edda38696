"""Files in folders, and small segments of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.parts import SMALL, Folder, segments_of


@pytest.fixture
def small_segments() -> Iterator[None]:
    with segments_of(SMALL):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def same_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("segments"))
