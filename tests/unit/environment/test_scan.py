"""Every path of a prefix once, and nothing of what the tools leave lying about."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from conda_pack.environment.read import read_environment
from conda_pack.environment.scan import BASE_FOLDERS, scan
from conda_pack.errors import FileChanged
from conda_pack.model import DiskFile


def put(path: Path, data: bytes = b"x", mode: int = 0o644, mtime: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (mtime, mtime))
    return path


def scanned(prefix: Path, *skip: str) -> dict[str, DiskFile]:
    """Its files; fails if anything was warned of."""
    warnings: list[str] = []
    files = scan(str(prefix), skip, warnings.append)
    assert warnings == []
    return files


def test_files_links_and_empty_folders(tmp_path: Path) -> None:
    """Each is there by its path, sorted, with what tar needs to know of it."""
    put(tmp_path / "lib" / "a.so", b"1234", 0o755, 77)
    (tmp_path / "lib" / "l.so").symlink_to("a.so")
    (tmp_path / "broken").symlink_to("/nowhere")
    (tmp_path / "folder").symlink_to("lib")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "empty" / "inner").chmod(0o700)
    files = scanned(tmp_path)
    assert list(files) == ["broken", "empty/inner", "folder", "lib/a.so", "lib/l.so"]
    assert DiskFile("lib/a.so", "file", 0o755, 4, 77) == files["lib/a.so"]
    assert _link(files["lib/l.so"]) == ("link", 0o777, 0, "a.so")
    assert _link(files["broken"]) == ("link", 0o777, 0, "/nowhere")
    assert _link(files["folder"]) == ("link", 0o777, 0, "lib")  # not followed
    assert DiskFile("empty/inner", "directory", 0o700, 0, 0) == files["empty/inner"]


def _link(file: DiskFile) -> tuple[str, int, int, str]:
    return file.kind, file.mode, file.size, file.target


def test_setuid_bits_do_not_travel(tmp_path: Path) -> None:
    """Neither setuid nor sticky bits are part of a mode."""
    put(tmp_path / "a", mode=0o4755)
    assert scanned(tmp_path)["a"].mode == 0o755


def test_litter(tmp_path: Path) -> None:
    """What conda, mamba and this tool leave behind is no content."""
    for name in (
        "a.c~",
        "b.conda_trash",
        "c.conda-unpack~",
        ".mambalock.lock",
        ".mamba-pid.lock",
        ".conda_lock",
    ):
        put(tmp_path / "bin" / name)
    for name in ("a.c", "trash", ".condarc", ".mambarc", "uv.lock"):
        put(tmp_path / "bin" / name)
    assert list(scanned(tmp_path)) == ["bin/.condarc", "bin/.mambarc", "bin/a.c", "bin/trash", "bin/uv.lock"]


def test_a_folder_of_litter_alone_is_empty(tmp_path: Path) -> None:
    """A folder that only holds litter is packed as an empty one."""
    put(tmp_path / "d" / "x.c~")
    assert {path: file.kind for path, file in scanned(tmp_path).items()} == {"d": "directory"}


def test_our_own_records_are_left_out(tmp_path: Path) -> None:
    """The records of an earlier archive are read elsewhere, and written anew."""
    put(tmp_path / "conda-meta" / "conda-pack" / "index.json")
    put(tmp_path / "conda-meta" / "history")
    put(tmp_path / "share" / "conda-meta" / "conda-pack" / "x")  # somebody else's
    assert list(scanned(tmp_path)) == ["conda-meta/history", "share/conda-meta/conda-pack/x"]


def test_skipped_folders(tmp_path: Path) -> None:
    """Only top-level folders are skipped by their names."""
    for folder in BASE_FOLDERS:
        put(tmp_path / folder / "big")
        put(tmp_path / "lib" / folder / "small")
    assert [f"lib/{folder}/small" for folder in sorted(BASE_FOLDERS)] == list(
        scanned(tmp_path, *BASE_FOLDERS)
    )


@pytest.mark.parametrize("name", ["conda", "python"])
def test_only_base_environments_have_folders_beside_them(tmp_path: Path, name: str) -> None:
    """An environment with conda in it is a base environment; elsewhere a folder pkgs is just a folder."""
    put(
        tmp_path / "conda-meta" / f"{name}-1-0.json",
        b'{"name": "%b", "version": "3.1", "build": "0"}' % name.encode(),
    )
    put(tmp_path / "pkgs" / "x")
    assert (name == "conda") == ("pkgs/x" not in read_environment(str(tmp_path)).files)


def test_special_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes and sockets are named in a warning and left out."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        warnings: list[str] = []
        assert scan(str(tmp_path), (), warnings.append) == {}
    assert sorted(warning.split()[0] for warning in warnings) == ["pipe", "socket"]


def test_names_beyond_latin(tmp_path: Path) -> None:
    """Any name that is UTF-8 will do."""
    put(tmp_path / "naïve ☃\n𝄞")
    assert list(scanned(tmp_path)) == ["naïve ☃\n𝄞"]


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_names_that_are_no_utf8(tmp_path: Path, kind: str) -> None:
    """A name that no JSON can hold is an error that says which."""
    path = os.path.join(os.fsencode(tmp_path), b"bad\xff")
    if kind == "file":
        with open(path, "wb"):
            pass
    elif kind == "link":
        os.symlink(b"x", path)
    else:
        os.mkdir(path)
    with pytest.raises(FileChanged, match=r"bad\\xff.*Rename or remove"):
        scanned(tmp_path)


def test_a_link_to_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    """Nor can JSON hold such a target."""
    os.symlink(b"bad\xff", os.path.join(os.fsencode(tmp_path), b"good"))
    with pytest.raises(FileChanged, match="good"):
        scanned(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """What cannot be looked into is an error: an archive without it would be incomplete."""
    (tmp_path / "secret").mkdir(mode=0)
    with pytest.raises(FileChanged, match=r"secret cannot be read"):
        scanned(tmp_path)


def test_a_prefix_that_is_gone(tmp_path: Path) -> None:
    """A folder that vanished is an error and no empty environment."""
    with pytest.raises(FileChanged, match="cannot be read"):
        scanned(tmp_path / "gone")
