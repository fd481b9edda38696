"""The running Python as a conda package: its binary, its standard library, its shared library."""

from __future__ import annotations

import importlib.util
import marshal
import os
import platform
import re
import stat
import sys
import sysconfig
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from demo.packages import PLACEHOLDER, TIMESTAMP, Entry, File, Link, Package

_BASE = Path(sys.base_prefix)
_STDLIB = Path(sysconfig.get_path("stdlib"))
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"
_SITE_PACKAGES = f"lib/python{_VERSION}/site-packages"

_SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "_bundled", "__pycache__"}
_SKIPPED_FILES = (
    "*.a",
    "*.o",
    "*.exe",
    "libpython*",
    "_test*.so",
    "_ctypes_test*.so",
    "xx*.so",
    "EXTERNALLY-MANAGED",
)
_HOLD_THE_PREFIX = ("_sysconfigdata_*.py", "Makefile", "python-config.py", "build-details.json")
_SHIPPED_COMPILED = ("abc.py", "bisect.py", "colorsys.py", "keyword.py", "stat.py")


def python_package() -> Package:
    """CPython as it runs here, without its tests, headers and whatever was installed into it."""
    entries = (*_binaries(), *_shared_libraries(), *_standard_library(), *_third_party_folder())
    default = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    index = {} if default == _SITE_PACKAGES else {"python_site_packages_path": _SITE_PACKAGES}
    return Package("python", platform.python_version(), "0_cpython", entries=entries, index=index)


def _binaries() -> Iterator[Entry]:
    interpreter = _BASE / "bin" / f"python{_VERSION}"
    yield File(f"bin/{interpreter.name}", _find_library_beside(interpreter.read_bytes()), 0o755)
    yield Link("bin/python", interpreter.name)
    yield Link("bin/python3", interpreter.name)
    for name in ("python{}-config", "pydoc{}", "idle{}", "2to3-{}"):
        script = _BASE / "bin" / name.format(_VERSION)
        if script.is_file():
            yield _without_base(File(f"bin/{script.name}", script.read_bytes(), 0o755))
            yield Link(f"bin/{name.format(3)}", script.name)


def _shared_libraries() -> Iterator[Entry]:
    """libpython, where the interpreter is linked with one."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    if not fnmatch(name, "libpython*.so*") and not fnmatch(name, "libpython*.dylib"):
        return
    for folder in (Path(sysconfig.get_config_var("LIBDIR") or ""), _BASE / "lib"):
        if (folder / name).is_file():
            yield File(f"lib/{name}", (folder / name).read_bytes(), 0o755)
            short = sysconfig.get_config_var("LDLIBRARY")
            if short and short != name:
                yield Link(f"lib/{short}", name)
            return


def _third_party_folder() -> Iterator[Entry]:
    yield File(f"{_SITE_PACKAGES}/README.txt", b"Third-party packages are installed here.\n")
    if (_BASE / "lib/python3/dist-packages").is_dir():  # Debian's Python looks there alone
        yield File("lib/python3/dist-packages/conda.pth", f"../../../{_SITE_PACKAGES}\n".encode())


def _standard_library() -> Iterator[Entry]:
    for folder, folders, names in os.walk(_STDLIB):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        for name in names:
            if any(fnmatch(name, pattern) for pattern in _SKIPPED_FILES):
                continue
            path = Path(folder, name)
            if not path.is_file():  # a link that leads nowhere
                continue
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            file = File(path.relative_to(_BASE).as_posix(), path.read_bytes(), mode)
            if any(fnmatch(name, pattern) for pattern in _HOLD_THE_PREFIX):
                file = _without_base(file)
            yield file
            if folder == str(_STDLIB) and name in _SHIPPED_COMPILED:
                yield _compiled(file)


def _compiled(source: File) -> File:
    """The ``.pyc`` of a module, valid as long as its source keeps the mtime that packages give it.

    Like those of conda-build it names the placeholder without a record of it: it must not be patched.
    """
    code = compile(source.content, f"{PLACEHOLDER}/{source.path}", "exec", dont_inherit=True)
    fields = (0, TIMESTAMP, len(source.content))
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in fields)
    body = marshal.dumps(code, 2)  # later versions note who else uses an object: not the same bytes twice
    folder, _, name = source.path.rpartition("/")
    stem = f"{name.removesuffix('.py')}.{sys.implementation.cache_tag}"
    return File(f"{folder}/__pycache__/{stem}.pyc", header + body)


def _without_base(file: File) -> File:
    """A text file with the placeholder where it named the prefix this Python was built for."""
    base = re.escape(os.fsencode(_BASE)) + rb"(?![\w.+-])(?!/bin/env\b)"
    content = re.sub(base, lambda _: PLACEHOLDER.encode(), file.content)
    return File(file.path, content, file.mode, None if content == file.content else "text")


def _find_library_beside(binary: bytes) -> bytes:
    """An ELF binary whose RPATH names the folder of libpython gets a relative one of the same length."""
    folder = os.fsencode(sysconfig.get_config_var("LIBDIR") or "")
    beside = b"$ORIGIN/../lib".ljust(len(folder), b"/")
    if not binary.startswith(b"\x7fELF") or not folder or len(beside) != len(folder):
        return binary
    return re.sub(rb"(?<=[\0:])" + re.escape(folder) + rb"(?=[\0:])", lambda _: beside, binary)
