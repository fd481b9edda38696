"""What no package owns, and what of it may go."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.errors import UsageError
from conda_pack.model import Claim
from conda_pack.packages.installed import Listed
from conda_pack.packages.owners import Owners
from conda_pack.packages.pip_projects import Project
from conda_pack.packages.untracked import Removal, Untracked, find_untracked, plan_removal
from conda_pack.paths import folders_of
from conda_pack.plan.select import Filter
from tests.support.properties import UNHURRIED
from tests.support.records import record

INFO = "site/tool-1.dist-info"
TOOL = Project("tool", "1", INFO, paths=("bin/tool", "site/tool.py", f"{INFO}/RECORD", INFO), folders=(INFO,))
TOOLS_FILES = ["bin/tool", "site/tool.py", f"{INFO}/METADATA", f"{INFO}/RECORD"]


def listing(*paths: str) -> dict[str, Listed]:
    """Files, folders (with a / at the end) and the folders they lie in."""
    entries = {
        path.rstrip("/"): Listed(path.rstrip("/"), "folder" if path[-1] == "/" else "file", 1)
        for path in paths
    }
    for folder in folders_of(entries):
        entries.setdefault(folder, Listed(folder, "folder", 1))
    return dict(sorted(entries.items()))


def owners(*claims: str, projects: tuple[Project, ...] = (), directory: str = "") -> Owners:
    files = [Claim(path, 0, "hardlink") for path in claims]
    folders = [Claim(directory, 0, "directory")] if directory else []
    return Owners([record("one", *files, *folders)], projects)


def found(paths: list[str], whose: Owners, *filters: Filter, projects: tuple[Project, ...] = ()) -> Untracked:
    return find_untracked(listing(*paths), whose, projects, filters)


def removal(
    paths: list[str],
    whose: Owners,
    *filters: Filter,
    projects: tuple[Project, ...] = (),
    with_projects: bool = False,
) -> Removal:
    untracked = found(paths, whose, *filters, projects=projects)
    return plan_removal(listing(*paths), whose, untracked, with_projects=with_projects)


def test_what_is_left_out() -> None:
    """As conda leaves it out: backups, notes, what was compiled, what is no package's but conda's."""
    mine = ["a", "b~/c", "lib/.DS_Store_not", "lib/mine.py", "lib/__pycache__/mine.cpython-311.pyc"]
    others = ["lib/one.py", "lib/__pycache__/one.cpython-311.pyc", "lib/one.pyc"]
    litter = ["a~", "lib/.DS_Store", "lib/one.py~", ".nonadmin", "LICENSE.txt"]
    untracked = found([*mine, *others, *litter, "empty/"], owners("lib/one.py"))
    assert Untracked(tuple(sorted(mine)), ()) == untracked


def test_projects() -> None:
    """They have their files, compiled ones too; a file of a package is nobody else's."""
    compiled = "site/__pycache__/tool.cpython-311.pyc"
    whose = owners("site/tool.py", projects=(TOOL,))
    untracked = found(["mine", compiled, *TOOLS_FILES], whose, projects=(TOOL,))
    (project,) = untracked.projects
    assert untracked.files == ("mine",)
    assert project.files == ("bin/tool", f"{INFO}/METADATA", f"{INFO}/RECORD")
    assert project.replaces == ("one-1-0",)
    assert untracked.all_files == ("bin/tool", "mine", f"{INFO}/METADATA", f"{INFO}/RECORD")


def test_one_file_of_two_projects() -> None:
    """It is told with both, and counted once."""
    other = Project("other", "1", "site/other", paths=("bin/tool",))
    both = (TOOL, other)
    untracked = found(["bin/tool"], owners(projects=both), projects=both)
    assert [each.files for each in untracked.projects] == [("bin/tool",), ("bin/tool",)]
    assert untracked.all_files == ("bin/tool",)


def test_one_project_twice() -> None:
    """For two Pythons: each has its own files."""
    old = Project("tool", "1", "old/tool-1.dist-info", paths=("old/tool.py",))
    both = (TOOL, old)
    untracked = found(["old/tool.py", *TOOLS_FILES], owners(projects=both), projects=both)
    assert [(each.project, each.files) for each in untracked.projects] == [
        (TOOL, tuple(sorted(TOOLS_FILES))),
        (old, ("old/tool.py",)),
    ]


def test_filters() -> None:
    """What matches is neither told nor removed."""
    paths = ["data/x.csv", "data/y.txt", "mine/z"]
    assert found(paths, owners(), ("exclude", "*.csv")).files == ("data/y.txt", "mine/z")
    assert found(paths, owners(), ("exclude", "/data/"), ("include", "*y.txt")).files == (
        "data/y.txt",
        "mine/z",
    )
    with pytest.raises(UsageError):
        found(paths, owners(), ("exclude", "[a/"))


# ------------------------------------------------------------------------ removal


def test_folders_that_are_empty_then() -> None:
    """With all above them, the deepest first, but none that a package or an excluded file lies in."""
    paths = ["mine/a/b/x", "mine/y", "empty/in/", "lib/one.py", "lib/sub/z", "kept/x.csv", "kept/y", "etc/"]
    plan = removal(paths, owners("lib/one.py", directory="etc"), ("exclude", "*.csv"))
    assert plan.files == ("kept/y", "lib/sub/z", "mine/a/b/x", "mine/y")
    assert plan.folders == ("mine/a/b", "empty/in", "lib/sub", "mine/a", "empty", "mine")


def test_folder_of_a_package_whose_files_are_gone() -> None:
    """It is not untracked."""
    assert Removal((), (), ()) == removal(["lib/sub/"], owners("lib/sub/gone.txt"))


def test_link_in_the_place_of_a_folder_of_a_package() -> None:
    """Through it the package's files are found."""
    assert found(["lib/sub", "lib/subtle"], owners("lib/sub/one.txt")).files == ("lib/subtle",)


def test_excluded_folder() -> None:
    """It stays, even if it is empty, with those it lies in."""
    plan = removal(["a/b/", "c/d/e"], owners(), ("exclude", "/a/b/"), ("exclude", "/c/"))
    assert Removal((), (), ()) == plan


def test_other_environments() -> None:
    """A folder apart stays, with those it lies in."""
    entries = {**listing("mine/x"), "mine/env": Listed("mine/env", "apart", 1)}
    whose = owners()
    untracked = find_untracked(entries, whose, ())
    plan = plan_removal(entries, whose, untracked, with_projects=False)
    assert Removal(("mine/x",), (), ()) == plan


def test_projects_stay_or_go_as_a_whole() -> None:
    """What tells of them goes last, so that an interrupted removal can be gone on with."""
    compiled = "site/__pycache__/tool.cpython-311.pyc"
    paths = ["mine", compiled, *TOOLS_FILES]
    whose = owners(projects=(TOOL,))
    assert Removal(("mine",), (), ()) == removal(paths, whose, projects=(TOOL,))
    plan = removal(paths, whose, projects=(TOOL,), with_projects=True)
    expected = ("mine", "bin/tool", compiled, "site/tool.py", f"{INFO}/METADATA", f"{INFO}/RECORD")
    assert expected == plan.files
    assert plan.folders == ("site/__pycache__", INFO, "bin", "site")


def test_projects_that_stay() -> None:
    """Those over a package, and those of which a file is excluded; with files that others share with them."""
    other = Project("other", "1", "site/other-1.dist-info", paths=("bin/tool", "site/other.py"))
    paths = ["site/other.py", *TOOLS_FILES]
    both = (other, TOOL)
    over = removal(paths, owners("site/tool.py", projects=both), projects=both, with_projects=True)
    assert over.files == ("site/other.py",)
    assert over.kept == (("pip:tool==1", "it was installed over one-1-0; reinstall that first"),)
    filters: Filter = ("exclude", "*/METADATA")
    excluded = removal(paths, owners(projects=both), filters, projects=both, with_projects=True)
    assert excluded.files == ("site/other.py",)
    assert excluded.kept == (("pip:tool==1", "files of it are excluded"),)


_NAMES = st.sampled_from(
    ["a", "b.py", "b.pyc", "c~", "__pycache__", "b.cpython-311.pyc", "naïve\n☃", "-x", "\udcff"]
)
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)


@UNHURRIED
@given(
    paths=st.sets(_PATHS, max_size=12),
    claims=st.sets(_PATHS, max_size=6),
    listed=st.sets(_PATHS, max_size=6),
    exclude=st.sampled_from([(), (("exclude", "*.py"),), (("exclude", "a/"),)]),
    with_projects=st.booleans(),
)
def test_only_what_nobody_owns_goes(
    paths: set[str],
    claims: set[str],
    listed: set[str],
    exclude: tuple[Filter, ...],
    with_projects: bool,
) -> None:
    """Each file is somebody's, left out, or untracked; only the last go, and folders that are empty."""
    files = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    project = Project("p", "1", "p", paths=tuple(sorted(listed)))
    whose = Owners([record("one", *(Claim(path, 0, "hardlink") for path in claims))], (project,))
    entries = listing(*files)
    untracked = find_untracked(entries, whose, (project,), exclude)
    assert set(untracked.all_files) <= files - claims
    assert set(untracked.files).isdisjoint(listed)
    assert all(whose.of(path) == () for path in untracked.files)
    everything = find_untracked(entries, whose, (project,))
    rest = files - set(everything.all_files)
    assert all(path in whose.folders() or path.endswith("~") or whose.of(path) for path in rest)
    plan = plan_removal(entries, whose, untracked, with_projects=with_projects)
    allowed = untracked.all_files if with_projects else untracked.files
    assert set(plan.files) <= set(allowed)
    assert len(set(plan.files)) == len(plan.files)
    left = {path for path in entries if path not in plan.files}
    for folder in plan.folders:  # each is empty when its turn comes
        assert not any(posixpath.dirname(path) == folder for path in left)
        assert not any(path.startswith(f"{folder}/") for path in claims)
        left.remove(folder)
