"""An examination of a swarm: what its parts say, read."""

from __future__ import annotations

from playground.engines.swarm.examination import idle_servers, read_seen, without_ipsec
from playground.engines.swarm.specs import HELPER, server_name


def test_machines_are_called_by_their_names() -> None:
    rows = [
        {
            "name": "m1",
            "address": "198.19.0.2",
            "mtu_bytes": 1450,
            "ipsec": False,
            "clock_s": 5.0,
            "reached": {"198.19.0.3": {"small_ms": 0.2, "full_ms": None}},
        },
        {"name": "m2", "address": "198.19.0.3", "error": "timed out"},
    ]
    m1, m2 = read_seen(rows)
    assert (m1.machine, m1.small_ms, m1.full_ms) == ("m1", {"m2": 0.2}, {"m2": None})
    assert (m2.machine, m2.error, m2.small_ms) == ("m2", "timed out", None)
    assert without_ipsec([m1, m2]) == ["m1"]


def test_servers_are_idle_that_no_lab_was_started_by() -> None:
    def service(name: str, **labels: str) -> dict[str, dict[str, object]]:
        return {"Spec": {"Name": name, "Labels": labels}}

    own, used, idle = map(server_name, ("helper:1", "helper:2", "helper:3"))
    servers = [service(own), service(used), service(idle)]
    nodes = [service("shop-h1", **{HELPER: "helper:2"})]
    assert idle_servers(servers, nodes, own) == (idle,)
    # A lab of an early version does not say which are its own.
    assert idle_servers(servers, [*nodes, service("old-h1")], own) == ()
