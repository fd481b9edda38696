"""Files in the place of links: what following the links on a disk finds, no less and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.environment.read import read_environment
from conda_pack.model import DiskFile, Entry, Plan
from conda_pack.plan.build import build
from conda_pack.plan.dereference import dereferenced
from tests.support.archives import write_environment
from tests.support.properties import UNHURRIED
from tests.support.trees import Tree, diff_trees, tree

Shape = dict[str, str | None]
"""Path → the text of a link, or None for a file; ``/`` at the end is an empty folder. ``@`` is the prefix."""

names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
steps = st.lists(st.sampled_from(["a", "b", "c", "..", "..", "."]), min_size=1, max_size=5).map("/".join)
texts = st.one_of(
    steps,
    paths.map(lambda path: f"@/{path}"),
    st.tuples(st.sampled_from(["", "../", "../../"]), paths, st.sampled_from(["", "", "/", "/.", "/.."])).map(
        "".join
    ),
    st.sampled_from(["@", "..", ".", "/nowhere", "../../..", "../env/a", "a/b/../../c", "/a", "/b/c"]),
)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """What may lie in one folder: none of its paths leads through a file or a link."""
    shape: Shape = {}
    for path in draw(st.lists(paths, min_size=1, max_size=9, unique=True)):
        parents = {path[:at] for at, char in enumerate(path) if char == "/"}
        taken = {known.rstrip("/") for known in shape}
        if not parents & taken and not any(known.startswith(f"{path}/") for known in shape):
            kind = draw(st.sampled_from(["file", "link", "link", "folder"]))
            shape[f"{path}/" if kind == "folder" else path] = draw(texts) if kind == "link" else None
    return shape


def make(prefix: Path, shape: Shape) -> Plan:
    """An environment on the disk, half of its files a package's, and the plan of all of it."""
    files = [path for path, text in shape.items() if text is None and not path.endswith("/")]
    write_environment(prefix, {path: path.encode() for path in files[::2]})
    for path, text in shape.items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (prefix / path).mkdir()
        elif text is not None:
            (prefix / path).symlink_to(text.replace("@", str(prefix)))
        else:
            (prefix / path).write_bytes(path.encode())
    return build(read_environment(str(prefix)))


def entries(plan: Plan) -> dict[str, Entry]:
    return {entry.path: entry for part in plan.parts for entry in part.entries}


def extract(plan: Plan, dest: Path) -> Path:
    """What a plan has, at a place where nothing leads back into the environment."""
    dest.mkdir(parents=True)
    for path, entry in entries(plan).items():
        (dest / path).parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "link":
            (dest / path).symlink_to(entry.target)
        elif entry.kind == "directory":
            (dest / path).mkdir()
        else:
            shutil.copyfile(entry.location or f"{plan.environment.prefix}/{path}", dest / path)
    return dest


def followed(root: str, folder: str, path: str, way: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each path below ``path`` when links are followed, and the file on the disk, or the link that stays."""
    for name in sorted(os.listdir(folder)):
        here, there = f"{folder}/{name}", f"{path}/{name}" if path else name
        if not os.path.islink(here):
            yield there, here
            if os.path.isdir(here):
                yield from followed(root, here, there, way)
            continue
        real, is_within = os.path.realpath(here), (*way, folder)
        if not os.path.exists(here) or not real.startswith(f"{root}/"):
            yield there, here
        elif os.path.isfile(here):
            yield there, real
        elif any(f"{each}/".startswith(f"{real}/") for each in is_within):
            yield there, here
        else:
            yield there, real
            yield from followed(root, real, there, is_within)


def as_tree(found: Iterator[tuple[str, str]]) -> Tree:
    """As ``tree`` has it; of a link that it is one."""
    nodes = {}
    for path, place in found:
        nodes[path] = tree(os.path.dirname(place))[os.path.basename(place)]
    return without_texts(nodes)


def without_texts(nodes: Tree) -> Tree:
    return {
        path: node._replace(content="") if node.type == "link" else node
        for path, node in nodes.items()
        if not path.startswith("conda-meta")
    }


@given(shapes())
@settings(UNHURRIED, max_examples=150)
def test_as_the_disk_has_it(shape: Shape) -> None:
    """What is at the end of each link that stays in the tree is in its place; the others are named."""
    with tempfile.TemporaryDirectory(dir=_ram()) as name:
        folder = Path(name).resolve()
        plan = make(folder / "env", shape)
        linked = extract(plan, folder / "elsewhere/linked")
        done = dereferenced(plan)
        plain = extract(done, folder / "plain")
        expected = as_tree(followed(str(linked), str(linked), "", ()))
        assert diff_trees(expected, without_texts(tree(plain))) == ""
        left = [path for path, node in expected.items() if node.type == "link"]
        told = done.findings[len(plan.findings) :]
        assert [path for finding in told for path in finding.paths] == left
        if not left:
            subprocess.run(["cp", "-rL", linked, folder / "copied"], check=True)
            assert diff_trees(tree(folder / "copied"), tree(plain)) == ""


def _ram() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def prefix(work: Path) -> Path:
    return work / "env"


@pytest.mark.parametrize("length", [1, 39, 40, 41])
def test_chains(length: int, prefix: Path) -> None:
    """As many links may lead to one another as the system follows."""
    shape: Shape = {"file": None} | {f"l{n:02}": f"l{n - 1:02}" if n else "file" for n in range(length)}
    plan = dereferenced(make(prefix, shape))
    links = {path for path, entry in entries(plan).items() if entry.kind == "link"}
    assert links == {path for path in shape if not (prefix / path).exists()}


def test_files_hold_the_prefix_where_theirs_do(prefix: Path) -> None:
    """They are read from where they lie, by the rules of their package, whose record tells of one of them."""
    write_environment(prefix, {"lib/conf": b"prefix"})
    (prefix / "lib64").symlink_to("lib")
    (prefix / "conf").symlink_to("lib64/conf")
    plan = build(read_environment(str(prefix)))
    before, after = entries(plan), entries(dereferenced(plan))
    claim = before["lib/conf"].claim
    assert claim is not None
    assert claim.index == 0
    for path in ("conf", "lib64/conf"):
        copied = after[path].claim
        assert copied is not None
        assert (copied.index, copied.sha256) == (-1, claim.sha256)
        assert after[path].location == str(prefix / "lib/conf")
    assert after["lib/conf"] == before["lib/conf"]
    assert "lib64" not in after


def test_the_owner_of_a_link_has_what_is_there(prefix: Path) -> None:
    """What is in the place of a link goes in the link's part, and each part is sorted by path."""
    plan = dereferenced(make(prefix, {"z/1": None, "z/2": None, "b": "z", "z-": None, "b-": None}))
    assert [entry.path for entry in plan.parts[-1].entries if not entry.path.startswith("conda-meta")] == [
        *("b-", "b/1", "b/2", "z/2"),
    ]
    assert [entry.path for entry in plan.parts[0].entries] == ["z-", "z/1"]


def test_links_that_stay_lead_where_they_led(prefix: Path, work: Path) -> None:
    """A link that is in a second place has the text for that place."""
    shape: Shape = {
        "deep/er/up": "..",
        "deep/er/out": "../../../outside",
        "deep/er/gone": "../gone",
        "deep/er/far": "/nowhere",
        "deep/er/file": None,
        "l": "deep/er",
    }
    plain = extract(dereferenced(make(prefix, shape)), work / "other")
    assert sorted(os.listdir(plain / "l")) == ["far", "file", "gone", "out", "up"]
    for name in ("up", "out", "gone", "far"):
        first, second = plain / "deep/er" / name, plain / "l" / name
        assert os.path.realpath(second) == os.path.realpath(first), name
        assert os.readlink(first) == shape[f"deep/er/{name}"]


def test_folders_that_lead_to_one_another(prefix: Path, work: Path) -> None:
    """Each is in the place of the link to it once; within itself it is a link that leads there."""
    shape: Shape = {"a/l": "../b", "a/x": None, "b/m": "../a", "b/y": None, "c/n": "../b"}
    plain = extract(dereferenced(make(prefix, shape)), work / "other")
    links = {path: node.content for path, node in tree(plain).items() if node.type == "link"}
    assert set(links) == {"a/l/m", "b/m/l", "c/n/m/l"}
    for path in links:
        assert os.path.realpath(plain / path) == str(plain / ("a" if path.endswith("m") else "b"))


def test_what_is_added(prefix: Path, work: Path) -> None:
    """A link to a file that lies elsewhere on this machine gets it from there."""
    environment = read_environment(str(write_environment(prefix, {})))
    (work / "elsewhere").write_bytes(b"added")
    file = DiskFile("app/file", "file", 0o644, 5, 0, location=str(work / "elsewhere"))
    link = DiskFile("app/link", "link", 0o777, 0, 0, target="file")
    plain = extract(dereferenced(build(environment, additions=[file, link])), work / "other")
    assert (plain / "app/link").read_bytes() == b"added"
    assert not (plain / "app/link").is_symlink()


def test_a_plan_without_links(prefix: Path) -> None:
    """It is as before, and there is nothing to say."""
    plan = make(prefix, {"a": None, "b/c": None, "d/": None})
    done = dereferenced(plan)
    assert done == plan
    assert done.findings == ()


def test_what_is_left_out_is_no_file_to_copy(prefix: Path) -> None:
    """A link to what --exclude leaves out stays one."""
    make(prefix, {"a": None, "l": "a", "f/x": None, "m": "f"})
    plan = build(read_environment(str(prefix)), filters=[("exclude", "a"), ("exclude", "f/*")])
    (finding,) = dereferenced(plan).findings
    assert finding.paths == ("l", "m")
    assert finding.message.startswith("2 links stay links in the zip")
