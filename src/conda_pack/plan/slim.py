"""What an environment runs without: named presets of filters, and what each of them saves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from conda_pack.errors import UsageError
from conda_pack.model import Environment
from conda_pack.plan.select import Filter, excluded

ALL = "all"


@dataclass(frozen=True, slots=True)
class Preset:
    """Filters, as patterns.py has them. What they bring back is nothing that another preset takes."""

    name: str
    summary: str  # for the help of the command line
    filters: tuple[Filter, ...]


def _without(*patterns: str) -> tuple[Filter, ...]:
    return tuple(("exclude", pattern) for pattern in patterns)


def _but(*patterns: str) -> tuple[Filter, ...]:
    return tuple(("include", pattern) for pattern in patterns)


def _in_stdlib(*folders: str) -> tuple[str, ...]:
    return tuple(f"{place}/{folder}/" for place in _STDLIB for folder in folders)


#: On Linux and macOS, and on Windows.
_STDLIB = ("/lib/python[0-9]*", "/lib/pypy[0-9]*", "/Lib")
#: The folders called tests within a package. One at the top is a package of its own, which may be anything;
#: and folders called test or testing are for those who write tests: django.test, numpy.testing.
_TESTS = "/[Ll]ib/**/site-packages/*/**/tests"
_DOCS = ("/share", "/Library/share")

#: In the order in which they are applied, whatever the order they are asked for in.
PRESETS = (
    Preset(
        "docs",
        "documentation and manual pages under share/, but not the licences",
        # never a folder called docs within a package: botocore.docs is code
        _without(
            *(f"{place}/{name}/" for place in _DOCS for name in ("doc", "gtk-doc", "info", "man")),
            *("/man/", "/Doc/"),
        )
        # a licence asks to be passed on with what it is of
        + _but(
            *(f"{place}/doc/**/*[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*" for place in _DOCS),
            *(f"{place}/doc/**/[Cc][Oo][Pp][Yy][IiRr]*" for place in _DOCS),
            *(f"{place}/doc/**/[Nn][Oo][Tt][Ii][Cc][Ee]*" for place in _DOCS),
        ),
    ),
    Preset(
        "tests",
        "tests and their data, of Python and within packages, but not the helpers that lie beside them",
        _without(f"{_TESTS}/")
        # what packages import of their own tests: astropy.tests.runner, numba.tests.support, sunpy.tests
        + _but(f"{_TESTS}/**/*.py")
        + _without(f"{_TESTS}/**/test_*.py")
        # imported as soon as tables is
        + _but("/[Ll]ib/**/site-packages/tables/tests/**/*.py")
        + _without(
            *_in_stdlib("test", "ctypes/test", "distutils/tests", "idlelib/idle_test", "lib2to3/tests"),
            *_in_stdlib("sqlite3/test", "tkinter/test", "unittest/test"),
        )
        # others test themselves with it, as conda-forge knows: it leaves the same two in its Python
        + _but(*(f"{place}/test/__init__.py" for place in _STDLIB), *_in_stdlib("test/support")),
    ),
    Preset(
        "headers",
        "C and C++ headers under include/; not where programs compile: torch.compile, Triton, CuPy, ROOT",
        # those within packages are the packages' own business: NumPy's builds against it need theirs
        _without("/include/", "/Library/include/")
        # sysconfig.get_config_h_filename(), which sysconfig itself and setuptools read
        + _but("/include/**/pyconfig*.h"),
    ),
    Preset(
        "static",
        "static libraries, but not those that a compiler in the environment links everything with",
        # .la only beside the libraries: deeper down ImageMagick and others find their plugins by them
        _without("/**/lib*.a", "/lib/*.la", "/lib64/*.la", "/Library/lib/*.la")
        + _but(
            "/**/lib*.dll.a",  # these stand for shared ones
            # gcc and its C library, clang, GHC, Rust, MinGW
            *("/**/lib/gcc/**/lib*.a", "/*-conda*/**/lib*.a", "/lib/clang/**/lib*.a", "/lib/ghc*/**/lib*.a"),
            *("/lib/rustlib/**/lib*.a", "/**/*-w64-mingw32/**/lib*.a", "/Library/mingw*/**/lib*.a"),
            # nvcc, and Numba at run time
            *("/**/libcudadevrt.a", "/**/libcudart_static.a"),
        ),
    ),
    Preset(
        "bytecode",
        "compiled Python, which Python makes again; where it cannot write, every start takes longer",
        # a .pyc that lies elsewhere is all there is of its module (PEP 3147)
        _without("__pycache__/"),
    ),
)
NAMES = (*(preset.name for preset in PRESETS), ALL)


def slim_filters(names: Iterable[str]) -> tuple[Filter, ...]:
    """The filters of presets, to be put before the user's own, so that those have the last word.

    Raises UsageError for names that there are not.
    """
    return tuple(filter_ for preset in _chosen(names) for filter_ in preset.filters)


@dataclass(frozen=True, slots=True)
class SlimReport:
    """What presets save: sizes in bytes, as installed. ``before`` is with no preset."""

    presets: tuple[Saving, ...]
    files_before: int
    files_after: int
    size_before: int
    size_after: int


@dataclass(frozen=True, slots=True)
class Saving:
    """What one preset leaves out. A file that several do counts for the first of them in PRESETS."""

    name: str
    files: int
    size: int


def slim_report(environment: Environment, names: Iterable[str], filters: Sequence[Filter] = ()) -> SlimReport:
    """What the presets ``names`` leave out of an environment that ``filters`` are applied to as well.

    Raises UsageError for names that there are not.
    """
    files = environment.files
    chosen = _chosen(names)
    before = files.keys() - excluded(files, filters)
    after = files.keys() - excluded(files, [*slim_filters(preset.name for preset in chosen), *filters])

    def size(paths: Collection[str]) -> int:
        return sum(files[path].size for path in paths)

    left, savings = before - after, []
    for preset in chosen:
        own = left & excluded(files, preset.filters)
        left -= own
        savings.append(Saving(preset.name, len(own), size(own)))
    return SlimReport(tuple(savings), len(before), len(after), size(before), size(after))


def _chosen(names: Iterable[str]) -> tuple[Preset, ...]:
    wanted = set(names)
    if unknown := sorted(wanted - set(NAMES)):
        raise UsageError(f"There is no preset called {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
    return tuple(preset for preset in PRESETS if preset.name in wanted or ALL in wanted)
