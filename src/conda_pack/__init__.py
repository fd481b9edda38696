"""Turn an installed conda environment into one archive, and put it anywhere else, exactly as installed."""

from conda_pack.errors import CondaPackException
from conda_pack.runtime.version import VERSION

TYPE_CHECKING = False  # as typing has it, whose import would take a fifth of the time of --version
if TYPE_CHECKING:
    from conda_pack.api import CondaEnv, File, pack
    from conda_pack.unpacking import unpack

__version__ = VERSION
__all__ = ["CondaEnv", "CondaPackException", "File", "__version__", "pack", "unpack"]


def __getattr__(name: str) -> object:
    """The API, imported when it is first asked for: ``conda-pack --version`` needs none of it."""
    if name in __all__:
        from conda_pack import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
