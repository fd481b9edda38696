"""The formats of --env, each read back by what users read it with."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.model import Platform
from conda_pack.runtime import folder
from conda_pack.runtime.environ import (
    FORMATS,
    Change,
    UnfitValue,
    activated,
    as_docker,
    as_dotenv,
    as_json,
    as_sh,
    executable_folders,
)
from conda_pack.runtime.files import runtime_files
from conda_pack.runtime.folder import INDEX
from tests.support.shells import AWKS, TOOLS, few_tools
from tests.support.unpacked import put
from tests.support.unpackers import run

dotenv = pytest.importorskip("dotenv")

NAMES = st.from_regex(r"V[A-Z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VARIABLES = st.dictionaries(NAMES, VALUES, max_size=4)


def read_by_shell(shell: list[str], text: str, environ: dict[str, str]) -> dict[str, str]:
    program = shutil.which(shell[0])
    if program is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run(
        [program, *shell[1:], "-c", 'eval "$1"; exec env -0', "sh", text],
        env=environ | {"PATH": "/usr/bin:/bin"} if "PATH" not in environ else environ,
        capture_output=True,
        check=True,
    )
    entries = [entry.partition("=") for entry in os.fsdecode(done.stdout).split("\0") if entry]
    return {
        name: value for name, _, value in entries if name not in ("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE")
    }


@pytest.mark.parametrize("shell", [["dash"], ["bash"], ["busybox", "sh"]], ids=lambda shell: shell[0])
@settings(max_examples=40, deadline=None)
@given(variables=VARIABLES)
def test_sh_is_evaluated(shell: list[str], variables: dict[str, str]) -> None:
    """eval sets each variable, unsets what is to be unset, and puts PATH in front of what is there."""
    changes = [Change(name, value) for name, value in variables.items()]
    changes += [Change("GONE", None), Change("PATH", "/it's/bin", "/elsewhere")]
    actual = read_by_shell(shell, as_sh(changes), {"GONE": "x", "PATH": "/usr/bin:/bin"})
    assert variables | {"PATH": "/it's/bin:/usr/bin:/bin"} == actual


@settings(deadline=None)
@given(variables=VARIABLES)
def test_dotenv_is_read(variables: dict[str, str]) -> None:
    """python-dotenv reads the same values; those it would change are refused, and named."""
    text = ""
    unfit = [name for name, value in variables.items() if "${" in value or "\r" in value]
    changes = [Change(name, value) for name, value in variables.items()]
    if unfit:
        with pytest.raises(UnfitValue, match=f"^{unfit[0]} "):
            as_dotenv(changes)
        return
    text = as_dotenv([*changes, Change("GONE", None), Change("PATH", "/a", "/b:/c")])

    actual = dict(dotenv.dotenv_values(stream=io.StringIO(text)))
    assert variables | {"PATH": "/a:/b:/c"} == actual


@given(variables=VARIABLES)
def test_docker_lines(variables: dict[str, str]) -> None:
    """docker takes a line as it is, up to its end; a value of several lines is refused."""
    changes = [Change(name, value) for name, value in variables.items()]
    unfit = [name for name, value in variables.items() if "\n" in value or "\r" in value]
    if unfit:
        with pytest.raises(UnfitValue, match=f"^{unfit[0]} "):
            as_docker(changes)
        return
    lines = as_docker([*changes, Change("GONE", None)]).split("\n")
    assert variables == dict(line.split("=", 1) for line in lines if line)


@given(variables=VARIABLES)
def test_json_is_read(variables: dict[str, str]) -> None:
    changes = [*(Change(name, value) for name, value in variables.items()), Change("GONE", None)]
    assert variables | {"GONE": None} == json.loads(as_json(changes))


def make(prefix: Path) -> str:
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    return str(prefix)


def test_path_is_a_difference_unless_a_hook_changed_it(tmp_path: Path) -> None:
    prefix = make(tmp_path / "env")
    expected = [Change("PATH", f"{prefix}/bin", "/usr/bin:/bin")]
    assert expected == [
        change for change in activated(prefix, {"PATH": "/usr/bin:/bin"}) if change.name == "PATH"
    ]
    hooks = tmp_path / "env" / "etc" / "conda" / "activate.d"
    hooks.mkdir(parents=True)
    (hooks / "a.sh").write_text('PATH="$PATH:/last"\n')
    expected = [Change("PATH", f"{prefix}/bin:/usr/bin:/bin:/last")]
    assert expected == [
        change for change in activated(prefix, {"PATH": "/usr/bin:/bin"}) if change.name == "PATH"
    ]


def test_activating_twice_is_activating_once(tmp_path: Path) -> None:
    """In its own environment it changes nothing; after PATH was reset, PATH alone."""
    prefix = make(tmp_path / "env")
    (tmp_path / "env" / "conda-meta" / "state").write_text('{"env_vars": {"A": "b"}}')
    before = {"PATH": "/usr/bin", "A": "mine"}
    inside = before | {change.name: change.whole or "" for change in activated(prefix, before)}
    assert (inside["A"], inside["__CONDA_SHLVL_0_A"], inside["CONDA_PACK_VARS_1"]) == ("b", "mine", "A")
    assert activated(prefix, inside) == []
    assert [change.name for change in activated(prefix, inside | {"PATH": "/usr/bin"})] == ["PATH"]


def test_what_was_on_path_before_stays(tmp_path: Path) -> None:
    """As in sh: deactivate takes the first mention away."""
    prefix = make(tmp_path / "env")
    path = f"{prefix}/bin:/usr/bin"
    (change,) = [change for change in activated(prefix, {"PATH": path}) if change.name == "PATH"]
    assert change == Change("PATH", f"{prefix}/bin", path)


def test_a_hook_before_our_folder(tmp_path: Path) -> None:
    """Activated again, PATH has the folder once, as after leaving."""
    prefix = make(tmp_path / "env")
    hooks = tmp_path / "env" / "etc" / "conda" / "activate.d"
    hooks.mkdir(parents=True)
    (hooks / "a.sh").write_text('PATH="/first:$PATH"\n')
    before = {"PATH": "/usr/bin"}
    inside = before | {change.name: change.whole or "" for change in activated(prefix, before)}
    assert f"/first:{prefix}/bin:/usr/bin" == inside["PATH"]
    (change,) = activated(prefix, inside)
    assert f"/first:{prefix}/bin:/first:/usr/bin" == change.whole


def test_names_that_shells_drop(tmp_path: Path) -> None:
    """Such as bash's for functions, which dash forgets: they stay as they are."""
    prefix = make(tmp_path / "env")
    hooks = tmp_path / "env" / "etc" / "conda" / "activate.d"
    hooks.mkdir(parents=True)
    (hooks / "a.sh").write_text("export A=b\n")
    changes = activated(prefix, {"PATH": "/usr/bin:/bin", "BASH_FUNC_ml%%": "() { :\n}", "a.b": "c"})
    assert {change.name for change in changes} & {"BASH_FUNC_ml%%", "a.b"} == set()
    assert Change("A", "b") in changes


def test_without_a_path(tmp_path: Path) -> None:
    prefix = make(tmp_path / "env")
    (change,) = [change for change in activated(prefix, {}) if change.name == "PATH"]
    assert (f"{prefix}/bin", f"export PATH='{prefix}/bin'\n") == (change.whole, as_sh([change]))


def test_folders_of_windows(tmp_path: Path) -> None:
    """conda's order."""
    (tmp_path / "Scripts").mkdir()
    below = ["", "Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin"]
    expected = [str(tmp_path / folder) for folder in below]
    assert expected == executable_folders(str(tmp_path))


# ------------------------------------------------------------------ without a Python


def unpacked_with_variables(prefix: Path, values: dict[str, str], hooks: dict[str, str]) -> str:
    """An environment with our scripts in it, variables of its own, and packages' hooks."""
    for blob in runtime_files(Platform("linux-64")):
        put(prefix / blob.path, blob.data, blob.mode)
    put(prefix / INDEX, b"{}")
    put(prefix / "conda-meta/state", json.dumps({"env_vars": values}).encode())
    put(prefix / folder.STATE, folder.state_text({"prefix": str(prefix)}))
    for name, text in hooks.items():
        put(prefix / "etc/conda/activate.d" / name, text.encode())
    return str(prefix)


HOOKS = {
    "a.sh": "export HOOKED=\"$FROM_STATE/$CONDA_PREFIX\" FROM_HOOK='it'\\''s'; unset GONE; echo said",
    "b.sh": 'export PATH="/first:$PATH"; export PWD_="$PWD"; hidden=1',
    "c.fish": "never",
}
BEFORE = {
    "GONE": "x",
    "KEPT": "y",
    "FROM_STATE": "mine",
    "CONDA_SHLVL": "1",
    "CONDA_PREFIX": "/base",
    "PS1": "$ ",
}


@pytest.mark.parametrize("name", AWKS)
@pytest.mark.parametrize("hooks", [{}, {"a.sh": HOOKS["a.sh"]}, HOOKS], ids=["no hooks", "one", "all"])
def test_the_same_without_python(name: str, hooks: dict[str, str], work: Path) -> None:
    """Byte for byte in every format, from every state: not active, active in another, active already."""
    path = few_tools(work / "tools", [*TOOLS, "sh", "env"], awk=name)
    values = {"FROM_STATE": 'it\'s \\ "é" ☃𝄞 $HOME !\t', "lower": "x", "EMPTY": "", "N": "***unset***"}
    prefix = unpacked_with_variables(work / "it's é", values, hooks)
    inside = {"PATH": path} | {
        change.name: change.whole or "" for change in activated(prefix, {"PATH": path})
    }
    if "b.sh" in hooks:  # where it is active already, Python does not run what would undo such a hook
        inside = {}
    for before in ({}, BEFORE, inside):
        environ = {"PATH": path, **before}
        changes = activated(prefix, environ)
        for format, write in FORMATS.items():
            said = run(Path(prefix), "--env", format, path=environ["PATH"], environ=before)
            assert (0, write(changes)) == (said.code, said.out)
            said = run(Path(prefix), f"--env={format}", "--json", path=environ["PATH"], environ=before)
            expected = {"prefix": prefix, "variables": {change.name: change.whole for change in changes}}
            assert (0, json.dumps(expected) + "\n") == (said.code, said.out)


@settings(max_examples=25, deadline=None)
@given(variables=st.dictionaries(NAMES, VALUES.filter(lambda value: value != "***unset***"), max_size=4))
def test_every_value_without_python(work_root: Path, variables: dict[str, str]) -> None:
    """Those that a format cannot hold are refused in the same sentence, with 2."""
    path = few_tools(work_root / "environ-tools") if not (work_root / "environ-tools").exists() else ""
    path = path or str(work_root / "environ-tools")
    prefix = unpacked_with_variables(work_root / "environ", variables, {})
    changes = activated(prefix, {"PATH": path})
    for format, write in FORMATS.items():
        try:
            expected = (0, write(changes), "")
        except UnfitValue as error:
            expected = (2, "", f"conda-unpack: error: {error}\n")
        assert expected == run(Path(prefix), "--env", format, path=path)


def test_bytes_and_locales(work: Path) -> None:
    """Hooks have the user's locale, and bytes that are no text come through."""
    path = few_tools(work / "tools", [*TOOLS, "sh", "env"])
    hook = 'export SEEN="${LC_ALL-none}" BYTES="$(printf "caf\\351")"'
    prefix = unpacked_with_variables(work / "env", {}, {"a.sh": hook})
    for before in ({"LC_ALL": "C.UTF-8"}, {}):
        changes = activated(prefix, {"PATH": path, **before})
        assert ("SEEN", before.get("LC_ALL", "none")) in [change[:2] for change in changes]
        for format, write in FORMATS.items():
            assert (0, write(changes)) == run(Path(prefix), "--env", format, path=path, environ=before)[:2]


def test_a_hook_that_ends(work: Path) -> None:
    """It is told as Python tells it, with 7; and to programs."""
    path = few_tools(work / "tools", [*TOOLS, "sh", "env"])
    prefix = unpacked_with_variables(work / "env", {}, {"a.sh": "exit 3"})
    with pytest.raises(ValueError, match=r"ended with 3$") as caught:
        activated(prefix, {"PATH": path})
    said = run(Path(prefix), "--env", "sh", "--json", path=path)
    assert (7, f"conda-unpack: error: {caught.value}.\n") == (said.code, said.err)
    assert {"error": "CorruptMetadata", "message": f"{caught.value}.", "exit_code": 7} == json.loads(said.out)


def test_a_hook_that_ends_well(work: Path) -> None:
    """It has ended the shell before the others had their turn: that is no activation."""
    path = few_tools(work / "tools", [*TOOLS, "sh", "env"])
    prefix = unpacked_with_variables(work / "env", {}, {"a.sh": "exit 0"})
    with pytest.raises(ValueError, match=r"ended the shell that ran them$"):
        activated(prefix, {"PATH": path})
    said = run(Path(prefix), "--env", "sh", path=path)
    assert said[:2] == (7, "")
