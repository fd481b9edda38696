"""How a prefix is written into files on Windows, and where launchers hold theirs.

Shipped inside archives, too: standard library only, Python 3.6 and later.
"""

from typing import Optional, Tuple

_VERBATIM, _VERBATIM_SHARE = b"\\\\?\\", b"\\\\?\\UNC\\"
#: What stands between the parts of a path, by the name that a pack record gives it: installers write
#: slashes, launchers and Windows itself backslashes, JSON and source text two of those.
SEPARATORS = {"forward": b"/", "back": b"\\", "double": b"\\\\"}

_PE = b"MZ"
_END_OF_ZIP = b"PK\x05\x06"
_END_SIZE = 22
_COMMENT = 1 << 16


def written(prefix: bytes, slashes: Optional[str]) -> bytes:
    """A prefix as it is written into a file, by the name of what separates its parts; None: as it is.

    The form that switches off the limits of Windows, with a question mark in front, is never written:
    hardly a program takes it.
    """
    if slashes is None:
        return prefix
    if prefix.startswith(_VERBATIM_SHARE):
        prefix = b"\\\\" + prefix[len(_VERBATIM_SHARE) :]
    elif prefix.startswith(_VERBATIM):
        prefix = prefix[len(_VERBATIM) :]
    return prefix.replace(b"\\", b"/").replace(b"/", SEPARATORS[slashes])


def launcher_line(data: bytes) -> Optional[Tuple[int, int]]:
    """Where in a launcher its shebang lies, without the end of the line: from, to.

    A launcher, conda's, pip's or distlib's, is a program, a line ``#!...python.exe``, and a zip file of the
    script. The line may have any length: the program finds it from the end of the file, as zip is read.
    None for any other file.
    """
    if not data.startswith(_PE):
        return None
    end = data.rfind(_END_OF_ZIP, max(0, len(data) - _END_SIZE - _COMMENT))
    if end < 0 or len(data) < end + _END_SIZE:
        return None
    size, offset = (int.from_bytes(data[end + at : end + at + 4], "little") for at in (12, 16))
    start = end - size - offset  # of the zip file
    begin = data.rfind(b"#!", 0, max(0, start))
    if begin < 0:
        return None
    line = data[begin:start].rstrip(b"\r\n")
    if b"\n" in line or b"\0" in line or len(line) == start - begin:
        return None
    return begin, begin + len(line)
