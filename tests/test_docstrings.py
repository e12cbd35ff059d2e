"""The examples in docstrings are true: they run, on a lab where they need one.

An example has the names of its module, those of the package, and those of a network that
examples speak of: h1 and h2 at home, a modem that translates, www outside of it.  What an
example does not show may be anything; what it shows is compared, but for what differs from
run to run.

"""

from __future__ import annotations

import doctest
import importlib
import io
import pkgutil
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

import playground
from playground import Host, Lab, Link, Router, Switch
from playground.engines.namespaces.engine import NamespacesEngine

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

OFFICE = """
office = Switch("office", vlans={10: "192.168.10.0/24", 20: "192.168.20.0/24"})
gateway, printer, server = Router("gateway"), Host("printer"), "192.168.10.3"
trunk = Link(office, gateway, trunk=(10, 20))
link = Link(office, Host("pc"), vlan=10)
"""
PROVIDER = """
pe = Router("pe")
to_blue_office, to_blue_store = Link(pe, Host("office")), Link(pe, Host("store"))
"""
CUSTOMERS = (
    PROVIDER
    + """
pe.vrf("blue", to_blue_office)
pe.vrf("red", to_blue_store)
pe.leak("10.9.0.0/24", source="blue", into="red")
"""
)
# Lines to run before an example, as a docstring has no room for them.
BEFORE = {
    "display.tables.Table": """
from dataclasses import dataclass
@dataclass
class Hop:
    node: str
    number: int
""",
    "engines.namespaces.engine.NamespacesEngine": """
h1, h2 = Host("h1"), Host("h2")
Link(h1, h2)
""",
    "lab.lab.Lab.warnings": """
import warnings
warnings.simplefilter("ignore")
home = Switch("home", subnet="192.168.1.0/24")
Link(home, Host("h1"), address="192.168.1.11"), Link(home, Host("h2"), address="192.168.1.11")
""",
    "model.containers.own_service.Service": "source = 'print()'",
    "model.overlays.Bridging.vni": (
        'leaf1 = Router("leaf1", routing="bgp", loopback="10.10.10.1/32")'
    ),
    "model.routing.mpls.SwitchingLabels.mpls": """
r1, r2, r3 = (
    Router(f"r{n}", routing="ospf", loopback=f"10.10.10.{n}/32") for n in (1, 2, 3)
)
""",
    "model.vrfs.KeepingApart.leak": CUSTOMERS,
    "model.vrfs.KeepingApart.remove_leak": CUSTOMERS,
    "model.vrfs.KeepingApart.vrf": PROVIDER,
    "planning.addresses.router_parts.label": CUSTOMERS,
    **dict.fromkeys(
        ("model.links.bond.Bond", "operations.network.Bond"),
        'left, right = Switch("left"), Switch("right")',
    ),
    "model.topology.Link.__getitem__": OFFICE,
    "model.topology.Link.change": OFFICE + "office.add_vlan(30)",
    "model.topology.Switch.add_vlan": OFFICE,
    "model.topology.strands": OFFICE,
    "model.topology.Link": OFFICE + 'isp = Router("isp")',
    "operations.network.Link": OFFICE + 'isp = Router("isp")',
    "planning.addresses.segments.place_name": OFFICE,
    "model.topology.Router": 'isp = Router("isp")',
    "operations.network.Router": 'isp = Router("isp")',
    **dict.fromkeys(
        (f"model.routing.bgp.SpeakingBgp.{name}" for name in ("bgp", "bgp_peer", "bgp_options")),
        """
r1, r2 = (Router(f"r{n}", routing="bgp", as_number=64511 + n) for n in (1, 2))
between = Link(r1, r2)
isp, customer, leaf = r1, r2, r2
from playground import Permit, RouteMap
""",
    ),
    **dict.fromkeys(
        (f"model.routing.ospf.SpeakingOspf.{name}" for name in ("ospf", "ospf_area")),
        """
r1, r2 = (Router(f"r{n}", routing="ospf") for n in (1, 2))
slow, lan = Link(r1, r2), Link(r1, Switch("lan"))
border = r1
""",
    ),
    **dict.fromkeys(
        (f"model.routing.isis.SpeakingIsis.{name}" for name in ("isis", "isis_options")),
        """
r1, border, inside = (Router(name, routing="isis") for name in ("r1", "border", "inside"))
slow, lan = Link(r1, border), Link(r1, Switch("lan"))
""",
    ),
    "model.routing.vrrp.SharingAddresses.vrrp": """
lan, uplink = Link(home, r1), Link(r1, Router("r9"))
""",
    "planning.routing.bgp_routes.apply_policy": "from playground import Permit, RouteMap",
    "model.nat.Translating.snat": 'isp, modem = Router("isp"), Router("modem")',
    "model.nat.Translating.one_to_one": """
uplink = Link(Router("isp"), modem, addresses=("10.9.0.1/24", ["10.9.0.2/24", "10.9.0.3/24"]))
""",
    "model.ipv6.requesting.Requesting.request_prefix": "lan = Link(home, modem)",
    "model.ipv6.advertising.Advertising.advertise": "lan = Link(home, r1)",
    "model.ipv6.advertising.Advertising.stop_advertising": """
lan = Link(home, r1)
r1.advertise(lan)
""",
    "model.nat.Translating.untranslate": "modem.forward(uplink, port=8080, to=(h1, 80))",
    "model.policy_routing.Steering.policy_rule": "slow_isp = '10.8.1.2'",
    "operations.connection.threads.Beside": """
fetch, url, do_something_else = len, "http://www.example.com/", list
""",
    "operations.diagnosis.evidence.packet_trace.read_packet": """
import dpkt
segment = bytes(dpkt.ip.IP(p=6, data=dpkt.tcp.TCP(sport=40000, dport=80)))
""",
    "operations.pictures.diagram._queue_words": "from playground import Queue",
    "planning.routing.frr_text.ospf_settings": "address = ip_address('10.0.1.1')",
    "operations.nodes.sysctls.Sysctls.as_shell": "h1.sysctls['net.ipv4.tcp_syncookies'] = 0",
    "operations.captures.capture.with_addresses": """
from playground.operations.captures.frames import Directory
there = playground.Switch("there", subnet="10.130.1.0/24")
playground.Link(there, playground.Host("www"), address="10.130.1.4")
directory = Directory.of(playground.Lab(there).plan())
""",
    "planning.nft_text.make_ruleset": "from playground.planning.plan_parts import *",
    "planning.addresses.segments.collect": """
home = Switch("home")
Link(home, Host("h1")), Link(home, Host("h2"))
""",
    "operations.pictures.tree.subnets_of_switches": OFFICE
    + """
home = Switch("home", subnet="192.168.1.0/24")
Link(home, gateway)
lab = Lab(home, quiet=True)
""",
    "planning.broadcast_domains.find_domains": """
office = Switch("office", vlans={10: "192.168.10.0/24", 20: "192.168.20.0/24"})
h1, gateway = Host("h1"), Router("gateway")
Link(office, h1, vlan=10), Link(office, gateway, trunk=(10, 20))
plan = Lab(office, quiet=True).plan()
""",
    "planning.shell_script.own_route_as_shell": """
r1, r2, r3 = (Router(f"r{n}") for n in (1, 2, 3))
for n, other in ((1, r2), (2, r3)):
    Link(r1, other, subnet=f"10.0.{n}.0/24")
r1.route("10.9.0.0/16", via=[r2, r3])
plan = Lab(r1, quiet=True).plan()
""",
    "lab.methods.machine_links.uplink": "isp = modem",
}

PACKETS = """
with h1.links[0].capture() as packets:
    h1.run("curl -s http://www.example.com/")
"""
# Likewise, on a running lab.
BEFORE_LIVE = {
    "lab.lab.Lab.check": "h4 = h2; h1.firewall.drop(source=h2, port=22, protocol='tcp')",
    "lab.methods.asking.ping_all": """
class sys:
    exit = list().append
""",
    "lab.outside.published_ports.PublishedAddress": "import urllib.request",
    "operations.captures.packets.Packets.only": PACKETS,
    "operations.captures.packets.Packets.streams": PACKETS,
    "operations.captures.packets.Packets.table": PACKETS,
    "operations.connection.client.Client.begin": """
agent, do_something_else = lab._state.client, list
""",
    "operations.diagnosis.checks.Checks.does_not_reach": """
h4 = h2
h1.firewall.drop(source=h2, port=22, protocol="tcp")
""",
    "operations.diagnosis.evidence.network_state.State.diff": """
before = lab.state()
h1.run("ip route del default")
""",
    "operations.nodes.connections.forget": "h1.run('curl -s http://www.example.com/')",
    "operations.nodes.firewall_counters.RuleRow.as_shell": """
modem.firewall.drop(protocol='tcp', port=25)
""",
    "planning.route_rows.PolicyRule.as_shell": "r1.policy_rule(source='192.168.2.0/24', table=100)",
}

# In networks of their own, which are gone when the example is done.
OWN_NETWORK = {
    "lab.lab.Lab": """
home, h1 = Switch("home"), Host("h1")
Link(home, h1)
Link(home, Host("www"))
""",
    "lab.methods.live_changes.remove": """
one, other = Host("one"), Host("other")
uplink = Link(one, other)
lab = Lab(one, name="less").start()
""",
    "operations.links.link.LinkOperations.as_shell": """
h1, h2, floor = Host("h1"), Host("h2"), Switch("floor", vlans=(10, 20))
link = Link(h1, h2)
Link(floor, h2, vlan=10)
trunk = Link(floor, Router("gateway"), trunk=(10, 20))
lab = Lab(h1, name="cables").start()
link.down()
""",
    **dict.fromkeys(
        (
            "operations.links.link.LinkOperations.queues",
            "operations.links.queueing.classes",
            "operations.links.queueing.queue",
            "operations.links.queueing.queues",
        ),
        """
from playground import TrafficClass
h1, h2 = Host("h1"), Host("h2")
link = Link(h1, h2)
lab = Lab(h1, name="queues").start()
""",
    ),
    "operations.links.switch.SwitchOperations.mirror": """
home, sniffer = Switch("home"), Host("sniffer")
Link(home, Host("h1"))
sniffer_link = Link(home, sniffer)
lab = Lab(home, name="mirrored").start()
""",
    "puzzles.Puzzle": """
from playground.examples import small_office
lab = small_office().start()
""",
}

# On a running lab; what these print is compared.
LIVE = {
    "lab.outside.published_ports.PublishedAddress",
    "operations.connection.client.Client.begin",
    "planning.route_rows.PolicyRule.as_shell",
    "lab.methods.showing.as_shell",
    "lab.methods.asking.link",
    "lab.methods.showing.picture",
    "operations.links.link.LinkOperations.down",
    "operations.links.switch.SwitchOperations.change",
    "operations.nodes.node.NodeOperations.as_shell",
    "operations.nodes.node.NodeOperations.interfaces",
    "operations.nodes.ping.traceroute",
    "operations.nodes.processes.kill_background",
    "operations.pictures.picture.Picture",
    "operations.pictures.live.LivePicture",
}
# On a running lab, too, but what these print differs from run to run.
VARIES = {
    "operations.diagnosis.checking.kernel_tables.has_address",
    "operations.diagnosis.checking.kernel_tables.has_no_address",
    "operations.diagnosis.checking.kernel_tables.has_route",
    "operations.diagnosis.checking.kernel_tables.has_no_route",
    "operations.diagnosis.checking.servers.listens",
    "operations.diagnosis.checking.servers.does_not_listen",
    "operations.diagnosis.checking.resilience.does_not_loop",
    "operations.pictures.layers.layers_of",
    "operations.links.switch.SwitchOperations.security",
    "operations.links.switch.SwitchOperations.storms",
    "lab.lab.Lab.check",
    "lab.methods.asking.explain",
    "lab.methods.asking.ping_all",
    "lab.methods.starting.start",
    "engines.namespaces.privileges.run_as_root",
    "frontends.doctor.examine",
    "frontends.doctor.examine_all",
    "operations.captures.packets.Packets.only",
    "operations.captures.packets.Packets.streams",
    "operations.captures.packets.Packets.table",
    "operations.diagnosis.checks.Checks.does_not_reach",
    "operations.diagnosis.checks.Checks.path",
    "operations.diagnosis.checks.Checks.reaches",
    "operations.diagnosis.checks.Checks.resolves",
    "operations.diagnosis.checks.Checks.serves",
    "operations.diagnosis.evidence.network_state.State.diff",
    "operations.links.link.LinkOperations.capture",
    "operations.nodes.connections.forget",
    "operations.nodes.firewall_counters.RuleRow.as_shell",
    "operations.nodes.firewall_counters.RunningFirewall.watch",
    "planning.route_rows.Route.as_shell",
    "lab.methods.publishing.publish",
    "lab.methods.asking.capture",
    "lab.methods.asking.rtt_under_load",
    "lab.methods.asking.state",
    "lab.methods.asking.wait_converged",
    "operations.diagnosis.all_pairs.PingAll",
    "operations.links.link.LinkOperations.impair",
    "operations.links.link.LinkOperations.impairments",
    "operations.links.link.LinkOperations.statistics",
    "operations.links.switch.SwitchOperations.table",
    "operations.nodes.firewall_counters.RunningFirewall.rules",
    "operations.nodes.connections.connections",
    "operations.nodes.ping.ping",
    "operations.nodes.routes.policy_rules",
    "operations.nodes.processes.processes",
    "operations.nodes.routes.routes",
}

_DOCKER = "it needs a container of Docker that somebody else has started"
_WHOLE = "it starts a network of its own, as tests/test_examples.py does"
# Examples that cannot run here, and why.
NOT_RUN = {
    "frontends.grading.marks.Points": (
        "pytest hands it to a check: tests/frontends/grading/test_marks.py"
    ),
    "frontends.web.following.packet_way.packet_way": (
        "it needs what was found of a packet: tests/frontends/web/following/test_packet_way.py"
    ),
    "frontends.web.view.LabView.act": "it needs a page that is open: tests/frontends/web",
    "frontends.web.view.LabView.ask": "it needs a page that is open: tests/frontends/web",
    "lab.methods.browsing.web": "it begins a server: tests/frontends/web/test_server.py",
    "planning.plan.Plan.diff": "it compares with what runs: tests/planning/test_plan_diff.py",
    "lab.life.declared_again.made_anew": (
        "it compares two plans: tests/lab/life/test_declared_again.py"
    ),
    "lab.life.plan_changes.changes": "it compares two plans: tests/lab/life/test_plan_changes.py",
    "lab.life.event_stream.Events.get": (
        "it waits for what happens: tests/lab/life/test_event_stream.py"
    ),
    "lab.life.event_stream.Events.wait": (
        "it waits for what happens: tests/lab/life/test_event_stream.py"
    ),
    "lab.methods.watching.events": "it waits for what happens: tests/lab/life/test_event_stream.py",
    "operations.life.events.Event.line": (
        "it waits for what happens: tests/lab/life/test_event_stream.py"
    ),
    "lab.methods.applying.apply": (
        "it changes its lab to another: tests/lab/methods/test_applying.py"
    ),
    "lab.methods.checking.check_file": "it needs a file: tests/lab/checks/test_file_checks.py",
    "lab.methods.snapshots.snapshot": "it makes hosts anew: tests/lab/methods/test_snapshots.py",
    "lab.methods.snapshots.restore": "it makes hosts anew: tests/lab/methods/test_snapshots.py",
    "operations.life.power.stop": "it stops nodes: tests/lab/methods/test_node_power.py",
    "operations.life.power.restart": "it stops nodes: tests/lab/methods/test_node_power.py",
    "operations.diagnosis.checking.dhcp.dhcp_server": (
        "it needs a DHCP server: test_dhcp.py of its folder"
    ),
    "operations.diagnosis.checking.measurements.delay": (
        "it needs a slow link: test_measurements.py of its folder"
    ),
    "operations.diagnosis.checking.measurements.throughput": (
        "it measures for two seconds: test_measurements.py of its folder"
    ),
    "operations.diagnosis.checking.names.answers": (
        "it needs a name server: test_names.py of its folder"
    ),
    "operations.diagnosis.checking.neighbours.neighbours": (
        "it needs BGP: test_neighbours.py of its folder"
    ),
    "operations.diagnosis.checking.resilience.survives": (
        "it needs a second way: test_resilience.py of its folder"
    ),
    "operations.links.bond.BondOperations.state": "it needs bonds: tests/model/links/test_bond.py",
    "frontends.swarm_doctor.examine": "it needs a swarm",
    "operations.links.labels.labels": "it needs MPLS: tests/test_labels.py has it",
    "operations.links.overlay_addresses.vni_addresses": (
        "its leaves speak BGP for some seconds, as tests/test_overlays.py has it"
    ),
    "lab.lab.Lab.attach": "its lab is kept, and no other of that name may be on the machine",
    "operations.links.switch.SwitchOperations.ports": "its spanning tree takes four seconds",
    "operations.diagnosis.verdict.decide": "its facts are of a packet that a broken lab has lost",
    "lab.lab.Lab.at": "it pings for twenty seconds",
    "lab.formats.load.load": "it needs a file that somebody has written",
    "lab.formats.compose.from_compose": "it needs images that somebody else has made",
    "display.tables.Table.rows": "it needs pandas, which nothing here installs",
    "engines.docker.guardian.Guardian": "its block starts containers, as a lab on Docker does",
    "lab.methods.machine_links.machine": "it changes the machine, as tests/lab/outside do",
    "lab.methods.machine_links.uplink": "it leads to the Internet",
    "operations.nodes.ping.Ping.plot": "it pings for ten seconds",
}
WHOLE_MODULES = {"examples": _WHOLE, "lab.plug": _DOCKER}


def _examples() -> dict[str, doctest.DocTest]:
    """Return all docstrings with examples, by their names below the package."""
    found: dict[str, doctest.DocTest] = {}
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in pkgutil.walk_packages(playground.__path__, "playground."):
        for example in finder.find(importlib.import_module(module.name), module.name):
            if example.examples:
                found[example.name.removeprefix("playground.")] = example
    return found


EXAMPLES = _examples()


def _reason(name: str) -> str:
    """Why an example cannot run here; "" where it can."""
    wholly = (why for module, why in WHOLE_MODULES.items() if name.startswith(f"{module}."))
    return NOT_RUN.get(name) or next(wholly, "")


DECLARED = [
    name for name in EXAMPLES if not _reason(name) and name not in LIVE | VARIES | set(OWN_NETWORK)
]


class _Checker(doctest.OutputChecker):
    """Compares output: where an example shows none, or cannot know it, it may be anything."""

    def __init__(self, exact: bool) -> None:
        self.exact = exact

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not (want and self.exact) or super().check_output(want, got, optionflags)


def run(name: str, network: dict[str, Any], exact: bool = True) -> str:
    """Run an example beside these names; return what is wrong."""
    example = EXAMPLES[name]
    example.globs = {
        **vars(playground),
        "playground": playground,
        "Path": Path,
        "ip_address": ip_address,
        "ip_interface": ip_interface,
        **example.globs,
        **network,
    }
    before = BEFORE.get(name) or BEFORE_LIVE.get(name) or OWN_NETWORK.get(name) or ""
    exec(before, example.globs)
    said = io.StringIO()
    runner = doctest.DocTestRunner(_Checker(exact), verbose=False, optionflags=FLAGS)
    runner.run(example, out=said.write, clear_globs=False)
    return said.getvalue()


def network() -> dict[str, Any]:
    """Declare the network of the examples; return what its parts are called."""
    home = Switch("home", subnet="192.168.1.0/24")
    h1, h2, www = Host("h1"), Host("h2"), Host("www.example.com")
    modem, r1, r2, r3 = (Router(name) for name in ("modem", "r1", "r2", "r3"))
    for node in (modem, h1, h2):
        Link(home, node)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)
    middle, slow = Link(r1, r2), Link(r1, r3)
    lab = Lab(home, name="docstrings", quiet=True, engine="namespaces")
    return {
        "home": home,
        "h1": h1,
        "h2": h2,
        "www": www,
        "modem": modem,
        "router": modem,
        "uplink": uplink,
        "lab": lab,
        "link": h1.links[0],
        "plan": lab.plan(),
        "r1": r1,
        "r2": r2,
        "r3": r3,
        "middle": middle,
        "slow": slow,
    }


@pytest.mark.parametrize("name", DECLARED)
def test_an_example_that_needs_no_lab(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(name, network()) == ""


@pytest.fixture(scope="module")
def running(
    namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """The network of the examples, running."""
    parts = network()
    with parts["lab"] as lab:
        keep_lab(lab.id)
        www = parts["www"]
        www.write("/srv/index.html", "Welcome")
        www.start("python3 -u -m http.server 80 --directory /srv").stdout.readline()
        # A router that runs, for examples that read one.
        yield parts | {"r1": parts["modem"]}


@pytest.mark.parametrize("name", sorted(LIVE | VARIES))
def test_an_example_on_a_running_lab(
    name: str, running: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        assert run(name, running, exact=name in LIVE) == ""
    finally:
        for link in (running["link"], running["uplink"]):
            link.up()
            link.restore()
        running["h1"].run("ip route replace default via 192.168.1.1")
        for node in (running["h1"], running["modem"]):
            node.firewall.clear()
            for rule in list(node.own_rules):
                rule.remove()


@pytest.mark.parametrize("name", sorted(OWN_NETWORK))
def test_an_example_in_a_network_of_its_own(
    name: str,
    namespaces_engine: NamespacesEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAYGROUND_ENGINE", "namespaces")
    try:
        assert run(name, vars(playground)) == ""
    finally:
        for lab in EXAMPLES[name].globs.values():
            if isinstance(lab, Lab) and lab.running:
                lab.stop()


def test_each_example_is_known() -> None:
    assert (LIVE | VARIES | set(OWN_NETWORK) | set(NOT_RUN) | set(BEFORE) | set(BEFORE_LIVE)) - set(
        EXAMPLES
    ) == set()
    assert not (LIVE | VARIES) & set(NOT_RUN)
