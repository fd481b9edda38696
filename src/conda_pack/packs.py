"""``packs.json``: one environment for several platforms, an archive each."""

from __future__ import annotations

import os

import msgspec

from conda_pack.digests import file_digest
from conda_pack.errors import CondaPackException, DamagedArchive, NotForThisMachine
from conda_pack.runtime.preflight import MACHINES, Machine, fits, this_machine

NAME = "packs.json"
_VERSION = 1
_LARGEST = 1 << 24


class Pack(msgspec.Struct, frozen=True):
    """One archive: its file beside packs.json, that file's size in bytes and digest, and its identity."""

    file: str
    size: int
    sha256: str
    identity: str


class Packs(msgspec.Struct, frozen=True):
    """Platforms and their archives."""

    version: int
    name: str
    packs: dict[str, Pack]


def write_packs(name: str, packs: dict[str, Pack]) -> bytes:
    """The text of packs.json, the same for the same archives."""
    ordered = {platform: packs[platform] for platform in sorted(packs)}
    return msgspec.json.format(msgspec.json.encode(Packs(_VERSION, name, ordered)), indent=2) + b"\n"


def is_packs(path: str) -> bool:
    """Whether a path is that of a packs.json and not of an archive."""
    return path.endswith(".json")


def chosen(path: str) -> str:
    """The path of the archive that is for this machine, proved.

    Raises NotForThisMachine if none is, DamagedArchive if it is not what packs.json says.
    """
    packs = _read(path)
    machine = this_machine({})
    fitting = [platform for platform in packs if fits(platform, machine)]
    if not fitting:
        raise NotForThisMachine(
            f"{path} has archives for {', '.join(sorted(packs))}, and this machine is "
            f"{machine.system} {machine.machine}. Pack with --platform for it, too."
        )
    # where a machine runs programs of another one, too, its own come first
    pack = packs[min(fitting, key=lambda platform: (_distance(platform, machine), platform))]
    archive = os.path.join(os.path.dirname(os.path.abspath(path)), pack.file)
    if os.path.basename(pack.file) != pack.file:
        raise DamagedArchive(f"{path} names the file {pack.file!r}, which is not beside it.")
    return _proved(archive, pack, path)


def _distance(platform: str, machine: Machine) -> int:
    names = MACHINES.get(platform, ())
    return names.index(machine.machine) if machine.machine in names else 0


def _proved(archive: str, pack: Pack, path: str) -> str:
    try:
        size, digest = os.path.getsize(archive), file_digest(archive)
    except OSError as error:
        raise DamagedArchive(f"{archive}, which {path} names, cannot be read: {error.strerror}.") from error
    if (size, digest) != (pack.size, pack.sha256):
        raise DamagedArchive(
            f"{archive} is not what {path} says: it has {size} bytes with the sha256 {digest}, and "
            f"{pack.size} bytes with {pack.sha256} are expected. Copy it anew."
        )
    return archive


def _read(path: str) -> dict[str, Pack]:
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST)
    except FileNotFoundError:
        raise CondaPackException(f"There is no file {path}.") from None
    except OSError as error:
        raise DamagedArchive(f"{path} cannot be read: {error.strerror}.") from error
    try:
        packs = msgspec.json.decode(text, type=Packs)
    except msgspec.MsgspecError as error:
        raise DamagedArchive(f"{path} is no packs.json: {error}.") from error
    if packs.version != _VERSION:
        raise DamagedArchive(f"{path} has the version {packs.version}: a newer conda-pack reads it.")
    return packs.packs
