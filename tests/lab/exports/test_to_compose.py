"""Compose files that we write; reading them back is in `test_read_back`."""

from ruamel.yaml import YAML

from playground import Host, Lab, Link, Router, Switch
from playground.lab.exports.to_compose import compose


def test_networks_have_the_addresses_of_the_plan() -> None:
    lan = Switch("lan", subnet="192.168.1.0/24")
    Link(lan, Router("r1")), Link(lan, Host("db", image="postgres:17", env={"A": "1"}))
    made = compose(Lab(lan, Host("alone"), name="x", quiet=True).plan())
    data = YAML(typ="safe").load(made.text or "")
    assert data["networks"] == {"lan": {"ipam": {"config": [{"subnet": "192.168.1.0/24"}]}}}
    assert data["services"]["db"] == {
        "image": "postgres:17",
        "environment": {"A": "1"},
        "networks": {"lan": {"ipv4_address": "192.168.1.2"}},
    }
    assert data["services"]["alone"]["network_mode"] == "none"
    assert made.notes == ("r1: a service of compose is no router, and has no routes",)
