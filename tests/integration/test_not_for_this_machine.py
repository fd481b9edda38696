"""What an environment needs is recorded, and refused before anything is written where it is not to be had."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

import conda_pack
from conda_pack.errors import NotForThisMachine
from tests.support import archives
from tests.support.archives import SEGMENT, Silent, index_of, noise, pack, write_environment
from tests.support.programs import ARM64, mach_o, needs_gcc, shared_library

LIBRARY = "libc.so.6"
SENTENCE = "This environment would not start here: "


def needing(*versions: str, library: str = LIBRARY) -> bytes:
    return shared_library({library: list(versions)})


def needs_of(archive: Path) -> tuple[dict[str, str], dict[str, str]]:
    content = index_of(archive).content
    return content.needs, content.needed_by


def environment(prefix: Path, files: Mapping[str, bytes]) -> Path:
    """Half of the files are a package's, the others nobody's."""
    write_environment(prefix, dict(list(files.items())[::2]))
    for path, data in list(files.items())[1::2]:
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_bytes(data)
    return prefix


@needs_gcc
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst", "sh"])
def test_what_files_need_is_in_the_index(threads: int, suffix: str, work: Path) -> None:
    """The newest of all, with the first file that asks for it; of small and large ones, anybody's."""
    files = {
        "bin/b": needing("GLIBC_2.9"),
        "lib/nobodys-large.so": needing("GLIBC_2.10") + bytes(2 * SEGMENT),
        "lib/large.so": needing("CXXABI_1.3.13", library="libstdc++.so.6") + noise(SEGMENT + 1000),
        "lib/c++.so": needing("GLIBCXX_3.4.30", library="libstdc++.so.6"),
        "lib/d++.so": needing("GLIBCXX_3.4.9", "CXXABI_1.3.2", library="libstdc++.so.6"),
        "lib/z.so": needing("GLIBC_2.10"),
        "x86_64-conda-linux-gnu/sysroot/lib/y.so": needing("GLIBC_2.77"),
    }
    env = environment(work / "env", files)
    archive = pack(env, work / f"x.{suffix}", n_threads=threads)
    expected = {"glibc": "2.10", "glibcxx": "3.4.30", "cxxabi": "1.3.13"}
    by = {"glibc": "lib/nobodys-large.so", "glibcxx": "lib/c++.so", "cxxabi": "lib/large.so"}
    assert (expected, by) == needs_of(archive)


@needs_gcc
def test_what_the_environment_brings_along_is_not_needed(work: Path) -> None:
    """Unless that was left out; and a needed file that is left out needs nothing."""
    files = {
        "lib/a.so": needing("GLIBCXX_3.4.30", library="libstdc++.so.6"),
        "lib/b.so": needing("GLIBC_2.99"),
        "lib/libstdc++.so.6": needing("GLIBC_2.7"),
    }
    env = environment(work / "env", files)
    assert needs_of(pack(env, work / "x.tar")) == ({"glibc": "2.99"}, {"glibc": "lib/b.so"})
    less = work / "less.tar"
    filters = [("exclude", "*/libstdc++.so.6"), ("exclude", "*/b.so")]
    pack(env, less, filters=filters)
    assert needs_of(less) == ({"glibcxx": "3.4.30"}, {"glibcxx": "lib/a.so"})


@needs_gcc
def test_where_it_was_installed_has_no_say(work: Path) -> None:
    """A program with the prefix in it is searched and restored, and needs what it needs."""
    needs = []
    for name in ("short", "a-much-longer-name-of-a-folder"):
        env = write_environment(work / name)
        (env / "lib").mkdir()
        program = needing("GLIBC_2.10")
        (env / "lib" / "x.so").write_bytes(program + os.fsencode(env) + b"\0")
        archive = pack(env, work / f"{name}.tar")
        needs.append(needs_of(archive))
    assert needs == [({"glibc": "2.10"}, {"glibc": "lib/x.so"})] * 2


def test_the_macos_that_files_need(work: Path) -> None:
    files = {"bin/a": mach_o((11, 0, 0)), "lib/b.dylib": mach_o((12, 3, 0)), "lib/c.txt": b"x"}
    env = write_environment(work / "env", files, subdir="osx-arm64")
    (env / "lib" / "own.so").write_bytes(mach_o((13, 0, 0), processor=ARM64 - 5))
    assert needs_of(pack(env, work / "x.tar")) == ({"macos": "12.3"}, {"macos": "lib/b.dylib"})


# -------------------------------------------------------------------- unpacking


@pytest.fixture
def too_new(work: Path) -> Path:
    """An environment that no machine can start, and that says so."""
    return write_environment(work / "env", {"bin/x": needing("GLIBC_2.999"), "etc/x": b"x"})


@needs_gcc
@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst", "tar.bz2", "zip"])
@pytest.mark.parametrize("existing", [False, True])
def test_refused_and_nothing_is_there(suffix: str, existing: bool, too_new: Path, work: Path) -> None:
    """However it is read; the destination is as it was, and nothing lies beside it."""
    folder = work / "folder"
    folder.mkdir()
    if existing:
        (folder / "dest").mkdir()
    archive = pack(too_new, work / f"x.{suffix}")
    for way in archives.WAYS.values() if suffix != "zip" else [archives.unpack_file]:
        with pytest.raises(NotForThisMachine) as caught:
            way(archive, folder / "dest")
        message = str(caught.value)
        assert message.startswith(f"{SENTENCE}it needs glibc 2.999 (for bin/x), and this machine has ")
        assert message.endswith("or go on all the same with --no-preflight.")
        assert (["dest"] if existing else []) == os.listdir(folder)
        assert not existing or os.listdir(folder / "dest") == []


@needs_gcc
@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst", "zip"])
def test_refused_before_anything_is_made(suffix: str, too_new: Path, work: Path) -> None:
    """From a file, that is: a stream has its index at the end. Nobody gets as far as the missing folder."""
    archive = pack(too_new, work / f"x.{suffix}")
    with pytest.raises(NotForThisMachine):
        archives.unpack_file(archive, work / "missing" / "dest")


@needs_gcc
def test_unpacked_all_the_same(too_new: Path, work: Path) -> None:
    """With a warning that is the refusal, without what could be done about it."""
    archive = pack(too_new, work / "x.tar")
    reporter = Silent()
    conda_pack.unpack(str(archive), str(work / "dest"), preflight=False, reporter=reporter)
    assert (too_new / "bin" / "x").read_bytes() == (work / "dest" / "bin" / "x").read_bytes()
    (warning,) = reporter.warnings
    assert warning.startswith(SENTENCE)
    assert "--no-preflight" not in warning


@needs_gcc
def test_the_command(too_new: Path, work: Path) -> None:
    """Exit code 14, as --json says too, and an option that goes on."""
    archive, dest = pack(too_new, work / "x.tar"), work / "dest"
    refused = archives.conda_pack("unpack", archive, dest, "--json")
    assert refused.returncode == 14
    told = json.loads(refused.stdout)
    assert (told["error"], told["exit_code"]) == ("NotForThisMachine", 14)
    assert told["message"] in refused.stderr
    assert not dest.exists()
    done = archives.conda_pack("unpack", archive, dest, "--no-preflight")
    assert (0, f"{dest}\n") == (done.returncode, done.stdout)
    assert SENTENCE in done.stderr


def test_another_platform(work: Path) -> None:
    """Told without a look at what else it needs."""
    env = write_environment(work / "env", {"lib/x": mach_o((11, 0, 0))}, subdir="osx-arm64")
    archive, told = pack(env, work / "x.tar"), os.uname()
    here = f"{told.sysname} {told.machine}"
    expected = f"{SENTENCE}it is for osx-arm64, and this machine is {here}."
    with pytest.raises(NotForThisMachine) as caught:
        conda_pack.unpack(str(archive), str(work / "dest"), reporter=Silent())
    assert str(caught.value).startswith(expected)


def test_what_packages_require(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their virtual packages, as conda's overrides say; a driver that is lacking is no reason to refuse."""
    env = write_environment(work / "env", {"etc/x": b"x"})
    meta = env / "conda-meta" / "tiny-1.0-0.json"
    record = json.loads(meta.read_text())
    meta.write_text(json.dumps({**record, "depends": ["__glibc >=2.17,<3.0.a0", "__cuda >=12"]}, indent=2))
    archive = pack(env, work / "x.tar")
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.5")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.8")
    with pytest.raises(NotForThisMachine, match=r"needs glibc >=2.17,<3.0.a0, and this machine has 2.5\."):
        conda_pack.unpack(str(archive), str(work / "dest"), reporter=Silent())
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.17")
    reporter = Silent()
    conda_pack.unpack(str(archive), str(work / "dest"), reporter=reporter)
    expected = "It needs a CUDA driver >=12, and this machine has 11.8; what uses that will not run here."
    assert [expected] == reporter.warnings
