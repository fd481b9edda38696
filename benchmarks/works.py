"""What is measured: one table of works, and who does each of them.

A command is what a user would type, in the work folder, where ``env`` is the environment. ``conda-pack`` is
ours, ``conda-pack-0.9.2`` the one from the package index; ``{threads}`` becomes the number of cores.
"""

from __future__ import annotations

from dataclasses import dataclass

INCUMBENT = "conda-pack-0.9.2"


@dataclass(frozen=True)
class Contender:
    """A command that does some work, and what must be true for it to have done so."""

    title: str
    command: str
    needs: tuple[str, ...] = ()
    """Programs without which it is not run."""
    product: str = ""
    """What it makes: an archive (a name with a dot), or the folder of an environment."""
    like: str = "env"
    """The environment whose packages the product must hold, if it is a folder."""
    uses: tuple[str, ...] = ()
    """Archives that another contender makes."""
    before: str = ""
    """Run before it, unmeasured."""
    clean: tuple[str, ...] = ()
    """Caches to be removed before and after each run."""
    cold: bool = False
    """Its files are read from the disk, not from the system's page cache, where that is permitted."""
    warm_up: bool = False
    """One more run comes first, to fill its cache."""
    beside: str = ""
    """What must be kept besides the environment for this way of setting it up."""


@dataclass(frozen=True)
class Work:
    """Contenders that do the same."""

    title: str
    ours: Contender
    peers: tuple[Contender, ...]


@dataclass(frozen=True)
class Setup:
    """One way to set up an environment on a machine, for the first time (cold) and again (warm)."""

    title: str
    cold: Contender
    warm: Contender
    network: str


# --------------------------------------------------------------------- packing

OUR_GZ = Contender("conda-pack", "conda-pack -q -p env -o ours.tar.gz", product="ours.tar.gz")
OUR_GZ_1 = Contender(
    "conda-pack, level 1",
    "conda-pack -q -p env -o ours-1.tar.gz --compress-level 1",
    product="ours-1.tar.gz",
)
OUR_ZST = Contender("conda-pack", "conda-pack -q -p env -o ours.tar.zst", product="ours.tar.zst")
OUR_SQUASHFS = Contender(
    "conda-pack",
    "conda-pack -q -p env -o ours.squashfs",
    needs=("mksquashfs",),
    product="ours.squashfs",
)


def _incumbent(title: str, options: str, product: str, *needs: str) -> Contender:
    command = f"{INCUMBENT} -q -p env -o {product} {options}".rstrip()
    return Contender(f"{INCUMBENT}{title}", command, (INCUMBENT, *needs), product)


THEIR_GZ = _incumbent("", "", "theirs.tar.gz")
THEIR_GZ_THREADS = _incumbent(", all cores", "-j -1", "theirs-threads.tar.gz")
THEIR_GZ_1 = _incumbent(", level 1", "--compress-level 1", "theirs-1.tar.gz")
THEIR_ZST = _incumbent("", "", "theirs.tar.zst")
THEIR_SQUASHFS = _incumbent("", "--format squashfs", "theirs.squashfs", "mksquashfs")
TAR_PIGZ = Contender(
    "tar, pigz (nothing relocatable)",
    "tar -cf - -C env . | pigz -p {threads} > pigz.tar.gz",
    needs=("tar", "pigz"),
    product="pigz.tar.gz",
)
TAR_ZSTD = Contender(
    "tar, zstd -3 (nothing relocatable)",
    # -T0 would count physical cores, and leave half of a virtual machine's idle
    "tar -cf - -C env . | zstd -q -3 -T{threads} -o zstd.tar.zst",
    needs=("tar", "zstd"),
    product="zstd.tar.zst",
)

PACK = (
    Work("Pack .tar.gz", OUR_GZ, (THEIR_GZ, THEIR_GZ_THREADS, TAR_PIGZ)),
    Work("Pack .tar.gz at level 1", OUR_GZ_1, (THEIR_GZ, THEIR_GZ_1)),
    Work("Pack .tar.zst", OUR_ZST, (THEIR_ZST, TAR_ZSTD)),
    Work("Pack .squashfs", OUR_SQUASHFS, (THEIR_SQUASHFS,)),
)

MAKERS = {maker.product: maker for maker in (OUR_GZ, OUR_ZST, THEIR_GZ, THEIR_ZST)}
"""Who makes the archives that others use; these stay in the work folder, all others go."""

# ------------------------------------------------------------------- unpacking


def _unpack(archive: str, *, cold: bool = False) -> Contender:
    return Contender(
        "conda-pack unpack",
        f"conda-pack unpack -q {archive} dest",
        product="dest",
        uses=(archive,),
        beside=archive,
        cold=cold,
    )


def _untar(title: str, archive: str, command: str = "", *needs: str, cold: bool = False) -> Contender:
    extract = f"mkdir dest && tar -xf {archive} -C dest"
    line = f"{extract} && {command}" if command else extract
    tools = ("tar", *(["zstd"] if archive.endswith("zst") else []), *needs)
    return Contender(title, line, tools, "dest", uses=(archive,), beside=archive, cold=cold)


# Its first line asks for any `python` on the PATH, which an activated environment has.
_THEIR_UNPACK = "dest/bin/python dest/bin/conda-unpack"
_UNTAR_THEIRS = f"tar and conda-unpack of {INCUMBENT}"

UNPACK_ZST = _unpack("ours.tar.zst")
UNPACK_GZ = _unpack("ours.tar.gz")
UNTAR_THEIR_ZST = _untar(_UNTAR_THEIRS, "theirs.tar.zst", _THEIR_UNPACK, INCUMBENT)
UNTAR_THEIR_GZ = _untar(_UNTAR_THEIRS, "theirs.tar.gz", _THEIR_UNPACK, INCUMBENT)
UNTAR_ZST = _untar("tar alone (not relocated), our archive", "ours.tar.zst")
UNTAR_GZ = _untar("tar alone (not relocated), our archive", "ours.tar.gz")

RELOCATE = Contender(
    "bin/conda-unpack",
    "dest/bin/conda-unpack",
    product="dest",
    uses=("ours.tar.gz",),
    before="mkdir dest && tar -xf ours.tar.gz -C dest",
)
RELOCATE_THEIRS = Contender(
    f"bin/conda-unpack of {INCUMBENT}",
    _THEIR_UNPACK,
    needs=(INCUMBENT,),
    product="dest",
    uses=("theirs.tar.gz",),
    before="mkdir dest && tar -xf theirs.tar.gz -C dest",
)

COPY = Contender("cp -a (not relocated)", "cp -a env dest", product="dest")
_RATTLER = "rattler-install channel env dest {}"
RATTLER_COLD = Contender(
    "py-rattler, packages not extracted yet",
    _RATTLER.format("rattler-cold"),
    needs=("rattler-install",),
    product="dest",
    clean=("rattler-cold",),
)
RATTLER_WARM = Contender(
    "py-rattler, hard links to packages extracted before",
    _RATTLER.format("rattler-warm"),
    needs=("rattler-install",),
    product="dest",
    warm_up=True,
)

UNPACK = (
    Work("Unpack .tar.zst", UNPACK_ZST, (UNTAR_ZST, UNTAR_THEIR_ZST)),
    Work("Unpack .tar.gz", UNPACK_GZ, (UNTAR_THEIR_GZ, UNTAR_GZ)),
    Work("Relocate after tar -xf", RELOCATE, (RELOCATE_THEIRS,)),
    Work("The same environment in another place", UNPACK_ZST, (COPY, RATTLER_COLD, RATTLER_WARM)),
)

# ------------------------------------------------------------------ setting up

_CLONE = 'CONDA_PKGS_DIRS="$PWD/{0}" conda create -y -q --offline --clone ./env -p ./dest'
_CREATE = 'CONDA_PKGS_DIRS="$PWD/{0}" conda env create -q --solver classic -f env.yml -p ./dest'


def _conda(title: str, line: str, network: str) -> Setup:
    cold, warm = (
        Contender(
            f"{title}, {state}",
            line.format(f"pkgs-{state}"),
            needs=("conda",),
            product="dest",
            clean=(f"pkgs-{state}",) if state == "cold" else (),
            warm_up=state == "warm",
            cold=state == "cold",
            beside=f"pkgs-{state}",
        )
        for state in ("cold", "warm")
    )
    return Setup(title, cold, warm, network)


SETUP = (
    _conda("conda create --clone", _CLONE, "unless all packages are cached"),
    _conda("conda env create -f env.yml", _CREATE, "yes (here a channel in a local folder)"),
    Setup(
        f"{INCUMBENT}: tar -xf, conda-unpack",
        _untar(_UNTAR_THEIRS, "theirs.tar.gz", _THEIR_UNPACK, INCUMBENT, cold=True),
        UNTAR_THEIR_GZ,
        "no",
    ),
    Setup("conda-pack unpack, .tar.gz", _unpack("ours.tar.gz", cold=True), UNPACK_GZ, "no"),
    Setup("conda-pack unpack, .tar.zst", _unpack("ours.tar.zst", cold=True), UNPACK_ZST, "no"),
)

# -------------------------------------------------------------------- starting

START = (
    Work(
        "Start-up",
        Contender("conda-pack --version", "conda-pack --version"),
        (
            Contender("python, doing nothing", "python -c pass"),
            Contender(f"{INCUMBENT} --version", f"{INCUMBENT} --version", (INCUMBENT,)),
        ),
    ),
)
