"""The page's application for Skein: understood by Skein, localized by YARN's own code, and run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.packs import BARE, succeed
from tests.support.spark import Container, Science, Skein, Spark, code, give, need, public_folder

_READ = """
import json
import skein

application = skein.ApplicationSpec.from_file("science.yaml")
application.to_protobuf()  # what is sent to YARN
print(json.dumps(application.to_dict()["services"]["job"]))
"""


@pytest.fixture(scope="module")
def skein() -> Skein:
    return need(Skein.make)


@pytest.fixture(scope="module")
def science(work_root: Path, channel: LocalChannel) -> Science:
    return Science.make(work_root / "spark", channel)


@pytest.fixture
def public(work_root: Path) -> Iterator[Path]:
    with public_folder(work_root) as folder:
        yield folder


def test_application(skein: Skein, science: Science, public: Path) -> None:
    """Its archive is unpacked where its script looks for it, and the script runs in the environment."""
    (public / "science.yaml").write_text(code("Skein", "yaml"))
    (public / "job.py").write_text(
        f"import sys, {science.library} as library\nprint(sys.prefix, library.__file__)\n"
    )
    shutil.copy(science.archive, public)
    job = json.loads(succeed([skein.python, "-c", _READ], environ=BARE, cwd=public).out)
    files = {name: (file["source"], file["type"]) for name, file in job["files"].items()}
    archive = public / science.archive.name
    expected = {
        "environment": (f"file://{archive}", "ARCHIVE"),
        "job.py": (f"file://{public}/job.py", "FILE"),
    }
    assert expected == files

    cache = public / "filecache"
    need(Spark.make).localize(job["files"]["environment"]["visibility"], (archive, cache))
    give(cache)
    container = Container.make(public, {"environment": cache / archive.name, "job.py": public / "job.py"})
    done = container.run("bash", "-c", job["script"])
    prefix = container.folder / "environment"
    assert f"{prefix} {prefix / science.library_file}\n" == done.out
