"""Why two routers do not tell each other of routes, by what their daemons say."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from playground.operations.diagnosis.evidence.adjacencies import (
    BgpSession,
    OspfInterface,
    Said,
    Trouble,
    find_troubles,
    policy_between,
    read_said,
)
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

FULL = OspfInterface("0.0.0.0", 250, 1, 1, 1500, "POINTOPOINT", False, 24)


def pair(routing: str, other: int | None = None, **more: Any) -> Plan:
    a, b = Router("a", routing=routing, **more), Router("b", routing=routing, as_number=other)
    Link(a, b, subnet="10.1.0.0/24")
    Link(a, Host("h"), subnet="10.2.0.0/24")
    return make_plan([a])


def ospf(interface: OspfInterface, router_id: str, *lines: str) -> Said:
    return Said(ospf={"eth0": interface}, lines=(f" ospf router-id {router_id}", *lines))


def two(state: str = "", lines: tuple[str, ...] = (), **other: Any) -> list[Trouble]:
    """The troubles of two OSPF routers, the second of which differs in this."""
    states = {"2.2.2.2": state} if state else {}
    a = ospf(dataclasses.replace(FULL, states=states), "1.1.1.1")
    back = {"1.1.1.1": state} if state else {}
    b = ospf(dataclasses.replace(FULL, states=back, **other), "2.2.2.2", *lines)
    return find_troubles(pair("ospf"), {"a": a, "b": b})


def test_neighbours_that_are_full_have_no_trouble() -> None:
    assert two("Full") == []


@pytest.mark.parametrize(
    ("state", "other", "reason"),
    [
        ("Exchange", {"mtu_bytes": 1400}, "their MTUs differ: 1500 bytes on eth0 of a, and 1400"),
        ("ExStart", {"mtu_bytes": 9000}, "their MTUs differ"),
        ("Exchange", {}, "have not exchanged their databases"),
        ("", {"area": "0.0.0.1"}, "different areas: 0.0.0.0 on eth0 of a, and 0.0.0.1 on eth0"),
        ("", {"hello_ms": 10000}, "hello intervals differ: 250 ms"),
        ("", {"dead_s": 40}, "dead intervals differ: 1 s on eth0 of a, and 40 s"),
        ("", {"prefix_length": 16}, "masks differ: /24 on eth0 of a, and /16"),
        ("", {"passive": True}, "eth0 of b is passive"),
        ("Full", {"network_type": "BROADCAST"}, "network types differ"),
        ("Init", {}, "a hears b, and is not heard by it"),
        ("", {}, "a hears nothing of b on eth0"),
        ("", {"lines": ("interface eth0", " ip ospf authentication")}, "their passwords"),
    ],
)
def test_what_ospf_routers_must_agree_in(state: str, other: dict[str, Any], reason: str) -> None:
    [found] = two(state, **other)
    assert (found.router, found.neighbour, found.protocol) == ("a", "b", "OSPF")
    assert found.state == state
    assert reason in str(found)


@pytest.mark.parametrize(
    ("key", "reason"), [("one", "a firewall may drop OSPFv3"), ("two", "their passwords")]
)
def test_passwords_of_ospf_for_ipv6_are_its_own(key: str, reason: str) -> None:
    # That of IPv4 differs, and is no matter of OSPFv3.
    said = {
        name: Said(
            ospf6={"eth0": FULL},
            lines=(
                "interface eth0",
                f" ip ospf authentication-key {name}",
                f" ipv6 ospf6 authentication key-id 1 hash-algo hmac-sha-256 key {own}",
            ),
        )
        for name, own in (("a", "one"), ("b", key))
    }
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b, subnet="2001:db8:1::/64")
    [found] = find_troubles(make_plan([a]), said)
    assert (found.protocol, found.state) == ("OSPFv3", "")
    assert reason in str(found)


def test_two_of_one_name_do_not_speak() -> None:
    said = {name: ospf(FULL, "1.1.1.1") for name in "ab"}
    [found] = find_troubles(pair("ospf"), said)
    assert "both have the router id 1.1.1.1" in found.reason


@pytest.mark.parametrize(("priority", "troubles"), [(0, 3), (1, 0)])
def test_in_2_way_stay_who_are_not_designated_and_all_where_nobody_can_be(
    priority: int, troubles: int
) -> None:
    lan = Switch("lan")
    for name in "abc":
        Link(lan, Router(name, routing="ospf"))
    plan = make_plan([lan])
    said = {
        name: ospf(
            dataclasses.replace(
                FULL,
                priority=priority if name == "c" else 0,
                states={other: "2-Way" for other in "abc" if other != name},
            ),
            name,
        )
        for name in "abc"
    }
    found = find_troubles(plan, said)
    assert len(found) == troubles
    assert all("priority 0" in one.reason for one in found)


def test_a_daemon_that_does_not_answer_is_named() -> None:
    [found] = find_troubles(pair("ospf"), {"a": ospf(FULL, "1.1.1.1"), "b": Said()})
    assert "ospfd does not run on b" in str(found)
    [found] = find_troubles(pair("rip"), {"a": Said(), "b": Said(rip=True)})
    assert "ripd does not run on a" in str(found)


def test_nobody_is_looked_for_at_a_link_that_is_down() -> None:
    assert find_troubles(pair("ospf"), {}, [("b", "eth0")]) == []


def test_routers_of_one_system_speak_ospf_too() -> None:
    plan = pair("bgp", as_number=64512)
    other = BgpSession("Active", 64512, 64512)
    said = {
        "a": dataclasses.replace(ospf(FULL, "1.1.1.1"), bgp={"10.1.0.2": other}),
        "b": Said(bgp={"10.1.0.1": other}),
    }
    assert [one.protocol for one in find_troubles(plan, said)] == ["BGP"]
    plan = pair("bgp", as_number=64512, other=64512)
    found = find_troubles(plan, said)
    assert [(one.protocol, one.stopped) for one in found] == [("OSPF", "b"), ("BGP", "")]


def sessions(
    a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, lines: tuple[str, ...] = ()
) -> list[Trouble]:
    """The troubles of two BGP routers in AS 1 and 2."""
    here = BgpSession(**{"state": "Active", "as_number": 2, "own_as_number": 1, **(a or {})})
    there = BgpSession(**{"state": "Active", "as_number": 1, "own_as_number": 2, **(b or {})})
    return find_troubles(
        pair("bgp"),
        {"a": Said(bgp={"10.1.0.2": here}, lines=lines), "b": Said(bgp={"10.1.0.1": there})},
    )


@pytest.mark.parametrize(
    ("a", "b", "lines", "reason"),
    [
        ({"as_number": 3}, {}, (), "a takes b to be of AS 3, and it is of AS 2"),
        ({}, {"as_number": 9}, (), "b takes a to be of AS 9, and it is of AS 1"),
        ({}, {"shut_down": True}, (), "b has shut the session down"),
        ({}, {}, (" neighbor 10.1.0.2 password x",), "their passwords"),
        ({"reason": "Waiting for NHT"}, {}, (), "a has no way to 10.1.0.2, which b speaks from"),
        ({"reason": "Hold Timer Expired"}, {}, (), "bgpd says: Hold Timer Expired"),
    ],
)
def test_why_a_session_is_not_established(
    a: dict[str, Any], b: dict[str, Any], lines: tuple[str, ...], reason: str
) -> None:
    [found] = sessions(a, b, lines)
    assert (found.protocol, found.state) == ("BGP", "Active")
    assert reason in str(found)


def test_an_established_session_has_no_trouble_and_one_that_nobody_declared_has() -> None:
    assert sessions({"state": "Established"}, {"state": "Established"}) == []
    said = {"a": Said(bgp={}), "b": Said(bgp={"10.1.0.1": BgpSession("Active", 1, 2)})}
    [found] = find_troubles(pair("bgp"), said)
    assert "a has no `neighbor` with an address of b" in str(found)


@pytest.mark.parametrize(
    ("router", "lines", "hides"),
    [
        ("a", [" neighbor 10.1.0.2 prefix-list out out"], True),
        ("a", [" neighbor 10.1.0.2 prefix-list out in"], False),
        ("a", [" neighbor 10.9.9.9 route-map x out"], False),
        ("b", [" neighbor 10.1.0.1 route-map x in"], True),
        ("a", [" neighbor g peer-group", " neighbor 10.1.0.2 peer-group g"], False),
        ("a", [" neighbor 10.1.0.2 peer-group g", " neighbor g filter-list 1 out"], True),
        ("a", [" aggregate-address 10.0.0.0/8 summary-only"], True),
        ("b", ["ip protocol bgp route-map x"], True),
        ("b", [" area 0.0.0.1 stub no-summary"], True),
        ("b", [" area 0.0.0.1 authentication"], False),
    ],
)
def test_a_policy_is_what_somebody_has_applied_to_a_session_or_a_router(
    router: str, lines: list[str], hides: bool
) -> None:
    said = {router: Said(lines=tuple(lines))}
    assert (policy_between(pair("bgp"), said, "a", "b") is not None) == hides


def test_what_daemons_say_is_read() -> None:
    said = read_said(
        {
            "ospf": '{"interfaces":{"eth1":{"ospfEnabled":true,"area":"0.0.0.0","timerMsecs":250,'
            '"timerDeadSecs":1,"priority":1,"mtuBytes":1500,"networkType":"POINTOPOINT"},"eth2":'
            '{"ospfEnabled":false}}}\n{"neighbors":{"10.0.2.1":[{"nbrState":"ExStart/-",'
            '"ifaceName":"eth1:10.0.3.1"}]}}',
            "ospf6": '{"eth1":{"attachedToArea":true,"areaId":"0.0.0.1"},"lo":{"status":"up"}}'
            '{"neighbors":[{"neighborId":"10.0.2.1","state":"Twoway","interfaceName":"eth1"}]}',
            "bgp": '{"10.1.0.2":{"bgpState":"Idle","remoteAs":3,"localAs":1,'
            '"lastNotificationReason":"OPEN Message Error\\/Bad Peer AS"}}\n'
            '{"routes":{"10.7.0.0/24":[{"nexthops":[{"ip":"10.9.9.9"}]}],'
            '"10.8.0.0/24":[{"valid":true}]}}',
        },
        "interface eth1\n ip ospf area 0\nexit\n",
    )
    assert said.ospf is not None and said.ospf6 is not None and said.bgp is not None
    assert list(said.ospf) == ["eth1"]
    assert said.ospf["eth1"].states == {"10.0.2.1": "ExStart"}
    assert said.ospf6["eth1"].states == {"10.0.2.1": "Twoway"}
    assert said.bgp["10.1.0.2"].reason == "OPEN Message Error/Bad Peer AS"
    assert said.unreachable == {"10.7.0.0/24": "10.9.9.9"}
    assert said.block("interface eth1") == ["ip ospf area 0"]
    assert read_said({"ospf": None, "bgp": "% no such thing"}, "").bgp == {}


@pytest.mark.parametrize(
    "text",
    ['{"interfaces": []}', '{"interfaces": {"eth0": 7}}', '{"a": {"bgpState": [7]}}', "{" * 9],
)
def test_what_is_none_of_frrs_is_no_answer(text: str) -> None:
    ospf = '{"interfaces": {}} {"neighbors": {"10.0.0.1": [{"nbrState": [1]}]}}'
    isis = '{"areas": [{"circuits": [{"interface": {"name": ["eth0"]}}]}]}'
    said = read_said({"ospf": ospf, "ospf6": text, "isis": isis, "bgp": text}, "")
    assert (said.ospf, said.isis, dict(said.unreachable)) == (None, None, {})
    assert not said.ospf6
    assert not said.bgp
