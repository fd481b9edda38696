"""The benchmarks' own arithmetic, tables and plots, and that a synthetic environment is one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import conda_pack
from benchmarks import measure, synthetic
from benchmarks.amdahl import Amdahl, fit
from benchmarks.measure import CommandFailed
from benchmarks.plot import svg
from benchmarks.report import BEGIN, END, insert, markdown, seconds, table
from benchmarks.results import (
    Comparison,
    Growth,
    GrowthPoint,
    Report,
    Result,
    Run,
    Scaling,
    SetupResult,
    exponent,
    merge,
    speed,
)
from benchmarks.works import MAKERS, PACK, SETUP, START, UNPACK

OURS = Result("conda-pack", "conda-pack -q", (Run(3.0, 4.0), Run(1.0, 2.0), Run(2.0, 3.0)), size=1_000_000)
SLOW = Result("slow", "slow <env", (Run(5.0, 4.0),), Run(6.0, 4.0, memory=7 << 20), size=800_000)
ABSENT = Result("pigz", "pigz", problem="not run: pigz is not installed")
BROKEN = Result("broken", "false", problem="failed: ended with 1: no")
COMPARISON = Comparison("Pack", OURS, (SLOW, ABSENT, BROKEN))

# ------------------------------------------------------------------ arithmetic


def test_the_middle_run_counts() -> None:
    assert Run(2.0, 3.0) == Run(OURS.wall, OURS.cpu)


@pytest.mark.parametrize(
    ("expected", "ours", "peer"),
    [("2.50× faster", 2.0, 5.0), ("1.00× faster", 2.0, 2.0), ("4.00× slower", 2.0, 0.5)],
)
def test_speed_is_ours_against_the_peers(expected: str, ours: float, peer: float) -> None:
    assert expected == speed(ours, peer)


@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_exponent_of_growth(power: float) -> None:
    assert pytest.approx(power) == exponent([(size, 3 * size**power) for size in (1, 4, 16)])


def test_amdahl() -> None:
    law = Amdahl(serial=1.0, parallel=9.0)
    assert pytest.approx((0.1, 10.0)) == (law.share, law.limit)
    assert pytest.approx((10.0, 4.0)) == (law.wall(1), law.wall(3))
    assert pytest.approx(6.4) == law.speed_up(16)


def test_amdahl_is_fitted_to_the_cpu_time_of_one_thread() -> None:
    law = fit(10.0, [(2, 5.5), (4, 3.25)])
    assert pytest.approx((1.0, 9.0)) == (law.serial, law.parallel)


@pytest.mark.parametrize(("expected", "wall"), [((0.0, 10.0), 4.0), ((10.0, 0.0), 12.0)])
def test_amdahl_has_no_negative_parts(expected: tuple[float, float], wall: float) -> None:
    """Less than half of the time, or more than all of it, with two threads."""
    law = fit(10.0, [(2, wall)])
    assert expected == (law.serial, law.parallel)


def test_sections_that_did_not_run_again_are_kept() -> None:
    growth = Growth("More files", (GrowthPoint(10, 1000, OURS, OURS),))
    old = Report({"Machine": "old"}, {"pack": (), "unpack": (COMPARISON,)}, growth=(growth,))
    new = Report({"Machine": "new"}, {"pack": (COMPARISON,)})
    expected = Report({"Machine": "new"}, {"pack": (COMPARISON,), "unpack": (COMPARISON,)}, growth=(growth,))
    assert expected == merge(old, new)


# ------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("expected", "value"), [("0.012", 0.0123), ("1.23", 1.234), ("12.3", 12.34), ("123.4", 123.42)]
)
def test_seconds(expected: str, value: float) -> None:
    assert expected == seconds(value)


def test_table_is_aligned() -> None:
    expected = """\
| a     |  bb | code  |
| ----- | --: | ----- |
| x\\|y  | 1.0 | `z`   |
| right |  10 | `a b` |"""
    assert expected == table(["a", "bb", "code"], [["x|y", "1.0", "`z`"], ["right", "10", "`a b`"]])


def test_comparison_shows_who_failed_and_why() -> None:
    text = markdown(Report({"Machine": "2 cores"}, {"pack": (COMPARISON,)}))
    rows = {line.split("|")[1].strip(): _cells(line) for line in text.splitlines() if line.startswith("|")}
    expected = {
        "**conda-pack**": ["2.00", "–", "3.00", "–", "–", "1.0", "`conda-pack -q`"],
        "slow": ["5.00", "2.50× faster", "4.00", "7", "–", "0.8 (ours +25.0%)", "`slow <env`"],
        "pigz": ["not run", *["–"] * 5, "`pigz`"],
        "broken": ["failed", *["–"] * 5, "`false`"],
    }
    assert expected == {title: rows[title] for title in expected}
    assert "- pigz: not run: pigz is not installed\n- broken: failed: ended with 1: no\n" in text


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_every_section_is_shown() -> None:
    scaling = Scaling("Pack", (1, 2), (OURS, OURS), ((0.5, "segments/workers.py: run"),))
    growth = Growth("More files", tuple(GrowthPoint(n, 1000 * n, OURS, SLOW) for n in (10, 40)))
    setup = SetupResult("conda create", ABSENT, SLOW, "yes")
    text = markdown(Report({}, {"start": (COMPARISON,)}, (setup,), (growth,), (scaling,)), "plot.svg")
    titles = [line for line in text.splitlines() if line.startswith("#")]
    expected = ["## Starting", "### Pack", "## Setting up an environment", "## Growth", "### More files"]
    assert [*expected, "## More cores", "### Pack: the main thread"] == titles
    assert "](plot.svg)" in text


def test_report_goes_between_the_markers() -> None:
    page = f"# Title\n{BEGIN}\nold\n{END}\nthe end\n"
    once = insert(page, "new\n")
    assert f"# Title\n{BEGIN}\n\nnew\n\n{END}\nthe end\n" == once
    assert once == insert(once, "new\n")


def test_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no"):
        insert(f"{END} {BEGIN}", "new")


# ------------------------------------------------------------------------ plot


def test_plot_has_a_bar_for_each_result() -> None:
    root = ET.fromstring(svg([COMPARISON, Comparison("Nothing", ABSENT, ())]))
    space = "{http://www.w3.org/2000/svg}"
    paper, *bars = root.findall(f"{space}rect")
    assert root.get("height") == paper.get("height")
    ours, slow = (float(bar.get("width", "")) for bar in bars)
    assert pytest.approx(2.0 / 5.0, abs=0.01) == ours / slow
    texts = [text.text for text in root.findall(f"{space}text")]
    expected = ["Pack, seconds", "conda-pack", "2.00", "slow", "5.00"]
    assert expected == texts


# ------------------------------------------------------------------- the table


def test_what_a_contender_uses_is_made_by_another() -> None:
    works = [one for work in (*PACK, *UNPACK, *START) for one in (work.ours, *work.peers)]
    everyone = [*works, *(one for setup in SETUP for one in (setup.cold, setup.warm))]
    assert set() == {archive for one in everyone for archive in one.uses} - set(MAKERS)
    for one in everyone:
        assert all(name in one.before + one.command for name in (*one.uses, one.product))


def test_contenders_that_share_a_product_differ() -> None:
    """A second contender of the same archive would be timed on the first one's work."""
    packing = {one for work in PACK for one in (work.ours, *work.peers)}
    assert len(packing) == len({one.product for one in packing})


# ------------------------------------------------------------------- measuring


def test_run_tells_time_and_memory(work: Path) -> None:
    program = (
        "data = bytearray(64 << 20); data[::4096] = b'1' * len(data[::4096]); import time; time.sleep(0.3)"
    )
    (work / "program.py").write_text(program)
    run = measure.run("python3 program.py && true", work, dict(os.environ), sample=True)
    assert run.wall > 0.3 > run.cpu * 0.1
    assert run.memory >= run.anonymous > 64 << 20


@pytest.mark.parametrize(
    ("expected", "command"),
    [
        ("ended with 3: said so", "bash -c 'echo said so >&2; exit 3'"),
        ("ended with 1: ", "false | cat"),
        ("did not start: .*no-such-program", "no-such-program x"),
    ],
)
def test_run_tells_why_it_failed(work: Path, expected: str, command: str) -> None:
    with pytest.raises(CommandFailed, match=expected):
        measure.run(command, work, dict(os.environ))


# ------------------------------------------------------- synthetic environments


def test_synthetic_environment_is_as_installed(work: Path) -> None:
    """Each file has the bytes its record tells, and those come from what the package shipped."""
    prefix = work / "env"
    synthetic.make(prefix, count := 1120)
    records = [json.loads(path.read_text()) for path in sorted(prefix.glob("conda-meta/*.json"))]
    assert count == sum(len(record["files"]) for record in records)
    assert all(len(record["files"]) <= synthetic.PER_PACKAGE for record in records)
    modes = set()
    for record in records:
        for path in record["paths_data"]["paths"]:
            installed = (prefix / path["_path"]).read_bytes()
            expected = path.get("sha256_in_prefix", path["sha256"])
            assert expected == hashlib.sha256(installed).hexdigest()
            assert (str(prefix).encode() in installed) == ("file_mode" in path)
            modes.add(path.get("file_mode"))
    assert {"text", "binary", None} == modes


def test_synthetic_environment_is_packed_without_a_warning(work: Path) -> None:
    synthetic.make(work / "env", 120)
    conda_pack.pack(prefix=str(work / "env"), output=str(work / "env.tar.zst"), n_threads=1)
    conda_pack.unpack(str(work / "env.tar.zst"), str(work / "dest"), n_threads=1)
    synthetic.make(work / "again", 120)
    for file in synthetic.files(0, 120):
        assert file.installed(str(work / "dest")) == (work / "dest" / file.path).read_bytes()
