"""Turn an installed conda environment into one archive, and put it anywhere else, exactly as installed."""

from conda_pack.api import CondaEnv, File, pack, unpack
from conda_pack.errors import CondaPackException
from conda_pack.runtime.conda_unpack import VERSION

__version__ = VERSION
__all__ = ["CondaEnv", "CondaPackException", "File", "__version__", "pack", "unpack"]
