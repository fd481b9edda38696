"""Finding an environment by name, by folder, or as the active one."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.environment import locate as module
from conda_pack.environment.locate import is_environment, locate, parse_envs_dirs
from conda_pack.errors import EnvironmentNotFound, UsageError


class Machine:
    """A home, a current folder and variables, all inside one temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.cwd = root / "work"
        self.environ: dict[str, str] = {}
        self.home.mkdir()
        self.cwd.mkdir()

    def env(self, place: str) -> str:
        """Make an environment (a folder with conda-meta) and return its path."""
        prefix = self.root / place
        (prefix / "conda-meta").mkdir(parents=True)
        return str(prefix)

    def write(self, place: str, text: str) -> str:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def locate(self, name: str | None = None, prefix: str | None = None) -> str:
        return locate(name, prefix, environ=self.environ, home=str(self.home), cwd=str(self.cwd))

    def refusal(self, name: str | None = None, prefix: str | None = None) -> str:
        with pytest.raises(EnvironmentNotFound) as caught:
            self.locate(name, prefix)
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which nothing outside the temporary folder is looked at."""
    for table in ("USUAL_ROOTS", "CONDARC_FOLDERS"):
        inside = tuple(place for place in getattr(module, table) if not place.startswith("/"))
        monkeypatch.setattr(module, table, inside)
    return Machine(tmp_path)


class TestPrefix:
    def test_absolute(self, machine: Machine) -> None:
        """A folder with conda-meta is an environment, history or not."""
        expected = machine.env("somewhere/env")
        assert expected == machine.locate(prefix=expected)

    @pytest.mark.parametrize("given", ["../somewhere/env", "./../somewhere/env/", "../somewhere/x/../env"])
    def test_relative(self, machine: Machine, given: str) -> None:
        """A relative folder starts from the current one."""
        expected = machine.env("somewhere/env")
        assert expected == machine.locate(prefix=given)

    def test_here(self, machine: Machine) -> None:
        """A dot is the current folder."""
        (machine.cwd / "conda-meta").mkdir()
        assert str(machine.cwd) == machine.locate(prefix=".")

    def test_tilde(self, machine: Machine) -> None:
        """A tilde is the home that was passed in, not that of the process."""
        assert machine.env("home/env") == machine.locate(prefix="~/env")

    def test_tilde_alone(self, machine: Machine) -> None:
        """The home itself may be an environment."""
        (machine.home / "conda-meta").mkdir()
        assert str(machine.home) == machine.locate(prefix="~")

    def test_tilde_is_not_expanded_inside(self, machine: Machine) -> None:
        """A folder whose name begins with a tilde is that folder."""
        assert machine.env("work/~env") == machine.locate(prefix="~env")

    def test_dollar_is_a_plain_character(self, machine: Machine) -> None:
        """The shell has filled variables in already; what is left is the name of the folder."""
        machine.environ["HOME"] = "/nowhere"
        assert machine.env("work/$HOME") == machine.locate(prefix="$HOME")

    def test_symlink_is_kept(self, machine: Machine) -> None:
        """conda wrote the path with the link into the files, so the link stays."""
        machine.env("real")
        link = machine.root / "link"
        link.symlink_to("real")
        assert str(link) == machine.locate(prefix=str(link))

    @pytest.mark.parametrize("name", ["with space", "ümläut", "emoji 🐍", "new\nline", "quote'\""])
    def test_odd_characters(self, machine: Machine, name: str) -> None:
        """Any name the file system takes will do."""
        expected = machine.env(name)
        assert expected == machine.locate(prefix=expected)

    def test_missing(self, machine: Machine) -> None:
        """A folder that does not exist is said not to."""
        path = str(machine.root / "none")
        expected = f"There is no environment at {path}: it does not exist."
        assert expected == machine.refusal(prefix=path)

    def test_dangling_link(self, machine: Machine) -> None:
        """A link to nothing does not exist either."""
        link = machine.root / "link"
        link.symlink_to("gone")
        expected = f"There is no environment at {link}: it does not exist."
        assert expected == machine.refusal(prefix=str(link))

    def test_file(self, machine: Machine) -> None:
        """A file is not an environment."""
        path = machine.write("file", "")
        expected = f"There is no environment at {path}: it is not a folder."
        assert expected == machine.refusal(prefix=path)

    def test_below_a_file(self, machine: Machine) -> None:
        """Nothing exists below a file."""
        path = machine.write("file", "") + "/env"
        expected = f"There is no environment at {path}: it does not exist."
        assert expected == machine.refusal(prefix=path)

    def test_plain_folder(self, machine: Machine) -> None:
        """A folder without conda-meta is not an environment, and the message says why."""
        expected = f"The folder {machine.home} is not a conda environment: it has no conda-meta folder."
        assert expected == machine.refusal(prefix="~")

    def test_conda_meta_is_a_file(self, machine: Machine) -> None:
        """A file called conda-meta does not make an environment."""
        machine.write("odd/conda-meta", "")
        path = str(machine.root / "odd")
        assert not is_environment(path)
        assert f"The folder {path} is not a conda environment: it has no conda-meta folder." == (
            machine.refusal(prefix=path)
        )

    def test_not_searchable(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder behind a closed one is not said to be missing."""

        def refuse(path: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", path)

        monkeypatch.setattr(os, "stat", refuse)
        assert machine.refusal(prefix="/closed/env") == (
            "The environment at /closed/env cannot be read: Permission denied."
        )

    def test_null(self, machine: Machine) -> None:
        """A NUL, which no path can hold, is refused like any other bad path."""
        assert "embedded null" in machine.refusal(prefix="/a\0b")

    def test_empty_is_the_current_folder(self, machine: Machine) -> None:
        """An empty folder name is checked like any other."""
        assert str(machine.cwd) in machine.refusal(prefix="")


class TestActive:
    def test_active(self, machine: Machine) -> None:
        """Without name and folder the active environment is meant."""
        machine.environ["CONDA_PREFIX"] = expected = machine.env("active")
        assert expected == machine.locate()

    @pytest.mark.parametrize("environ", [{}, {"CONDA_PREFIX": ""}])
    def test_none(self, machine: Machine, environ: dict[str, str]) -> None:
        """Without an active environment the message says what to do."""
        machine.environ.update(environ)
        expected = "No environment is active: activate one, or give -n NAME or -p FOLDER."
        assert expected == machine.refusal()

    def test_gone(self, machine: Machine) -> None:
        """An active environment that was deleted is named, with where its path came from."""
        machine.environ["CONDA_PREFIX"] = path = str(machine.root / "gone")
        expected = (
            f"There is no environment at {path} (the active environment, from CONDA_PREFIX): "
            "it does not exist."
        )
        assert expected == machine.refusal()


class TestUsage:
    def test_both(self, machine: Machine) -> None:
        """A name and a folder at once is a mistake."""
        with pytest.raises(UsageError, match="not by both"):
            machine.locate("env", machine.env("env"))

    @pytest.mark.parametrize("name", ["a/b", "/a", "./a", "a\\b", "", ".", "..", "env/"])
    def test_not_a_name(self, machine: Machine, name: str) -> None:
        """What looks like a path belongs to -p."""
        with pytest.raises(UsageError) as caught:
            machine.locate(name)
        assert f"{name!r} cannot be the name of an environment: give its folder with -p." == str(caught.value)


# Each place a name can be found in: where the environment lies, the variables, and the files that say so.
# "{root}" stands for the machine's folder.
PLACES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "environments.txt": (
        "odd/place/x",
        {},
        {"home/.conda/environments.txt": "/gone/x\n{root}/odd/place/x\n"},
    ),
    "CONDA_ENVS_PATH": ("b/x", {"CONDA_ENVS_PATH": "{root}/a:{root}/b"}, {}),
    "CONDA_ENVS_DIRS": ("b/x", {"CONDA_ENVS_DIRS": "{root}/b"}, {}),
    "CONDA_ENVS_PATH with ~": ("home/b/x", {"CONDA_ENVS_PATH": "~/b"}, {}),
    "CONDA_ENVS_PATH with $": ("b/x", {"CONDA_ENVS_PATH": "${TOP}/b", "TOP": "{root}"}, {}),
    "CONDA_ENVS_PATH relative": ("work/b/x", {"CONDA_ENVS_PATH": "b"}, {}),
    "CONDA_ROOT": ("r/envs/x", {"CONDA_ROOT": "{root}/r"}, {}),
    "CONDA_EXE": ("r/envs/x", {"CONDA_EXE": "{root}/r/bin/conda"}, {}),
    "CONDA_EXE in condabin": ("r/envs/x", {"CONDA_EXE": "{root}/r/condabin/conda"}, {}),
    "MAMBA_EXE": ("r/envs/x", {"MAMBA_EXE": "{root}/r/bin/mamba"}, {}),
    "MAMBA_ROOT_PREFIX": ("r/envs/x", {"MAMBA_ROOT_PREFIX": "{root}/r"}, {}),
    "beside the active": ("r/envs/x", {"CONDA_PREFIX": "{root}/r/envs/y"}, {}),
    "~/.conda/envs": ("home/.conda/envs/x", {}, {}),
    "pixi here": ("work/.pixi/envs/x", {}, {}),
    "pixi above": (".pixi/envs/x", {}, {}),
    "pixi global": ("home/.pixi/envs/x", {}, {}),
    "miniconda3": ("home/miniconda3/envs/x", {}, {}),
    "anaconda3": ("home/anaconda3/envs/x", {}, {}),
    "miniforge3": ("home/miniforge3/envs/x", {}, {}),
    "mambaforge": ("home/mambaforge/envs/x", {}, {}),
    "micromamba": ("home/micromamba/envs/x", {}, {}),
    "$CONDARC": ("b/x", {"CONDARC": "{root}/rc.yml"}, {"rc.yml": "envs_dirs:\n  - {root}/b\n"}),
    "$MAMBARC": ("b/x", {"MAMBARC": "{root}/rc.yml"}, {"rc.yml": "envs_dirs: [{root}/b]\n"}),
    "~/.condarc": ("b/x", {}, {"home/.condarc": "envs_dirs:\n- {root}/b\n"}),
    "~/.condarc with ~": ("home/b/x", {}, {"home/.condarc": "envs_dirs:\n- ~/b\n"}),
    "~/.condarc with $": ("b/x", {"TOP": "{root}"}, {"home/.condarc": "envs_path: [$TOP/b]\n"}),
    "~/.mambarc": ("b/x", {}, {"home/.mambarc": "envs_dirs: ['{root}/b']"}),
    "~/.conda/condarc": ("b/x", {}, {"home/.conda/condarc": "envs_dirs:\n- {root}/b\n"}),
    "~/.conda/.condarc": ("b/x", {}, {"home/.conda/.condarc": "envs_dirs:\n- {root}/b\n"}),
    "~/.conda/condarc.d": ("b/x", {}, {"home/.conda/condarc.d/1.yml": "envs_dirs:\n- {root}/b\n"}),
    "~/.config": ("b/x", {}, {"home/.config/conda/.condarc": "envs_dirs:\n- {root}/b\n"}),
    "XDG": ("b/x", {"XDG_CONFIG_HOME": "{root}/xdg"}, {"xdg/conda/condarc": "envs_dirs:\n- {root}/b\n"}),
    "root's .condarc": ("b/x", {"CONDA_ROOT": "{root}/r"}, {"r/.condarc": "envs_dirs:\n- {root}/b\n"}),
    "mamba root's": ("b/x", {"MAMBA_ROOT_PREFIX": "{root}/r"}, {"r/.mambarc": "envs_dirs:\n- {root}/b\n"}),
    "active's .condarc": ("b/x", {"CONDA_PREFIX": "{root}/e"}, {"e/.condarc": "envs_dirs:\n- {root}/b\n"}),
}


class TestName:
    @pytest.mark.parametrize("place", PLACES)
    def test_found(self, machine: Machine, place: str) -> None:
        """Each source leads to the environment on its own."""
        where, environ, files = PLACES[place]
        for name, text in files.items():
            machine.write(name, text.replace("{root}", str(machine.root)))
        machine.environ = {
            variable: value.replace("{root}", str(machine.root)) for variable, value in environ.items()
        }
        assert machine.env(where) == machine.locate("x")

    @pytest.mark.parametrize("place", PLACES)
    def test_only_that_name(self, machine: Machine, place: str) -> None:
        """No source gives an environment of another name."""
        where, environ, files = PLACES[place]
        for name, text in files.items():
            machine.write(name, text.replace("{root}", str(machine.root)))
        machine.environ = {
            variable: value.replace("{root}", str(machine.root)) for variable, value in environ.items()
        }
        machine.env(where)
        assert machine.refusal("other").startswith("No environment is named 'other'.")

    @pytest.mark.parametrize("place", ["/etc/conda", "/var/lib/conda"])
    def test_system_condarc(self, place: str) -> None:
        """The administrator's files are in the table, which the other tests cut down."""
        assert place in module.CONDARC_FOLDERS

    def test_no_process(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is ever run, not even with a conda at hand."""

        def refuse(*_arguments: object, **_options: object) -> None:
            raise AssertionError

        monkeypatch.setattr(subprocess, "Popen", refuse)
        monkeypatch.setattr(os, "system", refuse)
        machine.environ["CONDA_EXE"] = str(machine.root / "r/bin/conda")
        assert machine.env("r/envs/x") == machine.locate("x")

    def test_same_folder_twice_is_one(self, machine: Machine) -> None:
        """One environment found in several ways is one environment."""
        expected = machine.env("r/envs/x")
        machine.environ.update(
            {"CONDA_ROOT": str(machine.root / "r"), "CONDA_ENVS_PATH": str(machine.root / "r/envs")}
        )
        machine.write("home/.conda/environments.txt", f"{expected}\n{expected}/\n")
        assert expected == machine.locate("x")

    def test_registered_spelling_wins(self, machine: Machine) -> None:
        """Of two spellings of one folder, the one conda noted down is in the files."""
        machine.env("real/envs/x")
        (machine.root / "link").symlink_to("real")
        expected = str(machine.root / "link/envs/x")
        machine.write("home/.conda/environments.txt", expected + "\n")
        machine.environ["CONDA_ROOT"] = str(machine.root / "real")
        assert expected == machine.locate("x")

    def test_stale_line(self, machine: Machine) -> None:
        """A registered folder that is no environment any more does not count."""
        machine.write(
            "home/.conda/environments.txt", f"{machine.root}/gone/x\nnot absolute/x\n# {machine.root}\n\n"
        )
        (machine.root / "gone/x").mkdir(parents=True)
        expected = machine.env("home/.conda/envs/x")
        assert expected == machine.locate("x")

    def test_registry_that_is_not_text(self, machine: Machine) -> None:
        """One line in another encoding does not hide the others."""
        expected = machine.env("odd/x")
        registry = machine.home / ".conda/environments.txt"
        registry.parent.mkdir()
        registry.write_bytes(b"/caf\xe9/x\n" + os.fsencode(expected) + b"\n")
        assert expected == machine.locate("x")

    def test_registry_is_a_folder(self, machine: Machine) -> None:
        """A registry that cannot be read says nothing."""
        (machine.home / ".conda/environments.txt").mkdir(parents=True)
        assert machine.env("home/.conda/envs/x") == machine.locate("x")

    def test_condarc_is_a_pipe(self, machine: Machine) -> None:
        """A named pipe is not waited for."""
        os.mkfifo(machine.home / ".condarc")
        assert machine.env("home/.conda/envs/x") == machine.locate("x")

    def test_unreadable_condarc(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of somebody else's is left alone."""
        closed = machine.write("home/.condarc", "envs_dirs: [/elsewhere]\n")
        expected = machine.env("home/.conda/envs/x")
        really_open = open

        def refuse(path: str, **options: Any) -> Any:
            if path == closed:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return really_open(path, **options)

        monkeypatch.setattr("builtins.open", refuse)
        assert expected == machine.locate("x")

    def test_unset_variable(self, machine: Machine) -> None:
        """A path with a variable that is not set means nothing, above all not the folder left without it."""
        machine.env("work/x")
        machine.environ["CONDA_ENVS_PATH"] = "$NOWHERE:${NOWHERE}:$EMPTY"
        machine.environ["EMPTY"] = ""
        assert machine.refusal("x").startswith("No environment is named 'x'.")

    def test_several(self, machine: Machine) -> None:
        """Several environments of one name are listed, sorted, and none is guessed."""
        second = machine.env("home/miniconda3/envs/x")
        first = machine.env("home/.conda/envs/x")
        expected = f"Several environments are named 'x'. Say which one:\n  -p {first}\n  -p {second}"
        assert expected == machine.refusal("x")

    def test_nested_pixi_projects(self, machine: Machine) -> None:
        """Two pixi projects, one inside the other, are not guessed between either."""
        outer = machine.env(".pixi/envs/default")
        inner = machine.env("work/.pixi/envs/default")
        expected = f"Several environments are named 'default'. Say which one:\n  -p {outer}\n  -p {inner}"
        assert expected == machine.refusal("default")

    def test_active_not_in_envs(self, machine: Machine) -> None:
        """The neighbours of an environment made with -p are not environments by name."""
        machine.environ["CONDA_PREFIX"] = machine.env("projects/one")
        machine.env("projects/x")
        assert machine.refusal("x").startswith("No environment is named 'x'.")


class TestRoot:
    @pytest.mark.parametrize("name", ["base", "root"])
    @pytest.mark.parametrize(
        "environ",
        [
            {"CONDA_EXE": "{root}/r/bin/conda"},
            {"CONDA_ROOT": "{root}/r"},
            {"MAMBA_ROOT_PREFIX": "{root}/r"},
            {"MAMBA_EXE": "{root}/r/bin/mamba"},
            {"CONDA_PREFIX": "{root}/r/envs/y"},
            {"CONDA_EXE": "{root}/r/bin/conda", "MAMBA_ROOT_PREFIX": "{root}/r"},
        ],
    )
    def test_root(self, machine: Machine, name: str, environ: dict[str, str]) -> None:
        """Base is the root prefix itself."""
        machine.environ = {key: value.replace("{root}", str(machine.root)) for key, value in environ.items()}
        assert machine.env("r") == machine.locate(name)

    def test_usual_place(self, machine: Machine) -> None:
        """Without any variable the usual places are tried."""
        assert machine.env("home/miniforge3") == machine.locate("base")

    def test_variable_before_usual_place(self, machine: Machine) -> None:
        """The conda in use is meant, not another one that happens to lie about."""
        machine.env("home/miniforge3")
        machine.environ["CONDA_EXE"] = str(machine.root / "r/bin/conda")
        assert machine.env("r") == machine.locate("base")

    def test_two_in_use(self, machine: Machine) -> None:
        """Two roots in use are listed."""
        machine.environ.update({"CONDA_ROOT": machine.env("a"), "MAMBA_ROOT_PREFIX": machine.env("b")})
        expected = (
            "Several environments are named 'base'. Say which one:"
            f"\n  -p {machine.root}/a\n  -p {machine.root}/b"
        )
        assert expected == machine.refusal("base")

    def test_micromamba_outside_any_root(self, machine: Machine) -> None:
        """The folder above a lone micromamba binary is not a root."""
        machine.environ["MAMBA_EXE"] = str(machine.home / ".local/bin/micromamba")
        assert machine.refusal("base").startswith("No environment is named 'base'.")

    def test_named_base(self, machine: Machine) -> None:
        """An environment that is called base serves when there is no root (pixi allows it)."""
        assert machine.env("work/.pixi/envs/base") == machine.locate("base")


class TestNotFound:
    def test_nothing_at_all(self, machine: Machine) -> None:
        """With no environment anywhere the message says how to give one."""
        expected = "No environment is named 'x'. An environment in another place can be given with -p FOLDER."
        assert expected == machine.refusal("x")

    def test_full(self, machine: Machine) -> None:
        """The message says where was looked, what there is, and what was probably meant."""
        machine.env("home/.conda/envs/analysis")
        machine.env("home/.conda/envs/web")
        machine.env("home/miniconda3")
        registered = machine.env("odd/modelling")
        registry = machine.write("home/.conda/environments.txt", registered + "\n/gone/stale\n")
        expected = (
            "No environment is named 'analisys'. Did you mean 'analysis'? "
            f"Looked in {registry}, {machine.home}/.conda/envs. "
            "There are: analysis, base, modelling, web. "
            "An environment in another place can be given with -p FOLDER."
        )
        assert expected == machine.refusal("analisys")

    def test_many(self, machine: Machine) -> None:
        """Of very many names ten are shown."""
        for number in range(13):
            machine.env(f"home/.conda/envs/env{number:02}")
        shown = ", ".join(f"env{number:02}" for number in range(10))
        assert f"There are: {shown} and 3 more." in machine.refusal("zzz")

    def test_husk(self, machine: Machine) -> None:
        """A folder of that name which is no environment explains itself."""
        husk = machine.home / ".conda/envs/x"
        husk.mkdir(parents=True)
        assert f"{husk} is there, but has no conda-meta folder." in machine.refusal("x")

    def test_files_are_not_names(self, machine: Machine) -> None:
        """Files in an envs folder (conda leaves some there) are not environments."""
        machine.write("home/.conda/envs/.conda_envs_dir_test", "")
        assert "There are" not in machine.refusal("x")


GOOD_LISTS = {
    "block": ("envs_dirs:\n  - /a\n  - /b\n", ["/a", "/b"]),
    "block without indent": ("envs_dirs:\n- /a\n- /b\nchannels:\n- defaults\n", ["/a", "/b"]),
    "alias": ("envs_path:\n  - /a\n", ["/a"]),
    "between other keys": ("channels: [x]\nenvs_dirs:\n  - /a\nssl_verify: true\n", ["/a"]),
    "no last newline": ("envs_dirs:\n  - /a", ["/a"]),
    "comments": ("# c\nenvs_dirs: # c\n  # c\n\n  - /a # c\n# c\n  - /b#c\n  # end", ["/a", "/b#c"]),
    "single quotes": ("envs_dirs:\n  - '/it''s # here' # c\n", ["/it's # here"]),
    "double quotes": ('envs_dirs:\n  - "/a \\"b\\" \\\\ c"\n', ['/a "b" \\ c']),
    "spaces": ("envs_dirs:\n  -   /with some space   \n", ["/with some space"]),
    "colon": ("envs_dirs:\n  - C:/envs\n", ["C:/envs"]),
    "hash at the end of a word": ("envs_dirs: [/a#b]\n", ["/a#b"]),
    "flow": ("envs_dirs: [/a, '/b', \"/c\"]\n", ["/a", "/b", "/c"]),
    "flow over lines": ("envs_dirs: [ # c\n  /a, # c, ]\n  /b c,\n]  # c\n", ["/a", "/b c"]),
    "empty flow": ("envs_dirs: []\n", []),
    "tilde and variable": ("envs_dirs:\n  - ~/a\n  - $HOME/b\n  - ${X}/c\n", ["~/a", "$HOME/b", "${X}/c"]),
    "null": ("envs_dirs: [~, null, /a]\n", ["/a"]),
    "quoted null": ("envs_dirs: ['null']\n", ["null"]),
    "space before colon": ("envs_dirs :\n  - /a\n", ["/a"]),
    "twice": ("envs_dirs: [/a]\nenvs_path: [/b]\n", ["/a", "/b"]),
    "conda's flags": ("envs_dirs:  #!final\n  - /a  #!top\n", ["/a"]),
}

BAD_LISTS = {
    "absent": "channels:\n  - defaults\n",
    "empty": "",
    "no value": "envs_dirs:\nchannels:\n  - x\n",
    "string": "envs_dirs: /a\n",
    "mapping": "envs_dirs:\n  a: b\n",
    "mapping in list": "envs_dirs:\n  - a: b\n",
    "list in list": "envs_dirs:\n  - - a\n",
    "flow in list": "envs_dirs:\n  - [a]\n",
    "flow in flow": "envs_dirs: [[a]]\n",
    "open flow": "envs_dirs: [/a, /b\nchannels: []\n",
    "flow with a tail": "envs_dirs: [/a] b\n",
    "no comma": "envs_dirs: ['/a' '/b']\n",
    "open quote": "envs_dirs:\n  - '/a\n",
    "unknown escape": 'envs_dirs:\n  - "/a\\x41"\n',
    "uneven indent": "envs_dirs:\n  - /a\n    - /b\n",
    "outdented": "envs_dirs:\n  - /a\n - /b\n",
    "continued scalar": "envs_dirs:\n  - /a\n    /b\n",
    "anchor": "envs_dirs:\n  - &x /a\n",
    "block scalar": "envs_dirs:\n  - |\n    /a\n",
    "tab indent": "envs_dirs:\n\t- /a\n",
    "no space": "envs_dirs:[/a]\n",
    "nested key": "other:\n  envs_dirs: [/a]\n",
    "commented out": "#envs_dirs: [/a]\n",
    "longer key": "my_envs_dirs: [/a]\nenvs_dirs_old: [/b]\n",
    "nonsense": "\0\x1b{{{{ %& - - -\n",
}


class TestParseEnvsDirs:
    @pytest.mark.parametrize("kind", GOOD_LISTS)
    def test_good(self, kind: str) -> None:
        """What conda's users write is read as YAML reads it."""
        text, expected = GOOD_LISTS[kind]
        assert expected == parse_envs_dirs(text)

    @pytest.mark.parametrize("kind", BAD_LISTS)
    def test_bad(self, kind: str) -> None:
        """Anything else is as good as absent."""
        assert parse_envs_dirs(BAD_LISTS[kind]) == []

    @given(st.text(alphabet="envs_dirs:[]-, \n\t'\"#\\/a~$", max_size=200))
    def test_never_fails(self, text: str) -> None:
        """No text makes it fail."""
        parse_envs_dirs("envs_dirs:" + text)

    @given(
        st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1), min_size=1)
    )
    def test_quoted_round_trip(self, items: list[str]) -> None:
        """Any printable path survives in single quotes, in either form of list."""
        quoted = ["'" + item.replace("'", "''") + "'" for item in items]
        assert items == parse_envs_dirs("envs_dirs:\n" + "".join(f"  - {item}\n" for item in quoted))
        assert items == parse_envs_dirs(f"envs_dirs: [{', '.join(quoted)}]\n")

    def test_long_nonsense_is_fast(self) -> None:
        """A hostile file does not keep anybody waiting."""
        for filler in ("  - a\n", " ", "a ", "a, ", "# \n", "''"):
            parse_envs_dirs("envs_dirs: [" + filler * 3000 + "\n:")
            parse_envs_dirs("envs_dirs:\n  - " + filler * 3000 + "\n:")
