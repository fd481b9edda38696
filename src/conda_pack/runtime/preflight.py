"""Whether an environment can run on this machine: what it needs, what the machine offers, what is lacking.

Shipped inside archives, too: standard library only, Python 3.6 and later. The needs are in the content of
an archive's index: ``platform``; ``needs``, the newest version of a library that its files were linked with;
and ``requires``, the virtual packages (conda/ceps, CEP 30) that its packages depend on.
"""

import itertools
import os
import re
import subprocess
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

#: What ``uname -s`` says on a family of platforms.
SYSTEMS = {"linux": "Linux", "osx": "Darwin", "win": "Windows"}
#: What ``uname -m`` may say where a platform's programs run, if not just what conda calls the machine.
MACHINES = {
    "linux-64": ("x86_64", "amd64"),
    "linux-32": ("i386", "i486", "i586", "i686", "x86_64"),
    "linux-aarch64": ("aarch64", "arm64"),
    "linux-armv6l": ("armv6l", "armv7l", "armv8l", "aarch64"),
    "linux-armv7l": ("armv7l", "armv8l", "aarch64"),
    "osx-64": ("x86_64", "arm64"),  # Rosetta
    "win-64": ("AMD64", "ARM64"),
    "win-32": ("x86", "AMD64", "ARM64"),
    "win-arm64": ("ARM64",),
}

_KINDS = {
    "glibc": "glibc",
    "glibcxx": "libstdc++ with GLIBCXX",
    "cxxabi": "libstdc++ with CXXABI",
    "macos": "macOS",
    "__cuda": "a CUDA driver",
    "__linux": "Linux",
    "__win": "Windows",
    "__unix": "Unix",
}
#: Virtual packages that tell the same as a kind of needs.
_SAME = {"__glibc": "glibc", "__osx": "macos"}
#: Which systems have a virtual package at all.
_ONLY = {
    "__unix": ("Linux", "Darwin"),
    "__linux": ("Linux",),
    "__osx": ("Darwin",),
    "__win": ("Windows",),
    "__glibc": ("Linux",),
}
#: A node without a GPU may unpack for one that has it, and libstdc++ may come with a module of the cluster.
_WARNED_OF = frozenset(["__cuda"])
_SPEC = re.compile(r"(__[a-z0-9_]+)(?:\s+|(?=[<>=!~])|\Z)(.*)\Z")
_TERM = re.compile(r"(?!==.*\*)(>=|<=|==|!=|~=|=|<|>|)(\d[a-z0-9.]*?)(\.?\*)?\Z")
_LEVEL = re.compile(r"x86_64_v([1-4])\Z")

#: What the processor flags of Linux say of the levels of the x86-64 psABI, each with those below it.
_LEVELS = (
    (2, "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    (3, "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    (4, "avx512f avx512bw avx512cd avx512dq avx512vl"),
)


#: What a machine offers: ``system`` and ``machine`` as of uname; ``offers`` has the version of each kind of
#: need and virtual package that was asked for, None where there is none. What is unknown is not in it.
Machine = NamedTuple("Machine", [("system", str), ("machine", str), ("offers", Dict[str, Optional[str]])])

#: What to do about a refusal.
HINT = "Use a machine that has what it needs, or go on all the same with --no-preflight."

#: A sentence to refuse with, if anything is lacking without which nothing would start; and warnings.
Judgement = NamedTuple("Judgement", [("refusal", Optional[str]), ("warnings", List[str])])


def judge(content: Dict[str, Any], machine: Machine) -> Judgement:
    """Compare what the content of an index says with what the machine offers; all that is lacking at once."""
    platform = content["platform"]
    if not fits(platform, machine):
        lacking = [
            "it is for {}, and this machine is {} {}".format(platform, machine.system, machine.machine)
        ]
        return Judgement(_sentence(lacking), [])
    lacking, warnings = [], []
    for kind, texts in _lacking(content, machine).items():
        text = max(texts)[1]
        if kind in _WARNED_OF or (machine.offers.get(kind) is None and kind in ("glibcxx", "cxxabi")):
            warnings.append("{}; what uses that will not run here.".format(text[0].upper() + text[1:]))
        else:
            lacking.append(text)
    return Judgement(_sentence(lacking) if lacking else None, warnings)


def _sentence(lacking: List[str]) -> str:
    return "This environment would not start here: {}.".format("; ".join(lacking))


def fits(platform: str, machine: Machine) -> bool:
    family, _, name = platform.partition("-")
    if family not in SYSTEMS:  # noarch, and what only emulators run
        return True
    return machine.system == SYSTEMS[family] and machine.machine in MACHINES.get(platform, (name,))


def _lacking(content: Dict[str, Any], machine: Machine) -> Dict[str, List[Tuple[List[int], str]]]:
    """By kind, each need that is not met: its version, to compare, and a text."""
    found = {}  # type: Dict[str, List[Tuple[List[int], str]]]
    offers = machine.offers
    for kind, version in content.get("needs", {}).items():
        has = offers.get(kind)
        if kind in _KINDS and kind in offers and (has is None or compare(has, version) < 0):
            need = "{} {} (for {})".format(_KINDS[kind], version, content.get("needed_by", {}).get(kind, "?"))
            found.setdefault(kind, []).append((_numbers(version), _text(need, kind, offers)))
    for spec in content.get("requires", []):
        name, version, build = parse(spec)
        kind = _SAME.get(name, name)
        level = _LEVEL.match(build)
        if name == "__archspec":
            has = offers.get(name)
            if level and has and has < build:
                text = "it needs a processor of the level {}, and this machine's has {}".format(build, has)
                found.setdefault(name, []).append(([int(level.group(1))], text))
        elif kind in _KINDS and kind in offers:
            has = offers[kind]
            if has is None or meets(has, version) is False:
                need = "{} {}".format(_KINDS[kind], version).strip()
                found.setdefault(kind, []).append((_numbers(version), _text(need, kind, offers)))
    return found


def _text(need: str, kind: str, offers: Dict[str, Optional[str]]) -> str:
    has = offers[kind]
    if has is None and kind == "glibc" and "musl" in offers:
        return "it needs {}, and this machine has musl in its place".format(need)
    return "it needs {}, and this machine has {}".format(need, "none" if has is None else has)


# --------------------------------------------------------------------- versions


def parse(spec: str) -> Tuple[str, str, str]:
    """The name, version and build of a spec such as ``__glibc >=2.17,<3.0.a0``; empty where it has none."""
    match = _SPEC.match(spec.strip())
    if match is None:
        return "", "", ""
    words = match.group(2).split(None, 1)
    return match.group(1), words[0] if words else "", words[1] if len(words) > 1 else ""


def meets(version: str, constraint: str) -> Optional[bool]:
    """Whether a version is in a simple constraint: terms, all of those joined by ``,`` and any by ``|``.

    None for a form that is not known here.
    """
    if constraint in ("", "*"):
        return True
    terms = [[_TERM.match(term.strip()) for term in choice.split(",")] for choice in constraint.split("|")]
    if not all(itertools.chain.from_iterable(terms)):
        return None
    return any(all(_meets(version, *term.groups("")) for term in choice if term) for choice in terms)


def _meets(version: str, operator: str, other: str, star: str) -> bool:
    difference = compare(version, other)
    if operator == "~=":
        return difference >= 0 and _begins(version, other.rpartition(".")[0])
    if operator == "=" or (star and operator in ("", "!=")):
        return _begins(version, other) is (operator != "!=")
    return {
        "": difference == 0,
        "==": difference == 0,
        "!=": difference != 0,
        ">=": difference >= 0,
        "<=": difference <= 0,
        ">": difference > 0,
        "<": difference < 0,
    }[operator]


def _begins(version: str, other: str) -> bool:
    numbers = _numbers(other)
    return _numbers(version)[: len(numbers)] == numbers


def compare(one: str, other: str) -> int:
    """-1, 0 or 1: numbers between dots, and letters, which come before the end (3.0.a0 is before 3.0)."""
    for left, right in itertools.zip_longest(_numbers(one), _numbers(other), fillvalue=0):
        if left != right:
            return 1 if left > right else -1
    return 0


def _numbers(version: str) -> List[int]:
    return [int(part) if part.isdigit() else -1 for part in re.findall(r"[0-9]+|[a-z]+", version.lower())]


# ------------------------------------------------------------------ this machine


def this_machine(content: Dict[str, Any]) -> Machine:
    """What the content asks for, as far as it is here; conda's ``CONDA_OVERRIDE_*`` count as there."""
    system, machine, release = _uname()
    asked = set(content.get("needs", {})) | {parse(spec)[0] for spec in content.get("requires", [])}
    offers = {}  # type: Dict[str, Optional[str]]
    for name in sorted(asked):
        kind = _SAME.get(name, name)
        virtual = {same: own for own, same in _SAME.items()}.get(name, name)
        override = os.environ.get("CONDA_OVERRIDE_" + virtual[2:].upper()) if virtual[:2] == "__" else None
        if override is not None:
            offers[kind] = override.strip() or None
        elif virtual in _ONLY and system not in _ONLY[virtual]:
            offers[kind] = None
        elif virtual == "__unix":
            offers[kind] = "0"
        elif virtual in ("__linux", "__win"):
            offers[kind] = re.split("[^0-9.]", release)[0]
        elif kind in _FINDERS:
            found = _FINDERS[kind]()
            if found is not None or kind in ("glibc", "glibcxx", "cxxabi", "__cuda"):
                offers[kind] = found
    if "glibc" in offers and offers["glibc"] is None and _names("/lib", r"ld-musl-"):
        offers["musl"] = ""
    return Machine(system, machine, offers)


def _uname() -> Tuple[str, str, str]:
    """The system, the machine and the kernel's release."""
    if hasattr(os, "uname"):
        told = os.uname()
        return told.sysname, told.machine, told.release
    environ = os.environ  # Windows; the first if this is a 32-bit program
    name = environ.get("PROCESSOR_ARCHITEW6432") or environ.get("PROCESSOR_ARCHITECTURE", "")
    version = ".".join(map(str, sys.getwindowsversion()[:3]))  # type: ignore[attr-defined,unused-ignore]
    return "Windows", name, version


def glibc() -> Optional[str]:
    """The version of glibc. This Python may be built without, so others are asked then."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        text = ""
    if not text.startswith("glibc "):
        text = _output("getconf", "GNU_LIBC_VERSION")
    match = re.match(r"glibc (\d+(?:\.\d+)+)", text)
    if match is None:
        match = re.match(
            r"ldd \([^\n]*(?:GLIBC|GNU libc)[^\n]* (\d+(?:\.\d+)+)\n", _output("ldd", "--version")
        )
    return match.group(1) if match else None


def _output(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own, from PATH
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _from_libstdcxx(family: bytes) -> Callable[[], Optional[str]]:
    def newest() -> Optional[str]:
        """The newest version that the first libstdc++.so.6 has, in the order that ld.so looks."""
        for path in _libraries("libstdc++.so.6"):
            try:
                with open(path, "rb") as file:
                    found = re.findall(rb"\0" + family + rb"_(\d+(?:\.\d+)*)(?=\0)", file.read())
            except OSError:
                continue
            return max((version.decode() for version in found), key=_numbers, default=None)
        return None

    return newest


def _libraries(name: str) -> Iterator[str]:
    """Where a library of the system may lie."""
    folders = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    machine = _uname()[1]
    for root in ("/lib", "/usr/lib"):
        folders += ["{}/{}".format(root, part) for part in _names(root, re.escape(machine) + "-linux-gnu")]
        folders += [root + "64", root]
    return (path for path in (os.path.join(folder, name) for folder in folders) if os.path.exists(path))


def _names(folder: str, pattern: str) -> List[str]:
    try:
        return sorted(name for name in os.listdir(folder) if re.match(pattern, name))
    except OSError:
        return []


def cuda() -> Optional[str]:
    """The version of CUDA that the driver can do, None without one."""
    try:
        import ctypes  # noqa: PLC0415 - few ask, and not every Python has it
    except ImportError:
        return None
    for name in ("libcuda.so.1", "libcuda.so", "nvcuda.dll"):
        try:
            library, version = ctypes.CDLL(name), ctypes.c_int(0)
            if library.cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value:
                return "{}.{}".format(version.value // 1000, version.value % 1000 // 10)
        except (OSError, AttributeError):
            pass
    return None


def macos() -> Optional[str]:
    """The version of macOS."""
    import platform  # noqa: PLC0415 - only macOS asks

    return platform.mac_ver()[0] or None


def archspec() -> Optional[str]:
    """The level of an x86-64 processor, such as x86_64_v3; None where it is not known."""
    if _uname()[1] not in ("x86_64", "amd64"):
        return None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            flags = next((line.partition(":")[2].split() for line in file if line.startswith("flags")), None)
    except OSError:
        flags = None
    return None if flags is None else "x86_64_v{}".format(_level(flags))


def _level(flags: Iterable[str]) -> int:
    has, level = set(flags), 1
    for number, needed in _LEVELS:
        if not has.issuperset(needed.split()):
            break
        level = number
    return level


_FINDERS = {
    "glibc": glibc,
    "glibcxx": _from_libstdcxx(b"GLIBCXX"),
    "cxxabi": _from_libstdcxx(b"CXXABI"),
    "macos": macos,
    "__cuda": cuda,
    "__archspec": archspec,
}
