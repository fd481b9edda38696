"""YAML and JSON with every scalar as it is written: 3.10 stays 3.10, and each word knows its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conda_pack.errors import SourceProblem, ToolMissing
from conda_pack.sources.files.texts import Text, refuse

_DEEPEST = 64
_NULLS = ("", "~", "null", "Null", "NULL")


class Word(str):
    """A scalar of a YAML file; its first line has the number 1."""

    __slots__ = ("line",)
    line: int


def place_of(value: object) -> str:
    """``line 3: `` for what came out of a YAML file, nothing where the line is not known."""
    while isinstance(value, (dict, list)) and value:
        value = next(iter(value))
    return f"line {value.line}: " if isinstance(value, Word) else ""


def load(text: Text) -> object:
    """Dictionaries, lists, strings and None; a JSON file's strings are no ``Word``.

    Raises SourceProblem where the file is neither, with line and column, and ToolMissing without PyYAML.
    """
    if text.content.lstrip().startswith("{"):
        try:
            return json.loads(text.content, parse_int=str, parse_float=str, parse_constant=str)
        except json.JSONDecodeError as error:
            if text.name.endswith(".json"):
                where = f"line {error.lineno}, column {error.colno}"
                raise SourceProblem(f"{text.path} is not JSON: {where}: {error.msg}.") from error
        except RecursionError as error:
            raise SourceProblem(f"{text.path} is nested too deep to be read.") from error
    return _load_yaml(text)


def _load_yaml(text: Text) -> object:
    try:
        import yaml  # noqa: PLC0415
    except ImportError as error:
        raise ToolMissing(
            f"Reading {text.path} needs PyYAML: pip install 'conda-pack[create]', or conda install pyyaml."
        ) from error
    findings: list[str] = []
    try:
        # events alone: where a file nests deep, what builds from them in C ends the process
        events = yaml.parse(text.content, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        value = _document(events, findings)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SourceProblem(f"{text.path} is not YAML: {where}{error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise SourceProblem(f"{text.path} is not YAML: {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise SourceProblem(f"{text.path} is nested too deep to be read.") from error
    refuse(text.path, findings)
    return value


def _document(events: Iterator[Any], findings: list[str]) -> object:
    """The first document; that there is a second one is a finding."""
    value: object = None
    known: dict[str, object] = {}
    documents = 0
    for event in events:
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                findings.append(f"line {event.start_mark.line + 1}: a second document begins.")
                break
        elif kind not in ("StreamStartEvent", "DocumentEndEvent", "StreamEndEvent"):
            value = _value(event, events, known, findings, 0)
    return value


def _value(
    event: Any, events: Iterator[Any], known: dict[str, object], findings: list[str], depth: int
) -> object:
    """What begins with ``event``; ``known`` has what was given a name for aliases."""
    if depth > _DEEPEST:
        raise RecursionError
    kind = type(event).__name__
    value: object
    if kind == "AliasEvent":
        if event.anchor not in known:
            findings.append(f"line {event.start_mark.line + 1}: *{event.anchor} is not known before.")
        return known.get(event.anchor)
    if kind == "ScalarEvent":
        value = _scalar(event)
    elif kind == "SequenceStartEvent":
        value = items = []
        while type(item := next(events)).__name__ != "SequenceEndEvent":
            items.append(_value(item, events, known, findings, depth + 1))
    else:
        value = mapping = {}
        while type(start := next(events)).__name__ != "MappingEndEvent":
            key = _value(start, events, known, findings, depth + 1)
            content = _value(next(events), events, known, findings, depth + 1)
            if not isinstance(key, Word):
                findings.append(f"line {start.start_mark.line + 1}: a key must be a word.")
            elif key in mapping:
                findings.append(f"line {key.line}: {key!s} is there for the second time.")
            else:
                mapping[key] = content
    if event.anchor:
        known[event.anchor] = value
    return value


def _scalar(event: Any) -> Word | None:
    if event.implicit[0] and event.value in _NULLS:
        return None
    word = Word(event.value)
    word.line = event.start_mark.line + 1
    return word
