"""The stand-in for Mininet: what a file makes, as data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playground.lab.formats import mininet_stand_in


def run(tmp_path: Path, text: str, *topology: str) -> dict[str, Any]:
    path = tmp_path / "net.py"
    path.write_text(text)
    ended = subprocess.run(
        [sys.executable, mininet_stand_in.__file__, str(path), *topology],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


TOPO = """\
from mininet.topo import Topo, LinearTopo
class Pair(Topo):
    def build(self):
        for name in ("h1", "h2"):
            self.addHost(name)
        self.addLink(self.addSwitch("s1"), "h1", bw=10)
        self.addLink("s1", "h2", port2=3)
topos = {"pair": Pair, "row": lambda: LinearTopo(k=3)}
"""


def test_a_topology_of_a_file_is_built(tmp_path: Path) -> None:
    found = run(tmp_path, TOPO)
    assert [(node["name"], node["kind"], node["line"]) for node in found["nodes"]] == [
        ("h1", "host", 5),
        ("h2", "host", 5),
        ("s1", "switch", 6),
    ]
    assert [node["params"].get("ip") for node in found["nodes"][:2]] == ["10.0.0.1/8", "10.0.0.2/8"]
    assert [(link["ends"], link["ports"]) for link in found["links"]] == [
        (["s1", "h1"], [1, 0]),
        (["s1", "h2"], [2, 3]),
    ]
    assert found["links"][0]["params"] == {"bw": 10}


def test_one_of_several_is_chosen_by_its_name(tmp_path: Path) -> None:
    assert len(run(tmp_path, TOPO, "row")["nodes"]) == 6
    assert len(run(tmp_path, TOPO, "a-lab")["nodes"]) == 3


def test_a_program_is_run_until_it_asks_somebody(tmp_path: Path) -> None:
    text = """\
from mininet.net import Mininet
from mininet.cli import CLI
from mininet.node import Node, OVSController
class Router(Node):
    def config(self, **params):
        super(Router, self).config(**params)
        self.cmd("sysctl net.ipv4.ip_forward=1")
print("hello")
net = Mininet(controller=OVSController)
net.addController("c0")
r = net.addHost("r", cls=Router, ip="10.0.0.9/24")
net.addLink(r, net.addHost("h1"))
net.start()
net["h1"].cmd("ip route add default via 10.0.0.9")
CLI(net)
net["h1"].cmd("not any more")
"""
    found = run(tmp_path, text)
    assert [(one["node"], one["text"]) for one in found["commands"]] == [
        ("r", "sysctl net.ipv4.ip_forward=1"),
        ("h1", "ip route add default via 10.0.0.9"),
    ]
    assert found["notes"][0]["line"] == 10


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("x = 1\n", 0, "it makes no network"),
        ("x = (\n", 1, "was never closed"),
        ("import mininet\nx = 1 / 0\n", 2, "ZeroDivisionError"),
        (
            "from mininet.net import Mininet\nnet = Mininet()\nnet.addHost('h')\nwhile True:\n"
            "    net.addLink('h', 'h')\n",
            5,
            "more than 20,000 parts",
        ),
    ],
)
def test_what_makes_no_network_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    found = run(tmp_path, text)
    assert told in found["error"] and found["line"] == line


def test_what_fails_behind_a_network_leaves_the_network(tmp_path: Path) -> None:
    text = "from mininet.net import Mininet\nnet = Mininet()\nnet.addHost('h1')\nx = 1 / 0\n"
    found = run(tmp_path, text)
    assert [node["name"] for node in found["nodes"]] == ["h1"]
    assert found["notes"][0]["line"] == 4


def test_it_needs_the_standard_library_alone() -> None:
    text = Path(mininet_stand_in.__file__).read_text()
    assert "import playground" not in text and "from playground" not in text


NET = """\
from functools import partial
from mininet.net import Mininet
from mininet.link import TCLink
from mininet.node import CPULimitedHost
from mininet.util import custom
net = Mininet(link=partial(TCLink, bw=10), host=custom(CPULimitedHost, cpu=0.5), autoSetMacs=True)
h1, h2 = net.addHost("h1"), net.addHost("h2", ip="10.0.0.9")
s1 = net.addSwitch("s1")
slow = net.addLink(h1, s1, delay="5ms")
net.addLink(h2, s1)
net.configLinkStatus("h2", "s1", "down")
h1.setIP("10.0.0.7", 24)
h1.setARP("10.0.0.9", "02:00:00:00:00:09")
slow.intf1.config(loss=3)
h2.attach("s1")
for intf in h1.intfList():
    h1.cmd("ethtool -K", intf, "tx off")
assert len(net) == 3 and h1 in net.values() and h1.intfNames() == ["h1-eth0"]
net.start()
net.stop()
h1.cmd("never")
"""


def test_classes_with_options_and_further_calls_are_kept(tmp_path: Path) -> None:
    found = run(tmp_path, NET)
    h1, h2, _ = (node["params"] for node in found["nodes"])
    assert (h1["cpu"], h1["mac"], h2["ip"]) == (0.5, "00:00:00:00:00:01", "10.0.0.9")
    first, second = (link["params"] for link in found["links"])
    assert (first["bw"], first["delay"], second["bw"], second["down"]) == (10, "5ms", 10, True)
    assert [one["text"] for one in found["commands"]] == [
        "ifconfig h1-eth0 10.0.0.7/24 up",
        "ip neighbour replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev h1-eth0",
        "tc qdisc replace dev h1-eth0 root netem loss 3%",
        "ethtool -K h1-eth0 tx off",
    ]
    assert [one["text"] for one in found["notes"]] == ["attach() of host h2 is not done"]
