"""The commands on the pages of the documentation, to be run as a reader would: from top to bottom.

Pages are Markdown with fenced blocks, each with its language. ``sh`` and ``python`` blocks are commands; the
others are shown only. Two comments, on a line of their own before a block, steer what is run:

- ``<!-- not run: REASON -->``: this block cannot be run here, or is run elsewhere;
- ``<!-- given: FILE … -->``: from here on, another machine or another day: a new working folder with these
  files in it (``nothing``, ``environment.yml``, a folder ``analysis`` of Python files, archives of
  ``science``), and an empty ``/opt``.

The folders that pages write to are those of PLACES, below a scratch folder instead of the root.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.channels import REPO

PLACES = ("/cache", "/envs", "/media", "/opt", "/scratch", "/shared", "/srv")
"""Folders of the machine in the pages; ``/envs/science`` is the environment, ``/media/usb`` is a stick."""

RUN_ELSEWHERE = {"spark.md": "tests/integration/test_spark.py"}
"""Pages whose commands need programs that other pages do not, and the tests that run them."""

COMMANDS = ("sh", "python")
SHOWN = ("text", "toml", "yaml", "json", "dockerfile", "ini", "{eval-rst}", "{toctree}")

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+)(?P<language>\S*)\s*$")
_COMMENT = re.compile(r"<!-- (?P<word>not run|given): (?P<text>.+) -->$")
_PLACE = re.compile(rf"(?<![\w./~$}}-])(?:{'|'.join(PLACES)})\b")
_INDENTED = re.compile(r" {4,}\S")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its fence, counted from 1."""

    line: int
    language: str
    lines: tuple[str, ...]
    not_run: str = ""
    given: tuple[str, ...] = ()

    @property
    def is_run(self) -> bool:
        return self.language in COMMANDS and not self.not_run


def pages() -> list[Path]:
    """All pages that tell commands."""
    return [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, with the comments that are right before them."""
    lines = text.splitlines()
    said: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if opening := _FENCE.match(lines[number - 1]):
            end = _closing(lines, number, opening)
            yield Block(
                number,
                opening["language"],
                tuple(text.removeprefix(opening["indent"]) for text in lines[number:end]),
                said.get("not run", ""),
                tuple(said.get("given", "").split()),
            )
            number = end + 1
            said = {}
        elif comment := _COMMENT.match(line):
            said[comment["word"]] = comment["text"]
        elif line:
            said = {}


def stray(text: str) -> list[int]:
    """Lines of code blocks that are indented instead of fenced: they would not be run."""
    fenced = {
        number for block in blocks(text) for number in range(block.line, block.line + len(block.lines) + 2)
    }
    lines = ["", *text.splitlines()]
    return [
        number
        for number in range(1, len(lines))
        if number not in fenced and not lines[number - 1].strip() and _INDENTED.match(lines[number])
    ]


def script(text: str, root: Path, python: str, words: Mapping[str, str]) -> str:
    """The page as a program of bash in which every command has the line number that it has on the page."""
    lines = [""] * (len(text.splitlines()) + 1)
    for block in filter(lambda block: block.is_run, blocks(text)):
        body = [_here(line, root, words) for line in block.lines]
        given = f"given {shlex.join(block.given)}" if block.given else ""
        opening, closing = given, ""
        if block.language == "python":
            opening = f"{given}; " * bool(given) + f"{shlex.quote(python)} - <<'END OF PYTHON'"
            closing = "END OF PYTHON"
        lines[block.line - 1 : block.line + len(body) + 1] = [opening, *body, closing]
    return "\n".join(lines) + "\n"


def program(page: Path, text: str, root: Path, stock: Path, python: str, words: Mapping[str, str]) -> Path:
    """Write the page's script below ``root`` beside what it needs, and say where the whole program is.

    ``stock`` keeps archives for other pages: the same environment gives the same bytes, wherever it is.
    """
    tools = root / "bin"
    tools.mkdir()
    _write_tool(tools / "conda-pack", f'exec {shlex.quote(python)} -m conda_pack "$@"')
    _write_tool(tools / "conda-package", f'exec {shlex.quote(python)} -m conda_pack.cli.package "$@"')
    _write_tool(tools / "ssh", 'shift\nexec sh -c "$*"')  # another machine is this one
    for place in (*PLACES, "/media/usb"):
        (root / place.lstrip("/")).mkdir(exist_ok=True)
    (root / "page.sh").write_text(script(text, root, python, words), encoding="utf-8")
    whole = root / "run.sh"
    folders = {"root": shlex.quote(str(root)), "stock": shlex.quote(str(stock))}
    module = words.get("numpy", "numpy")
    whole.write_text(_RUN.format(page=page.name, module=module, **folders), encoding="utf-8")
    return whole


_RUN = """\
given() {{
    rm -rf {root}/opt; mkdir {root}/opt
    cd "$(mktemp -d {root}/machine.XXXXXX)"
    for name; do
        case $name in
            nothing) ;;
            analysis) mkdir analysis; echo 'import {module}' > analysis/job.py ;;
            environment.yml) printf 'dependencies:\\n- python\\n' > environment.yml ;;
            *)
                [ -e {stock}/"$name" ] || conda-pack -q -p {root}/envs/science -o {stock}/"$name"
                cp {stock}/"$name" .
                ;;
        esac
    done
}}
set -E -o pipefail
trap 'echo "{page}: line $LINENO: ended with $?" >&2; exit 1' ERR
given nothing
source {root}/page.sh
"""


def _closing(lines: list[str], start: int, opening: re.Match[str]) -> int:
    wanted = opening["indent"] + opening["fence"]
    return next(number for number in range(start, len(lines)) if lines[number].rstrip() == wanted)


def _here(line: str, root: Path, words: Mapping[str, str]) -> str:
    line = _PLACE.sub(lambda place: str(root) + place[0], line)
    for word, own in words.items():
        line = line.replace(word, own)
    return line


def _write_tool(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
