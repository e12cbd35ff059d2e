"""Neighbours of a node: who has the address, and what routing daemons say of each other."""

from __future__ import annotations

from playground.frontends.web.content.neighbour_rows import (
    DAEMON_COLUMNS,
    daemon_rows,
    link_rows,
)
from playground.operations.captures.frames import Directory, Owner
from playground.operations.diagnosis.evidence.adjacencies import BgpSession, OspfInterface, Said
from playground.operations.diagnosis.evidence.isis_adjacencies import IsisInterface, IsisNeighbour
from playground.operations.diagnosis.evidence.network_state import NeighbourState
from playground.operations.diagnosis.evidence.rip_sources import RipSource

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
    assert [row["address"] for row in rows] == ["10.0.1.3", "10.0.1.9", "fe80::1"]
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


def test_daemons_tell_of_is_is_at_each_level_and_of_who_was_heard_by_rip() -> None:
    seen = tuple(IsisNeighbour("b", level, "Up", ("10.0.1.2", "fe80::2")) for level in "12")
    said = Said(
        isis={"eth0": IsisInterface("lan", False, {}, seen)},
        rip_sources=(RipSource("10.0.2.1", "00:00:03", 0, 2),),
        ripng_sources=(RipSource("fe80::1", "00:00:04", 0, 0),),
    )
    rows = list(daemon_rows(said))
    assert [(row["protocol"], row["neighbour"], row["state"], row["detail"]) for row in rows] == [
        ("IS-IS", "b", "Up", "level 1, 10.0.1.2, fe80::2"),
        ("IS-IS", "b", "Up", "level 2, 10.0.1.2, fe80::2"),
        ("RIP", "10.0.2.1", "heard 00:00:03 ago", "2 bad routes"),
        ("RIPng", "fe80::1", "heard 00:00:04 ago", ""),
    ]
    assert all(set(row) == set(DAEMON_COLUMNS) for row in rows)


def test_a_host_has_no_daemons() -> None:
    assert list(daemon_rows(Said())) == []
