"""``python -m conda_pack``."""

from conda_pack.cli.main import run

run()
