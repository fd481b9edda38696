"""The Python API: the incumbent's names and arguments, with the same meaning, and errors of one root."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import conda_pack
from conda_pack import CondaEnv, CondaPackException, File
from conda_pack.errors import (
    DamagedArchive,
    EnvironmentFindings,
    EnvironmentNotFound,
    FileChanged,
    OutputExists,
    UsageError,
)
from conda_pack.segments.reading import read_file
from tests.support.archives import (
    SEGMENT,
    Silent,
    Watched,
    index_of,
    pack,
    small_environment,
    write_environment,
)
from tests.support.trees import tree

INCUMBENTS_ARGUMENTS = (
    *("name", "prefix", "output", "format", "arcroot", "dest_prefix"),
    *("parcel_root", "parcel_name", "parcel_version", "parcel_distro"),
    *("verbose", "force", "compress_level", "n_threads", "zip_symlinks", "zip_64", "filters"),
    *("ignore_editable_packages", "ignore_missing_files"),
)
"""Of ``conda_pack.pack`` 0.9.2, in their order: some programs give them by place."""


@pytest.fixture
def env(work: Path) -> Path:
    return small_environment(work / "env")


def test_names() -> None:
    """Everything that is public is there under the incumbent's names."""
    assert {"pack", "CondaEnv", "File", "CondaPackException", "__version__"} <= set(conda_pack.__all__)
    assert all(hasattr(conda_pack, name) for name in conda_pack.__all__)


def test_arguments_of_the_incumbent() -> None:
    """``pack`` and ``CondaEnv.pack`` take all its arguments, in its order."""
    ours = tuple(inspect.signature(conda_pack.pack).parameters)
    assert ours[: len(INCUMBENTS_ARGUMENTS)] == INCUMBENTS_ARGUMENTS
    method = tuple(inspect.signature(CondaEnv.pack).parameters)[1:]
    expected = tuple(name for name in INCUMBENTS_ARGUMENTS[2:16])
    assert method[: len(expected)] == expected
    fields = ("source", "target", "is_conda", "file_mode", "prefix_placeholder")
    assert tuple(inspect.signature(File).parameters) == fields


def test_pack(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns the archive's path: the environment's name in the current folder, unless told another."""
    monkeypatch.chdir(work)
    assert conda_pack.pack(prefix=str(env)) == f"{work}/env.tar.gz"
    assert conda_pack.pack(None, str(env), "x.tar", "infer", "root") == f"{work}/x.tar"
    assert index_of(work / "x.tar").arcroot == "root"
    both = [
        conda_pack.pack(prefix=str(env), output=f"{number}.tar.gz", n_threads=number) for number in (1, 3)
    ]
    assert Path(both[0]).read_bytes() == Path(both[1]).read_bytes()


def test_pack_is_quiet(env: Path, work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed unless ``verbose``, and then nothing on standard output."""
    conda_pack.pack(prefix=str(env), output=str(work / "x.tar"))
    conda_pack.pack(prefix=str(env), output=str(work / "y.tar"), verbose=True)
    assert capfd.readouterr().out == ""


def test_what_other_formats_want(env: Path, work: Path) -> None:
    """What concerns zip is ignored, as it was; what is for parcels is refused, and formats there are not."""
    watched = Watched.start(work)
    output = str(work / "x.tar.gz")
    for name in ("parcel_root", "parcel_name", "parcel_version", "parcel_distro"):
        with pytest.raises(UsageError, match="parcel"):
            conda_pack.pack(prefix=str(env), output=output, **{name: "x"})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="rar"):
        conda_pack.pack(prefix=str(env), output=output, format="rar")
    assert watched.changes() == []
    plain = pack(env, work / "plain.tar.gz").read_bytes()
    conda_pack.pack(prefix=str(env), output=output, zip_symlinks=True, zip_64=False)
    assert Path(output).read_bytes() == plain


def test_filters(env: Path, work: Path) -> None:
    """Given in a list or by methods, they leave out the same; another kind of filter is refused."""
    filters = [("exclude", "lib/*"), ("include", "lib/*.txt")]
    one = conda_pack.pack(prefix=str(env), output=str(work / "1.tar"), filters=filters)
    chained = CondaEnv.from_prefix(str(env)).exclude("lib/*").include("lib/*.txt")
    two = chained.pack(output=str(work / "2.tar"))
    assert Path(one).read_bytes() == Path(two).read_bytes()
    with pytest.raises(UsageError, match="remove"):
        conda_pack.pack(prefix=str(env), output=str(work / "3.tar"), filters=[("remove", "lib/*")])


def test_environment(env: Path, work: Path) -> None:
    """Its prefix, name, length and files; excluding gives a new one and leaves the old alone."""
    whole = CondaEnv.from_prefix(str(env))
    assert (whole.prefix, whole.name) == (str(env), "env")
    files = list(whole)
    assert all(isinstance(file, File) for file in files)
    assert len(whole) == len(files) == len(whole.files)
    assert {file.target for file in files} == {
        path for path, node in tree(env).items() if node.type != "folder"
    } | {"own/empty"}
    by_target = {file.target: file for file in files}
    conf, note = by_target["etc/tool.conf"], by_target["own/note.txt"]
    assert (conf.source, conf.is_conda, conf.file_mode) == (f"{env}/etc/tool.conf", True, "text")
    assert conf.prefix_placeholder is not None and conf.prefix_placeholder.startswith("/")
    assert (note.is_conda, note.file_mode, note.prefix_placeholder) == (False, None, None)
    less = whole.exclude("lib/*")
    assert len(less) == len(whole) - 2
    assert len(less.include("*/plain.txt")) == len(whole) - 1
    assert len(whole) == len(files)
    assert str(env) in repr(whole)
    assert str(len(less)) in repr(less)


def test_environments_are_found(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, and the active one."""
    env = small_environment(work / ".conda" / "envs" / "science")
    monkeypatch.setenv("HOME", str(work))
    assert CondaEnv.from_name("science").prefix == str(env)
    monkeypatch.setenv("CONDA_PREFIX", str(env))
    assert CondaEnv.from_default().prefix == str(env)
    with pytest.raises(EnvironmentNotFound):
        CondaEnv.from_name("another")
    with pytest.raises(EnvironmentNotFound):
        CondaEnv.from_prefix(str(work))


def test_findings(env: Path) -> None:
    """Missing files are an error when the environment is made, unless they are to be ignored."""
    (env / "lib" / "plain.txt").unlink()
    for make in (CondaEnv.from_prefix, lambda prefix: conda_pack.pack(prefix=prefix)):
        with pytest.raises(EnvironmentFindings, match=r"plain\.txt"):
            make(str(env))
    assert len(CondaEnv.from_prefix(str(env), ignore_missing_files=True)) > 0


def test_errors_have_one_root(env: Path, work: Path) -> None:
    """Whoever catches CondaPackException catches what packing and unpacking have to say."""
    (work / "x.tar").write_text("taken")
    attempts: tuple[tuple[Callable[[], str], type[CondaPackException]], ...] = (
        (lambda: conda_pack.pack(prefix=str(env), output=str(work / "x.tar")), OutputExists),
        (lambda: conda_pack.pack(prefix=str(work / "none")), EnvironmentNotFound),
        (lambda: conda_pack.pack(prefix=str(env), output=str(work / "x.doc")), UsageError),
        (lambda: conda_pack.unpack(str(work / "x.tar"), str(work / "dest")), DamagedArchive),
    )
    for attempt, kind in attempts:
        with pytest.raises(CondaPackException) as caught:
            attempt()
        assert type(caught.value) is kind


def test_warnings_are_pythons(env: Path, work: Path) -> None:
    """Without a reporter, what users should know comes as a UserWarning."""
    (env / "lib" / "plain.txt").write_text("changed")
    with pytest.warns(UserWarning, match=r"plain\.txt"):
        conda_pack.pack(prefix=str(env), output=str(work / "x.tar"))


def test_unpack(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns the absolute path of the environment."""
    archive = pack(env, work / "x.tar.zst")
    monkeypatch.chdir(work)
    assert conda_pack.unpack(str(archive), "dest", n_threads=1) == f"{work}/dest"
    assert (work / "dest" / "etc" / "tool.conf").read_text() == f"prefix={work}/dest\n"


def test_an_archive_within_its_environment(env: Path, work: Path) -> None:
    """The archive is no part of itself, nor is the one it replaces."""
    first = pack(env, env / "x.tar.gz")
    data = first.read_bytes()
    assert pack(env, first, force=True).read_bytes() == data
    conda_pack.unpack(str(first), str(work / "dest"))
    assert not (work / "dest" / "x.tar.gz").exists()


def test_an_environment_of_windows(work: Path) -> None:
    """It can be packed and unpacked here, though nothing of ours is shipped in it yet."""
    env = write_environment(work / "env", {"Lib/x.py": b"pass\n"}, subdir="win-64")
    for suffix in ("tar", "tar.gz", "tar.zst"):
        archive = pack(env, work / f"x.{suffix}")
        assert index_of(archive).content.platform == "win-64"
        conda_pack.unpack(str(archive), str(work / suffix), preflight=False, reporter=Silent())
        assert (work / suffix / "Lib" / "x.py").read_bytes() == b"pass\n"


# ------------------------------------------------- while somebody changes things


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "vanished": (Path.unlink, "vanished"),
    "grown": (_grow, "changed"),
    "shrunk": (lambda path: os.truncate(path, 10), "changed"),
    "a folder now": (_into_folder, "cannot be read"),
    "with its folder": (lambda path: shutil.rmtree(path.parent), "vanished"),
}


@pytest.mark.parametrize("path", ["lib/plain.txt", "lib/large.bin"])
@pytest.mark.parametrize("name", CHANGES)
def test_changed_while_packing(name: str, path: str, env: Path, work: Path) -> None:
    """A file, small or large, that is another than when the environment was read: FileChanged, no archive."""
    found = CondaEnv.from_prefix(str(env))
    change, said = CHANGES[name]
    change(env / path)
    watched = Watched.start(work)
    with pytest.raises(FileChanged) as caught:
        found.pack(output=str(work / "x.tar.gz"), n_threads=2)
    assert str(env / "lib") in str(caught.value)
    assert said in str(caught.value) or (path, name) == ("lib/large.bin", "a folder now")
    assert watched.changes() == []


class Meddler(Silent):
    """Does something to a large file as soon as its first stretch was read."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__()
        self._meddle: list[Callable[[], object]] = [meddle]

    def advance(self, amount: int) -> None:
        while self._meddle and amount == SEGMENT:
            self._meddle.pop()()


@pytest.mark.parametrize("name", ["vanished", "grown", "shrunk", "rewritten"])
def test_large_file_changed_while_it_is_read(name: str, env: Path, work: Path) -> None:
    """Changed between two of its stretches, with its size or without: nobody gets half of each."""
    large = env / "own" / "large.bin"
    large.touch()
    os.truncate(large, 160 << 20)
    os.utime(large, (1_500_000_000, 1_500_000_000))  # the kernel's clock ticks only every few milliseconds
    found = CondaEnv.from_prefix(str(env)).exclude("lib/*")

    def rewrite() -> None:
        with large.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")

    change = CHANGES[name][0] if name in CHANGES else lambda _: rewrite()
    with pytest.raises(FileChanged, match=r"large\.bin"):
        found.pack(output=str(work / "x.tar.zst"), n_threads=1, reporter=Meddler(lambda: change(large)))
    assert sorted(os.listdir(work)) == ["env"]


def test_read_file(work: Path) -> None:
    """Exactly the bytes that it had when it was looked at, or an error that says what happened."""
    path = work / "file"
    path.write_bytes(b"12345")
    assert read_file(str(path), 5) == b"12345"
    for size in (4, 6):
        with pytest.raises(FileChanged, match="changed"):
            read_file(str(path), size)
    with pytest.raises(FileChanged, match="vanished"):
        read_file(str(work / "none"), 0)
