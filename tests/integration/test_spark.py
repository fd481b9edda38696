"""Archives in a real Spark, by the commands of docs/spark.md: two executors, and no conda-unpack anywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.channels import LocalChannel
from tests.support.packs import BARE, Done, succeed, untar
from tests.support.spark import Science, Spark, code, need, pack_link, shell, suffixes

_ASK = """
import json
import os
import subprocess
import sys

def look(tasks):
    import {library} as library

    with open("environment/{text}", encoding="utf-8") as file:
        text = file.read()
    script = subprocess.run(["environment/{script}", "{option}"], capture_output=True, encoding="utf-8")
    yield dict(
        folder=os.getcwd(),
        python=sys.executable,
        prefix=sys.prefix,
        library=library.__file__,
        text=text,
        script=[script.returncode, script.stderr, script.stdout],
    )

# Tasks of a barrier all run at once: of two executors with one core each, each has one.
executors = spark.sparkContext.parallelize(range(2), 2).barrier().mapPartitions(look).collect()
print(json.dumps([sys.prefix, sorted(executors, key=lambda found: found["folder"])]))
"""
"""Asks where the driver is, and what the executors use."""

_UNPACKED = """
def unpacked(tasks):
    for suffix in {suffixes}:
        try:
            yield suffix, subprocess.check_output([suffix + "/bin/link"], encoding="utf-8").strip()
        except NotADirectoryError:
            yield suffix, "no"
        except (FileNotFoundError, PermissionError):
            yield suffix, "broken"

for suffix in {suffixes}:
    spark.sparkContext.addArchive("link." + suffix + "#" + suffix)
print(json.dumps(dict(spark.sparkContext.parallelize(range(1), 1).mapPartitions(unpacked).collect())))
"""
"""Asks what has become of archives on an executor, in the words of the page."""


@pytest.fixture(scope="module")
def spark() -> Spark:
    return need(Spark.make)


@pytest.fixture(scope="module")
def science(work_root: Path, channel: LocalChannel) -> Science:
    return Science.make(work_root / "spark", channel)


@pytest.fixture
def driver(science: Science, work: Path) -> Path:
    """The environment in which the page's drivers run: from the archive, which lies beside it, by tar."""
    shutil.copy(science.archive, work)
    untar(science.archive, work / "science")
    return work / "science"


def ask(science: Science, channel: LocalChannel) -> str:
    script, option = science.script
    text = channel.text_with_prefix
    return _ASK.format(library=science.library, text=text, script=script, option=option)


def answers(done: Done) -> Any:
    """What a job has printed, line by line."""
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def right_answer(driver: Path, science: Science, channel: LocalChannel) -> Any:
    """What ``_ASK`` tells if each executor uses the archive's files, unchanged, in a folder of its own."""
    text = (driver / channel.text_with_prefix).read_text("utf-8")
    script = succeed([driver / science.script[0], science.script[1]], environ=BARE)
    (application,) = (driver.parent / "spark/work").iterdir()
    executors = [
        {
            "folder": folder,
            "python": f"{folder}/environment/bin/python",
            "prefix": f"{folder}/environment",
            "library": f"{folder}/environment/{science.library_file}",
            "text": text,
            "script": [0, "", script.out.replace(f"{driver}", f"{folder}/environment")],
        }
        for folder in (f"{application}/0", f"{application}/1")
    ]
    return [str(driver), executors]


def run_notebook(spark: Spark, driver: Path, *cells: str) -> Done:
    """Run the cells by the driver's Python, which has PySpark from Spark, as have the executors."""
    (driver.parent / "notebook.py").write_text("\n".join(cells))
    pyspark = ":".join(str(path) for path in (spark.home / "python/lib").glob("*.zip"))
    environ = spark.environ(driver.parent) | {"PYTHONPATH": pyspark}
    return shell("science/bin/python notebook.py", driver.parent, environ)


def test_submitted(spark: Spark, science: Science, channel: LocalChannel, work: Path) -> None:
    """``spark-submit --archives``, after the page's way to a driver from the same archive."""
    shutil.copy(science.archive, work)
    session = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"
    (work / "job.py").write_text(session + ask(science, channel))
    done = shell(code("Submit to a standalone cluster", "sh"), work, spark.environ(work))
    assert [right_answer(work / "science", science, channel)] == answers(done)


def test_notebook(spark: Spark, science: Science, channel: LocalChannel, driver: Path) -> None:
    """A session with ``spark.archives``, of an archive that is called .tgz."""
    (driver.parent / "environment.tar.gz").rename(driver.parent / "environment.tgz")
    session = code("In a notebook", "python").replace(".tar.gz", ".tgz")
    done = run_notebook(spark, driver, session, ask(science, channel))
    assert [right_answer(driver, science, channel)] == answers(done)


def test_added_to_a_session(spark: Spark, science: Science, channel: LocalChannel, driver: Path) -> None:
    """``ADD ARCHIVE``; and what becomes of each suffix is what the page says."""
    for suffix in suffixes():
        pack_link(driver.parent, suffix)
    without = code("In a notebook", "python").replace("spark.archives", "spark.elsewhere")
    late = code("In a session that runs already", "python")
    of_suffixes = _UNPACKED.format(suffixes=list(suffixes()))
    done = run_notebook(spark, driver, without, late, ask(science, channel), of_suffixes)
    by_spark = {suffix: by_spark for suffix, (by_spark, _) in suffixes().items()}
    assert [right_answer(driver, science, channel), by_spark] == answers(done)


@pytest.mark.parametrize(
    ("heading", "program", "setting"),
    [
        ("Submit to YARN, cluster mode", "yarn.YarnClusterApplication", "spark.yarn.dist.archives"),
        ("Submit to YARN, client mode", "PythonRunner", "spark.yarn.dist.archives"),
        ("Submit to Kubernetes", "k8s.submit.KubernetesClientApplication", "spark.archives"),
    ],
)
def test_understood(spark: Spark, driver: Path, heading: str, program: str, setting: str) -> None:
    """Up to where it would ask a cluster, which there is none of, Spark knows what to start and to send."""
    folder = driver.parent
    (folder / "job.py").touch()
    nobody = {"API_SERVER": "https://127.0.0.1:1", "IMAGE": "image", "UPLOADS": folder.as_uri()}
    verbose = 'spark-submit() { command spark-submit --verbose "$@"; }\n'
    done = shell(verbose + code(heading, "sh"), folder, spark.environ(folder) | nobody)
    expected = {
        f"org.apache.spark.deploy.{program}",
        f"({setting},file://{folder}/environment.tar.gz#environment)",
        "(spark.pyspark.python,./environment/bin/python)",
    }
    assert expected == expected & {*done.err.splitlines()}, done.err
