"""``conda-package``: whose a file is, what nobody owns, a package of that; else it packs, as conda-pack."""

from __future__ import annotations

import argparse
import io
import json
import sys

from conda_pack.cli import making, pack
from conda_pack.cli.main import guarded, leave
from conda_pack.errors import UsageError, WriteFailed

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import NoReturn

    import msgspec

    from conda_pack.packages.removing import Removed
    from conda_pack.packages.results import Whose
    from conda_pack.packages.tracking import Tracked
    from conda_pack.packages.untracked import Removal

PROG = "conda-package"
DESCRIPTION = (
    "Tell whose a file of an environment is, list or remove the files that no package owns, make a package "
    "of them, or pack the environment, which is what conda-pack does with the same options."
)
EPILOG = """\
examples:
  conda-package -w bin/jupyter            the package that a file came from
  conda-package -n science -u             the files that no package owns
  conda-package -n science -r --dry-run   what --reset would remove
  conda-package -n science --pkg-name tools --files 'bin/*' --index ./channel
  conda-package -n science -o science.tar.gz
"""
#: Not every file asked for is there and has an owner; or there was something to remove, and nobody said yes.
NO = 1

#: The options of packing that --which and the others have too, by what argparse calls them.
_ANYWHERE = {"json", "quiet", "which", "untracked", "reset"}
_ENVIRONMENT = {"name", "prefix", "where", "filters", "verbose"}
_FITTING = {
    "which": _ANYWHERE,
    "untracked": _ANYWHERE | _ENVIRONMENT | {"all"},
    "reset": _ANYWHERE | _ENVIRONMENT | {"pip", "yes", "dry_run"},
    "pkg-name": making.FITTING,
}
_OWN = {"all": "--all", "pip": "--pip", "yes": "--yes"}
_STATUS = {
    "missing": "(missing: it is not there)",
    "absent": "no such file",
    "outside": "in no environment",
    "untracked": "untracked",
}


def run() -> NoReturn:
    """The command as a process."""
    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return guarded(
        lambda: execute(_parser().parse_args(arguments)),
        PROG,
        PROG,
        as_json="--json" in arguments,
        interrupted="interrupted",  # --reset does not bring back what it has removed
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    configure_parser(parser)
    return parser


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options: our own, and all of packing."""
    parser.add_argument(
        "where", metavar="PREFIX", nargs="?", help="the environment's path, the same as --prefix PREFIX"
    )
    group = parser.add_argument_group("files, instead of packing")
    modes = group.add_mutually_exclusive_group()
    modes.add_argument(
        "--which",
        "-w",
        metavar="PATH",
        nargs="+",
        help="tell the package that each file came from; exits with 1 unless all are there and have one",
    )
    modes.add_argument(
        "--untracked",
        "-u",
        action="store_true",
        help="list the files that no package owns, less those that match --exclude",
    )
    modes.add_argument(
        "--reset",
        "-r",
        action="store_true",
        help="remove the files that --untracked lists, and folders that are empty then; lists them and asks "
        "before",
    )
    group.add_argument(
        "--all", action="store_true", help="list the files of what pip installed too, not only their names"
    )
    group.add_argument(
        "--pip", action="store_true", help="--reset: remove also what pip installed, each project as a whole"
    )
    group.add_argument("--yes", "-y", action="store_true", help="--reset: do not ask")
    making.add_options(parser)
    pack.configure_parser(parser)


def execute(options: argparse.Namespace) -> int:
    """Do what is asked for; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that the locale cannot write are no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.where is not None:
        if options.prefix is not None:
            raise UsageError("The environment is given twice: leave out either PREFIX or --prefix.")
        options.prefix = options.where
    mode = _mode(options)
    _check_fitting(options, mode)
    if mode == "which":
        return _which(options)
    if mode == "untracked":
        return _untracked(options)
    if mode == "reset":
        return _reset(options)
    return making.execute(options) if mode else pack.execute(options)


def _mode(options: argparse.Namespace) -> str:
    """What is to be done: a key of _FITTING, or nothing to pack."""
    if options.which:
        return "which"
    if options.untracked or options.reset:
        return "untracked" if options.untracked else "reset"
    return "pkg-name" if making.is_wanted(options) else ""


def _check_fitting(options: argparse.Namespace, mode: str) -> None:
    """Raise UsageError for options that would do nothing."""
    defaults = vars(_parser().parse_args([]))
    given = {name for name, value in vars(options).items() if value != defaults[name]}
    unfit = given - _FITTING[mode] if mode else given & _OWN.keys()
    if options.where is not None:
        unfit.discard("prefix")
    if unfit:
        names = ", ".join(sorted(_OWN.get(name, _spelled(name)) for name in unfit))
        purpose = f"--{mode}" if mode else "packing; add --untracked or --reset"
        raise UsageError(f"These mean nothing for {purpose}: {names}.")


def _spelled(name: str) -> str:
    """An option as a user writes it."""
    special = {"filters": "--exclude, --include", "where": "PREFIX", "zip_64": "--no-zip-64"}
    return special.get(name, f"--{name.replace('_', '-')}")


# ----------------------------------------------------------------------- --which


def _which(options: argparse.Namespace) -> int:
    from conda_pack.packages.tracking import which  # noqa: PLC0415

    answer = which(options.which)
    if options.json:
        _show_json(answer)
    else:
        for whose in answer.files:
            for told in _told(whose):
                print(f"{one_line(whose.path):<50}  {told}")
    return 0 if all(whose.status == "owned" for whose in answer.files) else NO


def _told(whose: Whose) -> Iterator[str]:
    if whose.owners:
        missing = f"  {_STATUS['missing']}" if whose.status == "missing" else ""
        for owner in whose.owners:
            yield f"{one_line(owner.text)}{missing}"
    else:
        yield _STATUS[whose.status]


# -------------------------------------------------------------------- --untracked


def _untracked(options: argparse.Namespace) -> int:
    from conda_pack.packages.tracking import untracked  # noqa: PLC0415

    tracked = untracked(options.name, options.prefix, options.filters or ())
    if options.json:
        _show_json(tracked.result())
        return 0
    found = tracked.untracked
    files = found.all_files if options.all else found.files
    if not options.quiet:
        print(f"# prefix: {one_line(tracked.listing.prefix)}")
        print(f"# untracked files: {len(files)}")
    _show_paths(files)
    if not options.all:
        _show_projects(tracked, quiet=options.quiet)
    return 0


def _show_projects(tracked: Tracked, *, quiet: bool) -> None:
    projects = tracked.result().projects
    if projects and not quiet:
        count = sum(len(project.files) for project in projects)
        print(f"# installed by pip: {len(projects)} projects, {count} files")
    for project in projects:
        version = f"=={project.version}" if project.version else ""
        name = one_line(f"pip:{project.name}{version}")
        over = f", over {', '.join(project.replaces)}" if project.replaces else ""
        print(name if quiet else one_line(f"{name:<50}  {len(project.files)} files{over}"))


# ------------------------------------------------------------------------ --reset


def _reset(options: argparse.Namespace) -> int:
    from conda_pack.packages.removing import remove  # noqa: PLC0415
    from conda_pack.packages.results import Reset  # noqa: PLC0415
    from conda_pack.packages.tracking import untracked  # noqa: PLC0415

    tracked = untracked(options.name, options.prefix, options.filters or ())
    removal = tracked.removal(with_projects=options.pip)
    prefix = tracked.listing.prefix
    is_asked = not (options.yes or options.dry_run)
    if is_asked and (removal.files or removal.folders) and (options.json or not _is_terminal()):
        raise UsageError(
            f"--reset would remove {_count(removal)} from {prefix}, and nobody can be asked here. "
            "Look with --dry-run, then say --yes."
        )
    if not options.json:
        _show_removal(tracked, removal, options)
    if options.dry_run or not (removal.files or removal.folders):
        planned = (list(removal.files), list(removal.folders))
        if options.json:
            _show_json(Reset(prefix, options.dry_run, *planned, {}, dict(removal.kept)))
        return 0
    if is_asked and not _agreed(f"Remove {_count(removal)} from {one_line(prefix)}?"):
        print("Nothing was removed.", file=sys.stderr)
        return NO
    removed = remove(tracked.listing, removal)
    if options.json:
        gone = (removed.files, removed.folders)
        _show_json(Reset(prefix, False, *gone, dict(removed.left), dict(removal.kept)))
    _show_left(removed, everything=options.verbose)
    return WriteFailed.exit_code if removed.left else 0


def _show_removal(tracked: Tracked, removal: Removal, options: argparse.Namespace) -> None:
    if not options.quiet:
        print(f"# prefix: {one_line(tracked.listing.prefix)}")
        print(f"# to be removed: {_count(removal)}")
    _show_paths([*sorted(removal.files), *(f"{folder}/" for folder in sorted(removal.folders))])
    for name, reason in removal.kept:
        print(f"{PROG}: warning: {one_line(name)} is kept: {one_line(reason)}.", file=sys.stderr)
    if tracked.untracked.projects and not (options.pip or options.quiet):
        print(f"# kept: {len(tracked.untracked.projects)} projects installed by pip (--pip removes them)")


def _show_left(removed: Removed, *, everything: bool) -> None:
    from conda_pack.model import MOST_NAMED  # noqa: PLC0415

    if not removed.left:
        return
    shown = removed.left if everything else removed.left[:MOST_NAMED]
    print(f"{PROG}: error: {len(removed.left)} of these are left:", file=sys.stderr)
    for path, reason in shown:
        print(f"    {one_line(path)}: {reason}", file=sys.stderr)
    if len(shown) < len(removed.left):
        print(f"    … and {len(removed.left) - len(shown)} more", file=sys.stderr)


def _count(removal: Removal) -> str:
    return f"{len(removal.files)} files and {len(removal.folders)} folders"


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _agreed(question: str) -> bool:
    sys.stdout.flush()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


# ----------------------------------------------------------------------- printing


def one_line(text: str) -> str:
    """A name on one line, harmless to a terminal: what cannot be printed as Python escapes it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def _show_paths(paths: Iterable[str]) -> None:
    for path in paths:
        print(one_line(path))


def _show_json(result: msgspec.Struct) -> None:
    """Print a result for programs; in names that are no UTF-8 escapes of Python's stand for the bytes."""
    import msgspec  # noqa: PLC0415

    from conda_pack.cli.console import show_json  # noqa: PLC0415

    try:
        show_json(result)
    except UnicodeEncodeError:
        print(json.dumps(msgspec.to_builtins(result), indent=2))


if __name__ == "__main__":
    run()
