"""A real Spark, YARN's own way to unpack archives, a real Skein, and what docs/spark.md tells users to do."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from demo.commands import CommandError, run

# Shared with the real conda: both are made from the user's package index, once for each user.
from tests.support.caches import PIP, USERS_ENVIRON, cached_environment
from tests.support.channels import REPO, LocalChannel
from tests.support.docs import blocks
from tests.support.environments import rattler_install
from tests.support.packs import BARE, Done, conda_pack, small_specs, start, succeed

PAGE = REPO / "docs" / "spark.md"

_SPARK = ("pyspark==4.3.0; python_version >= '3.11'", "pyspark==4.0.5; python_version < '3.11'")
_SKEIN = ("skein==0.8.2", "setuptools")
"""Skein asks for distutils, which setuptools has since Python 3.12 has none."""

NOBODY = 65534 if os.geteuid() == 0 else None
"""Containers' user: another than root, whom no mode would stop."""

_OLDEST_JAVA = 17
_JAVA_OPTIONS = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Half the processor time (17 s instead of 36 s for a job): ours are over before better code would pay."""

_CLUSTER = """\
spark.master            local-cluster[2,1,1024]
spark.executor.memory   512m
spark.ui.enabled        false
"""
"""Two workers of one core, each of which starts one executor in a process of its own."""

_NO_YARN = """\
<configuration>
  <property><name>yarn.resourcemanager.address</name><value>127.0.0.1:1</value></property>
  <property><name>yarn.resourcemanager.connect.max-wait.ms</name><value>1</value></property>
  <property><name>ipc.client.connect.max.retries</name><value>0</value></property>
</configuration>
"""
"""A resource manager at a port where nobody listens, and no patience."""

_LOCALIZE = """
import sys
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

java, jars, py4j, visibility, *places = sys.argv[1:]
port = launch_gateway(jarpath=py4j, classpath=jars + "/*", die_on_exit=True, java_path=java)
jvm = JavaGateway(gateway_parameters=GatewayParameters(port=port)).jvm
hadoop = jvm.org.apache.hadoop
records = hadoop.yarn.api.records
settings = hadoop.conf.Configuration()
files = hadoop.fs.FileContext.getLocalFSFileContext(settings)
for archive, folder in zip(places[::2], places[1::2]):
    source = hadoop.fs.Path("file://" + archive)
    status = source.getFileSystem(settings).getFileStatus(source)
    resource = records.LocalResource.newInstance(
        records.URL.fromPath(source),
        records.LocalResourceType.ARCHIVE,
        records.LocalResourceVisibility.valueOf(visibility),
        status.getLen(),
        status.getModificationTime(),
    )
    hadoop.yarn.util.FSDownload(files, None, settings, hadoop.fs.Path(folder), resource).call()
"""
"""What a node manager's localizer does for each resource of a container, by Hadoop's own class."""

Made = TypeVar("Made")


class MissingToolError(Exception):
    """A tool of others could not be made or found: no package index was reachable, most likely."""


@dataclass(frozen=True)
class Spark:
    """Spark as pip installs it, and a ``java`` that it takes."""

    home: Path
    java: Path
    python: Path
    """An interpreter that imports pyspark."""

    @classmethod
    def make(cls) -> Spark:
        """Install Spark, unless an earlier session has; may take half a minute."""
        java = _find_java()
        python = _installed("spark", *_SPARK)
        (home,) = python.parent.parent.glob("lib/python*/site-packages/pyspark")
        return cls(home, java, python)

    def environ(self, folder: Path) -> dict[str, str]:
        """For Spark's programs: nothing of this machine's settings, and a cluster below ``folder``.

        A local cluster writes into SPARK_HOME, so each has its own, of links.
        """
        home, conf = folder / "spark", folder / "conf"
        if not home.exists():
            home.mkdir(parents=True)
            conf.mkdir()
            for part in self.home.iterdir():
                if part.name != "work":
                    (home / part.name).symlink_to(part)
            (conf / "spark-defaults.conf").write_text(_CLUSTER)
            (conf / "yarn-site.xml").write_text(_NO_YARN)
        return {
            "PATH": f"{home}/bin:{BARE['PATH']}",
            "JAVA_HOME": str(self.java.parent.parent),
            **_JAVA_OPTIONS,
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(conf),
            "HADOOP_CONF_DIR": str(conf),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
        }

    def localize(self, visibility: str, *places: tuple[Path, Path]) -> None:
        """Unpack archives as YARN does: each, under its own name, into a new folder."""
        (py4j,) = (self.home / "jars").glob("py4j-*.jar")
        words = [word for place in places for word in place]
        argv: list[str | Path] = [
            self.python,
            "-c",
            _LOCALIZE,
            self.java,
            self.home / "jars",
            py4j,
            visibility,
            *words,
        ]
        succeed(argv, environ=BARE | _JAVA_OPTIONS)


@dataclass(frozen=True)
class Skein:
    """Skein as pip installs it."""

    python: Path
    """An interpreter that imports it."""

    @classmethod
    def make(cls) -> Skein:
        """Install Skein, unless an earlier session has; may take some seconds."""
        return cls(_installed("skein", *_SKEIN))


@dataclass(frozen=True)
class Container:
    """The folder in which YARN starts a container's commands, and which belongs to the container's user."""

    folder: Path

    @classmethod
    def make(cls, public: Path, files: Mapping[str, Path]) -> Container:
        """A new one in ``public``, with links to where the files of the application were put."""
        folder = Path(tempfile.mkdtemp(dir=public, prefix="container-"))
        for name, target in files.items():
            (folder / name).symlink_to(target)
        give(folder)
        return cls(folder)

    def run(self, *command: str | Path) -> Done:
        """Run a command, which goes well, on a machine where nobody has set up anything."""
        return succeed(command, environ=BARE, cwd=self.folder, user=NOBODY)


def give(folder: Path) -> None:
    """Let the containers' user own what is in a folder."""
    if NOBODY is not None:
        succeed(["chown", "-hR", f"{NOBODY}:{NOBODY}", folder])


@contextmanager
def public_folder(work_root: Path) -> Iterator[Path]:
    """A folder that every user may enter; removed afterwards, whatever modes there are."""
    folder = Path(tempfile.mkdtemp(dir=work_root.parent, prefix=f"{work_root.name}-yarn-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        succeed(["chmod", "-R", "u+rwX", folder])
        shutil.rmtree(folder)


def need(make: Callable[[], Made]) -> Made:
    """What ``make`` makes of others' tools. Where these are missing the test is skipped.

    ``CONDA_PACK_TESTS_NEED_CONDA=1`` makes that an error, for machines that must have them.
    """
    try:
        return make()
    except MissingToolError as missing:
        if os.environ.get("CONDA_PACK_TESTS_NEED_CONDA"):
            raise
        pytest.skip(f"TOOLS ARE MISSING, these tests do not run! {missing}")


def code(heading: str, language: str) -> str:
    """The one piece of code in that language under that heading of docs/spark.md."""
    (found,) = [block for block in blocks(_section(heading)) if block.language == language]
    return "\n".join(found.lines)


def suffixes() -> dict[str, tuple[str, str]]:
    """The page's table, of suffixes without the first dot: whether Spark and whether YARN unpacks it."""
    rows = re.findall(r"^\| `\.(\S+)` \| (\w+) \| (\w+) \|$", _section("Pack"), re.MULTILINE)
    return {suffix: (by_spark, by_yarn) for suffix, by_spark, by_yarn in rows}


def _section(heading: str) -> str:
    _, _, rest = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def shell(commands: str, cwd: Path, environ: dict[str, str]) -> Done:
    """Run what the page has for a shell, word for word."""
    return start(["bash", "-euo", "pipefail", "-c", commands], cwd=cwd, environ=environ)


@dataclass(frozen=True)
class Science:
    """The page's environment ``science``, and its archive, packed by the page's command."""

    prefix: Path
    archive: Path
    library: str
    """A module that the jobs import."""
    library_file: str
    """Where that lies within the environment."""
    script: tuple[str, str]
    """An entry point, within the environment, and an option of it."""

    @classmethod
    @cache
    def make(cls, folder: Path, channel: LocalChannel) -> Science:
        """Made in ``folder``, the first time."""
        wanted = [name for name in ("numpy", "pip") if name in channel.specs]
        prefix = folder / "envs" / "science"
        rattler_install(channel.path, prefix, (*small_specs(channel), *wanted))
        archive = pack(folder, prefix, code("Pack", "sh"))
        library = "numpy" if "numpy" in wanted else channel.noarch_package.replace("-", "_")
        script = ("bin/pip", "--version") if "pip" in wanted else (channel.console_scripts[0], "--help")
        library_file = f"{channel.site_packages}/{library}/__init__.py"
        return cls(prefix, archive, library, library_file, script)


def pack(folder: Path, prefix: Path, commands: str) -> Path:
    """Run the page's commands that pack, as a user at home in ``folder`` who has but one environment."""
    known = folder / ".conda" / "environments.txt"
    known.parent.mkdir(parents=True)
    known.write_text(f"{prefix}\n")
    path = f"{Path(sys.executable).parent}:{BARE['PATH']}"
    done = shell(commands, folder, {"PATH": path, "HOME": str(folder)})
    assert done.code == 0, done.err
    return folder / "environment.tar.gz"


def pack_link(folder: Path, suffix: str) -> Path:
    """``link.SUFFIX`` in ``folder``: an environment with a script that says yes, and a link to that."""
    prefix = folder / "link"
    if not prefix.exists():
        for part in ("bin", "conda-meta"):
            (prefix / part).mkdir(parents=True)
        (prefix / "conda-meta" / "history").touch()
        (prefix / "bin" / "hello").write_text("#!/bin/sh\necho yes\n")
        (prefix / "bin" / "hello").chmod(0o755)
        (prefix / "bin" / "link").symlink_to("hello")
    done = conda_pack("--quiet", "-p", prefix, "-o", folder / f"link.{suffix}")
    assert done.code == 0, done.err
    return folder / f"link.{suffix}"


def _find_java() -> Path:
    """A ``java`` that Spark takes; MissingToolError without one."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=home and f"{home}/bin")
    if java is None:
        raise MissingToolError(f"there is no java: install version {_OLDEST_JAVA} or newer")
    told = start([java, "-version"]).err
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise MissingToolError(f"{java} is not of version {_OLDEST_JAVA} or newer, but says: {told}")
    return Path(java).resolve()


@cache
def _installed(name: str, *requirements: str) -> Path:
    """The interpreter of a virtual environment with ``requirements``."""

    def fill(_: Path, python: Path) -> None:
        run([python, *PIP, "install", "--no-cache-dir", *requirements], USERS_ENVIRON)

    try:
        return cached_environment(name, requirements, fill)
    except CommandError as error:
        raise MissingToolError(f"cannot install {', '.join(requirements)}: {error}") from error
