"""The activation scripts, in real shells: each is asked for its variables before, inside and after."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

import conda_pack

SCRIPTS = Path(conda_pack.__file__).parent / "runtime" / "activation"
SYSTEM_PATH = "/usr/bin:/bin"

Variables = dict[str, str]


@dataclass(frozen=True)
class Shell:
    """One way to start a shell, and how that shell spells what the tests ask of it."""

    name: str
    command: tuple[str, ...]
    suffix: str = ""
    # What keeps the shell alive after a failure.
    lenient: str = "set +e"
    # Everything runs strictly, with a prompt of our own, and reports what it exports and what it prompts.
    preamble: str = """
        set -eu
        PS1='> '
        report() { printf '#%s\\0' "$1"; if [ -n "${PS1+set}" ]; then printf 'PS1=%s\\0' "$PS1"; fi; env -0; }
    """

    def activate(self, prefix: Path | str) -> str:
        return f". {shlex.quote(f'{prefix}/bin/activate{self.suffix}')}"

    def deactivate(self, prefix: Path | str) -> str:
        return f". {shlex.quote(f'{prefix}/bin/deactivate{self.suffix}')}"

    def start(
        self, *steps: str, cwd: Path, stdin: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        # xonsh is a Python package, and lies beside the Python that runs this
        beside = os.path.dirname(sys.executable)
        program = shutil.which(self.command[0], path=os.pathsep.join([os.environ["PATH"], beside]))
        if program is None:
            pytest.skip(f"NO {self.command[0].upper()} HERE, its activation is not tried!")
        return subprocess.run(
            [program, *self.command[1:], "-c", "\n".join([self.preamble, *steps])],
            cwd=cwd,
            env={"PATH": SYSTEM_PATH, "HOME": str(cwd), "LC_ALL": "C.UTF-8", **variables},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def run(self, *steps: str, cwd: Path, stdin: str | None = None, **variables: str) -> str:
        """Run the steps, none of which may fail or complain, and return what they print."""
        done = self.start(*steps, cwd=cwd, stdin=stdin, **variables)
        expected = (0, "")
        assert expected == (done.returncode, done.stderr)
        return done.stdout

    def ask(self, *steps: str, cwd: Path, stdin: str | None = None, **variables: str) -> dict[str, Variables]:
        """Run the steps likewise, and return what each ``report`` says."""
        return parse(self.run(*steps, cwd=cwd, stdin=stdin, **variables))


POSIX_SHELLS = [
    Shell("dash", ("dash",)),
    Shell("busybox", ("busybox", "sh")),
    Shell("mksh", ("mksh",)),
    Shell("ksh", ("ksh",)),
    Shell("bash", ("bash", "--norc")),
    Shell("bash-posix", ("bash", "--posix")),
    Shell("bash-failglob", ("bash", "-O", "failglob")),
    Shell("zsh", ("zsh", "-f")),
    Shell("zsh-as-sh", ("zsh", "--emulate", "sh", "-f")),
]
FISH = Shell(
    "fish",
    ("fish", "--no-config"),
    suffix=".fish",
    lenient="",
    preamble="""
        function fish_prompt; echo -n '> '; end
        function report; printf '#%s\\0PS1=%s\\0' $argv[1] (fish_prompt | string collect); env -0; end
    """,
)

every_shell = pytest.mark.parametrize("shell", [*POSIX_SHELLS, FISH], ids=lambda shell: shell.name)
posix_shell = pytest.mark.parametrize("shell", POSIX_SHELLS, ids=lambda shell: shell.name)
# Those that cannot tell a sourced script its own path.
mute_shell = pytest.mark.parametrize("shell", POSIX_SHELLS[:3], ids=lambda shell: shell.name)
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a shell's open files")


def parse(output: str) -> dict[str, Variables]:
    """Return, for each report, the variables that activation is about."""
    reports: dict[str, Variables] = {}
    for entry in output.split("\0"):
        if entry.startswith("#"):
            variables = reports[entry[1:]] = {}
        name, _, value = entry.partition("=")
        if name in ("PATH", "PS1", "HOOKS") or name.startswith(("CONDA_", "_CONDA", "_conda")):
            variables[name] = value
    return reports


def active(prefix: Path | str, level: int = 1, *, path: str = SYSTEM_PATH, prompt: str = "> ") -> Variables:
    """What activation sets, over the PATH and the prompt that were there."""
    name = os.path.basename(prefix)
    return {
        "PATH": f"{prefix}/bin:{path}",
        "PS1": f"({name}) {prompt}",
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": name,
        "CONDA_PROMPT_MODIFIER": f"({name}) ",
        "CONDA_SHLVL": str(level),
        f"CONDA_STACKED_{level}": str(prefix),
    }


def make_prefix(prefix: Path) -> Path:
    for folder in ("bin", "conda-meta"):
        (prefix / folder).mkdir(parents=True)
    for script in SCRIPTS.iterdir():
        shutil.copy(script, prefix / "bin")
    return prefix


def add_hooks(prefix: Path, event: str, names: Iterable[str], *, posix: str, fish: str = "") -> None:
    """Write hooks for both kinds of shell, with ``{name}`` filled in."""
    folder = prefix / "etc" / "conda" / f"{event}.d"
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.sh").write_text(posix.replace("{name}", name))
        (folder / f"{name}.fish").write_text(fish.replace("{name}", name))


NOTE_POSIX = 'export HOOKS="${HOOKS-} {name}:${CONDA_PREFIX##*/}"\n'
NOTE_FISH = 'set -gx HOOKS "$HOOKS {name}:"(basename $CONDA_PREFIX)\n'


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An unpacked environment whose path holds spaces, letters beyond ASCII and wildcards."""
    return make_prefix(tmp_path / "été [a-z]*" / "my énv")


BEFORE = {"PATH": SYSTEM_PATH, "PS1": "> "}
BASE = {
    "CONDA_PREFIX": "/opt/base",
    "CONDA_DEFAULT_ENV": "base",
    "CONDA_PROMPT_MODIFIER": "(base) ",
    "CONDA_SHLVL": "1",
}


@every_shell
def test_variables_are_set_and_unset_again(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Activation sets each variable, and deactivation leaves no trace of any."""
    actual = shell.ask(
        *("report before", shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    expected = {"before": BEFORE, "inside": active(prefix), "after": BEFORE}
    assert expected == actual


@every_shell
def test_the_environment_of_conda_comes_back(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Over an environment that conda activated, the way is up one level and down again."""
    actual = shell.ask(
        *("report before", shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
        **BASE,
    )
    kept = {f"{name}_1": value for name, value in BASE.items()}
    expected = {"before": BEFORE | BASE, "inside": active(prefix, 2) | kept, "after": BEFORE | BASE}
    assert expected == actual


@every_shell
def test_environments_are_stacked(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Of two packed environments the inner one is left first, and the outer one is then as it was."""
    inner = make_prefix(tmp_path / "inner")
    actual = shell.ask(
        *(shell.activate(prefix), "report outer", shell.activate(inner), "report inner"),
        *(shell.deactivate(inner), "report again", shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    outer = active(prefix)
    kept = {f"{name}_1": outer[name] for name in BASE} | {"CONDA_STACKED_1": str(prefix)}
    expected = {
        "outer": outer,
        "inner": active(inner, 2, path=outer["PATH"], prompt="> " if shell is FISH else outer["PS1"]) | kept,
        "again": outer,
        "after": BEFORE,
    }
    assert expected == actual


@every_shell
def test_activating_twice_is_activating_once(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A second activation duplicates nothing, and one deactivation undoes both."""
    actual = shell.ask(
        *(shell.activate(prefix), shell.activate(prefix), "report inside"),
        *(shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    assert {"inside": active(prefix), "after": BEFORE} == actual


@every_shell
def test_deactivating_twice_is_deactivating_once(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """With nothing active, deactivation is quiet and does nothing."""
    actual = shell.ask(
        *(shell.activate(prefix), shell.deactivate(prefix), shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    expected = {"after": BEFORE}
    assert expected == actual


@every_shell
def test_an_environment_of_conda_is_left_to_conda(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """Deactivation refuses to leave what activation here did not enter."""
    done = shell.start(shell.lenient, shell.deactivate(prefix), "report after", cwd=tmp_path, **BASE)
    complaint = "/opt/base was not activated by its bin/activate; try: conda deactivate"
    expected = (f"conda-pack: {complaint}\n", {"after": BEFORE | BASE})
    assert expected == (done.stderr, parse(done.stdout))


@every_shell
def test_reset_path_is_repaired(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A login shell inherits CONDA_PREFIX but not PATH: activating again puts the environment in front."""
    reset = f"export PATH={SYSTEM_PATH}"
    actual = shell.ask(shell.activate(prefix), reset, shell.activate(prefix), "report inside", cwd=tmp_path)
    assert {"inside": active(prefix)} == actual


@every_shell
def test_what_was_on_path_before_stays(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """An environment that was on PATH before its activation is there afterwards, in the same place."""
    path = f"{SYSTEM_PATH}:{prefix}/bin"
    actual = shell.ask(
        *(shell.activate(prefix), shell.deactivate(prefix), "report after"), cwd=tmp_path, PATH=path
    )
    assert {"after": BEFORE | {"PATH": path}} == actual


@every_shell
def test_what_the_user_adds_to_path_stays(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """What is put on PATH while the environment is active outlives it."""
    add = "set -gx PATH /mine $PATH" if shell is FISH else 'PATH="/mine:$PATH"'
    actual = shell.ask(*(shell.activate(prefix), add, shell.deactivate(prefix), "report after"), cwd=tmp_path)
    assert {"after": BEFORE | {"PATH": f"/mine:{SYSTEM_PATH}"}} == actual


@every_shell
@pytest.mark.parametrize("where", ["../my énv", ".", "etc/..", "bin/.."])
def test_relative_path(shell: Shell, prefix: Path, tmp_path: Path, where: str) -> None:
    """A relative path will do, from any folder, and whatever CDPATH says."""
    (prefix / "etc").mkdir()
    (tmp_path / "elsewhere" / "bin").mkdir(parents=True)
    actual = shell.ask(
        *(f"CDPATH={tmp_path}/elsewhere; export CDPATH", shell.activate(where), "report inside")
        if shell is not FISH
        else (f"set -gx CDPATH {tmp_path}/elsewhere", shell.activate(where), "report inside"),
        cwd=prefix,
    )
    assert {"inside": active(prefix)} == actual


@every_shell
def test_symbolic_link_keeps_its_spelling(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """CONDA_PREFIX is the path the user gave, except in the shells that only the kernel can tell it to."""
    link = tmp_path / "link"
    link.symlink_to(prefix)
    actual = shell.ask(shell.activate("link"), "report inside", cwd=tmp_path)
    mute = shell in POSIX_SHELLS[:3]
    assert {"inside": active(prefix if mute else link)} == actual


@posix_shell
def test_by_name_from_path(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """`. activate` and `. deactivate` find the scripts on PATH."""
    path = f"{prefix}/bin:{SYSTEM_PATH}"
    actual = shell.ask(
        *(". activate", "report inside", ". deactivate", "report after"), cwd=tmp_path, PATH=path
    )
    assert {"inside": active(prefix, path=path), "after": BEFORE | {"PATH": path}} == actual


@posix_shell
def test_in_a_subshell_and_a_function(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A Makefile's `( . env/bin/activate && … )` and a user's own function activate as well."""
    function = f"enter() {{ {shell.activate(prefix)}; }}"
    actual = shell.ask(
        f"( {shell.activate(prefix)} && report subshell )",
        *("report between", function, "enter", "report function"),
        cwd=tmp_path,
    )
    expected = {"subshell": active(prefix), "between": BEFORE, "function": active(prefix)}
    assert expected == actual


@every_shell
def test_deactivate_in_a_child_shell(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """What deactivation needs is exported: it works in a shell started inside the environment."""
    first = shell.start(shell.activate(prefix), "env -0", cwd=tmp_path, **BASE)
    inherited = dict(entry.split("=", 1) for entry in first.stdout.split("\0") if "=" in entry)
    inherited.pop("PS1", None)
    actual = shell.ask(shell.deactivate(prefix), "report after", cwd=tmp_path, **inherited)
    expected = {"after": BEFORE | BASE}
    assert expected == actual


@posix_shell
def test_without_a_prompt(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A script has no PS1, and gets none."""
    actual = shell.ask(
        *("unset PS1", shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    inside = active(prefix)
    del inside["PS1"]
    assert {"inside": inside, "after": {"PATH": SYSTEM_PATH}} == actual


@posix_shell
@pytest.mark.parametrize("name", ["$(touch proof)", "`touch proof`", "a\\b", "100%", "hey!"])
def test_prompt_never_runs_a_folder_name(shell: Shell, tmp_path: Path, name: str) -> None:
    """A name that the shell would expand is kept out of the prompt, and out of nothing else."""
    prefix = make_prefix(tmp_path / name)
    actual = shell.ask(shell.activate(prefix), "report inside", cwd=tmp_path)
    assert {"inside": active(prefix) | {"CONDA_PROMPT_MODIFIER": "", "PS1": "> "}} == actual


@posix_shell
@pytest.mark.parametrize("strict", ["set -eu", "set +eu", "set -u", "set -euf"])
def test_options_and_variables_of_the_shell_stay(
    shell: Shell, prefix: Path, tmp_path: Path, strict: str
) -> None:
    """No option is changed, inside or afterwards, not even by a hook, and no helper variable is left."""
    add_hooks(prefix, "activate", ["loose"], posix="set +e +u\n")
    add_hooks(prefix, "deactivate", ["tight"], posix="set -e -u\n")
    output = shell.run(
        *(strict, "before=$-", shell.activate(prefix), "inside=$-", shell.deactivate(prefix)),
        'printf "%s\\n" "$before" "$inside" "$-"; set',
        cwd=tmp_path,
    )
    before, inside, after, *variables = output.splitlines()
    assert (before, before) == (inside, after)
    left = [line for line in variables if line.startswith(("_conda", "_CONDA", "CONDA"))]
    assert not left


@pytest.fixture(scope="session")
def dictionary_order(tmp_path_factory: pytest.TempPathFactory) -> Variables:
    """Variables for a locale in which '~z' sorts before 'a', and 'B' after it."""
    folder = tmp_path_factory.mktemp("locale")
    localedef = shutil.which("localedef")
    if localedef is None:
        pytest.skip("localedef is not installed")
    made = subprocess.run(
        [localedef, "-i", "en_US", "-f", "UTF-8", f"{folder}/en_US.UTF-8"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("localedef has no source of en_US.UTF-8")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.UTF-8"}


@every_shell
def test_hooks_run_in_the_order_of_conda(
    shell: Shell, prefix: Path, tmp_path: Path, dictionary_order: Variables
) -> None:
    """Hooks run by the bytes of their names in every locale, and find the environment active."""
    names = ["~z", "a b", "a9", "B", "a10"]
    add_hooks(prefix, "activate", names, posix=NOTE_POSIX, fish=NOTE_FISH)
    add_hooks(prefix, "deactivate", [f"-{name}" for name in names], posix=NOTE_POSIX, fish=NOTE_FISH)
    actual = shell.ask(
        *(shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
        **dictionary_order,
    )
    ran = "".join(f" {name}:my énv" for name in ("B", "a b", "a10", "a9", "~z"))
    ran_after = "".join(f" -{name}:my énv" for name in ("~z", "a9", "a10", "a b", "B"))
    expected = {"inside": active(prefix) | {"HOOKS": ran}, "after": BEFORE | {"HOOKS": ran + ran_after}}
    assert expected == actual


@every_shell
def test_empty_hook_folders(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A folder without hooks is no error, in zsh neither ("no matches found")."""
    add_hooks(prefix, "activate", [], posix="")
    add_hooks(prefix, "deactivate", [], posix="")
    actual = shell.ask(
        *(shell.activate(prefix), "report inside", shell.deactivate(prefix), "report after"), cwd=tmp_path
    )
    assert {"inside": active(prefix), "after": BEFORE} == actual


@posix_shell
def test_careless_hooks_survive_a_strict_shell(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A hook that reads an unset variable or fails does not end a shell under `set -eu`."""
    add_hooks(prefix, "activate", ["a", "b"], posix=f': "$NOT_SET"; false\n{NOTE_POSIX}return 3\n')
    actual = shell.ask("set -f", shell.activate(prefix), "report inside", cwd=tmp_path)
    assert {"inside": active(prefix) | {"HOOKS": " a:my énv b:my énv"}} == actual


@posix_shell
def test_a_talkative_cd_is_not_heard(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """A user's cd that prints the folder, or lists it, changes nothing."""
    zsh = shell.command[0] == "zsh"
    talk = "chpwd() { echo moved; }" if zsh else 'cd() { command cd "$@" && echo moved; }'
    actual = shell.ask(talk, shell.activate(prefix), "report inside", cwd=tmp_path)
    assert {"inside": active(prefix)} == actual


@posix_shell
@pytest.mark.parametrize("separators", ["''", "/_:0123456789"])
def test_any_ifs(shell: Shell, prefix: Path, tmp_path: Path, separators: str) -> None:
    """Nothing is split, or left whole, by the separators a script has chosen."""
    actual = shell.ask(
        *(f"IFS={separators}", shell.activate(prefix), "report inside"),
        *(shell.deactivate(prefix), "report after"),
        cwd=tmp_path,
    )
    assert {"inside": active(prefix), "after": BEFORE} == actual


# A script that comes through a pipe has no path: neither the shell nor the kernel can tell it.
PIPED = ". /dev/stdin"
PIPED_SCRIPT = (SCRIPTS / "activate").read_text()


@mute_shell
@needs_proc
def test_without_a_path_one_sentence_says_what_to_do(shell: Shell, tmp_path: Path) -> None:
    """Where nothing tells the path, activation fails with the command that works."""
    done = shell.start(shell.lenient, PIPED, "report after", cwd=tmp_path, stdin=PIPED_SCRIPT)
    complaint = (
        "conda-pack: this shell does not say where the environment is. Activate it with:\n"
        "    CONDA_PACK_ENV=/path/to/env . /path/to/env/bin/activate\n"
    )
    expected = (complaint, {"after": BEFORE})
    assert expected == (done.stderr, parse(done.stdout))


@mute_shell
@needs_proc
def test_a_failed_activation_ends_a_strict_script(shell: Shell, tmp_path: Path) -> None:
    """Under `set -e` nothing runs after an activation that failed."""
    done = shell.start(PIPED, "report after", cwd=tmp_path, stdin=PIPED_SCRIPT)
    expected = (1, "")
    assert expected == (done.returncode, done.stdout)


@mute_shell
@needs_proc
def test_without_a_path_the_variable_tells(shell: Shell, prefix: Path, tmp_path: Path) -> None:
    """CONDA_PACK_ENV says where the environment is, once."""
    told = f"CONDA_PACK_ENV={shlex.quote(str(prefix))} {PIPED}"
    actual = shell.ask(told, "report inside", cwd=tmp_path, stdin=PIPED_SCRIPT)
    assert {"inside": active(prefix)} == actual


@mute_shell
@needs_proc
@pytest.mark.parametrize("where", ["", "bin"])
def test_without_a_path_the_working_directory_tells(shell: Shell, prefix: Path, where: str) -> None:
    """Standing in the environment, or in its bin folder, is enough."""
    actual = shell.ask(PIPED, "report inside", cwd=prefix / where, stdin=PIPED_SCRIPT)
    assert {"inside": active(prefix)} == actual


def test_fish_without_a_path(prefix: Path) -> None:
    """A script piped into fish says so instead of guessing."""
    script = (SCRIPTS / "activate.fish").read_text()
    done = FISH.start("source; or report after", cwd=prefix / "bin", stdin=script)
    complaint = "fish does not say where the environment is; source bin/activate.fish by its path."
    expected = (f"conda-pack: {complaint}\n", {"after": BEFORE})
    assert expected == (done.stderr, parse(done.stdout))


def test_fish_prompt_keeps_the_status(prefix: Path, tmp_path: Path) -> None:
    """A prompt that shows the status of the last command still does."""
    actual = FISH.run(
        'function fish_prompt; echo -n "$status> "; end',
        *(FISH.activate(prefix), "false", "fish_prompt", FISH.deactivate(prefix), "false", "fish_prompt"),
        cwd=tmp_path,
    )
    expected = "(my énv) 1> 1> "
    assert expected == actual


def test_fish_prompt_is_left_to_conda(prefix: Path, tmp_path: Path) -> None:
    """Where conda's own wrapper shows the environment, or was told not to, there is no second one."""
    actual = FISH.ask(
        "function __conda_add_prompt; end", FISH.activate(prefix), "report inside", cwd=tmp_path
    )
    assert {"inside": active(prefix) | {"PS1": "> "}} == actual
