"""Topologies of containerlab that we write; reading them back is in `test_read_back`."""

from ruamel.yaml import YAML

from playground import Host, Lab, Link, Router, Switch
from playground.lab.exports.to_containerlab import containerlab


def test_nodes_and_links_are_as_containerlab_has_them() -> None:
    lan, r1, r2 = Switch("lan"), Router("r1", routing="ospf"), Router("r2", routing="ospf")
    Link(lan, r1), Link(lan, Host("h1", image="alpine:3", env={"A": "1"})), Link(r1, r2, mtu=1400)
    made = containerlab(Lab(lan, name="x", quiet=True).plan())
    data = YAML(typ="safe").load(made.text or "")
    nodes = data["topology"]["nodes"]
    assert data["name"] == "x" and nodes["lan"] == {"kind": "bridge"}
    assert (nodes["h1"]["image"], nodes["h1"]["env"]) == ("alpine:3", {"A": "1"})
    assert nodes["r1"]["binds"] == [
        "r1/frr.conf:/etc/frr/frr.conf",
        "r1/daemons:/etc/frr/daemons",
    ]
    assert "router ospf" in made.files["r1/frr.conf"]
    ends = [link["endpoints"] for link in data["topology"]["links"]]
    assert data["topology"]["links"][2]["mtu"] == 1400 and "mtu" not in data["topology"]["links"][0]
    assert made.notes == ()
    assert ends == [["lan:eth1", "r1:eth0"], ["lan:eth2", "h1:eth0"], ["r1:eth1", "r2:eth0"]]
