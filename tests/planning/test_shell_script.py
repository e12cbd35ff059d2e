"""A network made by hand from a plan's script is the network that the lab makes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, Plan, Router, Switch
from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import miniature_internet, office_vlans_nodes
from playground.planning.planner import make_plan
from tests.support_agent import needs_root

# Mounts and network of its own, so that ip-netns(8) leaves nothing in /run and /etc.
APART = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/upper /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
sh -s < "$1" >&2
shift
exec "$@"
"""

# A kernel's answers about one node, as JSON, a line each; then its ruleset.
LOOK = """
ip -j address
for family in -4 -6; do ip $family -j route show table all; ip $family -j rule; done
nft list ruleset
"""

# Who connects, as the server sees it.
SERVER = """
import socket
with socket.create_server(("", 8000)) as server:
    print("ready", flush=True)
    connection, peer = server.accept()
    print(peer[0])
"""


def nodes() -> list[Host | Router | Switch]:
    """Two homes of one subnet behind an ISP, and two ways from there to a web server."""
    isp, left, right, core = (Router(name) for name in ("isp", "left", "right", "core"))
    www = Host("www.example.com", sysctls={"net.ipv4.tcp_syncookies": 0})
    homes = []
    for number, name in enumerate("AB"):
        home = Switch(f"home{name}", subnet="192.168.1.0/24", hub=name == "B")
        modem, host = Router(f"modem{name}"), Host(f"h{number + 1}")
        Link(home, modem)
        Link(home, host)
        uplink = Link(modem, isp, addresses=(f"10.25.1.{65 + number}/16", "10.25.1.1/32"))
        modem.masquerade(uplink)
        modem.forward(uplink, port=8080, to=(host, 80))
        homes += [home, host]
    for middle in (left, right):
        Link(isp, middle)
        Link(middle, core)
    Link(core, www, subnet="10.130.1.0/24")
    isp.route("10.130.1.0/24", via=[left, right])
    isp.route("10.66.0.0/16", kind="blackhole")
    isp.route("10.130.1.0/24", via=right, table=100)
    isp.policy_rule(source="10.25.1.66", table=100)
    www.firewall.drop(port=25)
    www.firewall.accept(source="10.25.1.65", port=22)
    return [*homes, www]


def by_hand(tmp_path_factory: pytest.TempPathFactory, plan: Plan, command: str) -> str:
    """Run the plan's script apart from the machine, then a command; return what that printed."""
    script = tmp_path_factory.mktemp("by-hand") / "network.sh"
    script.write_text(plan.as_shell())
    apart = ["unshare", "--mount", "--net", "sh", "-c", APART, "sh", str(script)]
    done = subprocess.run([*apart, "sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lab(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    with Lab(*nodes(), name="by-hand", ipv6=True, engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def seen(text: str) -> dict[str, Any]:
    """Return what matters of what `LOOK` printed."""
    lines = text.split("\n", 5)
    addresses, routes4, rules4, routes6, rules6 = map(json.loads, lines[:5])
    return {
        "interfaces": {
            item["ifname"]: (
                item["address"],
                item["mtu"],
                item["operstate"],
                sorted(f"{a['local']}/{a['prefixlen']}" for a in item["addr_info"]),
            )
            for item in addresses
        },
        "routes": sorted(map(route, [*routes4, *routes6])),
        "rules": [
            [rule.get(key) for key in ("priority", "src", "srclen", "table")]
            for rule in [*rules4, *rules6]
        ],
        "ruleset": re.sub(r"counter packets \d+ bytes \d+", "counter", lines[5]),
    }


def route(row: dict[str, Any]) -> str:
    hops = [(hop.get("gateway"), hop["dev"]) for hop in row.get("nexthops", ())]
    keys = ("type", "dst", "gateway", "dev", "table", "metric")
    return " ".join([*(f"{key}={row.get(key)}" for key in keys), str(sorted(hops))])


def test_the_kernel_says_the_same_of_both(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = [node.short for node in lab.plan().nodes]
    loop = f"for node in {' '.join(names)}; do ip netns exec $node sh -c '{LOOK}'; echo -- ; done"
    made = by_hand(tmp_path_factory, lab.plan(), loop).split("--\n")
    for name, text in zip(names, made, strict=False):
        assert seen(text) == seen(lab.node(name).run(LOOK).stdout), name
    assert len(names) == len(made) - 1 == 9


def test_a_lab_that_runs_tells_how_it_is_made(lab: Lab) -> None:
    assert lab.as_shell() == lab.plan().as_shell()
    assert lab.node("www").as_shell() == lab.plan().node("www").as_shell()
    assert lab.node("www").sysctls.as_shell() == ["sysctl -w net.ipv4.tcp_syncookies=0"]


@needs_root
def test_what_is_made_by_hand_pings_passes_routers_and_translates(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    plan = make_plan(nodes(), ipv6=True)
    print_hop = (
        "ip netns exec h1 ping -n -4 -c 1 -W 5 -t $ttl www.example.com | grep -o '^From [^ ]*'"
    )
    trace = f"for ttl in 1 2; do {print_hop}; done"
    lines = by_hand(
        tmp_path_factory,
        plan,
        f"""
        ip netns exec h1 ping -4 -c 1 www >&2 && ip netns exec h2 ping -6 -c 1 www >&2 || exit 1
        {trace}
        ip netns exec h2 ping -c 1 -W 1 10.66.0.1 >&2 && echo reached a black hole
        ip netns exec www python3 -c '{SERVER}' > /run/server & server=$!
        until grep -q ready /run/server; do sleep 0.01; done
        ip netns exec h1 python3 -c 'import socket; socket.create_connection(("www", 8000))'
        wait $server
        cat /run/server
        ip netns list >&2
        """,
    )
    assert lines.splitlines() == ["From 192.168.1.1", "From 10.25.1.1", "ready", "10.25.1.65"]


@needs_root
@pytest.mark.second_kernel("vlan")
def test_an_office_made_by_hand_has_a_router_on_a_stick(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    trace = "for ttl in 1 2; do ip netns exec pc1 ping -n -c 1 -W 5 -t $ttl phone2; done"
    said = by_hand(tmp_path_factory, make_plan(office_vlans_nodes()), trace)
    assert "From 192.168.10.1" in said
    assert "from 192.168.20.3" in said


def test_what_programs_do_is_said_in_a_comment() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b)
    assert "/usr/lib/frr/$daemon -d -N a" in make_plan([a]).as_shell()


def shared() -> list[Router | Switch]:
    """Two pairs of routers, each of which shares an address of the same number."""
    core = Router("core")
    found: list[Router | Switch] = []
    for letter in "ab":
        lan = Switch(f"lan{letter}", subnet="192.168.1.0/24")
        Link(lan, Host(f"h{letter}"))
        for number, priority in ((1, 100), (2, 150)):
            router = Router(f"{letter}{number}")
            inside = Link(lan, router)
            router.masquerade(Link(router, core))
            router.vrrp(inside, address="192.168.1.254", priority=priority)
        found.append(lan)
    return found


@needs_root
def test_of_those_who_share_an_address_one_has_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    plan = make_plan(shared())
    core = next(a.ip for a in plan.node("core").interfaces[0].addresses)
    ping = f"ip netns exec $host ping -c 1 -W 5 {core} >&2 || exit 1"
    look = "ip netns exec $router ip -o address show to 192.168.1.254"
    said = by_hand(
        tmp_path_factory,
        plan,
        f"for host in ha hb; do {ping}; done\nfor router in a1 a2 b1 b2; do {look}; done",
    )
    assert len(said.splitlines()) == 2
    lines = [line for line in plan.as_shell().splitlines() if "192.168.1.254/" in line]
    assert lines == [f"ip -n {name} address add 192.168.1.254/24 dev eth0" for name in ("a2", "b2")]


def test_a_node_may_be_called_as_the_place_of_switches() -> None:
    lan, host = Switch("lan"), Host("switches")
    Link(lan, host)
    lines = make_plan([lan]).as_shell().splitlines()
    assert lines.count("ip netns add switches") == lines.count("ip netns add switches_") == 1


def test_a_link_that_is_down_or_slow_is_made_so_at_the_end() -> None:
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2)
    link.impair(delay_ms=10, toward=h2)
    link.down()
    lines = make_plan([h1]).as_shell().splitlines()
    assert "ip -n h1 link set dev eth0 down" in lines
    assert "ip netns exec h1 tc qdisc replace dev eth0 root netem limit 1000 delay 10ms" in lines


def test_one_nodes_commands_are_those_typed_on_it() -> None:
    h1, r1 = Host("h1"), Router("r1")
    Link(h1, r1)
    Link(r1, Host("h2"))
    lines = make_plan([h1]).node("h1").as_shell().splitlines()
    assert lines[-3:] == [
        "ip address add 10.0.1.2/24 dev eth0",
        "ip link set dev eth0 up",
        "ip route replace default via 10.0.1.1 dev eth0",
    ]


def test_without_a_name_server_its_names_are_in_a_file() -> None:
    script = miniature_internet().plan().as_shell()
    hosts = script.partition("cat > /etc/netns/h1/hosts <<'END'\n")[2].partition("END")[0]
    assert "192.168.1.12 h2" in hosts.splitlines()
    assert "10.130.1.4 www.example.com" in hosts.splitlines()
    assert "# What backbone would say, the name server" in hosts.splitlines()
