"""Containers at a Docker server: created, listed by their labels, removed.

Everything made carries labels with the lab's id, and is found by them alone.

"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any
from weakref import WeakValueDictionary

from playground.engines import owners
from playground.engines.docker.container_configs import MACHINE_ACCESS, container_name
from playground.engines.docker.guardian import Guardian
from playground.engines.docker.http import TIMEOUT_S, Line, Refused
from playground.engines.docker.lab_volumes import remove_volumes, sweep_volumes
from playground.engines.docker.server import Server
from playground.engines.seam import KEEP, LAB, MARK, NAME, NODE, OWNER, LabLabels, LabRecord
from playground.errors import EngineError

_STOP_TIMEOUT_S = 30.0

# The letters of a lab's id, with which a container's name may begin.
_LAB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


class LabContainers:
    """The containers of labs at a Docker server, and the guardians of those."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.guardians: WeakValueDictionary[str, Guardian] = WeakValueDictionary()

    def listed(self, lab_id: str | None = None, everything: bool = False) -> list[dict[str, Any]]:
        """Containers of one lab, or of all; those that run, or everything there is."""
        label = LAB if lab_id is None else f"{LAB}={lab_id}"
        query = {"filters": json.dumps({"label": [label]}), "all": int(everything)}
        with self.server.line() as line:
            listed: list[dict[str, Any]] = line.request("GET", "/containers/json", query)
        return listed

    def labs(self) -> list[LabRecord]:
        """Return the labs that the engine has containers of, oldest first."""
        with self.server.errors("looking for labs"):
            items = self.listed(everything=True)
        by_lab: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            # An image may carry any label, and its containers inherit it.
            if _LAB_ID.fullmatch(item["Labels"][LAB]):
                by_lab.setdefault(item["Labels"][LAB], []).append(item)
        return sorted(map(_record, by_lab.values()), key=lambda record: record.created)

    def names(self, lab_id: str) -> set[str]:
        """Return the names of all containers of a lab, whether they run or not."""
        with self.server.errors(f"looking for the containers of lab {lab_id}"):
            listed = self.listed(lab_id, everything=True)
        return {name.removeprefix("/") for item in listed for name in item["Names"]}

    def pids(self, lab_id: str) -> dict[str, int]:
        """Return the process ids of the nodes of a lab that run, by their names."""
        found: dict[str, int] = {}

        def inspect(line: Line, item: Mapping[str, Any]) -> None:
            if pid := pid_of(line, item["Id"]):
                found[item["Labels"][NODE]] = pid

        with self.server.errors(f"looking for the machines of lab {lab_id}"):
            nodes = [item for item in self.listed(lab_id) if NODE in item["Labels"]]
            self.server.each(nodes, inspect)
        return {
            item["Labels"][NODE]: found[item["Labels"][NODE]]
            for item in nodes
            if item["Labels"][NODE] in found
        }

    def find(self, name: str) -> tuple[str, int] | None:
        """Return a container's id and process id, whoever made it; None: there is none.

        ``name`` is a name or an id, or the beginning of one.  Raises `EngineError`
        for one that does not run.

        """
        path = f"/containers/{urllib.parse.quote(name, safe='')}/json"
        with self.server.errors(f"looking for the container {name}"), self.server.line() as line:
            try:
                found = line.request("GET", path)
            except Refused as refusal:
                if refusal.status == http.client.NOT_FOUND:
                    return None
                raise
        if not found["State"]["Running"]:
            raise EngineError(
                f"the container {name} does not run, and has no network until it does: start it "
                f"with `docker start {name}`"
            )
        return str(found["Id"]), int(found["State"]["Pid"])

    def create(self, line: Line, lab: LabLabels, name: str, config: Mapping[str, Any]) -> str:
        """Create a container of a lab, known to its guardian before it is there."""
        guardian = self.guardians.get(lab.id)
        with guardian.expect(name) if guardian is not None else nullcontext():
            return create(line, name, config)

    def run_once(
        self, node: str, config: dict[str, Any], lab: LabLabels, timeout_s: float
    ) -> tuple[int | None, str]:
        """Run a container to its end; return its status and what it printed.

        The status is None if it had not ended at the limit.

        """
        config["HostConfig"] |= {"AutoRemove": False, "LogConfig": {"Type": "json-file"}}
        name = container_name(lab.id, node)
        with self.server.line() as line:
            try:
                create(line, name, config)
                line.request("POST", f"/containers/{name}/start")
                status = _wait_exit(line, name, timeout_s)
                with self.server.client(TIMEOUT_S) as api:
                    return status, api.logs(name, tail=200).decode(errors="replace")
            finally:
                self.remove([name])

    def sweep(self) -> None:
        """Remove what was made for programs of this machine that have ended.

        Labs that are kept stay, and so does all whose owner bears no mark (of an
        older version), or cannot be asked from here: `owners.is_gone`.

        """
        with self.server.errors("looking for what ended programs have left"):
            query = {"filters": json.dumps({"label": [MARK]}), "all": 1}
            with self.server.line() as line:
                listed = line.request("GET", "/containers/json", query)
            stale = [item["Id"] for item in listed if _is_stale(item)]
            self.remove(stale)
        sweep_volumes(self.server)

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """Remove the containers of a lab, or only those of some of its nodes.

        When it returns they are gone.  What is gone already is passed over, so
        it may be called again and for a lab that never was; all are tried
        before `EngineError` is raised for one that stays.

        """
        with self.server.errors(f"removing the containers of lab {lab_id}"):
            self._remove_all(
                lambda: [
                    item["Id"]
                    for item in self.listed(lab_id, everything=True)
                    if nodes is None or item["Labels"].get(NODE) in nodes
                ]
            )
        if nodes is None:
            remove_volumes(self.server, lab_id)

    def remove(self, containers: Sequence[str]) -> None:
        """Remove containers by name or id, all of them, and wait until they are gone."""
        left = list(containers)

        def still_there() -> list[str]:
            nonlocal left
            with self.server.line() as line:
                left = [item for item in left if _exists(line, item)]
            return left

        if left:
            with self.server.errors("removing containers"):
                self._delete(left)
                self._remove_all(still_there)

    def _remove_all(self, find: Callable[[], list[str]]) -> None:
        """Remove what `find` returns until it returns nothing."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while containers := find():
            refusals = self._delete(containers)
            if time.monotonic() > deadline:
                words = "; ".join(refusals) or "the engine gives no reason"
                raise EngineError(
                    f"{len(containers)} containers are still there after {_STOP_TIMEOUT_S:g} s "
                    f"({words}); look at `docker ps -a`, and at the engine's own log"
                )
            if refusals:
                time.sleep(0.01)

    def _delete(self, containers: Sequence[str]) -> list[str]:
        """Ask for the removal of each container; return what was said against it."""
        refusals: list[str] = []

        def delete(line: Line, container: str) -> None:
            try:
                line.request("DELETE", f"/containers/{container}", {"force": 1, "v": 1})
            except Refused as refusal:
                # 404: gone.  409: removal is in progress, by auto-remove or by
                # somebody else.  500: it ended between being found and killed.
                if refusal.status != http.client.NOT_FOUND:
                    refusals.append(refusal.message)

        self.server.each(containers, delete)
        return refusals


def create(line: Line, name: str, config: Mapping[str, Any]) -> str:
    answer = line.request("POST", "/containers/create", {"name": name}, config)
    return str(answer["Id"])


def start(line: Line, container: str) -> int:
    """Start a container; return its process id, 0 if it has ended already."""
    line.request("POST", f"/containers/{container}/start")
    return pid_of(line, container)


def pid_of(line: Line, container: str) -> int:
    try:
        state = line.request("GET", f"/containers/{container}/json")["State"]
    except Refused as refusal:
        if refusal.status == http.client.NOT_FOUND:
            return 0
        raise
    return int(state["Pid"]) if state["Running"] else 0


def _exists(line: Line, container: str) -> bool:
    try:
        line.request("GET", f"/containers/{container}/json")
    except Refused as refusal:
        if refusal.status == http.client.NOT_FOUND:
            return False
        raise
    return True


def _wait_exit(line: Line, container: str, timeout_s: float) -> int | None:
    """Wait until a container has ended; return its exit status, None if it goes on."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        state = line.request("GET", f"/containers/{container}/json")["State"]
        if state["Status"] in ("exited", "dead"):
            return int(state["ExitCode"])
        time.sleep(0.02)
    return None


def _record(items: list[dict[str, Any]]) -> LabRecord:
    labels = items[0]["Labels"]
    nodes = {item["Labels"].get(NODE) for item in items}
    return LabRecord(
        id=labels[LAB],
        name=labels.get(NAME, ""),
        owner=labels.get(OWNER, ""),
        nodes=tuple(sorted(node for node in nodes if node)),
        created=min(float(item["Created"]) for item in items),
        keep=labels.get(KEEP) == "1",
        mark=labels.get(MARK, ""),
    )


def _is_stale(item: Mapping[str, Any]) -> bool:
    """Whether a container, as it is listed, should have gone with its program."""
    labels = item["Labels"]
    # A helper container may stay for what it has made, but not where it never ran.
    stays = labels.get(KEEP) == "1" or (MACHINE_ACCESS in labels and item["State"] != "created")
    return not stays and owners.is_gone(labels.get(OWNER, ""), labels[MARK])
