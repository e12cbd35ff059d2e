"""Topologies of Mininet as labs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import playground
from playground import Lab
from playground.errors import LabWarning, TopologyError
from playground.lab.declarations.declare import declare
from playground.lab.formats import mininet as mininet_files
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.understood import Declaring
from playground.lab.formats.mininet import MininetTopology, is_mininet, run_stand_in
from tests.census import has_ended, wait_until

ROUTER = """\
from mininet.topo import Topo
from mininet.node import Node
class LinuxRouter(Node):
    def config(self, **params):
        super(LinuxRouter, self).config(**params)
        self.cmd("sysctl net.ipv4.ip_forward=1")
class Net(Topo):
    def build(self):
        r = self.addNode("r0", cls=LinuxRouter, ip="192.168.1.1/24")
        s1, s2 = self.addSwitch("s1"), self.addSwitch("s2")
        self.addLink(s1, r, intfName2="r0-eth1", params2={"ip": "192.168.1.1/24"})
        self.addLink(s2, r, intfName2="r0-eth2", params2={"ip": "172.16.0.1/12"})
        h1 = self.addHost("h_1", ip="192.168.1.100/24", defaultRoute="via 192.168.1.1")
        h2 = self.addHost("h2", ip="172.16.0.100/12", defaultRoute="via 172.16.0.1", mac=MAC)
        self.addLink(h1, s1, delay="5ms", loss=1, bw=10)
        self.addLink(h2, s2)
MAC = "02:00:00:00:00:02"
topos = {"net": Net}
"""


@pytest.fixture
def router(tmp_path: Path) -> Lab:
    path = tmp_path / "net.py"
    path.write_text(ROUTER)
    return playground.load(path, quiet=True, engine="namespaces")


def test_what_a_file_begins_in_the_background_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    began = "import subprocess\nsleeping = subprocess.Popen(['sleep', '600'])\n"
    began += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(sleeping.pid))\n"
    path.write_text(began + ROUTER)
    assert run_stand_in(path)["nodes"]
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: has_ended(pid))


@pytest.mark.parametrize(
    "said",
    [
        *("[[[", "5", "", "[" * 100_000, "{}", '{"error": "x"}', '{"error": 1, "line": 1}'),
        '{"nodes": 5, "links": [], "commands": [], "notes": []}',
        '{"nodes": [5], "links": [], "commands": [], "notes": []}',
        '{"nodes": [], "links": [{"ends": ["a"], "ports": [1, 2], "params": {}, "line": 1}], '
        '"commands": [], "notes": []}',
        '{"nodes": [], "links": [{"ends": ["a", 5], "ports": [1, 2], "params": {}, "line": 1}], '
        '"commands": [], "notes": []}',
    ],
)
def test_an_answer_of_a_file_s_own_is_no_network(tmp_path: Path, said: str) -> None:
    path = tmp_path / "net.py"
    answer = f"for fd in range(3, 9):\n    os.stat(fd) and os.write(fd, {said!r}.encode())"
    path.write_text(f"import os\n{answer}\n    os._exit(3)\n")
    with pytest.raises(TopologyError, match=r"net\.py:1: "):
        run_stand_in(path)


def test_hosts_have_their_addresses_and_routes(router: Lab) -> None:
    h1, r0 = router["h-1"], router["r0"]
    assert [str(end.addresses[0]) for end in (h1.links[0].end(h1), r0.links[1].end(r0))] == [
        "192.168.1.100/24",
        "172.16.0.1/12",
    ]
    assert str(h1.own_routes[0].via[0]) == "192.168.1.1"
    assert h1.container.aliases == ("h_1",)
    assert router["h2"].links[0].end(router["h2"]).mac == "02:00:00:00:00:02"
    assert h1.links[0].end(h1).name == "h_1-eth0" and r0.links[0].end(r0).name == "r0-eth1"


def test_options_of_links_are_impairments(router: Lab) -> None:
    both = router["h-1"].links[0].declared_impairments
    assert both[0] == both[1]
    assert both[0].settings() == {"delay_ms": 5, "loss_percent": 1, "rate_mbit": 10}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ('bw=10, delay="5ms"', {"delay_ms": 5, "rate_mbit": 10}),
        ("delay=0.25", {"delay_ms": 0.25}),
        ('delay="1e3us"', {"delay_ms": 1}),
        ("bw=1e3", {"rate_mbit": 1000}),
        ("bw=10**400", "bw=.* is no number of Mbit/s"),
        ("bw=-1", "bw=-1 is no number of Mbit/s"),
        ('delay="x"', "delay='x' is no number of time"),
        ('loss="1.2.3"', "loss='1.2.3' is no number of percent"),
        ('bw=float("inf")', "bw=inf is no number of Mbit/s"),
        ("bw=[1]", "bw=.* is no number of Mbit/s"),
    ],
)
def test_numbers_of_links_are_numbers(
    tmp_path: Path, said: str, read: dict[str, float] | str
) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from mininet.net import Mininet\nnet = Mininet()\n"
        f"net.addLink(net.addHost('h1'), net.addHost('h2'), {said})\nnet.start()\n"
    )
    if isinstance(read, str):
        with pytest.raises(TopologyError, match=rf"net\.py:3: {read}"):
            playground.load(path, quiet=True)
    else:
        [link] = playground.load(path, quiet=True)["h1"].links
        assert link.declared_impairments[0].settings() == read


def test_a_number_is_taken_as_it_stands_there() -> None:
    link = {"ends": ["a", "b"], "ports": [0, 0], "params": {}, "line": 1}
    lab = MininetTopology(
        Path("net.py"),
        {"nodes": [], "links": [], "commands": [], "notes": []},
        Notes(Path("net.py")),
        Declaring.ROUTES,
    )
    assert lab._number(link, "delay", 1e-05, "of time") == 1e-05
    assert lab._number(link, "delay", "1e-05s", "of time") == pytest.approx(0.01)


def test_packets_find_their_way(router: Lab) -> None:
    router["h-1"].links[0].restore()
    with router as lab:
        assert lab["h-1"].traceroute("172.16.0.100").hops == ["192.168.1.1", "172.16.0.100"]


def test_what_a_lab_does_not_do_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("""\
from mininet.net import Mininet
from mininet.node import RemoteController
net = Mininet(controller=RemoteController)
c0 = net.addController("c0")
s = [net.addSwitch("s%d" % n, protocols="OpenFlow13") for n in range(3)]
for a, b in ((0, 1), (1, 2), (2, 0)):
    net.addLink(s[a], s[b], speedup=3)
net.addLink(net.addHost("h1", privateDirs=["/var"]), s[0])
s[0].cmd("ovs-ofctl add-flow s0 action=normal")
net.start()
net.stop()
""")
    told = (
        ":4: the controller c0 is not run",
        ":5: no OpenFlow is spoken",
        ":7: closes a loop of switches",
        ":7: speedup= of a link is not done",
        ":8: h1: privateDirs= of a host is not done",
        ":9: a command of the switch s0 is not run",
    )
    with pytest.warns(LabWarning) as warnings:
        lab = playground.load(path, quiet=True)
    assert [one for one in told if one not in str(warnings[0].message)] == []
    assert lab["s1"].settings.stp
    with pytest.raises(TopologyError, match="the controller c0"):
        playground.load(path, quiet=True, strict=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import mininet\nx = 1 / 0\n", ":2: ZeroDivisionError"),
        ("import mininet\n", ":1: LookupError: it makes no network"),
        ("import mininet, os\nos._exit(3)\n", ":1: it ended with 3 before its network was made"),
    ],
)
def test_a_file_that_fails_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(text)
    with pytest.raises(TopologyError) as error:
        playground.load(path, quiet=True)
    assert str(error.value).startswith(f"{path}{told}")


def test_a_file_that_waits_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mininet_files, "LIMIT_S", 1)
    path = tmp_path / "net.py"
    path.write_text("import mininet, time\ntime.sleep(60)\n")
    with pytest.raises(TopologyError, match="it still ran after 1 s"):
        run_stand_in(path)


def test_a_file_of_ours_is_none_of_mininet(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("from mininet.topo import Topo\n")
    assert is_mininet(path)
    path.write_text("from playground import Host\nimport mininet_notes\n")
    assert not is_mininet(path)


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.text(max_size=8),
    st.sampled_from(["10.0.0.1/8", "10.0.0.300", "5ms", "s1", "h1", "via 10.0.0.9", "::1/64"]),
)
_PARAMS = st.dictionaries(
    st.sampled_from(
        [
            *(
                "ip",
                "mac",
                "cpu",
                "defaultRoute",
                "bw",
                "delay",
                "loss",
                "jitter",
                "max_queue_size",
            ),
            *("intfName1", "addr2", "params1", "stp", "protocols", "colour"),
        ]
    ),
    _VALUES,
    max_size=3,
)
_NAMES = st.sampled_from(["h1", "h2", "s1", "H1", "h_1", "1", "", "x" * 70])
_MADE = st.fixed_dictionaries(
    {
        "nodes": st.lists(
            st.fixed_dictionaries(
                {
                    "name": _NAMES,
                    "kind": st.sampled_from(["host", "switch"]),
                    "params": _PARAMS,
                    "line": st.integers(1, 9),
                }
            ),
            max_size=5,
        ),
        "links": st.lists(
            st.fixed_dictionaries(
                {
                    "ends": st.lists(_NAMES, min_size=2, max_size=2),
                    "ports": st.lists(st.integers(0, 3), min_size=2, max_size=2),
                    "params": _PARAMS,
                    "line": st.integers(1, 9),
                }
            ),
            max_size=5,
        ),
        "commands": st.lists(
            st.fixed_dictionaries(
                {"node": _NAMES, "text": st.text(max_size=20), "line": st.integers(1, 9)}
            ),
            max_size=3,
        ),
        "notes": st.just([]),
    }
)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(_MADE, st.sampled_from(Declaring))
def test_300_strange_networks_are_told_in_a_sentence_with_a_line(
    made: dict[str, object], how: Declaring
) -> None:
    path = Path("net.py")
    try:
        lab = MininetTopology(path, made, Notes(path), how)
        declare(lab.declarations())
    except TopologyError as error:
        assert str(error).startswith("net.py:"), error


NAT = """\
from mininet.topo import Topo
from mininet.nodelib import NAT
class Internet(Topo):
    def build(self):
        self.addLink(self.addSwitch("s0"), self.addHost("h0"))
        nat = self.addNode("nat1", cls=NAT, subnet="192.168.1.0/24", inetIntf="nat1-eth0",
                           localIntf="nat1-eth1")
        self.addLink(nat, "s0", intfName1="nat1-eth0")
        self.addLink(nat, self.addSwitch("s1"), intfName1="nat1-eth1",
                     params1={"ip": "192.168.1.1/24"})
        h1 = self.addHost("h1", ip="192.168.1.100/24", defaultRoute="via 192.168.1.1")
        self.addLink(h1, "s1")
"""


def test_nat_between_two_of_its_networks_translates(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(NAT)
    with playground.load(path, quiet=True, engine="namespaces") as lab:
        assert lab["h1"].ping("10.0.0.1", count=1).received == 1
        assert lab["h0"].ping("192.168.1.100", count=1, timeout_s=1).received == 0


def test_what_ifconfig_sets_takes_the_place_of_ip(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from mininet.net import Mininet\nnet = Mininet()\n"
        "h1, h2 = net.addHost('h1'), net.addHost('h2')\nlink = net.addLink(h1, h2)\n"
        "h1.setIP('10.9.9.9', 8)\nlink.intf2.config(delay='5ms')\n"
    )
    lab = playground.load(path, quiet=True)
    [link] = lab.links
    assert [[str(one) for one in end.addresses] for end in link.ends] == [
        ["10.9.9.9/8"],
        ["10.0.0.2/8"],
    ]
    assert [(row.toward, row.impairment.delay_ms) for row in link.impairments] == [("h1", 5)]
