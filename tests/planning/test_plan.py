"""The plan's own shapes: how they are found, and how they print."""

from __future__ import annotations

import json

import pytest

from playground.model.services.http import HTTP
from playground.operations.network import Host, Link, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


@pytest.fixture
def plan() -> Plan:
    lan = Switch("lan", subnet="10.5.0.0/24")
    Link(lan, Host("h1", memory_mb=64, cpus=0.5))
    Link(lan, Host("www.example.com", services=["dns", HTTP(files={"index.html": "hello"})]))
    return make_plan([lan], lab="printed")


def test_a_node_is_found_by_full_and_short_name(plan: Plan) -> None:
    assert plan.node("www") is plan.node("www.example.com")
    with pytest.raises(KeyError):
        plan.node("mail")


def test_plans_are_compared_by_what_they_hold(plan: Plan) -> None:
    lan = Switch("lan", subnet="10.5.0.0/24")
    Link(lan, Host("h1", memory_mb=64, cpus=0.5))
    Link(lan, Host("www.example.com", services=["dns", HTTP(files={"index.html": "hello"})]))
    assert make_plan([lan], lab="printed") == plan
    assert make_plan([lan], lab="another") != plan


def test_a_plan_is_json(plan: Plan) -> None:
    data = json.loads(plan.to_json())
    assert data == plan.to_data()
    assert data["nodes"][0] == {
        "name": "h1",
        "short": "h1",
        "kind": "host",
        "services": [],
        "interfaces": [
            {
                "name": "eth0",
                "mac": plan.node("h1").interfaces[0].mac,
                "addresses": ["10.5.0.1/24"],
                "mtu_bytes": 1500,
                "offload": False,
                "segment": "lan",
                "dhcp": False,
                "vlan": None,
                "parent": None,
                "slaac": None,
                "dhcpv6": False,
                "delegated": False,
                "tunnel": None,
                "vrf": None,
                "vni": None,
                "bond": None,
            }
        ],
        "routes": [],
        "sysctls": [list(item) for item in plan.node("h1").sysctls],
        "neighbours": [],
        "announced": [],
        "as_number": None,
        "own_routes": [],
        "own_rules": [],
        "hosts": [{"address": "10.5.0.1", "names": ["h1"]}],
        "nameservers": ["10.5.0.2"],
        "search": [],
        "records": [],
        "limits": {"memory_mb": 64, "cpus": 0.5, "processes": None},
        "nat": None,
        "filters": {"rules": [], "defaults": []},
        "container": {},
        "advertisements": [],
        "delegations": [],
        "machine": None,
        "peers": [],
        "virtual_routers": [],
        "bgp_paths": 1,
        "vrfs": [],
        "vnis": [],
        "labelled": [],
        "covered": [],
        "withheld": [],
    }
    assert data["wires"][0] == {
        "a": {"node": "lan", "interface": "h1-eth0"},
        "b": {"node": "h1", "interface": "eth0"},
        "mtu_bytes": 1500,
        "offload": False,
        "up": True,
        "toward_a": None,
        "toward_b": None,
        "mtus": None,
        "tunnel": None,
        "bond": None,
        "member": False,
        "queue_a": None,
        "queue_b": None,
    }
    assert data["records"][0] == {"name": "h1", "type": "A", "data": "10.5.0.1"}
    [switch] = data["switches"]
    assert (switch["name"], switch["device"]) == ("lan", "lan")
    assert switch["settings"]["stp"] is False
