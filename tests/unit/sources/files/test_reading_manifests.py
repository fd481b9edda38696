"""pixi.toml and pyproject.toml: what an environment wants on each platform, after pixi's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rattler import MatchSpec

from conda_pack.errors import SourceProblem, UsageError
from conda_pack.sources.files.reading import read_source
from conda_pack.sources.model import Lock, PipRequirements, Specs
from tests.support.locks import FIXTURES, lock_channel, write_lock

FROM_SOURCE = (
    "and only built packages are packed: build it, give the package or wheel with --inject, and choose an "
    "environment without it."
)


def write(
    folder: Path, content: str, name: str = "pixi.toml", *, lock: str = "version: 6\nenvironments: {}\n"
) -> Path:
    if lock:
        (folder / "pixi.lock").write_text(lock)
    (folder / name).write_text(content)
    return folder / name


def read(file: Path, environment: str | None = None, *platforms: str) -> Lock:
    lock = read_source(str(file), environment=environment, platforms=platforms)
    assert isinstance(lock, Lock)
    return lock


def conda(file: Path, environment: str | None = None, *platforms: str) -> Mapping[str, Sequence[str]]:
    return {platform: specs.conda for platform, specs in read(file, environment, *platforms).wanted.items()}


@pytest.mark.parametrize("name", ["pixi.toml", "pyproject.toml"])
def test_the_manifests_of_the_locks(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, (FIXTURES / name).read_text(), name)
    pixi = name == "pixi.toml"
    python = "python 3.11.*" if pixi else "python >=3.11,<3.12"
    idna = "idna >=3,<4" if pixi else "idna 3.20.*"
    pip = PipRequirements(("lock-tool==1.0",))
    url = ("https://channel.invalid",)
    assert read(file, "test") == Lock(
        name="locked",
        path=str(tmp_path / "pixi.lock"),
        environment="test",
        wanted={
            "linux-64": Specs(
                channels=url, conda=("iniconfig >=2", python, idna), pip=pip, platforms=("linux-64",)
            ),
            "osx-arm64": Specs(
                channels=url,
                conda=("iniconfig >=2", python, idna, "only-mac"),
                pip=pip,
                platforms=("osx-arm64",),
            ),
        },
    )
    assert conda(file) == {"linux-64": (python, idna), "osx-arm64": (python, idna, "only-mac")}
    assert read(file).environment == "default"


def test_a_folder_with_one_manifest(tmp_path: Path) -> None:
    file = write(tmp_path, (FIXTURES / "pixi.toml").read_text())
    assert read_source(str(tmp_path), environment=None, platforms=()) == read(file)


WORKSPACE = '[workspace]\nchannels = ["a"]\nplatforms = ["linux-64", "win-64", "osx-arm64"]\n'


def test_targets_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Later ones win, and so do host over run and build over host dependencies."""
    file = write(
        tmp_path,
        WORKSPACE
        + """
[dependencies]
a = "1"
b = "1"
C = "1"
[host-dependencies]
b = "2"
[build-dependencies]
b = "3"
[target.unix.dependencies]
a = "2"
[target.linux-64.dependencies]
a = "3"
[target.linux.host-dependencies]
d = "1"
[target.win.build-dependencies]
e = "1"
[target."osx-*".dependencies]
f = "1"
""",
    )
    assert conda(file) == {
        "linux-64": ("a 3", "b 3", "c 1", "d 1"),
        "win-64": ("a 1", "b 3", "c 1", "e 1"),
        "osx-arm64": ("a 2", "b 3", "c 1", "f 1"),
    }


def test_features_are_united(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        WORKSPACE
        + """
[dependencies]
a = ">=1"
[pypi-dependencies]
p = "*"
[feature.x]
platforms = ["linux-64", "win-64"]
channels = ["x", { channel = "first", priority = 1 }]
dependencies = { a = "<3", b = "*" }
target.win = { dependencies = { w = "*" }, pypi-dependencies = { P = ">=2" } }
[feature.y]
platforms = ["win-64", "osx-arm64"]
[environments]
x = ["x"]
both = { features = ["x", "y"], solve-group = "g" }
alone = { features = ["x"], no-default-feature = true }
default = ["y"]
""",
    )
    assert conda(file, "x") == {"linux-64": ("a <3", "b", "a >=1"), "win-64": ("a <3", "b", "w", "a >=1")}
    assert conda(file, "both") == {"win-64": ("a <3", "b", "w", "a >=1")}
    assert conda(file, "alone", "linux-64") == {"linux-64": ("a <3", "b")}
    assert conda(file) == {"win-64": ("a >=1",), "osx-arm64": ("a >=1",)}
    windows = read(file, "both").wanted["win-64"]
    assert windows.pip.requirements == ("P>=2", "p")
    assert windows.channels == ("first", "x", "a")
    assert read(file, "alone").wanted["win-64"].channels == ("first", "x")


def test_platforms_with_names(tmp_path: Path) -> None:
    """Two may be of one subdir: the first has its name, and each what is meant for it."""
    file = write(
        tmp_path,
        """
[project]
channels = []
platforms = [
  "linux-64",
  { name = "gpu", platform = "linux-64", cuda = "12" },
  { platform = "win-64", cuda = "12" },
]
[target.gpu.dependencies]
cuda = "*"
[target.linux.dependencies]
a = "*"
""",
    )
    assert conda(file) == {"linux-64": ("a",), "win-64": (), "gpu": ("cuda", "a")}
    assert conda(file, None, "gpu") == {"gpu": ("cuda", "a")}
    assert read(file).wanted["gpu"].platforms == ("linux-64",)


def test_a_platform_goes_by_its_subdir(tmp_path: Path) -> None:
    platforms = '[{ name = "gpu", platform = "linux-64", cuda = "12" }]'
    file = write(tmp_path, f"[workspace]\nplatforms = {platforms}\n[target.gpu.dependencies]\ncuda = '*'\n")
    assert conda(file) == conda(file, None, "linux-64") == {"linux-64": ("cuda",)}


def test_channels_by_priority(tmp_path: Path) -> None:
    ranked = (
        '{ channel = "b", priority = "?" }, { channel = "c", priority = 2 }, { channel = "d", priority = -1 }'
    )
    channels = f'["a", {ranked}]'
    file = write(tmp_path, f'[workspace]\nname = 1\nchannels = {channels}\nplatforms = ["linux-64"]\n')
    assert read(file).wanted["linux-64"].channels == ("c", "a", "b", "d")
    assert read(file).name is None


def test_every_form_of_a_dependency(tmp_path: Path) -> None:
    wheel = (tmp_path / "wheels" / "w-1.0-py3-none-any.whl").as_uri()
    file = write(
        tmp_path,
        WORKSPACE
        + """
[dependencies]
a = "*"
b = "3.10"
c = ">=1, <2"
d = { version = ">=1", build = "py*" }
e = { build = "py*", channel = "https://x.invalid/c" }
f = { version = "1.*", channel = "team", build-number = ">3", subdir = "noarch", file-name = "f" }
g = { url = "https://x.invalid/linux-64/g-1-0.conda" }
h = { path = "pkgs/h-1-0.tar.bz2", md5 = "0123456789abcdef0123456789abcdef" }
[pypi-dependencies]
i = "*"
J = ">=1,<2"
k = { version = "~=1.0", extras = ["x", "y"], env-markers = "os_name == 'nt'", index = "https://x.invalid" }
l = { url = "https://x.invalid/l-1.0-py3-none-any.whl" }
m = { path = "wheels/w-1.0-py3-none-any.whl" }
A = "*"
""",
    )
    linux = read(file).wanted["linux-64"]
    assert linux.conda == (
        *("a", "b 3.10", "c >=1,<2", "d >=1 py*", "e * py*[channel='https://x.invalid/c']"),
        "f 1.*[channel='team', subdir='noarch', build_number='>3', fn='f']",
        "g[url='https://x.invalid/linux-64/g-1-0.conda']",
        "h[md5='0123456789abcdef0123456789abcdef']",
    )
    assert linux.pip.requirements == (
        *("i", "J>=1,<2", "k[x,y]~=1.0 ; os_name == 'nt'"),
        *("l @ https://x.invalid/l-1.0-py3-none-any.whl", f"m @ {wheel}"),
    )
    parsed = [MatchSpec(spec) for spec in linux.conda]
    assert [spec.name.normalized for spec in parsed if spec.name] == list("abcdefgh")
    assert str(parsed[1].version) == "==3.10"


PYPROJECT = """
[project]
name = "My_Project"
requires-python = ">=3.10, <4"
dependencies = ["numpy>=1", "Six[x]==1 ; os_name == 'nt'"]
[project.optional-dependencies]
test = ["pytest", "my-project[more]"]
more = ["more"]
[dependency-groups]
test = ["hypothesis"]
all = [{ include-group = "test" }, "sphinx"]
[tool.pixi.workspace]
channels = ["a"]
platforms = ["linux-64"]
[tool.pixi.pypi-dependencies]
other = "*"
[tool.pixi.feature.test.dependencies]
pytest-cov = "*"
[tool.pixi.environments]
test = ["test", "more"]
all = ["all"]
"""


def test_what_pyproject_has_for_pip(tmp_path: Path) -> None:
    file = write(tmp_path, PYPROJECT, "pyproject.toml")
    default = read(file)
    assert default.name == "My_Project"
    assert default.wanted["linux-64"].conda == ("python >=3.10,<4",)
    always = ("numpy>=1", "Six[x]==1 ; os_name == 'nt'", "other")
    assert default.wanted["linux-64"].pip.requirements == always
    test = read(file, "test").wanted["linux-64"]
    assert test.conda == ("pytest-cov", "python >=3.10,<4")
    assert test.pip.requirements == ("pytest", "hypothesis", "more", *always)
    assert read(file, "all").wanted["linux-64"].pip.requirements == ("hypothesis", "sphinx", *always)


def test_what_conda_brings_pip_need_not(tmp_path: Path) -> None:
    content = PYPROJECT + '[tool.pixi.dependencies]\npython = "3.11.*"\nsix = "*"\n'
    linux = read(write(tmp_path, content, "pyproject.toml")).wanted["linux-64"]
    assert linux.conda == ("python 3.11.*", "six")
    assert linux.pip.requirements == ("numpy>=1", "other")


def test_a_pyproject_that_says_nothing_of_python(tmp_path: Path) -> None:
    content = '[project]\nname = "x"\n[tool.pixi.workspace]\nplatforms = ["linux-64"]\n'
    assert conda(write(tmp_path, content, "pyproject.toml")) == {"linux-64": ("python",)}


def test_all_that_is_built_from_source_is_named(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        WORKSPACE
        + """
[dependencies]
a = { git = "https://x.invalid/a" }
b = { path = "b" }
c = 1
[pypi-dependencies]
me = { path = ".", editable = true }
d = { git = "https://x.invalid/d", rev = "1" }
e = { url = "https://x.invalid/e-1.tar.gz" }
f = 1
[dev]
g = { path = "g" }
[feature.x.dependencies]
not-in-this = { path = "x" }
[environments]
x = { features = ["x"], no-default-feature = true }
y = ["z"]
""",
    )
    with pytest.raises(SourceProblem) as caught:
        read(file)
    assert str(caught.value).splitlines() == [
        f"{file} cannot be used:",
        f"  [dev] g: is built from source (dev), {FROM_SOURCE}",
        f"  [dependencies] a: is built from source (git https://x.invalid/a), {FROM_SOURCE}",
        f"  [dependencies] b: is built from source (path b), {FROM_SOURCE}",
        "  [dependencies] c: 1 is neither a version nor a table.",
        f"  [pypi-dependencies] me: is built from source (path .), {FROM_SOURCE}",
        f"  [pypi-dependencies] d: is built from source (git https://x.invalid/d), {FROM_SOURCE}",
        f"  [pypi-dependencies] e: is built from source (url https://x.invalid/e-1.tar.gz), {FROM_SOURCE}",
        "  [pypi-dependencies] f: 1 is neither a version nor a table.",
    ]
    with pytest.raises(SourceProblem) as caught:
        read(file, "x")
    assert (
        str(caught.value)
        == f"{file}: [dependencies] not-in-this: is built from source (path x), {FROM_SOURCE}"
    )
    with pytest.raises(SourceProblem, match="the environment y has a feature z that is not there"):
        read(file, "y")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[workspace\n",
            "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 11).",
        ),
        (
            "[dependencies]\na='*'\n",
            "is no manifest of pixi, for it has no [workspace]: name a pixi.toml, a lock",
        ),
        ("workspace = 1\n", "is no manifest of pixi, for it has no [workspace]"),
        ('[workspace]\nplatforms="linux-64"\n', "platforms must be a list ([…])."),
        (
            "dependencies = []\n[workspace]\nplatforms=['a']\n",
            "dependencies must be a table ([dependencies]).",
        ),
        ("environments = []\n[workspace]\n", "environments must be a table ([environments])."),
    ],
)
def test_what_cannot_be_read(content: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path, content)
    with pytest.raises(SourceProblem) as caught:
        read(file)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ["[project]\nname='x'\n", "[tool.black]\n", "[build-system]\n"])
def test_a_pyproject_without_pixi(content: str, tmp_path: Path) -> None:
    file = write(tmp_path, content, "pyproject.toml")
    with pytest.raises(SourceProblem) as caught:
        read(file)
    assert str(caught.value) == (
        f"{file} is no manifest of pixi, for it has no [tool.pixi.workspace]: "
        "name a pixi.toml, a lock file or an environment.yml."
    )


def test_groups_that_include_themselves(tmp_path: Path) -> None:
    content = PYPROJECT.replace('["hypothesis"]', '[{ include-group = "all" }, { include-group = "gone" }]')
    with pytest.raises(SourceProblem) as caught:
        read(write(tmp_path, content, "pyproject.toml"))
    assert [line.split("] ")[1] for line in str(caught.value).splitlines()[1:]] == [
        "test includes itself.",
        "gone is not there.",
        "all includes itself.",
    ]


def test_no_lock(tmp_path: Path) -> None:
    file = write(tmp_path, WORKSPACE, lock="")
    with pytest.raises(SourceProblem) as caught:
        read(file)
    assert str(caught.value) == f"{file} has no pixi.lock beside it: write it with pixi lock."


def test_names_that_are_not_there(tmp_path: Path) -> None:
    file = write(tmp_path, WORKSPACE + '[feature.a]\nplatforms = ["win-64"]\n[environments]\nx = ["a"]\n')
    with pytest.raises(UsageError) as caught:
        read(file, "y")
    assert str(caught.value) == f"{file} has no environment y, but default, x."
    with pytest.raises(UsageError) as caught:
        read(file, "x", "linux-64", "win-64", "zos-z")
    assert str(caught.value) == f"{file} is not for linux-64 and zos-z: its platforms are win-64."


def test_the_lock_satisfies_its_manifest(tmp_path: Path) -> None:
    """As rattler reads it: each spec has its package, on each platform and in each environment."""
    from rattler import LockFile  # noqa: PLC0415

    channel = lock_channel(tmp_path / "channel")
    write_lock("pixi.toml", channel, tmp_path / "pixi.toml")
    locked = LockFile.from_path(write_lock("pixi-v6.lock", channel, tmp_path / "pixi.lock"))
    for name in ("default", "test"):
        environment = locked.environment(name)
        assert environment is not None
        for platform, specs in read(tmp_path / "pixi.toml", name).wanted.items():
            (there,) = [one for one in environment.platforms() if str(one) == platform]
            packages: list[Any] = environment.packages(there) or []
            unmet = [spec for spec in specs.conda if not any(one.satisfies(spec) for one in packages)]
            unmet += [one for one in specs.pip.requirements if not any(p.satisfies(one) for p in packages)]
            assert unmet == []
            assert len(packages) == len(specs.conda) + len(specs.pip.requirements)
