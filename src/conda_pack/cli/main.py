"""The command line: arguments → calls, errors → one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from conda_pack.errors import CondaPackException, UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import NoReturn

#: The commands, each a module beside this one; without one, conda-pack packs.
COMMANDS = ("pack", "unpack", "run", "package", "imports", "explicit")
INTERRUPTED = 130


def run() -> NoReturn:
    """The command as a process."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End the process. It just ends: to take apart what it knows of 35,000 files takes 0.08 s."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more, or the disk is full
        code = code or 1
    os._exit(code)


def main(arguments: Sequence[str] | None = None, prog: str = "conda-pack") -> int:
    """Run the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = arguments[0] if arguments and arguments[0] in COMMANDS else None
    prog = f"{prog} {name}" if name else prog
    rest = arguments[1:] if name else arguments
    return guarded(
        lambda: _run(name or "pack", prog, rest),
        "conda-pack",
        prog,
        as_json="--json" in rest,
        # conda-package --reset does not bring back what it has removed
        interrupted="interrupted" if name == "package" else "interrupted; nothing was left behind",
    )


def guarded(work: Callable[[], int], name: str, prog: str, *, as_json: bool, interrupted: str) -> int:
    """Do the work; returns its exit code, and for what a user can cause says one sentence.

    ``name`` begins the sentence, ``prog`` is the command whose --help is to be looked at,
    ``interrupted`` what is said of a Ctrl+C.
    """
    # a job that is told to end leaves nothing behind, as one that is interrupted
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return work()
    except CondaPackException as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        if as_json:
            from conda_pack.cli.console import show_failure  # noqa: PLC0415

            show_failure(error)
        if isinstance(error, UsageError):
            print(f"Try '{prog} --help'.", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{name}: {interrupted}.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"{name}: error: {error.filename or 'the system'}: {error.strerror}.", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(name: str, prog: str, arguments: Sequence[str]) -> int:
    command = importlib.import_module(f"conda_pack.cli.{name}")
    parser = argparse.ArgumentParser(
        prog=prog,
        description=command.DESCRIPTION,
        epilog=command.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    command.configure_parser(parser)
    return int(command.execute(parser.parse_args(arguments)))


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
