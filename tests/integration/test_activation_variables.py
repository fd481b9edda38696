"""The environment's own variables (conda-meta/state, etc/conda/env_vars.d), in every shell and without."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.test_activation import (
    FISH,
    POSIX_SHELLS,
    SYSTEM_PATH,
    Shell,
    Variables,
    add_hooks,
    every_shell,
    make_prefix,
)

CSH = Shell(
    "tcsh",
    ("tcsh", "-f"),
    suffix=".csh",
    lenient="",
    preamble="""alias report 'printf "#%s\\0" \\!*; env -0'""",
)
XONSH = Shell(
    "xonsh",
    ("xonsh", "--no-rc"),
    suffix=".xsh",
    lenient="",
    preamble="""
def _report(args):
    entries = [f"{name}={value}" for name, value in __xonsh__.env.detype().items()]
    print("\\0".join(["#" + args[0], *entries]), end="\\0", flush=True)
aliases["report"] = _report
""",
)
NU = Shell(
    "nu",
    ("nu", "--no-config-file"),
    suffix=".nu",
    lenient="",
    preamble='def report [name] { print -n $"#($name)(char nul)"; ^env -0 | print --raw --no-newline }',
)
ALL_SHELLS = [*POSIX_SHELLS, FISH, CSH, XONSH, NU]
all_shells = pytest.mark.parametrize("shell", ALL_SHELLS, ids=lambda shell: shell.name)

#: What shells set of their own accord.
_THEIRS = ("_", "PWD", "OLDPWD", "SHLVL", "PS1", "A__z", "PATH")


def ask(shell: Shell, *steps: str, cwd: Path, **variables: str) -> dict[str, Variables]:
    """Run the steps, and return all exported variables that each ``report`` says."""
    sourced = [step.replace(". ", "source ", 1) if shell in (CSH, XONSH, NU) else step for step in steps]
    output = shell.run(*sourced, cwd=cwd, **variables)
    reports: dict[str, Variables] = {}
    for entry in output.split("\0"):
        if entry.startswith("#"):
            reports[entry[1:]] = {}
        elif "=" in entry:
            name, _, value = entry.partition("=")
            reports[list(reports)[-1]][name] = value
    return reports


def changes(before: Variables, after: Variables) -> dict[str, str | None]:
    names = {name for name in before.keys() | after.keys() if name not in _THEIRS}
    return {name: after.get(name) for name in sorted(names) if before.get(name) != after.get(name)}


def round_trip(shell: Shell, prefix: Path, cwd: Path, **variables: str) -> dict[str, Variables]:
    return ask(
        shell,
        *("report before", shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"),
        cwd=cwd,
        **variables,
    )


def write_state(prefix: Path, variables: dict[str, object], *, ensure_ascii: bool = True) -> None:
    state = {
        "version": 1,
        "extra": [{"env_vars": {"NO": "no"}}, "]"],
        "env_vars": variables,
        "last": {"N": 1},
    }
    (prefix / "conda-meta").mkdir(exist_ok=True)
    (prefix / "conda-meta" / "state").write_text(
        json.dumps(state, ensure_ascii=ensure_ascii), encoding="utf-8"
    )


def write_package_variables(prefix: Path, name: str, variables: dict[str, object]) -> None:
    folder = prefix / "etc" / "conda" / "env_vars.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(variables, indent=4), encoding="utf-8")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return make_prefix(tmp_path / "its [own] énv")


TRICKY = 'it\'s "$HOME" `x` !! \\ \\n % é😀\ttab # ; {a} ~ *'


@all_shells
def test_state_and_packages(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """The user's word counts more than a package's; what was set comes back, what was not is gone."""
    write_state(prefix, {"TRICKY": TRICKY, "BOTH": "state", "KEPT": "***unset***", "small": "1", "EMPTY": ""})
    write_package_variables(prefix, "a.json", {"BOTH": "a", "PACKAGE": "a", "LATER": "a", "KEPT": "a"})
    write_package_variables(prefix, "b.json", {"LATER": "b", "NUMBER": 3.5, "bad-name": "x"})
    actual = round_trip(shell, prefix, tmp_path, KEPT="mine", NUMBER="", BOTH="mine 'é")
    own = {"TRICKY": TRICKY, "BOTH": "state", "SMALL": "1", "PACKAGE": "a", "LATER": "b", "NUMBER": "3.5"}
    inside = changes(actual["before"], actual["inside"])
    assert own | {"EMPTY": ""} == {name: inside.get(name) for name in [*own, "EMPTY"]}
    assert actual["inside"]["KEPT"] == "mine"
    assert changes(actual["before"], actual["after"]) == {}


@all_shells
def test_a_line_break(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A value may have lines."""
    write_state(prefix, {"LONG": "a\nb\n\n'c'\n"})
    actual = round_trip(shell, prefix, tmp_path)
    assert (actual["inside"]["LONG"], changes(actual["before"], actual["after"])) == ("a\nb\n\n'c'\n", {})


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=lambda shell: shell.name)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30),
    is_ascii=st.booleans(),
)
def test_any_text(shell: Shell, tmp_path: Path, value: str, is_ascii: bool) -> None:
    """What Python writes as JSON, the shells read."""
    prefix = tmp_path / "env"
    if not prefix.exists():
        make_prefix(prefix)
    write_state(prefix, {"VALUE": value, "AFTER": "x"}, ensure_ascii=is_ascii)
    actual = ask(shell, shell.activate(prefix), "report inside", cwd=tmp_path)["inside"]
    assert (value, "x") == (actual["VALUE"], actual["AFTER"])


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=lambda shell: shell.name)
@pytest.mark.parametrize("text", ['{"env_vars": {"A": "1', '{"env_vars": {"A": "\\x"}}'])
def test_not_json(shell: Shell, prefix: Path, tmp_path: Path, text: str) -> None:
    """A damaged file is named, sets nothing, and does not keep the environment from being activated."""
    (prefix / "conda-meta" / "state").write_text(text)
    done = shell.start(shell.activate(prefix), 'printf %s "$CONDA_SHLVL${A-}"', cwd=tmp_path)
    said = f"conda-pack: {prefix}/conda-meta/state is not JSON: no variable is set from it or the like\n"
    assert (said, "1") == (done.stderr, done.stdout)


@pytest.mark.parametrize("shell", [FISH, CSH, XONSH, NU], ids=lambda shell: shell.name)
def test_other_shells_get_what_posix_hooks_export(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """What x.sh exports arrives, and leaves with deactivate.d's x.sh."""
    posix = "export HOOK='a b'; read -r nothing; unset GONE\n"
    add_hooks(prefix, "activate", ["x"], posix=posix)
    add_hooks(prefix, "deactivate", ["x"], posix="unset HOOK\nexport GONE=back\n")
    for hook in prefix.glob("etc/conda/*/x.fish"):
        hook.unlink()
    actual = round_trip(shell, prefix, tmp_path, GONE="back")
    assert (actual["inside"].get("HOOK"), actual["inside"].get("GONE")) == ("a b", None)
    assert changes(actual["before"], actual["after"]) == {}


@pytest.mark.parametrize("shell", [FISH, XONSH, NU], ids=lambda shell: shell.name)
def test_what_hooks_print_is_no_command(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """It goes to standard error, whole."""
    add_hooks(prefix, "activate", ["x"], posix="echo 'exit 3'\nexport HOOK=x\n")
    (prefix / "etc" / "conda" / "activate.d" / "x.fish").unlink()
    source = shell.activate(prefix).replace(". ", "source ", 1)
    done = shell.start(source, "env", cwd=tmp_path)
    assert (done.returncode, done.stderr, "HOOK=x" in done.stdout.splitlines()) == (0, "exit 3\n", True)


@pytest.mark.parametrize(
    "awk", [["mawk"], ["gawk"], ["original-awk"], ["busybox", "awk"]], ids=lambda awk: awk[0]
)
@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=lambda shell: shell.name)
def test_any_sh_and_any_awk_say_the_same(shell: Shell, awk: list[str], prefix: Path, tmp_path: Path) -> None:
    """Whatever sh and awk a machine has, other shells hear the same."""
    program = shutil.which(awk[0])
    if program is None:
        pytest.skip(f"{awk[0]} is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "awk").write_text(f'#!/bin/sh\nexec {shlex.join([program, *awk[1:]])} "$@"\n')
    (tools / "awk").chmod(0o755)
    write_state(prefix, {"TRICKY": TRICKY, "LONG": "a\n\\n\\\\b\n", "SAME": "a\\b\nc"})
    done = subprocess.run(
        [
            shutil.which(shell.command[0]) or "",
            *shell.command[1:],
            prefix / "bin" / "activation-for",
            "json",
            "activate",
        ],
        env={"PATH": f"{tools}:{SYSTEM_PATH}", "SAME": "a\\b\nc", "GONE": "", "CONDA_PACK_ENV": "/nowhere"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    expected = {
        "TRICKY": TRICKY,
        "LONG": "a\n\\n\\\\b\n",
        "__CONDA_SHLVL_0_SAME": "a\\b\nc",
        "PATH": f"{prefix}/bin:{tools}:{SYSTEM_PATH}",
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": prefix.name,
        "CONDA_PROMPT_MODIFIER": f"({prefix.name}) ",
        "CONDA_SHLVL": "1",
        "CONDA_STACKED_1": str(prefix),
        "CONDA_PACK_VARS_1": "TRICKY LONG SAME",
        "CONDA_PACK_ENV": None,
    }
    assert (json.loads(done.stdout), done.stderr) == (expected, b"")


@pytest.mark.parametrize("shell", [FISH, CSH], ids=lambda shell: shell.name)
def test_a_hook_of_the_shell_comes_before_its_posix_form(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Of x.sh and the shell's own form of x only the latter is run, with the environment active."""
    set_variable = "set -gx HOOK" if shell is FISH else "setenv HOOK"
    for event in ("activate", "deactivate"):
        add_hooks(prefix, event, ["x 'y"], posix="export POSIX=yes\n")
        own = prefix / "etc" / "conda" / f"{event}.d" / f"x 'y{shell.suffix}"
        own.write_text(f'{set_variable} "{event} $CONDA_SHLVL"\n')
    actual = round_trip(shell, prefix, tmp_path)
    seen = {name: (report.get("HOOK"), report.get("POSIX")) for name, report in actual.items()}
    assert seen == {"before": (None, None), "inside": ("activate 1", None), "after": ("deactivate 1", None)}


@pytest.mark.parametrize("shell", [CSH, XONSH, NU], ids=lambda shell: shell.name)
def test_stack(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Two packed environments over conda's base, each twice, and back: as in sh."""
    inner = make_prefix(tmp_path / "inner")
    base = {"CONDA_PREFIX": "/opt/base", "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "base"}
    steps = (
        *("report before", shell.activate(prefix), shell.activate(prefix), "report outer"),
        *(shell.activate(inner), shell.activate(inner), "report inner"),
        *(shell.deactivate(inner), "report again", shell.deactivate(prefix), "report after"),
    )
    actual = ask(shell, *steps, cwd=tmp_path, **base)
    expected = ask(POSIX_SHELLS[0], *steps_for(POSIX_SHELLS[0], steps, shell), cwd=tmp_path, **base)
    for name in expected:
        assert relevant(expected[name]) == relevant(actual[name])


def steps_for(shell: Shell, steps: tuple[str, ...], other: Shell) -> list[str]:
    return [step.replace(f"activate{other.suffix}", f"activate{shell.suffix}") for step in steps]


def relevant(variables: Variables) -> Variables:
    return {name: value for name, value in variables.items() if name == "PATH" or "CONDA" in name}


HINTS = {
    None: "",  # it works, and many must not relocate it
    '{"unfinished": ["/x"]}': "was relocated only in part: run conda-unpack",
    '{"prefix": "HERE", "unfinished": ["/x"]}': "was relocated only in part: run conda-unpack",
    '{"prefix": "/gone/é"}': "was moved from /gone/é: run conda-unpack",
    '{"prefix": "HERE"}': "",
    '{"prefix": "LINK", "x": "/y"}': "",
    '{"prefix": "\\u00e9"}': "",  # not worth reading
}


@every_shell
@pytest.mark.parametrize("state", HINTS, ids=str)
def test_hint(shell: Shell, prefix: Path, tmp_path: Path, state: str | None) -> None:
    """One line tells that an environment is not where conda-unpack left it; a link to it is the place too."""
    folder = prefix / "conda-meta" / "conda-pack"
    folder.mkdir()
    (folder / "index.json").write_text("{}")
    (tmp_path / "link").symlink_to(prefix)
    if state is not None:
        text = state.replace("HERE", str(prefix)).replace("LINK", str(tmp_path / "link"))
        (folder / "state.json").write_text(text + "\n")
    done = shell.start(shell.activate(prefix), cwd=tmp_path)
    hint = f"conda-pack: hint: {prefix} {HINTS[state]}\n" if HINTS[state] else ""
    assert (0, hint) == (done.returncode, done.stderr)


def conda_pack_run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conda_pack", "run", *arguments],
        env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_run_gives_what_activation_gives(prefix: Path, tmp_path: Path) -> None:
    """`conda-pack run` and `. activate` are one: variables, PATH, hooks."""
    write_state(
        prefix,
        {
            "TRICKY": TRICKY,
            "LONG": "a\nb\n",
            "KEPT": "***unset***",
            "MINE": "x",
            "small": "1",
            "DEEP": {"NO": "no"},
        },
    )
    write_package_variables(prefix, "a.json", {"NUMBER": 3.5, "NONE": None, "bad-name": "x"})
    write_package_variables(prefix, "b.json", {"NUMBER": 4, "SMALL": "2", "YES": True})
    add_hooks(prefix, "activate", ["a", "B"], posix='export HOOKS="${HOOKS-}{name}"; unset DROP; false\n')
    given = {"MINE": "mine", "DROP": "x", "NONE": "x", "CONDA_SHLVL": "1", "CONDA_PREFIX": "/opt/base"}
    shell = POSIX_SHELLS[0]
    actual = conda_pack_run(prefix, "--", "env", "-0", **given)
    report = ask(shell, shell.activate(prefix), "report x", cwd=tmp_path, **given)["x"]
    expected = {
        name: value for name, value in report.items() if name not in ("HOME", "PWD", "OLDPWD", "_", "PS1")
    }
    got = dict(entry.split("=", 1) for entry in actual.stdout.split("\0") if entry)
    assert expected == got


def test_run_is_the_command(prefix: Path) -> None:
    """The exit code and the arguments are the command's own; it is the same process; SIGPIPE is as it was."""
    script = "import os, signal, sys; print(sys.argv[1:], signal.getsignal(signal.SIGPIPE)); sys.exit(7)"
    done = conda_pack_run(prefix, "--", sys.executable, "-c", script, "--help", "--", "-q")
    assert (
        done.returncode,
        done.stdout.replace("Handlers.SIG_IGN", "1"),
    ) == (7, "['--help', '--', '-q'] 1\n")
    killed = conda_pack_run(prefix, "--", "sh", "-c", "kill -TERM $$")
    assert killed.returncode == -15


def test_run_finds_the_command_in_the_environment_first(prefix: Path) -> None:
    tool = prefix / "bin" / "env"
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    assert conda_pack_run(os.path.relpath(prefix), "env").stdout == "mine\n"


def test_run_refuses(prefix: Path, tmp_path: Path) -> None:
    """What cannot be run is told in one sentence, with the exit codes of a shell."""
    outcomes = {
        "nothing": conda_pack_run(prefix),
        "no environment": conda_pack_run(tmp_path, "--", "true"),
        "no such command": conda_pack_run(prefix, "--", "no-such"),
        "no such file": conda_pack_run(prefix, "--", "./no-such"),
        "no program": conda_pack_run(prefix, "--", str(prefix / "bin" / "activate")),
    }
    expected = {
        "nothing": 2,
        "no environment": 3,
        "no such command": 127,
        "no such file": 127,
        "no program": 126,
    }
    assert expected == {name: done.returncode for name, done in outcomes.items()}
    (prefix / "conda-meta" / "state").write_text("{")
    damaged = conda_pack_run(prefix, "--", "true")
    assert (damaged.returncode, damaged.stdout) == (7, "")
    assert f"{prefix}/conda-meta/state" in damaged.stderr
