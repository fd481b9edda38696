"""What is installed → @EXPLICIT lists and environment.yml files, as those who read them understand them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rattler.explicit_environment import ExplicitEnvironmentSpec
from rattler.match_spec import MatchSpec

from conda_pack.sources.exports.exporting import (
    channels_of,
    explicit_text,
    explicit_warnings,
    in_order,
    yaml_text,
    yaml_warnings,
)
from conda_pack.sources.exports.inventory import Inventory, Package, Project, package_of, project_of
from tests.support.properties import UNHURRIED
from tests.support.records import record

MD5, SHA256 = "0123456789abcdef" * 2, "fedcba9876543210" * 4
FORGE = "https://conda.anaconda.org/conda-forge"

#: How conda up to 24.7 reads a line (``url_pat`` of conda/misc.py), and how the draft of conda/ceps#79 does.
CONDA_24_7 = re.compile(
    r"(?:(?P<url_p>.+)(?:[/\\]))?(?P<fn>[^/\\#]+(?:\.tar\.bz2|\.conda))(:?#(?P<md5>[0-9a-f]{32}))?$"
)
CEP = re.compile(
    r"(?:(?P<url_p>.+)(?:[/\\]))?(?P<fn>[^/\\#]+(?:\.tar\.bz2|\.conda))"
    r"(?:#((?P<md5>[0-9a-f]{32})|((sha256:)?(?P<sha256>[0-9a-f]{64}))))?$"
)


def package(name: str, *depends: str, **facts: Any) -> Package:
    """Version 1.0 of a package of conda-forge."""
    given: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "build": "0",
        "subdir": "linux-64",
        "channel": "conda-forge",
        "url": f"{FORGE}/linux-64/{name}-1.0-0.conda",
        "md5": MD5,
        "sha256": SHA256,
        "depends": list(depends),
    }
    return Package(**{**given, **facts})


def inventory(*packages: Package, pip: Sequence[Project] = (), **facts: Any) -> Inventory:
    return Inventory("linux-64", list(packages), list(pip), **facts)


def entries(text: str) -> list[str]:
    """The lines of a list that are not comments."""
    lines = text.splitlines()
    return [line for line in lines[lines.index("@EXPLICIT") + 1 :] if not line.startswith("#")]


SOME = inventory(
    package("python", version="3.11.2"),
    package("numpy", md5=None),
    package("old", sha256=None, url=f"{FORGE}/linux-64/old-1.0-0.tar.bz2"),
    package("bare", md5=None, sha256=None),
    package("mine", url=None),
    pip=[
        Project("plain", "2.0", "plain==2.0"),
        Project("tool", "1.0", "tool==1.0", editable="/home/me/tool"),
        Project("wheel", "3", f"wheel @ https://host/wheel-3-py3-none-any.whl#sha256={SHA256}"),
    ],
    variables={"B": "two words", "Y": "yes"},
)


# ------------------------------------------------------------------------- the list


@pytest.mark.parametrize(
    ("kind", "numpy", "old"),
    [("md5", f"#sha256:{SHA256}", f"#{MD5}"), ("sha256", f"#sha256:{SHA256}", f"#{MD5}")],
)
def test_the_list(kind: str, numpy: str, old: str) -> None:
    """As conda writes it, with the digest that is asked for, or the one that there is."""
    python = f"#{MD5}" if kind == "md5" else f"#sha256:{SHA256}"
    expected = f"""\
# This file may be used to create an environment using:
# $ conda create --name <env> --file <this file>
# platform: linux-64
@EXPLICIT
{FORGE}/linux-64/python-1.0-0.conda{python}
{FORGE}/linux-64/numpy-1.0-0.conda{numpy}
{FORGE}/linux-64/old-1.0-0.tar.bz2{old}
{FORGE}/linux-64/bare-1.0-0.conda
# no URL for: mine-1.0-0
# pip plain==2.0
# editable: tool (/home/me/tool)
# pip wheel @ https://host/wheel-3-py3-none-any.whl#sha256={SHA256}
"""
    assert expected == explicit_text(SOME, kind)


def test_what_the_list_does_not_tell() -> None:
    expected = [
        "Left out: no URL is recorded of 1 package.\n    mine-1.0-0",
        "conda may refuse what is called otherwise than its record says: the file of 1 package.\n"
        f"    python-3.11.2-0: {FORGE}/linux-64/python-1.0-0.conda",
        "Nothing proves what is fetched: no digest is recorded of 1 package.\n    bare-1.0-0",
        "What pip installed (3 projects) stands in comments, which conda ignores: use --yaml.",
    ]
    assert expected == list(explicit_warnings(SOME))
    local = inventory(
        package("a", url="file:///c/linux-64/a-1.0-0.conda", private=True),
        package("b", url="file:///c/linux-64/b-1.0-0.conda"),
    )
    expected = [
        "Credentials are left out, which whoever fetches it needs, of the URL of 1 package.\n    a",
        "2 packages came from this machine's own files (file://), which others lack.",
    ]
    assert expected == list(explicit_warnings(local))
    assert list(explicit_warnings(inventory(package("a")))) == []


#: What records may hold: anything at all.
ANYTHING = st.text(max_size=12)
NAMES = st.from_regex(r"[a-z_0-9][a-z0-9_.-]{0,8}", fullmatch=True)
URL_PATHS = st.text(st.characters(codec="utf-8", exclude_characters="/?#\\"), min_size=1, max_size=8)
URLS = st.builds(
    "{}://{}/{}/linux-64/{}-1-0{}".format,
    st.sampled_from(["https", "http", "s3"]),
    st.sampled_from(["host", "host:8080", "[::1]"]),
    URL_PATHS.filter(lambda path: path not in (".", "..") and path.strip(". ") == path),
    NAMES,
    st.sampled_from([".conda", ".tar.bz2"]),
)
DIGESTS = {
    "md5": st.none() | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    "sha256": st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
}
RECORDED = st.builds(
    package_of,
    st.builds(record, NAMES, url=URLS, **DIGESTS) | st.builds(record, ANYTHING, url=ANYTHING, **DIGESTS),
)


@given(st.lists(RECORDED, max_size=5), st.sampled_from(["md5", "sha256"]))
@UNHURRIED
def test_every_reader_has_back_what_was_written(packages: list[Package], kind: str) -> None:
    """rattler's parser and the CEP's regular expression, whatever the records hold."""
    text = explicit_text(inventory(*packages), kind)
    written = [package for package in packages if package.url is not None]
    lines = entries(text)
    assert len(written) == len(lines)
    for package, line in zip(written, lines, strict=True):
        match = CEP.fullmatch(line)
        assert match is not None
        assert package.url == f"{match['url_p']}/{match['fn']}"
        digests = {"md5": package.md5, "sha256": package.sha256}
        told = digests[kind] or package.md5 or package.sha256
        assert told == (match["md5"] or match["sha256"])
        assert line.isascii()
        if kind == "md5" and package.md5 is not None:
            old = CONDA_24_7.fullmatch(line)
            assert old is not None
            assert package.md5 == old["md5"]
    parsed = ExplicitEnvironmentSpec.from_str(text)
    assert str(parsed.platform) == "linux-64"
    assert lines == [unquoted_as(line, entry.url) for line, entry in zip(lines, parsed.packages, strict=True)]


def unquoted_as(line: str, url: str) -> str:
    """The line, if the URL is the same but for what each of them writes as %XX."""
    return line if unquote(line) == unquote(url) else url


# --------------------------------------------------------------------- environment.yml


def test_the_yaml() -> None:
    expected = f"""\
name: science
channels:
  - conda-forge
dependencies:
  - bare=1.0=0
  - mine=1.0=0
  - numpy=1.0=0
  - old=1.0=0
  - python=3.11.2=0
  - pip:
    - plain==2.0
    - wheel @ https://host/wheel-3-py3-none-any.whl#sha256={SHA256}
# editable: tool (/home/me/tool)
variables:
  B: "two words"
  "Y": "yes"
"""
    assert expected == yaml_text(SOME, "science")
    told = ["Left out, because the code of editable installs is on this machine only: 1 project."]
    assert told == [warning.splitlines()[0] for warning in yaml_warnings(SOME)]


def test_several_channels() -> None:
    """Each spec tells its own: those with the most packages come first."""
    other = "https://host/c"
    packages = [
        package("a", channel=other),
        package("b"),
        package("c", channel=None, url=None),
        package("d"),
        package("e", channel="bioconda"),
    ]
    found = yaml.safe_load(yaml_text(inventory(*packages)))
    expected = {
        "channels": ["conda-forge", "bioconda", other],
        "dependencies": [
            f"{other}::a=1.0=0",
            "conda-forge::b=1.0=0",
            "c=1.0=0",
            "conda-forge::d=1.0=0",
            "bioconda::e=1.0=0",
        ],
    }
    assert expected == found
    assert [text.split()[-1] for text in yaml_warnings(inventory(*packages))] == ["c-1.0-0"]


def test_nothing_installed() -> None:
    assert yaml.safe_load(yaml_text(inventory())) == {"dependencies": []}
    text = yaml_text(inventory(pip=[Project("tool", "1.0", "tool==1.0", editable="/home/me/tool")]))
    assert yaml.safe_load(text) == {"dependencies": []}  # an empty list of pip's is an error to some


PROJECTS = st.builds(Project, ANYTHING, ANYTHING, ANYTHING, st.none() | ANYTHING)
PACKAGES = st.builds(
    package, ANYTHING, version=ANYTHING, build=ANYTHING, channel=st.none() | ANYTHING.filter(bool)
)


@given(
    st.lists(PACKAGES, max_size=4),
    st.lists(PROJECTS, max_size=3),
    st.dictionaries(ANYTHING, ANYTHING, max_size=3),
    st.none() | ANYTHING,
)
@UNHURRIED
def test_yaml_says_what_is_meant(
    packages: list[Package], pip: list[Project], variables: dict[str, str], name: str | None
) -> None:
    """No text is taken for a number, a comment or a structure, whatever its characters."""
    text = yaml_text(inventory(*packages, pip=pip, variables=variables), name)
    assert text.isascii()
    found = yaml.safe_load(text)
    specs = [spec for spec in found["dependencies"] if not isinstance(spec, dict)]
    assert sorted(f"{p.name}={p.version}={p.build}" for p in packages) == sorted(
        spec.removeprefix(prefix_of(spec, packages)) for spec in specs
    )
    [required] = [spec["pip"] for spec in found["dependencies"] if isinstance(spec, dict)] or [[]]
    assert [project.requirement for project in pip if project.editable is None] == required
    assert (name, variables) == (found.get("name"), found.get("variables", {}))
    assert {package.channel for package in packages} - {None} == set(found.get("channels", ()))


def prefix_of(spec: str, packages: list[Package]) -> str:
    """The channel in front of a spec, if there are several."""
    if len(channels_of(packages)) < 2:
        return ""
    known = {f"{p.channel}::{p.name}={p.version}={p.build}": f"{p.channel}::" for p in packages if p.channel}
    return known.get(spec, "")


@pytest.mark.parametrize(
    "channel", ["conda-forge", "conda-forge/label/dev", "https://h:80/c", "file:///c%20d"]
)
def test_specs_are_what_rattler_reads(channel: str) -> None:
    packages = [package("a", version="1!2.0+local", channel=channel), package("b", channel="other")]
    spec = MatchSpec(yaml.safe_load(yaml_text(inventory(*packages)))["dependencies"][0])
    read = (str(spec.name).split('"')[1], spec.version, spec.build, spec.channel and spec.channel.base_url)
    base = channel if "://" in channel else f"https://conda.anaconda.org/{channel}"
    assert ("a", "==1!2.0+local", "0", f"{base}/") == read


# --------------------------------------------------------------------------- the order


GRAPHS = st.dictionaries(
    st.sampled_from(["python", *"abcdefgh"]), st.lists(st.sampled_from([*"abcdefgh", "python", "__unix"]))
)
SPECS = ("{}", "{} >=1.0", "{}>=1.0,<2", "{} 1.0 0", "conda-forge::{}", "{}[version='>=1']")


@given(GRAPHS, st.randoms(use_true_random=False))
@UNHURRIED
def test_dependencies_come_first(graph: dict[str, list[str]], by_chance: random.Random) -> None:
    """Wherever they do not go round in circles; and the order they are found in does not matter."""
    packages = [
        package(name, *(by_chance.choice(SPECS).format(other) for other in needed))
        for name, needed in graph.items()
    ]
    ordered = in_order(packages)
    by_chance.shuffle(packages)
    assert ordered == in_order(packages)
    assert sorted(packages, key=lambda each: each.name) == sorted(ordered, key=lambda each: each.name)
    place = {each.name: number for number, each in enumerate(ordered)}

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        new = set(graph[name])
        while new:
            found |= new
            new = {other for each in new for other in graph.get(each, ())} - found
        return found

    in_circles = any(name in reached(name) for name in graph)
    late = [
        (name, other)
        for name, needed in graph.items()
        for other in needed
        if other in graph and place[other] > place[name]
    ]
    assert in_circles or late == []


def test_ties_are_in_order_of_name() -> None:
    packages = [package("z"), package("b", "z"), package("a", "z >=1"), package("c")]
    assert [each.name for each in in_order(packages)] == ["c", "z", "a", "b"]


def test_python_and_pip_depend_on_each_other() -> None:
    """Since conda adds pip to what Python needs; Python must be there to link pip."""
    packages = [package("pip", "python"), package("attrs", "python >=3.8"), package("python", "zlib", "pip")]
    names = [each.name for each in in_order([*packages, package("zlib")])]
    assert names == ["zlib", "python", "attrs", "pip"]


def test_a_package_that_depends_on_itself() -> None:
    assert [each.name for each in in_order([package("a", "b"), package("b", "b")])] == ["b", "a"]


def test_nothing_is_lost_of_two_records_with_one_name() -> None:
    packages = [package("a", version="1"), package("a", version="2"), package("0", "a")]
    assert [each.version for each in in_order(packages)] == ["1", "2", "1.0"]


def test_a_long_chain() -> None:
    names = [f"p{number:05}" for number in range(5000)]
    chain = [package(name, other) for name, other in pairwise(names)]
    assert names[-2::-1] == [each.name for each in in_order(chain)]


# --------------------------------------------------------------------- what is recorded


@pytest.mark.parametrize(
    ("url", "recorded", "expected"),
    [
        (f"{FORGE}/linux-64/a-1-0.conda", "", ("conda-forge", f"{FORGE}/linux-64/a-1-0.conda", False)),
        (f"{FORGE}/noarch/a-1-0.conda", "", ("conda-forge", f"{FORGE}/noarch/a-1-0.conda", False)),
        (
            "https://conda.anaconda.org/me/label/dev/linux-64/a-1-0.conda#0123",
            "",
            ("me/label/dev", "https://conda.anaconda.org/me/label/dev/linux-64/a-1-0.conda", False),
        ),
        (
            "https://me:p%40ss@host:8080/c/linux-64/a-1-0.tar.bz2",
            "",
            ("https://host:8080/c", "https://host:8080/c/linux-64/a-1-0.tar.bz2", True),
        ),
        (
            "https://host/t/tk-1-2/c/noarch/a-1-0.conda",
            "",
            ("https://host/c", "https://host/c/noarch/a-1-0.conda", True),
        ),
        (
            "https://host/c/noarch/a-1-0.conda?signature=x",
            "",
            ("https://host/c", "https://host/c/noarch/a-1-0.conda", True),
        ),
        (
            "file:///t/my channel/linux-64/a-1-0.conda",
            "",
            ("file:///t/my%20channel", "file:///t/my%20channel/linux-64/a-1-0.conda", False),
        ),
        (
            "file:///a/t/mine/linux-64/a-1-0.conda",
            "",
            ("file:///a/t/mine", "file:///a/t/mine/linux-64/a-1-0.conda", False),
        ),
        ("file:///tmp/a-1-0.conda", "conda-forge", (None, "file:///tmp/a-1-0.conda", False)),
        ("", "conda-forge", ("conda-forge", None, False)),
        ("", "https://host/c/linux-64", ("https://host/c", None, False)),
        ("", f"{FORGE}/", ("conda-forge", None, False)),
        ("", "https://u:p@host/t/tk-1-2", ("https://host", None, True)),
        ("", "<unknown>", (None, None, False)),
        ("", "", (None, None, False)),
        ("<unknown>/a-1-0.conda", "<unknown>", (None, None, False)),
        ("https://host/c/linux-64/a-1-0.zip", "", (None, None, False)),
    ],
)
def test_where_packages_come_from(
    url: str, recorded: str, expected: tuple[str | None, str | None, bool]
) -> None:
    found = package_of(record("a", url=url, channel=recorded))
    assert expected == (found.channel, found.url, found.private)


@pytest.mark.parametrize("md5", ["", "0" * 31, "G" * 32, MD5.upper(), MD5 + "\n"])
def test_a_digest_that_is_none(md5: str) -> None:
    """It would make the whole list unreadable."""
    assert package_of(record("a", md5=md5, sha256=md5 * 2)).md5 is None


def test_the_user_of_ssh_is_part_of_the_address() -> None:
    document = {"url": "ssh://git:secret@host:22/w", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    expected = Project("w", "1", "w @ git+ssh://git@host:22/w@abc", private=True)
    assert expected == project_of("w", "1", json.dumps(document).encode())


SECRETS = st.from_regex(r"[A-Za-z0-9-]{6,10}secret", fullmatch=True)


@given(SECRETS, SECRETS, SECRETS, SECRETS)
@UNHURRIED
def test_no_secret_gets_out(user: str, password: str, token: str, query: str) -> None:
    """Of packages and of projects, in any form."""
    place = f"https://{user}:{password}@host/t/{token}/channel"
    secret = package_of(record("a", url=f"{place}/linux-64/a-1-0.conda?x={query}"))
    other = package_of(record("b", url="", channel=place))
    direct = json.dumps({"url": f"{place}/w-1-py3-none-any.whl?x={query}", "archive_info": {}}).encode()
    vcs = {"vcs": "git", "commit_id": "abc"}
    cloned = json.dumps({"url": f"https://{user}:{password}@host/w", "vcs_info": vcs}).encode()
    pip = [project_of("w", "1", direct), project_of("v", "1", cloned)]
    whole = inventory(secret, other, pip=pip)
    texts = [explicit_text(whole), yaml_text(whole), msgspec.json.encode(whole).decode()]
    texts += [*explicit_warnings(whole), *yaml_warnings(whole)]
    assert [text for text in texts if "secret" in text] == []
    assert (secret.private, other.private, [each.private for each in pip]) == (True, True, [True] * 2)


# ------------------------------------------------------------------------ pip's projects

WHEEL = "https://host/w-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("document", "requirement"),
    [
        (None, "w==1"),
        ({"url": WHEEL, "archive_info": {}}, f"w @ {WHEEL}"),
        ({"url": WHEEL, "archive_info": {"hash": f"sha256={SHA256}"}}, f"w @ {WHEEL}#sha256={SHA256}"),
        (
            {"url": WHEEL, "archive_info": {"hashes": {"sha256": SHA256}}, "subdirectory": "a b"},
            f"w @ {WHEEL}#sha256={SHA256}&subdirectory=a%20b",
        ),
        ({"url": WHEEL, "archive_info": {"hash": f"md5={MD5}"}}, f"w @ {WHEEL}"),
        (
            {"url": "https://host/t/group/w.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "w @ git+https://host/t/group/w.git@abc",
        ),
        (
            {
                "url": "ssh://git@host/w.git",
                "vcs_info": {"vcs": "git", "requested_revision": "v1"},
                "subdirectory": "py",
            },
            "w @ git+ssh://git@host/w.git@v1#subdirectory=py",
        ),
        ({"url": "file:///home/me/my w", "dir_info": {}}, "w @ file:///home/me/my%20w"),
        ({"url": 5}, "w==1"),
        (["url"], "w==1"),
    ],
)
def test_requirements(document: Any, requirement: str) -> None:
    text = json.dumps(document).encode() if document is not None else None
    assert Project("w", "1", requirement) == project_of("W", "1", text)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"url": "\\ud800"}'])
def test_a_direct_url_that_is_none(text: bytes) -> None:
    assert Project("w", "1", "w==1") == project_of("w", "1", text)


def test_editable() -> None:
    document = {"url": "file:///home/me/my%20tool", "dir_info": {"editable": True}}
    expected = Project("my-tool", "1", "my-tool==1", "/home/me/my tool")
    assert expected == project_of("My_Tool", "1", json.dumps(document).encode())


def test_control_characters_stay_in_their_line() -> None:
    """An archive from anywhere cannot add lines to a list, or move the cursor."""
    evil = "x\n- evil\x1b[2J\u2028"
    whole = inventory(package(evil, url=None), pip=[Project(evil, "1", evil), Project("e", "", "", evil)])
    text = explicit_text(whole)
    assert entries(text) == []
    assert all(char.isprintable() or char == "\n" for char in text)
    assert [line for line in yaml_text(whole).splitlines() if line.strip().startswith("- evil")] == []
