"""Packages' records, where only some of their facts matter."""

from __future__ import annotations

from typing import Any

from conda_pack.model import Claim, JsonLayout, Record


def record(name: str, *claims: Claim, **facts: Any) -> Record:
    """Version 1 of a package that conda installed, with these claims and facts."""
    given: dict[str, Any] = {
        "dist": f"{name}-1-0",
        "name": name,
        "version": "1",
        "build": "0",
        "subdir": "linux-64",
        "channel": "",
        "url": "",
        "md5": None,
        "sha256": None,
        "timestamp": 0,
        "depends": (),
        "installer": "conda",
        "linked_from": None,
        "claims": claims,
        "text": b"{}",
        "layout": JsonLayout(2, True, "\n"),
    }
    return Record(**{**given, **facts})
