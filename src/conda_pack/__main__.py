"""``python -m conda_pack``."""

import sys

from conda_pack.cli.main import main

sys.exit(main())
