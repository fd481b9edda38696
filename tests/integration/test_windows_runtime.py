"""What an archive for Windows gets, in wine's cmd.exe: activation, and how conda-unpack.bat finds a Python.

wine's cmd.exe drops each % of a path, says some of what @ silences, forgets exit codes of what is called, and
has no PowerShell; no test is about these.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from conda_pack.model import Platform
from conda_pack.runtime.environ import after_cmd
from conda_pack.runtime.files import runtime_files

WINE = shutil.which("wine")
#: wine's own programs for Windows, which a prefix without a copy of them uses in place.
SYSTEM = Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows")
SYSTEM_PATH = "C:\\windows\\system32"
BELOW = ("", *("\\Library\\mingw-w64\\bin", "\\Library\\usr\\bin", "\\Library\\bin", "\\Scripts", "\\bin"))

Variables = dict[str, str]
Cmd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def wine(work_root: Path) -> Iterator[Path]:
    """Where wine keeps what it takes for a disk of Windows: links, and nothing to be made first."""
    if WINE is None or not SYSTEM.is_dir():
        pytest.skip("NO WINE, what runs on Windows is not tested!")
    prefix = work_root / "wine"
    (prefix / "dosdevices").mkdir(parents=True)
    (prefix / "drive_c" / "windows").mkdir(parents=True)
    (prefix / "drive_c" / "windows" / "system32").symlink_to(SYSTEM)
    (prefix / "dosdevices" / "c:").symlink_to("../drive_c")
    (prefix / "dosdevices" / "z:").symlink_to("/")
    (prefix / ".update-timestamp").write_text("disable\n")
    environ = variables_of(prefix)
    subprocess.run(["wineserver", "-p300"], env=environ, check=True)  # one for all tests
    # what the first program starts stays there, and would keep its output open
    subprocess.run(
        [str(WINE), "cmd", "/c", "exit"],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    yield prefix
    subprocess.run(["wineserver", "-k"], env=environ, check=True)


def variables_of(wine: Path) -> Variables:
    """What wine itself needs, and little else."""
    settings = {"WINEPREFIX": str(wine), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    path = {"PATH": "/usr/bin:/bin", "WINEPATH": SYSTEM_PATH}
    return {"HOME": str(wine), "LC_ALL": "C.UTF-8", **path, **settings}


@pytest.fixture
def cmd(wine: Path, work: Path) -> Cmd:
    """Runs a command in cmd.exe, in a folder of its own."""

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(WINE), "cmd", *words],
            cwd=work,
            env=variables_of(wine) | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


def batch(work: Path, *lines: str) -> tuple[str, str]:
    """A file of lines, as words for ``cmd``."""
    text = "".join(f"{line}\r\n" for line in ("@echo off", *lines))
    (work / "test.bat").write_text(text, newline="")
    return ("/c", "test.bat")


def on_windows(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def lay(prefix: Path, hooks: Mapping[str, str] = {}) -> Path:
    """Put the runtime into a folder, and hooks, by their paths in etc/conda."""
    for blob in runtime_files(Platform("win-64")):
        path = prefix / blob.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob.data)
    for name, text in hooks.items():
        path = prefix / "etc" / "conda" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("\n", "\r\n"), newline="")
    return prefix


# -------------------------------------------------------------------- activation

REPORT = "@echo #%1\r\n@set"


def ask(cmd: Cmd, work: Path, *steps: str, **more: str) -> dict[str, Variables]:
    """Run the steps, which are silent, and return the variables that each ``call report NAME`` finds."""
    (work / "report.bat").write_text(f"{REPORT}\r\n", newline="")
    done = cmd(*batch(work, *steps), **more)
    assert (done.returncode, done.stderr) == (0, "")
    reports: dict[str, Variables] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith("#"):
            name = line[1:]
            reports[name] = {}
        else:
            key, equals, value = line.partition("=")
            assert equals and name, f"not silent: {line}"
            if key in ("PATH", "PROMPT", "HOOKS") or key.upper().startswith(("CONDA", "_", "OWN")):
                reports[name][key] = value
    return reports


def active(prefix: Path, path: str = SYSTEM_PATH, prompt: str = "$P$G") -> Variables:
    """What activation sets when nothing is active."""
    place = on_windows(prefix)
    return {
        "CONDA_DEFAULT_ENV": prefix.name,
        "CONDA_PREFIX": place,
        "CONDA_PROMPT_MODIFIER": f"({prefix.name}) ",
        "CONDA_SHLVL": "1",
        "CONDA_STACKED_1": place,
        "PATH": ";".join([*(place + folder for folder in BELOW), path]),
        "PROMPT": f"({prefix.name}) {prompt}",
    }


def call(prefix: Path, name: str) -> str:
    return f'call "{on_windows(prefix)}\\Scripts\\{name}.bat"'


@pytest.mark.parametrize("name", ["env", "my env", "env (x86)", "a & b", "k=v,w", "don't ^ [x] {y} @ ~ +"])
@pytest.mark.parametrize("extensions", ["Disable", "Enable"])
def test_in_and_out(name: str, extensions: str, cmd: Cmd, work: Path) -> None:
    """Whatever the folder's name, and whether variables are expanded late or not."""
    prefix = lay(work / name)
    reports = ask(
        *(cmd, work, f"setlocal {extensions}DelayedExpansion", "call report before"),
        *(call(prefix, "activate"), "call report inside", "call deactivate", "call report after"),
    )
    expected = active(prefix)
    if set(name) & set("=^"):
        del expected["CONDA_PROMPT_MODIFIER"]
        expected["PROMPT"] = "$P$G"
    assert expected == reports["inside"]
    assert {"PATH": SYSTEM_PATH, "PROMPT": "$P$G"} == reports["before"] == reports["after"]


def test_an_exclamation_mark(cmd: Cmd, work: Path) -> None:
    """It is a letter like others; where variables are expanded late it is not, and the script says so."""
    prefix = lay(work / "wow!")
    steps = (call(prefix, "activate"), "call report inside", "call deactivate", "call report after")
    reports = ask(cmd, work, *steps)
    expected = active(prefix) | {"PROMPT": "$P$G"}
    del expected["CONDA_PROMPT_MODIFIER"]
    assert expected == reports["inside"]
    assert reports["after"] == {"PATH": SYSTEM_PATH, "PROMPT": "$P$G"}
    done = cmd("/V:ON", "/c", f"{on_windows(prefix)}\\Scripts\\activate.bat")
    assert "conda-pack: activate.bat cannot tell where it lies." in done.stderr
    assert done.returncode == 1


def test_one_in_another(cmd: Cmd, work: Path) -> None:
    """Two of the same name; each level comes back as it was, and what was put on PATH meanwhile stays."""
    outer, inner = lay(work / "one" / "env"), lay(work / "two" / "env")
    path = f'"C:\\Program Files (x86)\\a & b";C:\\bang!;C:\\x=y;C:\\ca^ret;{SYSTEM_PATH}'
    reports = ask(
        *(cmd, work, f"set PATH={path.replace('ca^', 'ca^^')}", "set PROMPT=[$P]$G"),
        *(call(outer, "activate"), "call report outer", 'set "PATH=C:\\mine;%PATH%"'),
        *(call(inner, "activate"), "call report inner", 'set "PATH=%PATH%;C:\\also"'),
        *("call deactivate", "call report outer-again", "call deactivate", "call report after"),
    )
    plain = path.replace('"', "")
    expected = active(outer, plain, "[$P]$G")
    assert expected == reports["outer"]
    place = on_windows(inner)
    assert {
        "CONDA_PREFIX": place,
        "CONDA_PREFIX_1": on_windows(outer),
        "CONDA_SHLVL": "2",
        "CONDA_SHLVL_1": "1",
        "CONDA_STACKED_2": place,
        "PROMPT": "(env) (env) [$P]$G",
        "PATH": ";".join([*(place + folder for folder in BELOW), "C:\\mine", expected["PATH"]]),
    }.items() <= reports["inner"].items()
    assert expected | {"PATH": f"C:\\mine;{expected['PATH']};C:\\also"} == reports["outer-again"]
    assert {"PATH": f"C:\\mine;{plain};C:\\also", "PROMPT": "[$P]$G"} == reports["after"]


def test_only_what_was_put_there_is_taken_away(cmd: Cmd, work: Path) -> None:
    """Of the folders on PATH the first mention, and no text that only looks like one."""
    prefix = lay(work / "env")
    scripts = f"{on_windows(prefix)}\\Scripts"
    reports = ask(
        *(cmd, work, f"set PATH={scripts};{scripts}\\more;%PATH%;{scripts}", call(prefix, "activate")),
        *('set PATH=%PATH%;"C:\\also (x86) & more"', "call deactivate", "call report after"),
    )
    expected = f"{scripts};{scripts}\\more;{SYSTEM_PATH};{scripts};C:\\also (x86) & more"
    assert reports["after"] == {"PATH": expected, "PROMPT": "$P$G"}


def test_twice_is_once(cmd: Cmd, work: Path) -> None:
    """What got lost in between comes back, by whichever letters the path is called."""
    prefix = lay(work / "env")
    again = call(prefix, "activate")
    reports = ask(
        *(cmd, work, again, f"set PATH={SYSTEM_PATH}", "prompt $P$G", again, again, "call report inside"),
        *("call deactivate", "call report after", "call report end"),
    )
    assert active(prefix) == reports["inside"]
    assert reports["after"] == {"PATH": SYSTEM_PATH, "PROMPT": "$P$G"}


def test_out_of_what_is_not_ours(cmd: Cmd, work: Path) -> None:
    """An environment of conda stays active, and that is said; with none there is nothing to do."""
    prefix = lay(work / "env")
    script = f"{on_windows(prefix)}\\Scripts\\deactivate.bat"
    done = cmd("/c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = cmd(*batch(work, f'"{script}"'), CONDA_PREFIX="C:\\conda")
    assert (done.returncode, done.stdout) == (1, "")
    assert '"C:\\conda" was not activated by its activate.bat; try: conda deactivate' in done.stderr


def test_hooks(cmd: Cmd, work: Path) -> None:
    """In order, and backwards; each with the environment active; none of their exit codes counts."""
    names = ["a", "b c", "z"]
    text = "@set HOOKS=%HOOKS%[{} %~n0 %CONDA_DEFAULT_ENV%]\n@exit /b 3\n"
    hooks = {
        f"{kind}.d/{name}.bat": text.format(kind) for kind in ("activate", "deactivate") for name in names
    }
    prefix = lay(work / "my env", hooks | {"activate.d/a.sh": "", "activate.d/a.ps1": ""})
    into, out = call(prefix, "activate"), call(prefix, "deactivate")
    reports = ask(cmd, work, f"{into} && call report inside", f"{out} && call report after")
    forth = "".join(f"[activate {name} my env]" for name in names)
    back = "".join(f"[deactivate {name} my env]" for name in reversed(names))
    assert forth == reports["inside"]["HOOKS"]
    assert forth + back == reports["after"]["HOOKS"]
    assert {"HOOKS", "PATH", "PROMPT"} == set(reports["after"])


# ------------------------------------------------------------------ programs

#: What the stand-ins for Windows programs are made of: no library but the system's.
HEADER = """
typedef unsigned long long handle;
typedef unsigned int dword;
typedef unsigned short wide;
extern const wide *GetCommandLineW(void);
extern dword GetEnvironmentVariableW(const wide *, wide *, dword);
extern handle GetStdHandle(dword);
extern int WriteFile(handle, const void *, dword, dword *, void *);
extern void ExitProcess(dword);
static int has(const wide *line, const char *text) {
    for (; *line; line++) {
        int i = 0;
        while (text[i] && line[i] == text[i]) i++;
        if (!text[i]) return 1;
    }
    return 0;
}
static void say(const wide *line) {
    dword done;
    char narrow[9000];
    int n = 0;
    for (; line[n]; n++) narrow[n] = line[n] < 128 ? line[n] : '?';
    WriteFile(GetStdHandle(-11), narrow, n, &done, 0);
}
"""
#: A Python that says how it was called; when asked for its version it says what it was built to.
PYTHON = """
void start(void) {{
    const wide *line = GetCommandLineW();
    if (has(line, "sys.version_info < (3, 6)")) ExitProcess({check});
    say(line);
    ExitProcess({code});
}}
"""
#: A PowerShell that has the lines which it is to say in a variable.
POWERSHELL = """
static wide lines[4000];
void start(void) {
    static const wide name[] = {'L', 'I', 'N', 'E', 'S', 0};
    GetEnvironmentVariableW(name, lines, 4000);
    for (int i = 0; lines[i]; i++) if (lines[i] == '|') lines[i] = '\\n';
    if (has(GetCommandLineW(), "activation-vars.ps1') $Env:CONDA_PREFIX -ForCmd")) say(lines);
    ExitProcess(0);
}
"""
COMPILE = (
    *("gcc", "-O1", "-c", "-mabi=ms", "-ffreestanding", "-fno-builtin", "-fno-pic", "-mno-red-zone"),
    *("-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-fno-ident"),
)
LINK = ("ld", "-s", "-m", "i386pep", "--image-base", "0x400000", "--subsystem", "console", "-e", "start")


@pytest.fixture(scope="session")
def program(work_root: Path) -> Callable[[str], Path]:
    """Makes a program for Windows of C, by the compiler and the linker of this machine."""
    emulations = subprocess.run(["ld", "-V"], capture_output=True, text=True, check=False).stdout
    if "i386pep" not in emulations or shutil.which("gcc") is None:
        pytest.skip("NO GCC WITH A LINKER FOR WINDOWS, what its programs do is not tested!")
    folder = work_root / "programs"
    folder.mkdir()

    def make(source: str) -> Path:
        base = folder / str(abs(hash(source)))
        target = base.with_suffix(".exe")
        if not target.exists():
            code, object_file = base.with_suffix(".c"), base.with_suffix(".o")
            code.write_text(HEADER + source)
            subprocess.run([*COMPILE, str(code), "-o", str(object_file)], check=True)
            subprocess.run(
                [*LINK, str(object_file), str(SYSTEM / "kernel32.dll"), "-o", str(target)], check=True
            )
        return target

    return make


Program = Callable[[str], Path]


def python(program: Program, *, check: int = 0, code: int = 0) -> Path:
    return program(PYTHON.format(check=check, code=code))


def test_own_variables(program: Program, cmd: Cmd, work: Path) -> None:
    """As PowerShell reads them; what they were comes back."""
    system = work / "System32" / "WindowsPowerShell" / "v1.0"
    system.mkdir(parents=True)
    shutil.copy(program(POWERSHELL), system / "powershell.exe")
    prefix = lay(work / "env", {"env_vars.d/x.json": "{}"})
    values = {"OWN_A": "1", "OWN_B": "a=b;c & d (e) ^f !g", "OWN_Q": 'say "hi & bye"', "OWN_P": "C:\\x y"}
    kept = {"__CONDA_SHLVL_0_OWN_B": "before & after", "CONDA_PACK_VARS_1": " ".join(values)}
    reports = ask(
        *(cmd, work, 'set "OWN_B=before & after"', f"set SystemRoot={on_windows(work)}"),
        *(call(prefix, "activate"), "call report inside", "call deactivate", "call report after"),
        LINES="".join(f"{name}={value}|" for name, value in (kept | values).items()),
    )
    assert active(prefix) | kept | values == reports["inside"]
    assert reports["after"] == {"OWN_B": "before & after", "PATH": SYSTEM_PATH, "PROMPT": "$P$G"}


# -------------------------------------------------------------------- conda-unpack


@pytest.mark.parametrize(
    ("name", "late"),
    [("env", "/V:ON"), ("env", "/V:OFF"), ("a & b (x86)", "/V:ON"), ("wow! = ; , 'x'", "/V:OFF")],
)
def test_conda_unpack(name: str, late: str, program: Program, cmd: Cmd, work: Path) -> None:
    """The environment's own Python, with all arguments as they were given, and its exit code."""
    prefix = lay(work / name)
    shutil.copy(python(program, code=12), prefix / "python.exe")
    script = f"{on_windows(prefix)}\\Scripts\\conda-unpack"
    done = cmd(late, *batch(work, f'"{script}" --prefix "C:\\b c & d" -q ""'))
    place = on_windows(prefix) + "\\Scripts\\"
    expected = f'"{place}..\\python.exe" -ISB "{place}conda-unpack.pyz" --prefix "C:\\b c & d" -q ""'
    assert (12, expected, "") == (done.returncode, done.stdout.strip(), done.stderr)


def test_conda_unpack_by_its_name(program: Program, cmd: Cmd, work: Path) -> None:
    """Found on PATH; the last line of a batch file need not call it."""
    prefix = lay(work / "env")
    shutil.copy(python(program, code=3), prefix / "python.exe")
    path = f"{SYSTEM_PATH};{on_windows(prefix)}\\Scripts"
    done = cmd("/c", "conda-unpack", "--status", WINEPATH=path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.strip().endswith('\\conda-unpack.pyz" --status')


def test_another_python(program: Program, cmd: Cmd, work: Path) -> None:
    """The first on PATH that is new enough: py, python, python3; none of the current folder."""
    prefix = lay(work / "env")
    shutil.copy(python(program, check=1), prefix / "python.exe")
    folders = {name: work / f"{name} (x86) & more" for name in ("py", "python", "python3")}
    for name, folder in folders.items():
        folder.mkdir()
        shutil.copy(python(program), folder / f"{name}.exe")
    shutil.copy(python(program), work / "py.exe")
    command = f"{on_windows(prefix)}\\Scripts\\conda-unpack.bat"
    script = f'"{on_windows(prefix)}\\Scripts\\conda-unpack.pyz" -q'
    path = ";".join([SYSTEM_PATH, *(on_windows(folder) for folder in folders.values())])
    for name, options in {"py": "-3 -ISB", "python": "-ISB", "python3": "-ISB"}.items():
        done = cmd("/c", command, "-q", WINEPATH=path)
        expected = f'"{on_windows(folders[name])}\\{name}.exe" {options} {script}'
        assert (0, expected) == (done.returncode, " ".join(done.stdout.split()))
        # one that is too old, or does not even start, is passed by
        shutil.copy(python(program, check=0xC0000135), folders[name] / f"{name}.exe")
    done = cmd("/c", command, "-q", WINEPATH=path)
    assert (done.returncode, done.stdout) == (13, "")


def test_no_python(cmd: Cmd, work: Path) -> None:
    """One sentence, and the exit code for a program that is needed and not there."""
    prefix = lay(work / "my env")
    done = cmd("/c", f"{on_windows(prefix)}\\Scripts\\conda-unpack.bat", "--status")
    message = (
        "conda-unpack: error: there is no Python 3.6 or later in this environment or on PATH: "
        "install one and run conda-unpack again."
    )
    assert (13, "", message) == (done.returncode, done.stdout, done.stderr.strip())


# -------------------------------------------------------------------- conda-pack run


def test_what_hooks_change(wine: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read after cmd.exe has called them: set and unset, with letters that cmd.exe takes for its own."""
    texts = {
        "a.bat": '@set "NEW=%GIVEN% & (y)"\n@set GIVEN=\n@echo told\n',
        "b c.bat": '@set "NEW=%NEW% \'z"\n',
    }
    prefix = lay(work / "my env (x86) & more", {f"activate.d/{name}": text for name, text in texts.items()})
    comspec = work / "comspec"
    comspec.write_text(f'#!/bin/sh\nexec {WINE} cmd "$@"\n')
    comspec.chmod(0o755)
    (work / "python.exe").symlink_to(os.path.realpath(sys.executable))  # which wine starts as it is
    monkeypatch.setattr(sys, "executable", f"{on_windows(work)}\\python.exe")
    hooks = [f"{on_windows(prefix)}\\etc\\conda\\activate.d\\{name}" for name in texts]
    given = variables_of(wine) | {"COMSPEC": str(comspec), "GIVEN": "a", "PROMPT": "mine"}
    after = after_cmd(hooks, given)
    assert {"NEW": "a & (y) 'z", "PROMPT": "mine"}.items() <= after.items()
    assert "GIVEN" not in after
    assert [name for name in after if name.startswith("_CONDA_PACK")] == []


def test_hooks_that_end_the_shell(work: Path) -> None:
    """Then nothing is known of the variables."""
    comspec = work / "comspec"
    comspec.write_text("#!/bin/sh\n")
    comspec.chmod(0o755)
    with pytest.raises(ValueError, match=r"^ended the shell that ran them$"):
        after_cmd(["x.bat"], {"COMSPEC": str(comspec)})
    comspec.write_text("#!/bin/sh\nexit 4\n")
    with pytest.raises(ValueError, match=r"^ended with 4$"):
        after_cmd(["x.bat"], {"COMSPEC": str(comspec)})


WAITING = """\
import os, signal, sys, time
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(5)
"""
AWAIT = """\
import sys
from conda_pack.cli.run import await_child
sys.exit(await_child(sys.argv[1], sys.argv[1:], {}))
"""


def awaited(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AWAIT, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_where_no_process_takes_the_place_of_another() -> None:
    """The exit code is the command's; so are its arguments."""
    done = awaited(sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "a b", "")
    assert (done.returncode, done.stdout, done.stderr) == (7, "['a b', '']\n", "")


def test_ctrl_c_is_for_the_command() -> None:
    """It goes to all processes of a console; the command says what comes of it."""
    command = [sys.executable, "-c", AWAIT, sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        os.killpg(child.pid, signal.SIGINT)
        assert child.stdout.read() == "interrupted\n"
        assert child.wait() == 5


def test_what_is_no_program(work: Path) -> None:
    done = awaited(str(work))
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == f"conda-pack: error: {work} cannot be executed: Permission denied.\n"
