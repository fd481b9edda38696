"""Every command in the documentation, run: each page from top to bottom, in an environment ``science``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest

from demo.commands import clean_environ
from tests.support.channels import REPO
from tests.support.docs import COMMANDS, RUN_ELSEWHERE, SHOWN, blocks, pages, program, script, stray
from tests.support.environments import LocalChannel, MakeEnvironment
from tests.support.packs import Done, small_specs, start

PAGES = {page.name: page for page in pages() if page.name not in RUN_ELSEWHERE}
RUN = [
    name
    for name, page in PAGES.items()
    if any(block.is_run for block in blocks(page.read_text(encoding="utf-8")))
]


class RunPage(Protocol):
    """Runs the commands of a page where ``science`` is installed, and is the active environment."""

    def __call__(self, page: Path, text: str) -> Done: ...


@pytest.fixture(scope="session")
def stock(work_root: Path) -> Path:
    """Archives of ``science``, made when a page needs one."""
    folder = work_root / "docs-stock"
    folder.mkdir()
    return folder


@pytest.fixture
def run_page(channel: LocalChannel, rattler_env: MakeEnvironment, stock: Path, work: Path) -> RunPage:
    def run(page: Path, text: str) -> Done:
        science = work / "envs" / "science"
        rattler_env(*small_specs(channel), prefix=science)
        home = work / "home"
        (home / ".conda").mkdir(parents=True)
        (home / ".conda" / "environments.txt").write_text(f"{science}\n")
        # what pages call conda-forge is the channel of the tests
        (work / "conda-forge").symlink_to(channel.path)
        (home / ".condarc").write_text(f"custom_channels:\n  conda-forge: {work.as_uri()}\n")
        words = {"numpy": channel.noarch_package.replace("-", "_")}  # half the size, and in every channel
        whole = program(page, text, work, stock, sys.executable, words)
        own = {"PATH": f"{work}/bin:/usr/bin:/bin", "CONDA_PREFIX": str(science)}
        return start(["bash", "--norc", whole], environ=clean_environ(home) | own)

    return run


@pytest.mark.parametrize("name", RUN)
def test_commands_run(name: str, run_page: RunPage) -> None:
    """Each ends well, after those above it."""
    done = run_page(PAGES[name], PAGES[name].read_text(encoding="utf-8"))
    assert (0, done) == (done.code, done), done.err


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_one_or_the_other(name: str) -> None:
    """Commands that are run, or not for a reason that is told; or something to look at, which says what."""
    text = PAGES[name].read_text(encoding="utf-8")
    found = list(blocks(text))
    assert set() == {block.language for block in found} - {*COMMANDS, *SHOWN}
    assert [block.line for block in found if block.not_run and len(block.not_run.split()) < 3] == []
    assert [block.line for block in found if block.language not in COMMANDS and block.not_run] == []
    assert stray(text) == []


@pytest.mark.parametrize("page", RUN_ELSEWHERE)
def test_other_pages_have_tests_of_their_own(page: str) -> None:
    """They say so."""
    assert f"docs/{page}" in (REPO / RUN_ELSEWHERE[page]).read_text(encoding="utf-8")
    assert (REPO / "docs" / page).is_file()


# ----------------------------------------------------------- what runs them

PAGE = """\
# A page

```sh
conda-pack -n science -o /opt/first.tar
cd ..
```

Text.

<!-- not run: needs another moon -->
```sh
exit 3
```

<!-- given: science.tar science.tar.zst -->

```python
import os

assert sorted(os.listdir()) == ["science.tar", "science.tar.zst"]
assert os.listdir("/opt") == []
```

- in a list

  ```sh
  ssh there cat science.tar | conda-pack unpack - /opt/second
  /opt/second/bin/python -c 'import sys; print(sys.prefix)'
  ```

```text
$ exit 4
```
"""


def test_a_page_that_is_right(run_page: RunPage, work: Path) -> None:
    """Its commands are run where they are, and find what they are told to find."""
    done = run_page(Path("page.md"), PAGE)
    assert (done.code, done.err) == (0, "")
    assert f"{work}/opt/second" == done.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("cd ..", "false", 5),
        ("<!-- not run: needs another moon -->", "", 12),
        ('["science.tar", ', "[", 17),
        ("science.tar.zst -->", "nothing -->", 17),
        ("cat science.tar", "cat no.tar", 27),
    ],
)
def test_a_page_that_is_wrong(before: str, after: str, line: int, run_page: RunPage) -> None:
    """The command is named by its line."""
    done = run_page(Path("page.md"), PAGE.replace(before, after))
    if line == 12:
        assert done.code == 3  # its own exit
    else:
        assert (done.code, f"page.md: line {line}: ended with " in done.err) == (1, True), done.err


def test_line_numbers_stay() -> None:
    """The program has each command where the page has it."""
    lines = script(PAGE, Path("/root"), "python", {}).splitlines()
    assert lines[3] == "conda-pack -n science -o /root/opt/first.tar"
    assert "exit 3" not in lines
    assert lines[16] == "given science.tar science.tar.zst; python - <<'END OF PYTHON'"
    assert lines[21] == "END OF PYTHON"


def test_indented_code_is_found() -> None:
    """Four spaces make a code block, too, and nothing would run it."""
    assert stray("Run\n\n    rm -rf /\n\n- a list\n  that goes on\n") == [3]
    assert stray("```sh\n\n    cat\n```\n") == []
