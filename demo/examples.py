"""Two small packages with every way in which an installer writes a prefix into a file."""

from __future__ import annotations

import struct

from demo.packages import PLACEHOLDER, File, Link, Package, text

_TOOL = f"""\
#!{PLACEHOLDER}/bin/python -s
\"\"\"Print every place that this installation knows of.\"\"\"
import pathlib
import struct
import sys

prefix = pathlib.Path(sys.prefix)
print("prefix:", prefix)
print("user site ignored:", bool(sys.flags.no_user_site))
print((prefix / "etc/demo-tool.conf").read_text(), end="")
table = (prefix / "lib/demo-tool.dat").read_bytes()
(count,) = struct.unpack_from("<I", table, 8)
for offset in struct.unpack_from(f"<{{count}}I", table, 12):
    print("table:", table[offset:table.index(b"\\0", offset)].decode())
"""

_SHELL_TOOL = f"""\
#!/bin/sh
exec "{PLACEHOLDER}/bin/python" -s "{PLACEHOLDER}/bin/demo-tool" "$@"
"""

_CONFIGURATION = f"""\
home={PLACEHOLDER}
path={PLACEHOLDER}/lib:{PLACEHOLDER}/share
system=/usr/local
"""

_ACTIVATE = f"""\
export DEMO_TOOL_HOME="{PLACEHOLDER}"
"""

_DEACTIVATE = """\
unset DEMO_TOOL_HOME
"""

_STRINGS = (
    f"{PLACEHOLDER}",
    f"{PLACEHOLDER}/etc/demo-tool.conf",
    f"{PLACEHOLDER}/lib:{PLACEHOLDER}/share",
    "/usr/local/lib",
    f"home={PLACEHOLDER};path={PLACEHOLDER}/bin:/usr/bin:{PLACEHOLDER};end",
)

_LIBRARY = '''\
"""A library with two commands."""

import sys
from pathlib import Path


def main() -> None:
    print("demo-lib runs in", sys.prefix)


def where() -> None:
    print("demo-lib lies in", Path(__file__).parent)
'''

_LIBRARY_SCRIPT = f"""\
#!{PLACEHOLDER}/bin/python
import demo_lib

demo_lib.main()
"""

_METADATA = """\
Metadata-Version: 2.1
Name: demo-lib
Version: 1.0
Summary: A library with two commands
"""


def tool_package(version: str = "1.0") -> Package:
    """A program for one platform: scripts, a binary table, links, and names that archives get wrong."""
    share = "share/demo-tool"
    deep = "/".join(f"folder-{number}-{40 * 'x'}" for number in range(6))
    return Package(
        "demo-tool",
        version,
        depends=("python >=3.10",),
        entries=(
            text("bin/demo-tool", _TOOL, 0o755),
            text("bin/demo-sh", _SHELL_TOOL, 0o755),
            Link("bin/demo-tool-link", "demo-tool"),
            text("etc/demo-tool.conf", _CONFIGURATION),
            text("etc/conda/activate.d/demo.sh", _ACTIVATE),
            text("etc/conda/deactivate.d/demo.sh", _DEACTIVATE),
            File("lib/demo-tool.dat", _table(_STRINGS), 0o644, "binary"),
            Link("lib/demo-tool-latest.dat", "demo-tool.dat"),
            Link("lib/demo-tool", "../share/demo-tool"),
            text(f"{share}/version.txt", f"{version}\n"),
            text(f"{share}/read-only.txt", "nobody writes here\n", 0o444),
            text(f"{share}/naïve name ☃.txt", "unicode and spaces\n"),
            text(f"{share}/{'long-name-' * 12}.txt", "a name longer than ustar's field\n"),
            text(f"{share}/{deep}/leaf.txt", "a path longer than ustar's two fields\n"),
        ),
    )


def library_package() -> Package:
    """A ``noarch: python`` package: the installer chooses site-packages and writes the entry points."""
    entry_points = ("demo-lib = demo_lib:main", "demo-lib-where = demo_lib:where")
    dist_info = "site-packages/demo_lib-1.0.dist-info"
    return Package(
        "demo-lib",
        depends=("python >=3.10",),
        noarch="python",
        entry_points=entry_points,
        entries=(
            text("site-packages/demo_lib/__init__.py", _LIBRARY),
            text(f"{dist_info}/METADATA", _METADATA),
            text(f"{dist_info}/INSTALLER", "conda\n"),
            text(f"{dist_info}/entry_points.txt", "\n".join(["[console_scripts]", *entry_points, ""])),
            text("python-scripts/demo-lib-script", _LIBRARY_SCRIPT, 0o755),
        ),
    )


def _table(strings: tuple[str, ...]) -> bytes:
    """A magic number, the offset of each string, and the strings: reads right only if no length changed."""
    position = 12 + 4 * len(strings)
    offsets, body = [], b""
    for string in strings:
        offsets.append(position + len(body))
        body += string.encode() + b"\0"
    return b"\x7fDEMO\0\xff\xfe" + struct.pack(f"<{1 + len(strings)}I", len(strings), *offsets) + body
