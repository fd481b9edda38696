"""The standard library: which modules are its own, whatever Python runs us, and which Pythons have them.

From the "Porting to Python" and "Removed" parts of docs.python.org's What's New, of 3.0 to 3.14.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from conda_pack.sources.imports.model import Bound, Import, Version

#: Modules → the first Python that has them; those that 3.5 has are in every Python that conda still offers.
_SINCE: dict[str, Version] = {
    "secrets": (3, 6),
    "contextvars": (3, 7),
    "dataclasses": (3, 7),
    "importlib.resources": (3, 7),
    "importlib.metadata": (3, 8),
    "multiprocessing.shared_memory": (3, 8),
    "graphlib": (3, 9),
    "zoneinfo": (3, 9),
    "importlib.resources.abc": (3, 11),
    "tomllib": (3, 11),
    "wsgiref.types": (3, 11),
    "annotationlib": (3, 14),
    "compression": (3, 14),
    "concurrent.interpreters": (3, 14),
    "pathlib.types": (3, 14),
    "string.templatelib": (3, 14),
}
_REMOVED: dict[Version, str] = {
    (3, 8): "macpath",
    (3, 9): "_dummy_thread dummy_threading",
    (3, 10): "formatter parser symbol",
    (3, 11): "binhex",
    (3, 12): "asynchat asyncore distutils imp smtpd",
    # PEP 594
    (3, 13): "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes "
    "sndhdr spwd sunau telnetlib tkinter.tix uu xdrlib",
    # PEP 3108
    (3, 0): "BaseHTTPServer CGIHTTPServer ConfigParser Cookie DocXMLRPCServer HTMLParser Queue ScrolledText "
    "SimpleHTTPServer SimpleXMLRPCServer SocketServer StringIO Tix Tkinter UserDict UserList UserString "
    "__builtin__ anydbm cPickle cStringIO commands cookielib copy_reg dbhash dumbdbm exceptions "
    "future_builtins gdbm htmlentitydefs httplib md5 mimetools mutex popen2 robotparser rfc822 sets sha "
    "sgmllib thread tkFileDialog tkFont tkMessageBox tkSimpleDialog ttk urllib2 urlparse whichdb xmlrpclib",
}
#: Modules → the first Python 3 without them.
_UNTIL: dict[str, Version] = {name: version for version, names in _REMOVED.items() for name in names.split()}
#: sys.stdlib_module_names leaves these out.
_MORE = ("__main__", "test")
_NAMES = frozenset(
    (*sys.stdlib_module_names, *_MORE, *(name.partition(".")[0] for name in (*_SINCE, *_UNTIL)))
)


def is_standard(module: str) -> bool:
    """Whether a module is one of some Python's standard library."""
    return module.partition(".")[0] in _NAMES


def is_in_every_python(name: str) -> bool:
    """Whether all Pythons that conda offers have a module of the standard library, given in full."""
    return next(_versioned(name), None) is None


def bounds_of(found: Iterable[Import]) -> list[Bound]:
    """What importing these modules of the standard library says of Python."""
    return [
        Bound(f"the module {name}", _SINCE.get(name), _UNTIL.get(name), each.places[0])
        for each in found
        for name in _versioned(each.text)
    ]


def _versioned(name: str) -> Iterator[str]:
    """Which of ``a``, ``a.b``, ``a.b.c`` not every Python has."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        module = ".".join(parts[:count])
        if module in _SINCE or module in _UNTIL:
            yield module
