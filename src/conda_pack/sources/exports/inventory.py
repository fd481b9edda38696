"""What is installed in an environment, in the terms that it can be rebuilt by. Pure.

Credentials in URLs end here: no ``Package`` and no ``Project`` has any, so no list that is made of them can
tell them to anybody.

Sources: PEP 610 (direct_url.json), PEP 508 (requirements), and for what a token in a URL looks like
``split_anaconda_token`` of conda 24.7.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

import msgspec

from conda_pack.environment.modules import normalised
from conda_pack.model import Record

#: Channels below it are called by their names, by conda, mamba and pixi alike.
ALIAS = "https://conda.anaconda.org/"

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_NAME = re.compile(r"[A-Za-z0-9][\w./-]*")
_PACKAGE_FILE = re.compile(r"/([^/]+)\.(?:conda|tar\.bz2)$")
_TOKEN = re.compile(r"(?<=[^:/])/t/[^/]+(?=/)")
#: Characters that a URL may have; all others are written as its bytes.
_SAFE = "!$%&'()*+,/:;=?@[]~#"
_WEB = ("http", "https", "ftp")
_DIGITS = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}


class Package(msgspec.Struct, frozen=True):
    """A conda package.

    ``url`` is null if nobody wrote down where it came from. ``channel`` is the name or the URL of the channel
    that this lies in, null for a file on its own. ``private`` tells that the URL had credentials, which are
    left out. Digests are in hexadecimal, and null where they are not known.
    """

    name: str
    version: str
    build: str
    subdir: str
    channel: str | None
    url: str | None
    md5: str | None
    sha256: str | None
    depends: list[str] = []
    private: bool = False

    @property
    def dist(self) -> str:
        """How conda calls it."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def is_local(self) -> bool:
        """Whether it is to be had on the machine alone where it was installed."""
        return self.url is not None and self.url.startswith("file:")

    @property
    def is_misnamed(self) -> bool:
        """Whether its file is called otherwise than the package in it."""
        found = _PACKAGE_FILE.search(self.url or "")
        return found is not None and unquote(found[1]) != self.dist


class Project(msgspec.Struct, frozen=True):
    """A Python project that pip or the like installed.

    ``requirement`` is what brings it back, for pip (PEP 508). ``editable`` is null, or where the code of an
    editable install lies, which no list can bring to another machine. ``private`` is as of packages.
    """

    name: str
    version: str
    requirement: str
    editable: str | None = None
    private: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it was installed from a file or a folder of one machine."""
        return " @ file:" in self.requirement


class _DirInfo(msgspec.Struct):
    editable: bool = False


class _ArchiveInfo(msgspec.Struct):
    hash: str = ""
    hashes: dict[str, str] = {}


class _VcsInfo(msgspec.Struct):
    vcs: str
    commit_id: str = ""
    requested_revision: str = ""


class _DirectUrl(msgspec.Struct):
    """A direct_url.json (PEP 610)."""

    url: str
    dir_info: _DirInfo | None = None
    archive_info: _ArchiveInfo | None = None
    vcs_info: _VcsInfo | None = None
    subdirectory: str = ""


class Inventory(msgspec.Struct, frozen=True):
    """All that is installed: ``packages`` come after those that they depend on, ``pip`` by name.

    ``variables`` are the environment's own, that ``conda env config vars`` keeps.
    """

    platform: str
    packages: list[Package]
    pip: list[Project] = []
    variables: dict[str, str] = {}
    warnings: list[str] = []


# ---------------------------------------------------------------------- conda's


def package_of(record: Record) -> Package:
    """What there is to tell of an installed package."""
    bare = _bare(record.url)
    url = bare if _URL.fullmatch(bare) and _PACKAGE_FILE.search(bare) else None
    return Package(
        name=record.name,
        version=record.version,
        build=record.build,
        subdir=record.subdir,
        channel=_channel(url, record),
        url=url,
        md5=_digest("md5", record.md5),
        sha256=_digest("sha256", record.sha256),
        depends=list(record.depends),
        private=_is_private(record.url if url is not None else record.channel),
    )


def _channel(url: str | None, record: Record) -> str | None:
    """The channel of a package: what its URL begins with, or else what its record says."""
    if url is not None:
        folder, _, subdir = url.rpartition("/")[0].rpartition("/")
        if subdir not in ("noarch", record.subdir):
            return None
    else:
        folder = _bare(f"{record.channel}/").rstrip("/").removesuffix(f"/{record.subdir}")
        if not _URL.fullmatch(folder) and not _NAME.fullmatch(folder):
            return None  # conda has several words for an unknown one
    return folder.removeprefix(ALIAS)


def _bare(url: str) -> str:
    """A URL without credentials, and without what follows its path; what is none stays as it is."""
    if "://" not in url:
        return url
    bare = _without_user(re.split("[?#]", url, maxsplit=1)[0])
    return bare if bare.startswith("file:") else _TOKEN.sub("", bare, count=1)


def _without_user(url: str) -> str:
    """A URL without user and password; of ``ssh://git@host`` the user stays, who is part of the address."""
    scheme, _, rest = _quoted(url).partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    kept = f"{user.partition(':')[0]}@" if at and scheme not in _WEB else ""
    return f"{scheme}://{kept}{host}{slash}{path}"


def _is_private(url: str) -> bool:
    return "://" in url and _bare(url) != _quoted(url.partition("#")[0])


def _quoted(url: str) -> str:
    return quote(url, safe=_SAFE)


def _digest(name: str, digest: str | None) -> str | None:
    return digest if digest is not None and _DIGITS[name].fullmatch(digest) else None


# ------------------------------------------------------------------------ pip's


def project_of(name: str, version: str, direct_url: bytes | None) -> Project:
    """A project of which nothing but the name, the version and its direct_url.json is known.

    A direct_url.json that cannot be understood is as good as none.
    """
    called = normalised(name)
    plain = f"{called}=={version}" if version else called
    try:
        document = msgspec.json.decode(direct_url or b"null", type=_DirectUrl | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if document is None:
        return Project(called, version, plain)
    if document.dir_info is not None and document.dir_info.editable:
        return Project(called, version, plain, editable=unquote(urlsplit(document.url).path))
    place, is_private = _place(document)
    return Project(called, version, f"{called} @ {place}", private=is_private)


def _place(document: _DirectUrl) -> tuple[str, bool]:
    """What pip is to be told of where a project came from, and whether it had credentials."""
    fragments = []
    if document.vcs_info is not None:
        bare = _without_user(document.url)
        revision = document.vcs_info.commit_id or document.vcs_info.requested_revision
        is_private = bare != _quoted(document.url)
        place = f"{document.vcs_info.vcs}+{bare}" + (f"@{revision}" if revision else "")
    else:
        place, is_private = _bare(document.url), _is_private(document.url)
        digest = _archive_digest(document.archive_info or _ArchiveInfo())
        fragments = [f"sha256={digest}"] if digest is not None else []
    if document.subdirectory:
        fragments.append(f"subdirectory={document.subdirectory}")
    return _quoted(place + ("#" if fragments else "") + "&".join(fragments)), is_private


def _archive_digest(info: _ArchiveInfo) -> str | None:
    """The digest of an archive, in the form of today or that of 2020."""
    return _digest("sha256", info.hashes.get("sha256") or info.hash.removeprefix("sha256="))
