"""Give an unpacked environment the prefix of the folder it lies in.

Shipped in an archive as ``bin/conda-unpack``, with the rules it applies: needs
the standard library of any Python from 3.6 on, and nothing else.
"""

import argparse
import json
import os
import sys
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from conda_pack.runtime.environ import FORMATS, UnfitValue, activated
from conda_pack.runtime.folder import INDEX, Environment, UnpackError
from conda_pack.runtime.preflight import HINT, judge, this_machine
from conda_pack.runtime.relocating import relocate
from conda_pack.runtime.verifying import status, verify
from conda_pack.runtime.version import VERSION

#: How --verify ends where something is not as it was packed, and --status where something is to be done.
FINDINGS, TO_DO = 10, 1
#: What conda_pack.errors calls the errors that end with these codes.
KINDS = {
    2: "UsageError",
    3: "EnvironmentNotFound",
    7: "CorruptMetadata",
    9: "WriteFailed",
    10: "DamagedArchive",
    12: "PrefixTooLong",
    14: "NotForThisMachine",
    130: "Interrupted",
}

Result = Tuple[int, Dict[str, Any]]
Action = Callable[[Environment, argparse.Namespace], Result]


def find_prefix(script: str) -> str:
    """The environment that ``script`` (bin/conda-unpack) belongs to, by the path it was called with."""
    for path in (os.path.abspath(script), os.path.realpath(script)):
        prefix = os.path.dirname(os.path.dirname(path))
        if os.path.exists(os.path.join(prefix, *INDEX.split("/"))):
            return prefix
    raise UnpackError("{} does not lie in an unpacked environment: no {} beside it.".format(script, INDEX), 3)


def main(script: str, arguments: Optional[Sequence[str]] = None) -> int:
    """Relocate the environment that ``script`` lies in; returns the exit code."""
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors == "strict":  # names may have any letters
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        action: Action = _print_variables if options.env else options.action
        code, result = action(Environment(find_prefix(script)), options)
    except UnpackError as error:
        code, result = _failed(str(error), error.exit_code)
    except OSError as error:
        message = "{}: {}. Run it again when that is mended.".format(error.filename, error.strerror)
        code, result = _failed(message, 9)
    except KeyboardInterrupt:
        code, result = _failed("interrupted. Run it again to go on.", 130)
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conda-unpack",
        description="Make this unpacked environment exactly as if conda had installed it where it lies. "
        "Run it once after extracting the archive, and again whenever the environment was moved.",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--json", action="store_true", help="print the result to standard output as JSON")
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument(
        "--prefix",
        metavar="PATH",
        help="write the files for PATH, where this folder will be moved next (default: where it lies)",
    )
    actions.add_argument(
        "--verify",
        dest="action",
        action="store_const",
        const=_verify,
        help="change nothing: compare every file with what was packed",
    )
    actions.add_argument(
        "--status",
        dest="action",
        action="store_const",
        const=_status,
        help="change nothing: tell where the environment was relocated to, and whether it was moved since",
    )
    actions.add_argument(
        "--env",
        choices=sorted(FORMATS),
        help="change nothing: print the variables that activation would set (docs/activation.md)",
    )
    parser.add_argument(
        "--no-preflight",
        action="store_true",
        help="go on where this machine lacks what the environment needs",
    )
    parser.add_argument("--version", action="version", version="%(prog)s " + VERSION)
    parser.set_defaults(action=_relocate)
    return parser


def _tell(message: str) -> None:
    sys.stderr.write("conda-unpack: " + message + "\n")


def _failed(message: str, code: int) -> Result:
    _tell("error: " + message)
    return code, {"error": KINDS[code], "message": message, "exit_code": code}


def _relocate(environment: Environment, options: argparse.Namespace) -> Result:
    here = options.prefix is None
    prefix = environment.prefix if here else _absolute(options.prefix)
    tell = _silent if options.quiet else _tell
    _check_machine(environment, options.no_preflight, tell)
    outcome = relocate(environment, prefix, tell)
    for warning in outcome.warnings():
        tell("warning: " + warning)
    last = "the environment is at {}." if here else "move the environment to {} now."
    tell("{} files changed; ".format(len(outcome.changed)) + last.format(prefix))
    result = {"prefix": prefix, "files_changed": len(outcome.changed), "warnings": outcome.warnings()}
    return 0, result


def _check_machine(environment: Environment, go_on: bool, tell: Callable[[str], None]) -> None:
    judgement = judge(environment.content, this_machine(environment.content))
    for warning in judgement.warnings:
        tell("warning: " + warning)
    if judgement.refusal and not go_on:
        raise UnpackError(judgement.refusal + " " + HINT, 14)
    if judgement.refusal:
        tell("warning: " + judgement.refusal)


def _print_variables(environment: Environment, options: argparse.Namespace) -> Result:
    try:
        changes = activated(environment.prefix, os.environ)
        text = FORMATS[options.env](changes)
    except UnfitValue as error:
        raise UnpackError(str(error), 2) from None
    except ValueError as error:
        raise UnpackError("{}.".format(error), 7) from None
    if not options.json:
        sys.stdout.buffer.write(os.fsencode(text))
    return 0, {"prefix": environment.prefix, "variables": {change.name: change.whole for change in changes}}


def _silent(message: str) -> None:
    """What --quiet says."""


def _absolute(prefix: str) -> str:
    if not prefix:
        raise UnpackError("--prefix is empty: name the folder that the environment will be moved to.", 2)
    return os.path.abspath(prefix)


def _verify(environment: Environment, options: argparse.Namespace) -> Result:
    paths, findings = verify(environment)
    if not options.json:
        sys.stdout.write("".join("{}: {}\n".format(problem, path) for path, problem in findings))
    if not options.quiet:
        _tell(
            "{} of {} paths are not as they were packed.".format(len(findings), paths)
            if findings
            else "all {} paths are as they were packed.".format(paths)
        )
    result = {
        "prefix": environment.prefix,
        "paths": paths,
        "findings": [{"path": path, "problem": problem} for path, problem in findings],
    }
    return FINDINGS if findings else 0, result


def _status(environment: Environment, options: argparse.Namespace) -> Result:
    result = status(environment)
    if not (options.json or options.quiet):
        sys.stdout.write(_sentence(result) + "\n")
    return 0 if result["current"] else TO_DO, result


def _sentence(result: Dict[str, Any]) -> str:
    if result["unfinished"]:
        text = "A run for {} was killed, and files may be of several places. Run conda-unpack again."
        return text.format(result["unfinished"][-1])
    if result["relocated_to"] is None:
        return "Not relocated yet: the files are as the archive has them. Run conda-unpack."
    if result["moved"]:
        text = "Relocated to {}, and it lies at {}. Run conda-unpack."
        return text.format(result["relocated_to"], result["prefix"])
    return "Relocated to {}, where it lies.".format(result["relocated_to"])
