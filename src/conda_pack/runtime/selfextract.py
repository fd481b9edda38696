"""The shell script that makes an archive unpack itself: what goes before the archive, in one file.

The script is shell/selfextract.sh, with its ``@MARKS@`` replaced. See docs/single-file.md.
"""

from __future__ import annotations

import os
import re
import shlex

from conda_pack.runtime.preflight import MACHINES, SYSTEMS
from conda_pack.runtime.templates import template

_MARK = re.compile(rb"@([A-Z]+)@")
_IDENTITY = re.compile(r"[0-9a-f]{64}\Z")
#: Digits of the identity in the cache's path. A prefix has to be short: some packages have room for 80 bytes.
_KEY = 16
#: Bytes that the size of a file may take in decimal, so that it can be filled in when it is known.
_SIZE_WIDTH = 16
#: Bytes that a version of glibc may take.
_GLIBC_WIDTH = 12

#: A locale that has every letter on a family of platforms, of which those not named here have no shell.
_LOCALES = {"linux": "C.UTF-8", "osx": "en_US.UTF-8"}


def stub(
    *,
    name: str,
    identity: str,
    decompress: str,
    platform: str,
    size: int,
    packed: int = 0,
    glibc: str = "",
    arcroot: str = "",
    entrypoint: str | None = None,
    prefix: str | None = None,
) -> bytes:
    """The script to which the archive is appended, right behind its last byte.

    ``name`` is the environment's, the folder it is unpacked into by default; ``identity`` the pack's;
    ``decompress`` a shell command from standard input to standard output; ``platform`` conda's name of it;
    ``size`` that of the unpacked files in bytes; ``packed`` that of the archive in bytes, 0 for not known;
    ``arcroot`` the folder of the environment in the archive. ``entrypoint``, split as a shell does, is the
    command to run from a cache instead of unpacking to where the user says. ``prefix`` is the only one
    that the environment runs at, so that it is not relocated.

    ``glibc`` is the version that it needs, empty for none.

    The length depends neither on the identity nor on ``packed`` and ``glibc``: write it with any, and again
    when they are known. Raises ValueError, with a sentence, for what cannot be.
    """
    family, _, machine = platform.partition("-")
    if platform != "noarch" and family not in _LOCALES:
        raise ValueError(f"a file that unpacks itself is a shell script, and {platform} has no shell")
    if not _IDENTITY.match(identity):
        raise ValueError(f"{identity!r} is not an identity: 64 hexadecimal digits")
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of a folder")
    if entrypoint is not None and prefix is not None:
        raise ValueError("a command runs from a cache, so its environment cannot be for one prefix only")
    system, locale = SYSTEMS.get(family, ""), _LOCALES.get(family, "C.UTF-8")
    machines = [f"{system}-{known}" for known in MACHINES.get(platform, (machine,))]
    values = {
        "NAME": shlex.quote(name),
        "IDENTITY": identity,
        "KEY": identity[:_KEY],
        "PLATFORM": shlex.quote(platform),
        "NEEDED": str(-(-size // 1024)),
        "ARCROOT": shlex.quote(arcroot.strip("/")),
        "PREFIX": shlex.quote(prefix or ""),
        "ENTRY": "" if entrypoint is None else "1",
        "COMMAND": "false" if entrypoint is None else shlex.join(_words(entrypoint)),
        "DECOMPRESS": decompress,
        "TOOLS": shlex.join(["tar", shlex.split(decompress)[0]]),
        "MACHINES": "*" if platform == "noarch" else " | ".join(machines),
        "LOCALE": locale,
        "GLIBC": glibc.ljust(_GLIBC_WIDTH),
    }
    return _filled({mark: os.fsencode(value) for mark, value in values.items()}, packed)


def _words(entrypoint: str) -> list[str]:
    """The words of a command."""
    try:
        words = shlex.split(entrypoint)
    except ValueError as error:
        raise ValueError(f"the entry point {entrypoint!r} cannot be split into words: {error}") from None
    if not words or not words[0]:
        raise ValueError("the entry point is empty")
    if any("\0" in word for word in words):
        raise ValueError("the entry point holds a NUL")
    return words


def _filled(values: dict[str, bytes], packed: int) -> bytes:
    """The template with its marks replaced, which knows how long it is itself."""
    text = template("selfextract.sh")

    def with_length(length: int) -> bytes:
        total = b"%d" % (packed and packed + length)
        own = {"LENGTH": b"%d" % length, "PACKED": total.ljust(_SIZE_WIDTH)}
        return _MARK.sub(lambda mark: (values | own)[mark[1].decode()], text)

    length, script = 0, with_length(0)
    while length != len(script):  # twice, or once more where it gets a digit longer
        length = len(script)
        script = with_length(length)
    return script
