"""What the command line's reporter puts on standard error."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from conda_pack.cli.console import PATIENCE, REFRESH, ConsoleReporter, printable
from conda_pack.progress import Reporter


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What was written, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _terminal_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)


def work(reporter: Reporter, clock: Clock, seconds: float) -> None:
    """Do a piece of work in ten steps, without its end."""
    reporter.start("Packing", 1000)
    for _ in range(10):
        clock.now += seconds / 10
        reporter.advance(100)


class TestWarnings:
    @pytest.mark.parametrize("quiet", [False, True])
    @pytest.mark.parametrize("stream", [io.StringIO, Terminal])
    def test_line(self, quiet: bool, stream: Callable[[], io.StringIO]) -> None:
        """A warning is one line, quiet or not, terminal or not."""
        out = stream()
        ConsoleReporter(quiet=quiet, stream=out).warn("file 'a' is missing [bold]really[/bold]")
        assert out.getvalue() == "warning: file 'a' is missing [bold]really[/bold]\n"

    def test_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Standard error is the stream unless told otherwise, and standard output stays clean."""
        reporter = ConsoleReporter()
        reporter.warn("careful")
        reporter.start("Packing", 10)
        reporter.advance(10)
        reporter.finish()
        assert capsys.readouterr() == ("", "warning: careful\n")

    def test_several_lines(self) -> None:
        """Further lines are indented, so that no text can pose as another warning."""
        out = io.StringIO()
        ConsoleReporter(stream=out).warn("two:\na\nwarning: b")
        assert out.getvalue() == "warning: two:\n  a\n  warning: b\n"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("\x1b[2Jgone", "\\x1b[2Jgone"),
            ("back\b\rspace", "back\\x08\\rspace"),
            ("caf\udce9", "caf\\udce9"),
            ("right\u202eleft", "right\\u202eleft"),
            ("c1 \x9b", "c1 \\x9b"),
            ("plain ümläut 🐍", "plain ümläut 🐍"),
        ],
    )
    def test_printable(self, text: str, expected: str) -> None:
        """What would move the cursor or upset the encoding is shown as an escape."""
        assert printable(text) == expected

    def test_above_the_bar(self) -> None:
        """A warning in the middle of the work stands on a line of its own, and the bar goes on."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        work(reporter, clock, 20)
        reporter.warn("careful [red]:smile: " + "x" * 150)
        reporter.finish()
        assert f"warning: careful [red]:smile: {'x' * 150}\n" in out.text
        assert out.text.rindex("Packing") > out.text.index("warning:")

    @pytest.mark.parametrize("code", [errno.EPIPE, errno.EIO, errno.ENOSPC])
    def test_stream_that_fails(self, code: int) -> None:
        """A standard error that cannot be written does not stop the work."""

        class Broken(Terminal):
            def write(self, _text: str) -> int:
                raise OSError(code, os.strerror(code))

        clock = Clock()
        reporter = ConsoleReporter(stream=Broken(), clock=clock)
        work(reporter, clock, 20)
        reporter.warn("unheard")
        reporter.finish()
        reporter.warn("unheard")

    def test_closed_stream(self) -> None:
        """A closed standard error does not stop the work either."""
        out = io.StringIO()
        reporter = ConsoleReporter(stream=out)
        out.close()
        reporter.warn("unheard")

    def test_no_standard_error(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without any standard error nothing reaches standard output instead."""
        monkeypatch.setattr(sys, "stderr", None)
        clock = Clock()
        reporter = ConsoleReporter(clock=clock)
        reporter.warn("unheard")
        work(reporter, clock, 20)
        reporter.finish()
        assert capsys.readouterr().out == ""


class TestProgress:
    def test_long_work(self) -> None:
        """Work of more than a second gets a bar with what is done, which vanishes at the end."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        work(reporter, clock, 20)
        assert "Packing" in out.text
        assert "1.0/1.0 kB" in out.text
        assert out.getvalue().count("\x1b[?25l") == 1
        reporter.finish()
        assert out.getvalue().count("\x1b[?25h") == 1
        assert out.getvalue().endswith("\x1b[2K")

    def test_short_work(self) -> None:
        """Work of a second or less shows nothing."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        work(reporter, clock, PATIENCE)
        reporter.finish()
        assert out.getvalue() == ""

    def test_first_late_advance(self) -> None:
        """The bar comes with the first step after the first second, and counts from the start."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        reporter.start("Packing", 1000)
        reporter.advance(300)
        clock.now += PATIENCE + 0.01
        assert out.getvalue() == ""
        reporter.advance(200)
        assert "0.5/1.0 kB" in out.text
        reporter.finish()

    @pytest.mark.parametrize(
        ("quiet", "stream"), [(True, Terminal), (False, io.StringIO), (True, io.StringIO)]
    )
    def test_none(self, quiet: bool, stream: Callable[[], io.StringIO]) -> None:
        """Quiet, or into a file, there is no bar."""
        out, clock = stream(), Clock()
        reporter = ConsoleReporter(quiet=quiet, stream=out, clock=clock)
        work(reporter, clock, 20)
        reporter.finish()
        assert out.getvalue() == ""

    def test_not_drawn_too_often(self) -> None:
        """However many steps there are, the bar is drawn ten times a second at most."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        reporter.start("Packing", 100_000)
        for _ in range(10_000):
            clock.now += 0.001
            reporter.advance(10)
        drawn = out.text.count("Packing")
        assert drawn <= 10 / REFRESH + 2
        assert drawn >= 50
        reporter.finish()

    def test_two_pieces(self) -> None:
        """Each piece of work has its own second, its own bar and its own count."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        work(reporter, clock, 20)
        reporter.finish()
        seen = len(out.text)
        work(reporter, clock, PATIENCE)
        assert "Packing" not in out.text[seen:]
        reporter.finish()

    def test_start_without_finish(self) -> None:
        """A new piece of work ends the one before."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        work(reporter, clock, 20)
        reporter.start("Verifying", 10)
        assert out.getvalue().count("\x1b[?25h") == 1
        reporter.finish()

    def test_finish_any_time(self) -> None:
        """The end may come before the start, and twice."""
        out = Terminal()
        reporter = ConsoleReporter(stream=out)
        reporter.finish()
        reporter.start("Packing", 1)
        reporter.finish()
        reporter.finish()
        reporter.advance(1)
        assert out.getvalue() == ""

    def test_unknown_total(self) -> None:
        """Work of unknown size, as from a pipe, shows what is done."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        reporter.start("Unpacking", 0)
        clock.now += 5
        reporter.advance(2_000_000)
        assert "2.0/? MB" in out.text
        reporter.finish()

    def test_hostile_description(self) -> None:
        """A description is text, neither markup nor commands to the terminal."""
        out, clock = Terminal(), Clock()
        reporter = ConsoleReporter(stream=out, clock=clock)
        reporter.start("[red]\x1b]0;x", 10)
        clock.now += 5
        reporter.advance(1)
        assert "[red]\\x1b]0;x" in out.text
        reporter.finish()

    def test_rich_is_imported_late(self) -> None:
        """A command that ends within a second does not pay for rich."""
        script = (
            "import sys, conda_pack.cli.console as c; r = c.ConsoleReporter();"
            "r.warn('w'); r.start('x', 1); r.advance(1); r.finish();"
            "sys.exit('rich' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"warning: w\n")
