"""``conda-pack run``: a command in an environment, without a shell."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys

from conda_pack.errors import CorruptMetadata, EnvironmentNotFound, UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Mapping

DESCRIPTION = (
    "Run CMD in the environment at DEST, as if it were activated. CMD takes the place of this process: "
    "its signals and its exit code are its own. (On Windows, where no program can do that, its exit code is.)"
)
EPILOG = """\
examples:
  conda-pack run /opt/science -- python train.py --epochs 3
"""
NOT_EXECUTABLE, NOT_FOUND = 126, 127
#: Windows counts exit codes to here, and what ends Python is signed.
_EXIT_CODES = 1 << 32


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dest", metavar="DEST", help="the environment's folder")
    parser.add_argument(
        "command", metavar="CMD", nargs=argparse.REMAINDER, help="after --, with its arguments"
    )
    parser.add_argument("--help", "-h", action="help", help="show this and exit")


def execute(options: argparse.Namespace) -> int:
    """Become the command; returns only if it cannot be started."""
    from conda_pack.runtime.environ import activated  # noqa: PLC0415

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise UsageError(f"No command: conda-pack run {options.dest} -- CMD ARGS.")
    prefix = os.path.abspath(options.dest)
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise EnvironmentNotFound(f"{prefix} is not an environment: it has no conda-meta folder.")
    try:
        changes = activated(prefix, os.environ)
    except ValueError as error:
        raise CorruptMetadata(f"{prefix} cannot be activated: {error}.") from None
    environ = dict(os.environ)
    for change in changes:
        environ.pop(change.name, None)
        if change.whole is not None:
            environ[change.name] = change.whole
    program = shutil.which(command[0], path=environ.get("PATH", os.defpath))
    if program is None:
        is_there = bool(os.path.dirname(command[0])) and os.path.exists(command[0])
        problem = "cannot be executed" if is_there else f"is neither in {prefix} nor on PATH"
        print(f"conda-pack: error: {command[0]} {problem}.", file=sys.stderr)
        return NOT_EXECUTABLE if is_there else NOT_FOUND
    sys.stdout.flush()
    sys.stderr.flush()
    # where processes fork, exec takes the place of one; elsewhere it leaves who waits for it alone
    become = _become if hasattr(os, "fork") else await_child
    return become(program, command, environ)


def _become(program: str, command: list[str], environ: Mapping[str, str]) -> int:
    for name in ("SIGPIPE", "SIGXFSZ"):  # which Python ignores; what is ignored would stay so
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(program, command, environ)  # noqa: S606  # that is what the user asked for


def await_child(program: str, command: list[str], environ: Mapping[str, str]) -> int:
    """Run a command to its end; returns its exit code, as Python takes it. Ctrl+C is the command's affair."""
    import subprocess  # noqa: PLC0415

    signal.signal(signal.SIGINT, lambda *_: None)  # what is ignored outright, the command would ignore, too
    try:
        child = subprocess.Popen([program, *command[1:]], env=environ)  # noqa: S603  # what the user asked for
    except OSError as error:
        print(f"conda-pack: error: {command[0]} cannot be executed: {error.strerror}.", file=sys.stderr)
        return NOT_EXECUTABLE
    code = child.wait()
    return code - _EXIT_CODES if code >= _EXIT_CODES // 2 else code
