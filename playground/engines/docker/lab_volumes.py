"""Volumes that hosts of a lab share, at a Docker server: found by their labels, removed.

The engine makes each with the first container that has it: `container_configs`.

"""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
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

    Raises `EngineError` for one that stays: another container has it.

    """
    with server.errors(f"removing the volumes of lab {lab_id}"), server.line() as line:
        for name in _listed(line, {"label": [f"{LAB}={lab_id}"]}):
            _remove(line, name, _RELEASED_S)


def sweep_volumes(server: Server) -> None:
    """Remove the volumes of labs whose programs have ended; one that is in use stays."""
    with server.errors("looking for what ended programs have left"), server.line() as line:
        found = _listed(line, {"label": [MARK], "dangling": ["true"]})
        for name, labels in found.items():
            if labels.get(KEEP) != "1" and owners.is_gone(labels.get(OWNER, ""), labels[MARK]):
                _remove(line, name, 0.0)


def _listed(line: Line, filters: Mapping[str, list[str]]) -> dict[str, Mapping[str, str]]:
    """Return names and labels of volumes."""
    answer: dict[str, Any] = line.request("GET", "/volumes", {"filters": json.dumps(filters)})
    return {item["Name"]: item.get("Labels") or {} for item in answer.get("Volumes") or ()}


def _remove(line: Line, name: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            line.request("DELETE", f"/volumes/{urllib.parse.quote(name, safe='')}")
            return
        except Refused as refusal:
            if refusal.status == http.client.NOT_FOUND:
                return
            if refusal.status != http.client.CONFLICT:
                raise
            if time.monotonic() >= deadline:
                if not patience_s:
                    return
                raise EngineError(
                    f"the volume {name} is still there: {refusal.message}; remove what has it, "
                    f"and then the volume, `docker volume rm {name}`"
                ) from refusal
        time.sleep(0.02)
