"""The process in which py-rattler installs the packages of one environment into another place.

usage: python -m benchmarks.rattler_install CHANNEL ENVIRONMENT PREFIX CACHE

The records in conda-meta say which packages these are, so that nothing needs solving: what pixi-unpack does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path

from rattler import PrefixRecord, RepoDataRecord, install


async def _main(channel: str, environment: str, prefix: str, cache: str) -> None:
    url = Path(channel).resolve().as_uri()
    records: list[RepoDataRecord] = []
    for path in sorted(Path(environment, "conda-meta").glob("*.json")):
        record = PrefixRecord.from_path(path)
        record.url = f"{url}/{record.subdir}/{record.file_name}"
        record.channel = f"{url}/"
        records.append(record)
    folders = Path(prefix).absolute(), Path(cache).absolute()
    await install(records, folders[0], cache_dir=folders[1], show_progress=False)


if __name__ == "__main__":
    try:
        asyncio.run(_main(*sys.argv[1:]))
        code = 0
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)  # worker threads of py-rattler can crash an interpreter that shuts down
