"""The process in which py-rattler runs: ``installer`` starts it.

usage: python -m demo.rattler_helper index CHANNEL
       python -m demo.rattler_helper install CHANNEL PREFIX CACHE SPEC...

Worker threads of py-rattler can crash an interpreter that shuts down, after their work is done. So this one
does not shut down: it leaves by ``os._exit``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path

from rattler import Channel, Gateway, MatchSpec, Subdir, VirtualPackage, install, solve
from rattler.index import index_fs


async def _index(channel: str) -> None:
    await index_fs(Path(channel), write_shards=False)


async def _install(channel: str, prefix: str, cache: str, *words: str) -> None:
    specs = [MatchSpec(word) for word in words]
    records = await solve(
        sources=[Channel(Path(channel).as_uri())],
        specs=specs,
        gateway=Gateway(cache_dir=Path(cache, "repodata")),
        platforms=[Subdir.current(), Subdir("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(
        records,
        prefix,
        cache_dir=Path(cache, "packages"),
        show_progress=False,
        requested_specs=[spec._match_spec for spec in specs],  # 0.28 refuses the MatchSpec it asks for
    )


async def _main(task: str, *arguments: str) -> None:
    if task == "index":
        await _index(*arguments)
    else:
        await _install(*arguments)


if __name__ == "__main__":
    try:
        asyncio.run(_main(*sys.argv[1:]))
        code = 0
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
