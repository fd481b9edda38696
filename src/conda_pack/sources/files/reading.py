"""``--file PATH``: which reader reads which file, and what several of them come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from conda_pack.errors import UsageError
from conda_pack.sources.files.environment_yml import read_environment_yml
from conda_pack.sources.files.explicit_lists import is_explicit, read_explicit
from conda_pack.sources.files.lock_files import is_lock, read_lock
from conda_pack.sources.files.manifests import has_pixi, is_manifest, read_manifest
from conda_pack.sources.files.spec_lists import is_pip_requirements, read_spec_list, refuse_requirements
from conda_pack.sources.files.texts import Text, read_text
from conda_pack.sources.model import PipRequirements, Source, Specs

_Read = Callable[[Text, "str | None", Sequence[str]], Source]


@dataclass(frozen=True, slots=True)
class Reader:
    """``read`` is for the files that ``reads`` is true of; ``kind`` is what users call them."""

    kind: str
    reads: Callable[[Text], bool]
    read: _Read


def _of_one_environment(read: Callable[[Text, Sequence[str]], Source]) -> _Read:
    """For files that have a single environment, so that none can be asked for by name."""

    def checked(text: Text, environment: str | None, platforms: Sequence[str]) -> Source:
        if environment:
            raise UsageError(
                f"{text.path} has no environments by name: leave out --environment {environment}, "
                "which is for pixi.lock, pixi.toml and pyproject.toml."
            )
        return read(text, platforms)

    return checked


def _ends(*suffixes: str) -> Callable[[Text], bool]:
    return lambda text: text.name.lower().endswith(suffixes)


#: The first one that knows a file reads it.
READERS = (
    Reader("an @EXPLICIT list", is_explicit, _of_one_environment(read_explicit)),
    Reader("pixi.toml or pyproject.toml", is_manifest, read_manifest),
    Reader("pixi.lock or conda-lock.yml", is_lock, lambda text, name, _: read_lock(text, name)),
    Reader(
        "environment.yml or .json", _ends(".yml", ".yaml", ".json"), _of_one_environment(read_environment_yml)
    ),
    Reader(
        "pip's requirements.txt",
        lambda text: _ends(".txt", ".in")(text) and is_pip_requirements(text),
        lambda text, _name, _platforms: refuse_requirements(text),
    ),
    Reader(
        "a list of match specs (.txt)",
        lambda text: _ends(".txt")(text) or "." not in text.name,
        _of_one_environment(lambda text, _: read_spec_list(text)),
    ),
)
_EXPECTED = ", ".join(reader.kind for reader in READERS if "requirements.txt" not in reader.kind)


def read_source(path: str, *, environment: str | None, platforms: Sequence[str]) -> Source:
    """What a file, or the one such file of a folder, asks for.

    ``environment`` is a name of pixi; ``platforms`` are those asked for, none for all that the file has.
    Of an environment.yml's lines with selectors those count that are for any of them: where there are such
    lines, what each platform needs is to be read for that one alone.

    Raises UsageError for a file that is none of these or does not fit the options, SourceProblem with all
    that is wrong in it, ToolMissing where what reads it is not installed.
    """
    text = read_text(_file_of(path))
    for reader in READERS:
        if reader.reads(text):
            return reader.read(text, environment, platforms)
    raise UsageError(f"{text.path} is not a file that environments are made from: expected {_EXPECTED}.")


def _file_of(path: str) -> str:
    if not os.path.isdir(path):
        return path
    names = ("pixi.toml", "pyproject.toml", "environment.yml", "environment.yaml", "conda-lock.yml")
    there = [
        name
        for name in names
        if os.path.isfile(file := os.path.join(path, name))
        and (name != "pyproject.toml" or has_pixi(read_text(file)))
    ]
    if len(there) != 1:
        found = f"has {' and '.join(there)}" if there else f"has none of {', '.join(names)}"
        raise UsageError(f"{path} is a folder and {found}: name the file that is meant.")
    return os.path.join(path, there[0])


def merged(sources: Mapping[str, Source]) -> Source:
    """What several files, by their paths, ask for together; one alone is itself.

    As for conda: channels in their order, all dependencies, the first name; of a variable the last value.
    Raises UsageError where a lock file or list of package files is among several: these are whole.
    """
    if len(sources) == 1:
        return next(iter(sources.values()))
    specs = [source for source in sources.values() if isinstance(source, Specs)]
    whole = [path for path, source in sources.items() if not isinstance(source, Specs)]
    if whole:
        raise UsageError(
            f"{' and '.join(whole)}: a lock file or @EXPLICIT list is an environment by itself: "
            "give it without another --file."
        )
    return Specs(
        name=next((source.name for source in specs if source.name), None),
        channels=_united(source.channels for source in specs),
        conda=_united(source.conda for source in specs),
        pip=PipRequirements(
            requirements=_united(source.pip.requirements for source in specs),
            options=tuple(word for source in specs for word in source.pip.options),
            constraints=_united(source.pip.constraints for source in specs),
        ),
        platforms=_united(source.platforms for source in specs),
        variables={name: value for source in specs for name, value in source.variables.items()},
    )


def _united(words: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for some in words for word in some))
