"""Where packages are kept."""

from __future__ import annotations

from pathlib import Path

from conda_pack.sources.caches import conda_caches, rattler_homes, workshop


def test_rattler(tmp_path: Path) -> None:
    """One that is there comes first; a variable says it alone."""
    home = str(tmp_path)
    assert rattler_homes({"RATTLER_CACHE_DIR": "/x"}, home) == ["/x"]
    assert rattler_homes({}, home) == [f"{home}/.cache/rattler/cache", f"{home}/Library/Caches/rattler/cache"]
    (tmp_path / "Library/Caches/rattler/cache").mkdir(parents=True)
    assert rattler_homes({}, home)[0] == f"{home}/Library/Caches/rattler/cache"
    assert rattler_homes({"XDG_CACHE_HOME": "/xdg"}, home)[1] == "/xdg/rattler/cache"


def test_conda(tmp_path: Path) -> None:
    """Those that settings name, else those of the base environments and the user; only what is there."""
    for name in ("own", "other", "root/pkgs", ".conda/pkgs"):
        (tmp_path / name).mkdir(parents=True)
    home, root = str(tmp_path), str(tmp_path / "root")
    assert conda_caches({}, home, [], [root, "/nowhere"]) == [f"{root}/pkgs", f"{home}/.conda/pkgs"]
    assert conda_caches({}, home, [f"{home}/own"], [root]) == [f"{home}/own"]
    environ = {"CONDA_PKGS_DIRS": f"{home}/other,/nowhere"}
    assert conda_caches(environ, home, [f"{home}/own"], [root]) == [f"{home}/other", f"{home}/own"]


def test_workshop(tmp_path: Path) -> None:
    """Beside the packages, unless the user names a place or that one cannot be written to."""
    assert workshop({"TMPDIR": "/tmp"}, str(tmp_path)) is None
    assert workshop({}, str(tmp_path)) == f"{tmp_path}/.cache/rattler/cache"
    (tmp_path / "file").write_text("")
    assert workshop({"RATTLER_CACHE_DIR": f"{tmp_path}/file/x"}, str(tmp_path)) is None
