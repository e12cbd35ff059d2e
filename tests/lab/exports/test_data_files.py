"""Networks as data for other programs."""

import json

import pytest
from ruamel.yaml import YAML

from playground import Host, Lab, Link, Router, Switch
from playground.lab.exports.data_files import inventory, networkx, shell
from playground.planning.plan import Plan


@pytest.fixture
def plan() -> Plan:
    home = Switch("home", subnet="192.168.1.0/24")
    Link(home, Router("modem")), Link(home, Host("h1", services=["ssh"]))
    return Lab(home, quiet=True).plan()


def test_networkx_has_nodes_and_links(plan: Plan) -> None:
    data = json.loads(networkx(plan).text or "")
    assert data["multigraph"] and {one["id"] for one in data["nodes"]} == {"home", "modem", "h1"}
    assert {(one["source"], one["target"]) for one in data["links"]} == {
        ("home", "modem"),
        ("home", "h1"),
    }


def test_an_inventory_has_hosts_and_routers(plan: Plan) -> None:
    data = YAML(typ="safe").load(inventory(plan).text or "")
    groups = data["all"]["children"]
    assert groups["hosts"]["hosts"]["h1"] == {
        "ansible_user": "root",
        "lab_addresses": ["192.168.1.2"],
        "lab_services": ["ssh"],
    }
    assert [*groups["routers"]["hosts"]] == ["modem"]


def test_a_shell_makes_the_same_with_namespaces(plan: Plan) -> None:
    assert "ip netns add h1" in (shell(plan).text or "")
