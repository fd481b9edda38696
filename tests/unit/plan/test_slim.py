"""What the presets take, and what they must not."""

from __future__ import annotations

import pytest

from conda_pack.errors import UsageError
from conda_pack.model import DiskFile, Environment, Platform
from conda_pack.plan.select import Filter, excluded
from conda_pack.plan.slim import NAMES, PRESETS, Preset, Saving, slim_filters, slim_report

SITE = "lib/python3.12/site-packages"


def environment(*paths: str) -> Environment:
    """Files of 10 bytes each."""
    return Environment(
        prefix="/opt/env",
        prefixes=(b"/opt/env",),
        platform=Platform("linux-64"),
        site_packages=SITE,
        records=(),
        files={path: DiskFile(path, "file", 0o644, 10, 0) for path in sorted(paths)},
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )


TAKEN = {
    "bytecode": [
        "lib/python3.12/__pycache__/os.cpython-312.pyc",
        f"{SITE}/a/__pycache__/b.cpython-312.opt-1.pyc",
        "Lib/site-packages/__pycache__/six.cpython-312.pyc",
    ],
    "static": [
        "lib/libz.a",
        "lib/libxml2.la",
        "lib64/libz.la",
        "Library/lib/libz.la",
        "lib/python3.12/config-3.12-x86_64-linux-gnu/libpython3.12.a",
        f"{SITE}/numpy/_core/lib/libnpymath.a",
    ],
    "headers": [
        "include/zlib.h",
        "include/python3.12/Python.h",
        "include/c++/v1/vector",
        "Library/include/zlib.h",
    ],
    "tests": [
        f"{SITE}/numpy/_core/tests/test_umath.py",
        f"{SITE}/numpy/_core/tests/__pycache__/test_umath.cpython-312.pyc",
        f"{SITE}/numpy/_core/tests/data/umath.csv",
        f"{SITE}/numpy/tests/test_lazyloading.py",
        f"{SITE}/astropy/tests/data/figure.png",
        "Lib/site-packages/numpy/tests/test_lazyloading.py",
        "lib/python3.12/test/test_os.py",
        "lib/python3.12/test/data/x.txt",
        "lib/python3.12/unittest/test/test_case.py",
        "lib/python3.12/idlelib/idle_test/htest.py",
        "Lib/test/test_os.py",
    ],
    "docs": [
        "share/doc/zlib/index.html",
        "share/man/man1/gzip.1",
        "share/info/dir",
        "share/gtk-doc/html/a.html",
        "man/man1/x.1",
        "Library/share/doc/zlib/index.html",
        "Doc/python312.chm",
    ],
}
KEPT = [
    # a module that has nothing but its bytecode
    f"{SITE}/closed/secret.pyc",
    # compilers in the environment need these to link anything, CUDA's also Numba
    "lib/gcc/x86_64-conda-linux-gnu/13.2.0/libgcc.a",
    "x86_64-conda-linux-gnu/sysroot/usr/lib64/libc_nonshared.a",
    "x86_64-conda_cos6-linux-gnu/sysroot/usr/lib/libc_nonshared.a",
    "lib/clang/18/lib/linux/libclang_rt.builtins-x86_64.a",
    "lib/rustlib/x86_64-unknown-linux-gnu/lib/libcompiler_builtins.a",
    "targets/x86_64-linux/lib/libcudadevrt.a",
    "Library/mingw-w64/lib/libkernel32.a",
    "Library/lib/libz.dll.a",
    "lib/libz.so.1",
    "lib/ImageMagick-7.1/modules/coders/png.la",  # how it finds its plugins
    f"{SITE}/data/archive.a",
    "lib/data/archive.a",
    # what python-config and sysconfig read
    "lib/python3.12/config-3.12-x86_64-linux-gnu/Makefile",
    "lib/python3.12/_sysconfigdata_x86_64_conda_linux_gnu.py",
    "include/python3.12/pyconfig.h",
    "include/python3.12/pyconfig-64.h",
    "include/pyconfig.h",
    # headers that belong to a package, which may compile with them at run time
    f"{SITE}/cupy/_core/include/cupy/complex.cuh",
    f"{SITE}/triton/backends/nvidia/include/cuda.h",
    # no tests, or more than that
    f"{SITE}/numpy/testing/__init__.py",
    f"{SITE}/numpy/testing/_private/utils.py",
    f"{SITE}/numpy/_core/tests/__init__.py",
    f"{SITE}/numpy/_core/tests/_natype.py",
    f"{SITE}/astropy/tests/runner.py",
    f"{SITE}/tables/tests/test_suite.py",
    f"{SITE}/django/test/client.py",
    f"{SITE}/tests/test_me.py",
    f"{SITE}/tests/data.json",
    f"{SITE}/tests.py",
    f"{SITE}/pkg/test_module.py",
    f"{SITE}/pkg/contests/a.py",
    "lib/python3.12/unittest/case.py",
    "lib/python3.12/test/__init__.py",
    "lib/python3.12/test/support/os_helper.py",
    "share/app/tests/data.json",
    # licences
    "share/doc/zlib/LICENSE",
    "share/doc/zlib/LICENCE.txt",
    "share/doc/zlib/License.md",
    "share/doc/zlib/COPYING",
    "share/doc/zlib/copyright",
    "share/doc/zlib/NOTICE.txt",
    "share/doc/zlib/licenses/MIT.txt",
    "Library/share/doc/zlib/LICENSE",
    f"{SITE}/zlib-1.dist-info/licenses/LICENSE",
    # code, and what help() shows
    f"{SITE}/botocore/docs/client.py",
    "lib/python3.12/pydoc_data/topics.py",
    "share/zoneinfo/UTC",
]
EVERYTHING = environment(*KEPT, *(path for paths in TAKEN.values() for path in paths))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_each_preset(preset: Preset) -> None:
    """It takes its own, and nothing of the others'."""
    name = preset.name
    ours = set(TAKEN[name])
    bytecode_of_tests = {path for path in TAKEN["tests"] if "__pycache__" in path}
    expected = ours | (bytecode_of_tests if name == "bytecode" else set())
    assert expected == excluded(EVERYTHING.files, slim_filters([name]))


def test_all_presets() -> None:
    """Together they take what each takes alone, in whatever order they are asked for."""
    expected = set(EVERYTHING.files) - set(KEPT)
    assert expected == excluded(EVERYTHING.files, slim_filters(["all"]))
    assert slim_filters(["all"]) == slim_filters(list(TAKEN)) == slim_filters([*reversed(list(TAKEN))])


def test_the_users_filters_have_the_last_word() -> None:
    """What comes after the presets brings back, and what a preset keeps can be left out."""
    page, licence = "share/doc/zlib/index.html", "share/doc/zlib/LICENSE"
    left = excluded(EVERYTHING.files, [*slim_filters(["docs"]), ("include", page), ("exclude", licence)])
    assert (page in left, licence in left) == (False, True)


def test_unknown_presets() -> None:
    """They are named, with those that there are."""
    with pytest.raises(UsageError, match=r"called comments, maps\. There are: docs, .*, all\."):
        slim_filters(["maps", "docs", "comments"])
    assert {*TAKEN, "all"} == set(NAMES)


def test_the_report() -> None:
    """Every file counts once, for the first preset that takes it; the sum is the difference."""
    report = slim_report(EVERYTHING, ["all"])
    sizes = {name: len(paths) * 10 for name, paths in TAKEN.items()}
    assert {saving.name: saving.size for saving in report.presets} == sizes
    assert {saving.name: saving.files * 10 for saving in report.presets} == sizes
    assert (report.files_before, report.size_before) == (len(EVERYTHING.files), len(EVERYTHING.files) * 10)
    assert (report.files_after, report.size_after) == (len(KEPT), len(KEPT) * 10)


def test_the_report_with_filters() -> None:
    """What the user leaves out or brings back by name is nothing that a preset saves."""
    filters: list[Filter] = [("exclude", "share/man/*"), ("include", "*/zlib/index.html")]
    report = slim_report(EVERYTHING, ["docs"], filters)
    assert report.presets == (Saving("docs", 4, 40),)
    assert report.files_before == len(EVERYTHING.files) - 1
    assert report.files_after == report.files_before - 4
    assert slim_report(EVERYTHING, []).presets == ()
