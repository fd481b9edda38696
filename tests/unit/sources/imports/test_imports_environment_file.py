"""The environment.yml of what is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.sources.imports.environment_file import environment_yml
from conda_pack.sources.imports.model import Versions
from conda_pack.sources.imports.needs import Needs, needs
from conda_pack.sources.imports.scanning import scan
from tests.support.properties import UNHURRIED

TEXT = """\
import yaml, sklearn.svm, own_thing, überflüssig
if x:
    import pandas
try:
    import numba
except ImportError:
    pass
(y := 1)
"""


@pytest.fixture
def found(work: Path, monkeypatch: pytest.MonkeyPatch) -> Needs:
    monkeypatch.chdir(work)
    Path("a.py").write_text(TEXT)
    return needs(scan(["a.py"]), {}, "linux-64")


def test_text(found: Needs) -> None:
    expected = """\
name: science
channels:
  - conda-forge
  - https://example.org/my channel
dependencies:
  - python >=3.8  # assignment expressions, since Python 3.8 (a.py:8)
  - pyyaml
  - scikit-learn
  # taken as they are: no package is known to bring these
  - own-thing  # own_thing: a.py:1
  # - "überflüssig"  # überflüssig: a.py:1
  # needed under a condition
  # - pandas  # pandas: a.py:3, if x
  # optional: the sources do without
  # - numba  # numba: a.py:5
"""
    text = environment_yml(found, ["conda-forge", "https://example.org/my channel"], "science")
    assert expected.replace("- https://example.org/my channel", '- "https://example.org/my channel"') == text


def test_read_as_yaml(found: Needs) -> None:
    assert yaml.safe_load(environment_yml(found, [], None)) == {
        "dependencies": ["python >=3.8", "pyyaml", "scikit-learn", "own-thing"]
    }
    with_optional = yaml.safe_load(environment_yml(found, [], None, with_optional=True))
    assert with_optional["dependencies"][4:] == ["pandas", "numba"]


@UNHURRIED
@given(
    name=st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\"), min_size=1
    ),
    channel=st.one_of(
        st.text(
            st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\"), min_size=1
        ),
        st.sampled_from(
            ["file:///srv/a", "https://example.org/t/x-y/z", "defaults", "no", "12", "a: b", "- a"]
        ),
    ),
)
def test_names_and_channels_survive(name: str, channel: str) -> None:
    empty = Needs("linux-64", (), (), (), (), (), Versions(), ())
    expected = {"name": name, "channels": [channel], "dependencies": ["python"]}
    assert expected == yaml.safe_load(environment_yml(empty, [channel], name))


def test_hostile_paths_stay_in_their_comment(work: Path) -> None:
    folder = work / "a\nname: evil\n#\udcff\x1b"
    folder.mkdir()
    (folder / "a.py").write_text("import own_thing\nif 'a\\nb: c\\x1b' in x:\n    import numpy\n")
    text = environment_yml(needs(scan([str(work)]), {}, "linux-64"), [], None)
    assert yaml.safe_load(text) == {"dependencies": ["python", "own-thing"]}
