"""Turn an installed conda environment into one archive, and put it anywhere else, exactly as installed."""

from conda_pack.api import CondaEnv, File, pack, unpack
from conda_pack.errors import CondaPackException

__version__ = "1.0.0.dev0"
__all__ = ["CondaEnv", "CondaPackException", "File", "__version__", "pack", "unpack"]
