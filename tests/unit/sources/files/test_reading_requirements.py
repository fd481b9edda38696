"""pip's requirements: lines, files that name files, and what cannot be packed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from conda_pack.sources.files.requirements import Line, read_lines, split_hashes
from conda_pack.sources.model import PipRequirements
from tests.support.wheels import write_wheel

HASH = "--hash=sha256:" + "a" * 64
ONLY_WHEELS = "only wheels are packed: build one (pip wheel) and name its file."


def read(folder: Path, *lines: str) -> tuple[PipRequirements, list[str]]:
    return read_lines([Line(line, f"line {number}") for number, line in enumerate(lines, 1)], str(folder))


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("requests", "requests"),
        ("requests[socks]>=2,<3  # why", "requests[socks]>=2,<3"),
        ("six ; python_version < '3'", "six ; python_version < '3'"),
        (f"six==1.0 {HASH}", f"six==1.0 {HASH}"),
        (f"six==1.0 --hash sha256:12 {HASH} # c", f"six==1.0 --hash=sha256:12 {HASH}"),
        ("https://x.invalid/a-1.0-py3-none-any.whl", "https://x.invalid/a-1.0-py3-none-any.whl"),
        (
            "https://x.invalid/a-1.0-py3-none-any.whl --hash=sha256:ab",
            "https://x.invalid/a-1.0-py3-none-any.whl#sha256=ab",
        ),
        (
            "https://x.invalid/a-1.0-py3-none-any.whl#sha256=12 --hash=sha256:ab",
            "https://x.invalid/a-1.0-py3-none-any.whl#sha256=12",
        ),
        (
            "https://x.invalid/a-1.0-py3-none-any.whl ; sys_platform == 'win32'",
            "a @ https://x.invalid/a-1.0-py3-none-any.whl ; sys_platform == 'win32'",
        ),
        (
            "a[b] @ https://x.invalid/a-1.0-py3-none-any.whl?x=1 ; os_name == 'nt'",
            "a[b] @ https://x.invalid/a-1.0-py3-none-any.whl?x=1 ; os_name == 'nt'",
        ),
        ("a@https://x.invalid/a-1.0-py3-none-any.whl", "a @ https://x.invalid/a-1.0-py3-none-any.whl"),
        ("${NAME}==${VERSION}${NOT_THERE:-}", None),
        ("${NAME}==${VERSION}", "six==1.17"),
    ],
)
def test_requirements(
    line: str, requirement: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "six")
    monkeypatch.setenv("VERSION", "1.17")
    found, findings = read(tmp_path, line)
    assert found.requirements == ((requirement,) if requirement else ())
    assert bool(findings) == (requirement is None)


@pytest.mark.parametrize(
    "line",
    ["./wheels/tool-1.0-py3-none-any.whl", "wheels/tool-1.0-py3-none-any.whl", "{folder}/wheels/{name}"],
)
def test_a_wheel_by_its_path(line: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "wheels", "tool", "1.0", {})
    found = read(tmp_path, line.format(folder=tmp_path, name=wheel.name))
    assert found == (PipRequirements((wheel.as_uri(),)), [])


def test_a_wheel_by_its_name_alone(tmp_path: Path) -> None:
    """Without a folder pip takes it for a path as well."""
    wheel = write_wheel(tmp_path, "tool", "1.0", {})
    assert read(tmp_path, wheel.name) == (PipRequirements((wheel.as_uri(),)), [])


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("-i https://x.invalid", ["--index-url", "https://x.invalid"]),
        ("-ihttps://x.invalid", ["--index-url", "https://x.invalid"]),
        ("--index-url=https://x.invalid", ["--index-url", "https://x.invalid"]),
        ("--extra-index-url 'https://x.invalid'", ["--extra-index-url", "https://x.invalid"]),
        ("-f links", ["--find-links", "{folder}/links"]),
        ("-f ../links/", ["--find-links", "{parent}/links"]),
        ("--find-links https://x.invalid/links", ["--find-links", "https://x.invalid/links"]),
        ("--no-index --pre", ["--no-index", "--pre"]),
        ("--prefer-binary", ["--prefer-binary"]),
        ("--require-hashes", ["--require-hashes"]),
        ("--trusted-host x.invalid", ["--trusted-host", "x.invalid"]),
        ("--only-binary :all:", []),
        ("--no-index -f links  # both", ["--no-index", "--find-links", "{folder}/links"]),
    ],
)
def test_options(line: str, options: Sequence[str], tmp_path: Path) -> None:
    expected = [word.format(folder=tmp_path, parent=tmp_path.parent) for word in options]
    assert read(tmp_path, line) == (PipRequirements(options=tuple(expected)), [])


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("-e .", f"--editable .: {ONLY_WHEELS}"),
        ("-e.", f"--editable .: {ONLY_WHEELS}"),
        ("--editable=git+https://x.invalid/y", f"--editable git+https://x.invalid/y: {ONLY_WHEELS}"),
        (".", f".: {ONLY_WHEELS}"),
        ("./tool", f"./tool: {ONLY_WHEELS}"),
        ("tools/tool", f"tools/tool: {ONLY_WHEELS}"),
        ("/srv/tool[extra]", f"/srv/tool[extra]: {ONLY_WHEELS}"),
        ("git+https://x.invalid/y.git@v1", f"git+https://x.invalid/y.git@v1: {ONLY_WHEELS}"),
        ("git+https://x.invalid/y.whl", f"git+https://x.invalid/y.whl: {ONLY_WHEELS}"),
        ("a @ git+ssh://git@x.invalid/y", f"a @ git+ssh://git@x.invalid/y: {ONLY_WHEELS}"),
        ("a @ https://x.invalid/a-1.tar.gz", f"a @ https://x.invalid/a-1.tar.gz: {ONLY_WHEELS}"),
        ("https://x.invalid/a-1.zip", f"https://x.invalid/a-1.zip: {ONLY_WHEELS}"),
        ("./gone-1.0-py3-none-any.whl", "./gone-1.0-py3-none-any.whl: there is no such file."),
        ("--no-binary :all:", "--no-binary :all: asks for a build, but only wheels are packed."),
        ("--use-pep517", "--use-pep517 is no option that can be followed here."),
        ("--index-url", "--index-url needs a value."),
        ("-r", "--requirement needs a value."),
        (
            "-r https://x.invalid/r.txt",
            "https://x.invalid/r.txt is not a file: fetch it first and name the file.",
        ),
        ("--find-links 'a", "--find-links 'a: No closing quotation."),
        (
            "six --config-settings=a=b",
            "six --config-settings=a=b: options for builds cannot be followed, for only wheels are packed.",
        ),
        ("-r gone.txt", "{folder}/gone.txt does not exist."),
    ],
)
def test_what_is_refused(line: str, finding: str, tmp_path: Path) -> None:
    expected = [f"line 1: {finding.format(folder=tmp_path)}"]
    assert read(tmp_path, line) == (PipRequirements(), expected)


def test_files_that_name_files(tmp_path: Path) -> None:
    inner = tmp_path / "more" / "inner"
    inner.mkdir(parents=True)
    wheel = write_wheel(inner, "tool", "1.0", {})
    (tmp_path / "more" / "requirements.txt").write_text(
        f"# first\nsix==1.0 \\\n    {HASH} \\\n    --hash=sha256:bb\n-rinner/other.txt\n-c inner/limits.txt\n"
        "numpy>=1, \\\n  # a comment ends what is joined\npandas\nlast \\"
    )
    (inner / "other.txt").write_bytes(f"\ufeff./{wheel.name}\r\n-f links\r\n".encode())
    (inner / "limits.txt").write_text("numpy<2\n-r limits2.txt\n-i https://x.invalid\n")
    (inner / "limits2.txt").write_text("scipy<2\n")
    found, findings = read(
        tmp_path, "first", "--requirement=more/requirements.txt", "-r more/inner/limits2.txt"
    )
    hashed = f"six==1.0 {HASH} --hash=sha256:bb"
    assert found == PipRequirements(
        requirements=("first", hashed, wheel.as_uri(), "numpy>=1,", "pandas", "last", "scipy<2"),
        options=("--find-links", str(inner / "links"), "--index-url", "https://x.invalid"),
        constraints=("numpy<2", "scipy<2"),
    )
    assert findings == []


def test_findings_say_in_which_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("six\n-r b.txt\n")
    (tmp_path / "b.txt").write_text("\n\n-e .\n-r a.txt\n-r b.txt\n")
    found, findings = read(tmp_path, "-r a.txt")
    assert found.requirements == ("six",)
    assert findings == [
        f"b.txt, line 3: --editable .: {ONLY_WHEELS}",
        "b.txt, line 4: a.txt includes itself.",
        "b.txt, line 5: b.txt includes itself.",
    ]


def test_hashes_come_off() -> None:
    assert split_hashes(f"six==1.0 {HASH} --hash=sha512:bb") == (
        "six==1.0",
        ("sha256:" + "a" * 64, "sha512:bb"),
    )
    assert split_hashes("six ; os_name == 'nt'") == ("six ; os_name == 'nt'", ())
