"""The variables of an activated environment, without a shell's script.

What bin/activate describes, computed: for ``conda-pack run`` and ``bin/conda-unpack --env``. Shipped with
``bin/conda-unpack``: needs the standard library of any Python from 3.6 on, and nothing else.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional

#: What ``conda env config vars unset`` writes in the place of a value.
UNSET = "***unset***"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: What the sh that runs the hooks has of its own.
_OF_THE_SHELL = frozenset(["_", "PWD", "OLDPWD", "SHLVL", "A__z"])
_RUN_HOOKS = 'for hook do . "$hook"; done >&2; env -0'
_AS_JSON = "import json, os; print(json.dumps(dict(os.environ)))"
#: What begins the names of variables that hold what cmd.exe is to run: no quotes get lost on their way to it.
_RUN = "_CONDA_PACK_RUN_"


class Change(NamedTuple):
    """A variable that activation sets; ``value`` None unsets it.

    ``before`` is what it is put in front of (PATH alone), and then not part of ``value``.
    """

    name: str
    value: Optional[str]
    before: Optional[str] = None

    @property
    def whole(self) -> Optional[str]:
        """The whole value."""
        return self.value if not self.before else "{}{}{}".format(self.value, os.pathsep, self.before)


class UnfitValue(ValueError):
    """A value that the format cannot hold."""


def activated(prefix: str, environ: Mapping[str, str]) -> List[Change]:
    """What activating ``prefix`` changes in ``environ``, sorted by name; its hooks are run, by sh or cmd.exe.

    Raises ``OSError`` and ``ValueError`` if the environment's own variables cannot be read.
    """
    after = dict(environ)
    path = environ.get("PATH", "")
    lead = os.pathsep.join(executable_folders(prefix))
    found = environ.get("CONDA_SHLVL", "")
    level = int(found) if found.isdigit() else 0
    is_active = environ.get("CONDA_PREFIX") == prefix == environ.get("CONDA_STACKED_{}".format(level))
    rest = _without_first(lead, path) if is_active else path
    after["PATH"] = lead + os.pathsep + rest if rest else lead
    if not is_active:
        after.update(_stacked(prefix, environ, level))
        level += 1
    own = own_variables(prefix)
    if own:
        after["CONDA_PACK_VARS_{}".format(level)] = " ".join(own)
    for name, value in own.items():
        if name in environ and not is_active:
            after["__CONDA_SHLVL_{}_{}".format(level - 1, name)] = environ[name]
        after.pop(name, None)
        if value is not None:
            after[name] = value
    after = _after_hooks(prefix, after)
    changed = sorted(name for name in set(environ) | set(after) if environ.get(name) != after.get(name))
    return [_change(name, environ.get(name), after.get(name)) for name in changed]


def _without_first(lead: str, path: str) -> str:
    """What is left of PATH without the first mention of these folders, as after deactivating."""
    before, found, behind = (os.pathsep + path + os.pathsep).partition(os.pathsep + lead + os.pathsep)
    return (before + os.pathsep + behind)[1:-1] if found else path


def executable_folders(prefix: str) -> List[str]:
    """The folders of the environment that go on PATH, in conda's order."""
    folders = [name for name in ("Scripts", "bin") if os.path.isdir(os.path.join(prefix, name))]
    if os.pathsep == ":" and folders != ["Scripts"]:
        return [os.path.join(prefix, "bin")]
    below = ("Library\\mingw-w64\\bin", "Library\\usr\\bin", "Library\\bin", "Scripts", "bin")
    return [prefix] + [os.path.join(prefix, *folder.split("\\")) for folder in below]


def own_variables(prefix: str) -> Dict[str, Optional[str]]:
    """The variables of conda-meta/state and, after them, of etc/conda/env_vars.d; None is to be unset.

    As in conda, names are put in upper case, and the unset marker leaves a variable alone.
    """
    sources = []
    state = os.path.join(prefix, "conda-meta", "state")
    if os.path.exists(state):
        sources.append(_read_json(state).get("env_vars", {}))
    folder = os.path.join(prefix, "etc", "conda", "env_vars.d")
    if os.path.isdir(folder):
        names = sorted(filter(lambda name: name.endswith(".json"), os.listdir(folder)), key=os.fsencode)
        sources.extend(_read_json(os.path.join(folder, name)) for name in reversed(names))
    variables: Dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            variables.setdefault(name.upper(), value)
    return {
        name: value if value is None else _text(value)
        for name, value in variables.items()
        if value != UNSET and not isinstance(value, (dict, list)) and _NAME.match(name)
    }


def _read_json(path: str) -> Dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        try:
            return dict(json.load(file))
        except (ValueError, TypeError) as error:
            raise ValueError("{} cannot be read: {}".format(path, error)) from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _stacked(prefix: str, environ: Mapping[str, str], level: int) -> Dict[str, str]:
    """CONDA_PREFIX and its siblings, and what each was, for bin/deactivate."""
    names = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "CONDA_SHLVL")
    kept = {"{}_{}".format(name, level): environ[name] for name in names if name in environ}
    name = os.path.basename(prefix)
    return dict(
        kept,
        CONDA_PREFIX=prefix,
        CONDA_DEFAULT_ENV=name,
        CONDA_PROMPT_MODIFIER="" if set(name) & set("\\$`%!") else "({}) ".format(name),
        CONDA_SHLVL=str(level + 1),
        **{"CONDA_STACKED_{}".format(level + 1): prefix},
    )


def _after_hooks(prefix: str, environ: Dict[str, str]) -> Dict[str, str]:
    """What the packages' activation hooks make of the variables; what they print goes to standard error."""
    folder = os.path.join(prefix, "etc", "conda", "activate.d")
    names = sorted(os.listdir(folder), key=os.fsencode) if os.path.isdir(folder) else []
    # where processes fork, there is sh
    suffix, after = (".sh", _after_sh) if hasattr(os, "fork") else (".bat", after_cmd)
    hooks = [os.path.join(folder, name) for name in names if name.endswith(suffix)]
    try:
        return after(hooks, environ) if hooks else environ
    except ValueError as error:
        raise ValueError("the hooks in {} {}".format(folder, error)) from None


def _after_sh(hooks: List[str], environ: Dict[str, str]) -> Dict[str, str]:
    output = _output(["sh", "-c", _RUN_HOOKS, "sh"] + hooks, environ)
    if not output:
        raise ValueError("ended the shell that ran them")
    pairs = [entry.partition("=") for entry in os.fsdecode(output).split("\0") if entry]
    # shells drop the names that are none to them, such as bash's for functions
    foreign = [name for name in environ if not _NAME.match(name)]
    after = {name: value for name, _, value in pairs if _NAME.match(name)}
    return _without(after, _OF_THE_SHELL.union(foreign), environ)


def after_cmd(hooks: List[str], environ: Dict[str, str]) -> Dict[str, str]:
    """The variables when cmd.exe has called these hooks; ``ValueError`` if it did not come to the end."""
    runs = {_RUN + str(number): '"{}"'.format(hook) for number, hook in enumerate(hooks)}
    words = [word for name in runs for word in ("call", "%{}%".format(name), "1>&2", "&")]
    runs.update({_RUN + "PYTHON": '"{}"'.format(sys.executable), _RUN + "CODE": '"{}"'.format(_AS_JSON)})
    words += ["%{}PYTHON%".format(_RUN), "-ISB", "-c", "%{}CODE%".format(_RUN)]
    output = _output([environ.get("COMSPEC", "cmd.exe"), "/d", "/c"] + words, dict(environ, **runs))
    try:
        after = dict(json.loads(output.decode()))
    except ValueError:
        raise ValueError("ended the shell that ran them") from None
    return _without(after, frozenset(["PROMPT"]).union(runs), environ)


def _output(command: List[str], environ: Dict[str, str]) -> bytes:
    done = subprocess.run(  # noqa: S603  # what activation is for
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise ValueError("ended with {}".format(done.returncode))
    return done.stdout


def _without(after: Dict[str, str], names: FrozenSet[str], before: Dict[str, str]) -> Dict[str, str]:
    """The variables, where those of the shell itself are as before."""
    kept = {name: value for name, value in after.items() if name not in names}
    kept.update({name: before[name] for name in names if name in before})
    return kept


def _change(name: str, before: Optional[str], after: Optional[str]) -> Change:
    if name == "PATH" and before and after and after.endswith(os.pathsep + before):
        return Change(name, after[: -len(os.pathsep + before)], before)
    return Change(name, after)


def as_sh(changes: List[Change]) -> str:
    """Commands for ``eval``; PATH is put in front of the one that is there then."""
    lines = []
    for name, value, before in changes:
        if value is None:
            lines.append("unset {}".format(name))
        else:
            rest = '"${PATH:+:$PATH}"' if before else ""
            lines.append("export {}='{}'{}".format(name, value.replace("'", "'\\''"), rest))
    return "".join(line + "\n" for line in lines)


def as_dotenv(changes: List[Change]) -> str:
    """Lines for python-dotenv, docker compose and their like; what would be unset is left out.

    Raises ``UnfitValue`` for ``${`` and carriage returns, which these readers replace even in quotes.
    """
    lines = []
    for change in changes:
        value = change.whole
        if value is None:
            continue
        if "${" in value or "\r" in value:
            message = "{} holds ${{ or a carriage return, which a dotenv file cannot: use --env json."
            raise UnfitValue(message.format(change.name))
        lines.append("{}='{}'\n".format(change.name, value.replace("\\", "\\\\").replace("'", "\\'")))
    return "".join(lines)


def as_docker(changes: List[Change]) -> str:
    """Lines for ``docker run --env-file``, which knows no quotes; what would be unset is left out.

    Raises ``UnfitValue`` for a line break.
    """
    lines = []
    for change in changes:
        value = change.whole
        if value is None:
            continue
        if "\n" in value or "\r" in value:
            raise UnfitValue("{} holds a line break, which no --env-file can.".format(change.name))
        lines.append("{}={}\n".format(change.name, value))
    return "".join(lines)


def as_json(changes: List[Change]) -> str:
    """One object; a variable that is to be unset is null."""
    return json.dumps({change.name: change.whole for change in changes}, indent=2) + "\n"


#: The formats of ``--env``.
FORMATS: Dict[str, Callable[[List[Change]], str]] = {
    "sh": as_sh,
    "dotenv": as_dotenv,
    "docker": as_docker,
    "json": as_json,
}
