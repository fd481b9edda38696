"""An environment activated by conda and by us: the same variables, and hooks in the same order."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.integration.test_activation import FISH, POSIX_SHELLS, Shell, Variables, add_hooks, make_prefix
from tests.integration.test_activation_variables import (
    CSH,
    ask,
    changes,
    write_package_variables,
    write_state,
)
from tests.support.environments import RealConda

#: What conda calls the shell, and how the shell evaluates what conda prints.
CONDAS = {
    "dash": ("posix", 'eval "$({})"'),
    "bash": ("posix", 'eval "$({})"'),
    "zsh": ("posix", 'eval "$({})"'),
    "fish": ("fish", "{} | source"),
    "tcsh": ("csh", 'eval "`{}`"'),
}
SHELLS = [shell for shell in [*POSIX_SHELLS, FISH, CSH] if shell.name in CONDAS]

#: Of conda alone, and of us alone.
_OWN = ("CONDA_EXE", "_CE_M", "_CE_CONDA", "CONDA_PYTHON_EXE", "_CONDA_EXE", "_CONDA_ROOT")
_OURS = ("CONDA_STACKED_", "CONDA_PACK_VARS_")


def common(variables: dict[str, str | None]) -> dict[str, str | None]:
    return {
        name: value for name, value in variables.items() if name not in _OWN and not name.startswith(_OURS)
    }


def folders(report: Variables) -> list[str]:
    return [folder for folder in report["PATH"].split(":") if not folder.endswith("/condabin")]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell.name)
def test_like_conda(shell: Shell, conda: RealConda, tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "envs" / "one")  # below envs, conda uses the folder's name too
    write_state(prefix, {"BOTH": "state", "small": "1", "KEPT": "***unset***", "SPACED": "a  b"})
    write_package_variables(prefix, "b.json", {"BOTH": "package", "KEPT": "package", "B": "b", "ORDER": "b"})
    write_package_variables(prefix, "c.json", {"ORDER": "c", "MINE": "c"})
    for event in ("activate", "deactivate"):
        names = ["~z", "a9", "B", "a10"]
        posix = f'export HOOKS="${{HOOKS-}} {event}:{{name}}:${{B-}}"\n'
        add_hooks(prefix, event, names, posix=posix, fish=f'set -gx HOOKS "$HOOKS {event}:{{name}}:$B"\n')
        for name in names:
            own = prefix / "etc" / "conda" / f"{event}.d" / f"{name}.csh"
            own.write_text(f'setenv HOOKS "$HOOKS {event}:{name}:$B"\n')
    kind, evaluate = CONDAS[shell.name]

    def by_conda(event: str) -> str:
        command = [str(conda.python), "-m", "conda", f"shell.{kind}", event]
        arguments = [str(prefix)] if event == "activate" else []
        script = tmp_path / f"conda-{event}"
        script.write_text(f"exec {shlex.join([*command, *arguments])} 2>/dev/null\n")
        return evaluate.format(f"sh {script}")

    given = {"MINE": "mine", "KEPT": "kept", "HOOKS": ""}
    ours, theirs = (
        ask(
            shell,
            *("set +u" if shell in POSIX_SHELLS else "", "report before", activate, "report inside"),
            *(deactivate, "report after"),
            cwd=tmp_path,
            **given,
        )
        for activate, deactivate in (
            (shell.activate(prefix), shell.deactivate(prefix)),
            (by_conda("activate"), by_conda("deactivate")),
        )
    )
    expected = common(changes(theirs["before"], theirs["inside"]))
    assert expected == common(changes(ours["before"], ours["inside"]))
    assert folders(theirs["inside"]) == folders(ours["inside"])
    assert theirs["after"]["HOOKS"] == ours["after"]["HOOKS"]
    assert {"HOOKS"} == changes(ours["before"], ours["after"]).keys()
