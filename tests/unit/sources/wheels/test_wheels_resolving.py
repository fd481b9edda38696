"""Which wheels requirements come to, by pip and beside what conda brought; and what is said if to none."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conda_pack.errors import SourceProblem
from conda_pack.sources.model import PipRequirements, Wheel
from conda_pack.sources.wheels import Chosen, Project, Target, fetch, resolve
from tests.support.archives import Silent
from tests.support.wheels import write_wheel

LINUX = Target("linux-64", "3.11.2", glibc="2.28")
WINDOWS = Target("win-64", "3.11.2")
MACOS = Target("osx-arm64", "3.11.2")
NUMPY = {"numpy": Project("numpy", "2.4.6", source="numpy-2.4.6-py311h1_0")}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip with the settings of these tests, and no others."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def project(folder: Path, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> Path:
    lines = [f"Requires-Dist: {line}" for line in requires]
    return write_wheel(folder, name, version, {f"{name}.py": ""}, metadata=lines, tag=tag)


def found(
    work: Path,
    *requirements: str,
    target: Target = LINUX,
    installed: Mapping[str, Project] | None = None,
    options: Sequence[str] = (),
    constraints: Sequence[str] = (),
    offline: bool = True,
) -> list[Chosen]:
    """What is found in ``work/links``."""
    links = ("--find-links", str(work / "links"))
    wanted = PipRequirements(requirements, (*links, *options), tuple(constraints))
    return resolve(wanted, target, installed or {}, str(work), offline=offline, reporter=Silent())


def names(chosen: Sequence[Chosen]) -> list[str]:
    return [os.path.basename(wheel.path) for wheel in chosen]


def said(work: Path, *requirements: str, **options: object) -> list[str]:
    """Why nothing is found."""
    with pytest.raises(SourceProblem) as raised:
        found(work, *requirements, **options)  # type: ignore[arg-type]
    return str(raised.value).split("\n")


# ------------------------------------------------------------- what is found


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (LINUX, ["tool-1.0-py3-none-any.whl", "unixes-1.0-py3-none-any.whl"]),
        (MACOS, ["tool-1.0-py3-none-any.whl", "unixes-1.0-py3-none-any.whl"]),
        (WINDOWS, ["tool-1.0-py3-none-any.whl", "windowses-1.0-py3-none-any.whl"]),
    ],
)
def test_markers_are_the_targets(work: Path, target: Target, expected: list[str]) -> None:
    links = work / "links"
    requires = (
        "windowses; os_name == 'nt'",
        "unixes; sys_platform != 'win32'",
        "old; python_version < '3.11'",
    )
    project(links, "tool", "1.0", *requires)
    for name in ("windowses", "unixes"):
        project(links, name, "1.0")
    assert expected == names(found(work, "tool", "absent; platform_machine == 'none'", target=target))


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (LINUX, "cp311-cp311-manylinux_2_28_x86_64"),
        (Target("linux-64", "3.11.2", glibc="2.17"), "cp311-cp311-manylinux2014_x86_64"),
        (WINDOWS, "cp311-abi3-win_amd64"),
        (MACOS, "cp38-abi3-macosx_10_9_universal2"),
        (Target("win-64", "3.13.1", free_threaded=True), "cp313-cp313t-win_amd64"),
        (Target("linux-aarch64", "3.11.2"), "py3-none-any"),
    ],
)
def test_the_best_wheel_for_the_target_is_taken(work: Path, target: Target, tag: str) -> None:
    tags = ["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux2014_x86_64", "cp311-abi3-win_amd64"]
    tags += ["cp38-abi3-macosx_10_9_universal2", "cp313-cp313t-win_amd64", "py3-none-any"]
    for each in tags:
        project(work / "links", "tool", "1.0", tag=each)
    assert [f"tool-1.0-{tag}.whl"] == names(found(work, "tool", target=target))


def test_what_conda_brought_is_taken_into_account_and_not_brought_again(work: Path) -> None:
    """An older version of what is asked for fits it; with another numpy the newest would."""
    links = work / "links"
    project(links, "tool", "2.0", "numpy<2")
    project(links, "tool", "1.0", "numpy>=2", "helper")
    project(links, "helper", "1.0")
    project(links, "numpy", "1.0")
    expected = ["helper-1.0-py3-none-any.whl", "tool-1.0-py3-none-any.whl"]
    assert expected == names(found(work, "tool", installed=NUMPY))
    assert names(found(work, "tool")) == ["numpy-1.0-py3-none-any.whl", "tool-2.0-py3-none-any.whl"]


def test_what_is_there_is_no_longer_looked_for(work: Path) -> None:
    (work / "links").mkdir()
    assert found(work, "numpy>2", "NumPy; sys_platform == 'linux'", installed=NUMPY) == []


def test_the_version_of_conda_is_no_wheel_of_the_index(work: Path) -> None:
    """Though that may be better for this platform, or have a local part, and need more."""
    best = LINUX.tags()[0]
    project(work / "links", "numpy", "2.4.6", "helper", tag=f"7-{best}")
    project(work / "links", "numpy", "2.4.6+own", "helper")
    project(work / "links", "helper", "1.0")
    project(work / "links", "tool", "1.0", "numpy")
    assert names(found(work, "tool", installed=NUMPY)) == ["tool-1.0-py3-none-any.whl"]


def test_projects_that_pip_cannot_name_are_passed_over(work: Path) -> None:
    strange = [
        Project("", "1.0"),
        Project("a b", "1.0"),
        Project("old", "no version"),
        Project("odd", "1", ("?",)),
    ]
    project(work / "links", "tool", "1.0")
    assert names(found(work, "tool", installed={each.name: each for each in strange})) == [
        "tool-1.0-py3-none-any.whl"
    ]


def test_extras_of_what_conda_brought(work: Path) -> None:
    """What an extra needs is brought; what the package needs besides is conda's affair."""
    requires = ("absent", "numpy<1", "pysocks; extra == 'socks'", "numpy<2; extra == 'old'")
    installed = NUMPY | {"web": Project("web", "1.0", requires, source="web-1.0-0")}
    project(work / "links", "pysocks", "1.7")
    project(work / "links", "tool", "1.0", "web[socks]>=1")
    expected = ["pysocks-1.7-py3-none-any.whl", "tool-1.0-py3-none-any.whl"]
    assert expected == names(found(work, "tool", installed=installed))
    assert names(found(work, "web[socks]", installed=installed)) == ["pysocks-1.7-py3-none-any.whl"]
    there = "but the environment has numpy 2.4.6 from conda (numpy-2.4.6-py311h1_0)."
    conflict = f"web[old] 1.0 needs numpy<2, {there}"
    assert [conflict] == said(work, "web[old]", installed=installed)
    (work / "source").mkdir()
    line = f"source @ {(work / 'source').as_uri()} ; extra == 'own'"
    web = {"web": Project("web", "1.0", (line,), source="web-1.0-0")}
    missing = "web 1.0 needs source, which nothing brings: add it to what conda or pip is to bring."
    assert [missing] == said(work, "web[own]", installed=web)


def test_conditions_of_conda_on_what_it_did_not_bring_hold(work: Path) -> None:
    installed = {"host": Project("host", "1.0", ("plugin<2",), source="host-1.0-0")}
    for version in ("1.0", "2.0"):
        project(work / "links", "plugin", version)
    assert names(found(work, "plugin", installed=installed)) == ["plugin-1.0-py3-none-any.whl"]


def test_constraints_and_options_hold(work: Path) -> None:
    for version in ("1.0", "2.0", "3.0rc1"):
        project(work / "links", "tool", version)
    assert names(found(work, "tool")) == ["tool-2.0-py3-none-any.whl"]
    assert names(found(work, "tool", constraints=["tool<2"])) == ["tool-1.0-py3-none-any.whl"]
    assert names(found(work, "tool", options=["--pre"])) == ["tool-3.0rc1-py3-none-any.whl"]


def test_what_was_asked_for_is_marked(work: Path) -> None:
    path = project(work / "else where --pre", "tool", "1.0", "helper", "helper; extra == 'more'")
    project(work / "links", "helper", "1.0")
    hashed = f"{path} --hash=sha256:{sha256(path)}"
    places = [str(path), path.as_uri(), f"tool @ {path.as_uri()}", f"{path}[more]", f"{path.as_uri()}[more]"]
    (problem,) = said(work, hashed)  # for then helper has to have one
    assert problem == "Where one requirement has a --hash, all have to, and == one version: helper does not."
    for line in places:
        chosen = found(work, line)
        urls = [("helper-1.0-py3-none-any.whl", False), ("tool-1.0-py3-none-any.whl", True)]
        assert urls == [(os.path.basename(wheel.path), wheel.requested) for wheel in chosen]


def test_hashes_hold(work: Path) -> None:
    """Though what conda brought has none."""
    path = project(work / "links", "tool", "1.0", "numpy")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    line = f"tool==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{digest}"
    assert [path.name] == names(found(work, line, "numpy==2.4.6 --hash=sha256:ff", installed=NUMPY))
    expected = (
        f"tool==1.0 does not have the sha256 that is asked for: it should be {'0' * 64} and is {digest}."
    )
    assert [expected] == said(work, f"tool==1.0 --hash=sha256:{'0' * 64}", installed=NUMPY)
    project(work / "links", "other", "1.0")
    expected = "Where one requirement has a --hash, all have to, and == one version: other does not."
    assert [expected] == said(work, line, "other==1.0", installed=NUMPY)


def test_the_users_pip_settings_hold(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(work / "settings", "tool", "1.0")
    (work / "pip.conf").write_text(f"[global]\nfind-links = {path.parent}\nrequire-virtualenv = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(work / "pip.conf"))
    monkeypatch.setenv("PIP_TARGET", str(work / "nowhere"))
    assert [path.name] == names(found(work, "tool"))


# ------------------------------------------------------------- what is not


def test_all_that_has_no_wheel_is_told(work: Path) -> None:
    links = work / "links"
    project(links, "tool", "1.0")
    for version in ("1.0", "2.0"):
        project(links, "other", version)
    project(links, "compiled", "1.0", tag="cp311-cp311-win_amd64")
    (links / "source-1.0.tar.gz").write_bytes(b"")
    expected = [
        "absent has no wheel for osx-arm64 and Python 3.11: only wheels are packed.",
        "compiled has no wheel for osx-arm64 and Python 3.11: only wheels are packed.",
        "source has no wheel for osx-arm64 and Python 3.11: only wheels are packed.",
        "other>=3 has no wheel for osx-arm64 and Python 3.11: there are 1.0, 2.0; only wheels are packed.",
    ]
    assert expected == said(work, "absent", "tool", "compiled", "source", "other>=3", target=MACOS)


def test_who_needs_what_has_no_wheel_is_told(work: Path) -> None:
    project(work / "links", "tool", "1.0", "absent>2")
    expected = "absent>2 (needed by tool) has no wheel for win-64 and Python 3.11: only wheels are packed."
    assert [expected] == said(work, "tool", target=WINDOWS)


def test_conflicts_with_what_conda_brought(work: Path) -> None:
    project(work / "links", "tool", "1.0", "numpy<2")
    project(work / "links", "numpy", "1.0")
    there = "but the environment has numpy 2.4.6 from conda (numpy-2.4.6-py311h1_0)."
    assert [f"tool 1.0 needs numpy<2, {there}"] == said(work, "tool", installed=NUMPY)
    assert [f"numpy<2 is asked for, {there}"] == said(work, "numpy<2", installed=NUMPY)


def test_conflicts_among_wheels(work: Path) -> None:
    project(work / "links", "one", "1.0", "common<2")
    project(work / "links", "two", "1.0", "common>=2")
    for version in ("1.0", "2.0"):
        project(work / "links", "common", version)
    expected = "No versions fit together: one 1.0 needs common<2, two 1.0 needs common>=2."
    assert [expected] == said(work, "one", "two")


def test_only_wheels_and_requirements_are_taken(work: Path) -> None:
    (work / "links").mkdir()
    lines = [
        "tool @ git+https://example.invalid/tool",
        "https://example.invalid/tool-1.0.tar.gz",
        "-e .",
        "a b",
    ]
    expected = [
        f"{lines[0]!r} leads to no wheel: only wheels are packed. Build a wheel of it first.",
        f"{lines[1]!r} leads to no wheel: only wheels are packed. Build a wheel of it first.",
    ]
    problems = said(work, *lines, offline=False)
    assert expected == problems[:2]
    for line, problem in zip(lines[2:], problems[2:], strict=True):
        assert problem.startswith(f"{line!r} is neither a requirement (PEP 508: "), problem


def test_nothing_is_built(work: Path) -> None:
    """Not even where a wheel's metadata leads to a project: its code would run."""
    source = work / "source"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(work / 'ran')!r}, 'w')\n")
    project(work / "links", "tool", "1.0", f"source @ {source.as_uri()}")
    (problem,) = said(work, "tool")
    told = f"{source.as_uri()} is no wheel: only wheels are packed. Build one of it first."
    assert (problem.endswith(told), (work / "ran").exists()) == (True, False)


def test_without_a_network_it_is_said(work: Path) -> None:
    options = ["--index-url", "http://127.0.0.1:9/simple", "--retries", "1"]
    (work / "links").mkdir()
    expected = (
        "The package index could not be reached (127.0.0.1): look at the network and at pip config list, "
        "or take wheels of this machine with --find-links and --offline."
    )
    assert [expected] == said(work, "tool", options=options, offline=False)


def test_offline_asks_no_network(work: Path) -> None:
    project(work / "links", "tool", "1.0")
    options = ["--index-url", "http://127.0.0.1:9/simple"]
    assert names(found(work, "tool", options=options)) == ["tool-1.0-py3-none-any.whl"]
    line = "https://example.invalid/tool-1.0-py3-none-any.whl"
    assert [f"'{line}' is not on this machine: go online, or give the path of its wheel."] == said(work, line)


# ------------------------------------------------------------- as pip resolves

_NAMES = ("aa", "bb", "cc", "dd")
_VERSIONS = ("1.0", "2.0")
_CONDITIONS = ("", "", "<2", ">=2", "==1.0")
_PLATFORMS = ("", "", "linux", "win32")
_requirement = st.tuples(st.sampled_from(_NAMES), st.sampled_from(_CONDITIONS), st.sampled_from(_PLATFORMS))
_index = st.dictionaries(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VERSIONS)),
    st.lists(_requirement, max_size=3),
    min_size=3,
    max_size=8,
)


def _line(requirement: tuple[str, str, str], swapped: bool) -> str:
    name, condition, platform = requirement
    if swapped:
        platform = {"linux": "win32", "win32": "linux"}.get(platform, platform)
    return f"{name}{condition}" + (f"; sys_platform == '{platform}'" if platform else "")


def _pips(links: Path, lines: Sequence[str], constraints: Path) -> set[tuple[str, str]] | None:
    """What pip itself would install on this machine; None for nothing."""
    words = ["install", "--dry-run", "--quiet", "--ignore-installed", "--no-index", "--report", "-"]
    command = [sys.executable, "-m", "pip", *words, "--find-links", links, "-c", constraints, *lines]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    items = json.loads(done.stdout)["install"]
    return {(item["metadata"]["name"], item["metadata"]["version"]) for item in items}


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    index=_index,
    asked=st.lists(_requirement, min_size=1, max_size=3),
    there=st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_VERSIONS), max_size=1),
    target=st.sampled_from([LINUX, WINDOWS]),
)
def test_what_is_found_is_what_pip_finds(
    work_root: Path,
    index: Mapping[tuple[str, str], Sequence[tuple[str, str, str]]],
    asked: Sequence[tuple[str, str, str]],
    there: Mapping[str, str],
    target: Target,
) -> None:
    """pip on this machine, where the markers of one platform say the other's name.

    What conda brought is a wheel without requirements there, and constrained.
    """
    work = work_root / f"resolving-{os.urandom(4).hex()}"
    swapped = target is WINDOWS
    for (name, version), requires in index.items():
        project(work / "links", name, version, *(_line(each, swapped=False) for each in requires))
        project(work / "theirs", name, version, *(_line(each, swapped) for each in requires))
    for name, version in there.items():
        project(work / "theirs", name, version)
    (work / "constraints.txt").write_text("".join(f"{name}=={version}\n" for name, version in there.items()))
    expected = _pips(work / "theirs", [_line(each, swapped) for each in asked], work / "constraints.txt")
    installed = {
        name: Project(name, version, source=f"{name}-{version}-0") for name, version in there.items()
    }
    lines = [_line(each, swapped=False) for each in asked]
    if expected is None:
        assert said(work, *lines, target=target, installed=installed) != []
        return
    chosen = found(work, *lines, target=target, installed=installed)
    ours = {tuple(name.split("-")[:2]) for name in names(chosen)}
    assert {each for each in expected if each[0] not in there} == ours


# ------------------------------------------------------------- wheels of locks


@pytest.fixture
def server(work: Path) -> Iterator[str]:
    """The URL of ``work/served``."""
    (work / "served").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=work / "served")) as own:
        thread = threading.Thread(target=own.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{own.server_port}"
        own.shutdown()
        thread.join()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetched(work: Path, *wheels: Wheel, target: Target = WINDOWS, offline: bool = False) -> list[Chosen]:
    return fetch(wheels, target, str(work), offline=offline, reporter=Silent())


def test_wheels_come_from_wherever_they_are(work: Path, server: str) -> None:
    """In their order, as they are, and told as nobody's URL."""
    tags = "cp311-cp311-win_amd64"
    remote = [
        project(work / "served", name, "1.0+own", "absent", tag=tags) for name in ("one", "two", "three")
    ]
    local = [project(work / "local files", name, "1.0", "absent") for name in ("four", "five")]
    paths = [*remote, *local]
    locations = [
        *(f"{server}/{remote[0].name}", f"{server}/{remote[1].name.replace('+', '%2B')}"),
        f"{server}/{remote[2].name}#sha256={sha256(remote[2])}",
        *(str(local[0]), local[1].as_uri()),
    ]
    digests = [sha256(remote[0]), sha256(remote[1]).upper(), None, sha256(local[0]), None]
    chosen = fetched(work, *map(Wheel, locations, digests))
    assert [path.name for path in paths] == names(chosen)
    assert [sha256(path) for path in paths] == [sha256(Path(wheel.path)) for wheel in chosen]
    assert {("", False)} == {(wheel.url, wheel.requested) for wheel in chosen}


def test_what_is_not_what_was_locked_is_told(work: Path, server: str) -> None:
    remote, local = project(work / "served", "one", "1.0"), project(work / "local", "two", "1.0")
    other = project(work / "served", "other", "1.0")
    places = [f"{server}/{remote.name}", str(local), str(work / "gone-1.0-py3-none-any.whl")]
    places += [f"{server}/{other.name}"]
    expected = [
        f"{places[0]} is not what was locked: its sha256 should be {'0' * 64} and is {sha256(remote)}.",
        f"{places[1]} is not what was locked: its sha256 should be {'0' * 64} and is {sha256(local)}.",
        f"{places[2]} cannot be read: No such file or directory.",
        f"{places[3]} is not what was locked: its sha256 should be {'0' * 64} and is {sha256(other)}.",
    ]
    with pytest.raises(SourceProblem) as raised:
        fetched(work, *(Wheel(place, "0" * 64) for place in places))
    assert expected == str(raised.value).split("\n")


def test_what_no_lock_may_hold_is_told(work: Path) -> None:
    places = ["./project", "https://example.invalid/a-1.0.tar.gz", "git+https://example.invalid/a"]
    places += ["https://example.invalid/a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl"]
    no_wheel = "is no wheel: only wheels are packed. Build one of it, and lock that."
    expected = [
        *(f"{place} {no_wheel}" for place in places[:3]),
        "a-1.0-py3-none-any.whl is locked twice.",
        f"{places[3]} is not on this machine: go online to fetch it.",
    ]
    with pytest.raises(SourceProblem) as raised:
        fetched(work, *map(Wheel, places), offline=True)
    assert expected == str(raised.value).split("\n")


def test_wheels_that_cannot_be_fetched_are_told(work: Path, server: str) -> None:
    path = project(work / "served", "one", "1.0", tag="cp311-cp311-win_amd64")
    with pytest.raises(SourceProblem) as raised:
        fetched(work, Wheel(f"{server}/{path.name}"), target=LINUX)
    assert f"{path.name} is not for linux-64 and Python 3.11: take a wheel that is." == str(raised.value)
    with pytest.raises(SourceProblem, match=r"404.*File not found"):
        fetched(work, Wheel(f"{server}/gone-1.0-py3-none-any.whl"))
