"""Neighbours of a node: who has the address, and what routing daemons say of each other."""

from __future__ import annotations

from playground.frontends.web.content.neighbour_rows import daemon_rows, link_rows
from playground.operations.captures.frames import Directory, Owner
from playground.operations.diagnosis.evidence.adjacencies import BgpSession, OspfInterface, Said
from playground.operations.diagnosis.evidence.network_state import NeighbourState

MAC = "02:00:00:00:00:01"


def test_a_neighbour_is_named_by_its_mac() -> None:
    directory = Directory((Owner("h2", "eth0", "home", MAC, ("10.0.1.3",)),))
    rows = list(
        link_rows(
            [
                NeighbourState("eth0", "10.0.1.3", MAC, "reachable"),
                NeighbourState("eth0", "10.0.1.9", None, "failed"),
                NeighbourState("eth0", "fe80::1", MAC, "stale"),
            ],
            directory,
        )
    )
    assert [row["node"] for row in rows] == ["h2", "", "h2"]
    assert [row["protocol"] for row in rows] == ["ARP", "ARP", "NDP"]
    assert rows[1]["mac"] == "nobody answered"


def test_daemons_tell_of_ospf_and_bgp() -> None:
    ospf = OspfInterface(
        "0.0.0.0", 1000, 4, 1, 1500, "BROADCAST", False, states={"1.1.1.1": "Full"}
    )
    bgp = BgpSession("Established", 65002, 65001, reason="Hold Timer Expired")
    rows = list(daemon_rows(Said(ospf={"eth0": ospf}, bgp={"10.0.2.1": bgp})))
    assert [(row["protocol"], row["neighbour"], row["state"]) for row in rows] == [
        ("OSPF", "1.1.1.1", "Full"),
        ("BGP", "10.0.2.1", "Established"),
    ]
    assert rows[1]["detail"] == "AS 65002, last ended: Hold Timer Expired"


def test_a_host_has_no_daemons() -> None:
    assert list(daemon_rows(Said())) == []
