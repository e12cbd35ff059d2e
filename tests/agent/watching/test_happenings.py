"""A job that tells what happens in nodes."""

from __future__ import annotations

import json
import time
from typing import Any

from playground.operations.connection.client import AgentProcess, Client
from tests.support_agent import Namespaces, end, needs_root, node, veth


class Told:
    """The rows of a job, as they come."""

    def __init__(self, job: AgentProcess) -> None:
        self._job, self._rest = job, b""
        self.rows: list[dict[str, Any]] = []

    def until(self, name: str, **fields: object) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while True:
            for number, row in enumerate(self.rows):
                if name in row and all(row.get(key) == value for key, value in fields.items()):
                    del self.rows[: number + 1]
                    return row
            *lines, self._rest = (
                self._rest + self._job.read_stdout(max(0.1, deadline - time.monotonic()))
            ).split(b"\n")
            self.rows += [json.loads(line) for line in lines]


@needs_root
def test_it_says_how_things_are_and_then_what_becomes_of_them(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    asked = [{"pid": h1.pid, "ports": [["tcp", 80]]}, {"pid": h2.pid}, {"pid": None}]
    job = agent.start_job("happenings", nodes=asked)
    told = Told(job)
    told.until("interface", pid=h1.pid, interface="eth0", up=False, carrier=False)
    told.until("ports", pid=h1.pid, ports=[["tcp", 80, False]])
    told.until("ready")
    way = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    agent.call(
        "network",
        nodes=[node(h2.pid, "10.0.0.2/24"), node(h1.pid, "10.0.0.1/24", routes_add=[way])],
    )
    told.until("address", pid=h2.pid, address="10.0.0.2/24", interface="eth0", there=True)
    found = told.until("route", pid=h1.pid, there=True)["route"]
    assert (found["destination"], found["via"], found["interface"]) == tuple(way.values())
    server = "import socket, time; s = socket.create_server(('', 80)); time.sleep(99)"
    agent.spawn(h1.pid, ["python3", "-c", server])
    told.until("ports", pid=h1.pid, ports=[["tcp", 80, True]])
    agent.call("state_save", data="{}")
    told.until("state")
    agent.call("unwire", veths=[end(h1.pid, "eth0")])
    told.until("interface", pid=h2.pid, interface="eth0", there=False)
    h2.kill()
    told.until("died", pid=h2.pid)
    job.signal(15)
    assert job.wait(10) == -15
