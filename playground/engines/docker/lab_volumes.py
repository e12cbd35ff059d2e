"""Volumes that hosts of a lab share, at a Docker server: found by their labels, removed.

The engine makes each with the first container that has it: `container_configs`.

"""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from playground.engines import owners
from playground.engines.docker.http import Line, Refused
from playground.engines.docker.server import Server
from playground.engines.seam import KEEP, LAB, MARK, OWNER
from playground.errors import EngineError

# A container that is listed no more may hold its volumes for a moment still.
_RELEASED_S = 10.0


def remove_volumes(server: Server, lab_id: str) -> None:
    """Remove the volumes of a lab, whose containers are gone.

    Raises `EngineError` for those that stay, when all have been tried: other containers have
    them.

    """
    with server.errors(f"removing the volumes of lab {lab_id}"), server.line() as line:
        staying = _remove_all(line, _listed(line, {"label": [f"{LAB}={lab_id}"]}), _RELEASED_S)
    if staying:
        said = "; ".join(dict.fromkeys(refusal.message for refusal in staying.values()))
        raise EngineError(
            f"volumes of lab {lab_id} are still there: {said}; remove what has them, and then "
            f"`docker volume rm {' '.join(staying)}`"
        )


def sweep_volumes(server: Server) -> None:
    """Remove the volumes of labs whose programs have ended; one that is in use stays."""
    with server.errors("looking for what ended programs have left"), server.line() as line:
        found = _listed(line, {"label": [MARK], "dangling": ["true"]})
        left = [
            name
            for name, labels in found.items()
            if labels.get(KEEP) != "1" and owners.is_gone(labels.get(OWNER, ""), labels[MARK])
        ]
        _remove_all(line, left, 0.0)


def _listed(line: Line, filters: Mapping[str, list[str]]) -> dict[str, Mapping[str, str]]:
    """Return names and labels of volumes."""
    answer: dict[str, Any] = line.request("GET", "/volumes", {"filters": json.dumps(filters)})
    return {item["Name"]: item.get("Labels") or {} for item in answer.get("Volumes") or ()}


def _remove_all(line: Line, names: Iterable[str], patience_s: float) -> dict[str, Refused]:
    """Try to remove all of these volumes; return those that stay, each with the reason."""
    deadline = time.monotonic() + patience_s
    staying = {}
    for name in names:
        try:
            _remove(line, name, deadline)
        except Refused as refusal:
            staying[name] = refusal
    return staying


def _remove(line: Line, name: str, deadline: float) -> None:
    while True:
        try:
            line.request("DELETE", f"/volumes/{urllib.parse.quote(name, safe='')}")
            return
        except Refused as refusal:
            if refusal.status == http.client.NOT_FOUND:
                return
            if refusal.status != http.client.CONFLICT or time.monotonic() >= deadline:
                raise
        time.sleep(0.02)
