"""A lab in which everything is declared that can be: each argument, each method."""

from __future__ import annotations

from pathlib import Path

from playground import (
    DHCP,
    HTTP,
    SLAAC,
    Bond,
    Deny,
    Host,
    Link,
    Permit,
    PrefixList,
    Queue,
    RouteMap,
    Router,
    Service,
    Switch,
    TrafficClass,
    Tunnel,
    Volume,
)
from playground.operations.network import Node


def hosts_and_nat() -> list[Node]:
    """Switches, hosts with all that they may have, and a router that translates."""
    lan = Switch("lan", subnet=["192.168.1.0/24", "2001:db8:1::/64"], stp=True, priority=4096)
    office = Switch("office", vlans={10: "10.10.0.0/24", 20: None})
    h1 = Host(
        "h1",
        services=["ssh", HTTP(files={"index.html": "<p>hi\n", "logo.png": b"\x89PNG\xff"})],
        memory_mb=64,
        cpus=0.5,
        processes=100,
        sysctls={"net.ipv4.ip_default_ttl": 32},
        loopback=["10.99.0.1/32", "2001:db8:99::1/128"],
        env={"A": "1", "path": "/bin"},
        user="nobody",
        workdir="/tmp",
        healthcheck="true",
        health_interval_s=2,
        restart="on-failure:3",
        hostname="one",
        aliases=["uno"],
        dns="192.168.1.1",
        extra_hosts={"printer": ["192.168.1.50", "2001:db8:1::50"]},
        volumes={Volume("shared"): "/srv/shared", Path(__file__).parent: ["/srv/a", "/srv/b:rw"]},
        files={"/etc/motd": "hello\n", "/bin/tool": Path(__file__)},
        packages=["nmap"],
        programs={"api": "python3 -m http.server 8000"},
        publish=["127.0.0.1:8080:80", "53/udp"],
        after={"db": "ended"},
        cap_add="SYS_NICE",
        tun=True,
        shm_mb=16,
        ulimits={"nofile": (1024, 4096), "core": 0},
        labels={"course": "nets"},
    )
    db = Host("db", image="postgres:17", command=["postgres", "-c", "fsync=off"], entrypoint=[])
    built = Host("built", build="FROM debian:trixie\nRUN true\n", build_args={"A": "1"})
    own = Service("own", "python3 -m http.server 9000", port=9000, ready="http", env={"B": "2"})
    pc = Host("pc", services=[own])
    server = Host("server", services=[DHCP(pool=("10.10.0.100", "10.10.0.120"))])
    modem = Router("modem")
    isp = Router("isp", routing=None)
    up = Link(modem, isp, subnet="203.0.113.0/24", mtu=1400, names=("wan", None))
    other = Link(modem, isp, addresses=("198.51.100.1/24", "198.51.100.2/24"))
    down = Link(lan, modem, address=["192.168.1.1", "2001:db8:1::1"])
    first = Link(lan, h1, address="192.168.1.11", macs=(None, "02:00:00:00:00:11"), offload=True)
    second = Link(lan, db, address=None)
    Link(lan, built, address=["dhcp", SLAAC(temporary=True)])
    trunk = Link(office, modem, trunk=(10, 20), native=20, address={10: "10.10.0.1"})
    Link(office, pc, vlan=10, address="dhcp")
    Link(office, server, vlan=10, address="10.10.0.2")
    Link(office, Switch("office2", vlans=(10, 20)), trunk=True)
    provider = Switch("provider", vlans=(100,), qinq=True)
    Link(office, provider, trunk=(10, 20), service=100)
    modem.masquerade(up, kind="full-cone", clamp_mss=True)
    modem.forward(up, port=8080, to=(h1, 80))
    modem.forward(up, port="6000-6010", to=h1, protocol="udp", hairpin=False)
    modem.snat(other, to="198.51.100.1", ports="2000-3000")
    modem.one_to_one(other, address="198.51.100.9", to=h1)
    modem.nat64(up)
    modem.firewall.default("drop", chain="forward")
    modem.firewall.accept(source=[lan, "10.0.0.0/8"], destination=h1, port=[80, "443"])
    modem.firewall.drop(interface=trunk[10], out_interface=up, protocol="icmp", rate="5/second")
    modem.firewall.reject(chain="input", state="new", comment="none of them")
    h1.firewall.log(source_port="1024-2047", chain="output")
    h1.route("10.50.0.0/16", via=modem, metric=5, table=100)
    h1.route("10.51.0.0/16", kind="blackhole")
    h1.policy_rule(table=100, source=h1, mark=7, priority=2000)
    modem.route("10.52.0.0/16", link=down)
    modem.advertise(down, rdnss=[h1, "2001:db8::53"], dnssl="example.com", lifetime_s=600)
    isp.multicast()
    modem.multicast(rendezvous_point=modem)
    lan.set_port(first, cost=10, isolated=True)
    lan.mirror(first, to=second)
    up.impair(delay_ms=20, loss_percent=1)
    other.impair(rate_mbit=10, toward=isp)
    other.down()
    down.impair(rate_mbit=10)
    down.queue("pfifo", limit_packets=20)
    voice = TrafficClass("voice", rate_mbit=1, dscp="EF")
    rest = TrafficClass("rest", rate_mbit=5, queue=Queue("sfq"))
    second.impair(rate_mbit=10)
    second.classes(voice, rest, toward=db)
    return [lan, office, h1, db, built, pc, server, modem, isp]


def routing() -> list[Node]:
    """Routers that speak protocols, with policies and all options."""
    r1 = Router("r1", routing="ospf", loopback="10.0.0.1/32", redistribute="connected")
    ten = PrefixList("ten", "10.0.0.0/8 le 24", "deny 0.0.0.0/0 le 32")
    r2 = Router("r2", routing="ospf", redistribute={"kernel": ten, "static": None})
    r3 = Router("r3", frr="router rip\n network 10.0.0.0/8\n")
    r4 = Router("r4", routing="bgp", as_number=65004)
    r5 = Router("r5", routing="bgp", as_number=65005)
    core = Link(r1, r2, subnet="10.1.0.0/24")
    edge = Link(r2, r4, subnet="10.2.0.0/24")
    between = Link(r4, r5, subnet="10.3.0.0/24")
    Link(r1, r3, subnet="10.4.0.0/24")
    lan = Switch("lan", subnet="10.5.0.0/24")
    Link(lan, r1, address="10.5.0.2"), Link(lan, r2, address="10.5.0.3")
    Link(lan, Host("pc"))
    r1.ospf(core, cost=10, area=1, network="point-to-point", hello_s=2, dead_s=8, password="pw")
    r2.ospf(core, area=1, hello_s=2, dead_s=8, network="point-to-point", password="pw")
    r2.ospf_area(1, kind="stub", ranges="10.1.0.0/16", default_cost=5)
    r4.bgp(edge, announce=True)
    policy = RouteMap("policy", Permit(prefixes=ten, set_local_preference=200), Deny(as_path="^65"))
    r4.bgp_peer(r5, receive=policy, send=ten, keepalive_s=2, hold_s=6, default=True)
    r5.bgp_peer(r4)
    r4.bgp_options(aggregates="10.0.0.0/8", paths=4, compare_med=True)
    r5.configure("router bgp 65005\n bgp log-neighbor-changes\n")
    r1.vrrp(r1.links[2], address="10.5.0.1", group=7, priority=150, track={core: 60})
    r2.vrrp(r2.links[2], address="10.5.0.1", group=7, track=[core])
    both = {"ospf": {"isis": ten}, "isis": ["default"]}
    r6 = Router("r6", routing=("isis", "ospf"), redistribute=both)
    inner = Link(r2, r6, subnet="10.6.0.0/24")
    r6.isis(inner, metric=5, level=1, hello_multiplier=4)
    r6.isis_options(area="49.0006", level="1-2", password="pw")
    tunnel = Tunnel(r1, r5, kind="gre", subnet="10.9.0.0/30", key=7, endpoints=("10.1.0.1", None))
    tunnel.impair(delay_ms=5)
    doubled = Link(r2, r6, subnet="10.7.0.0/24"), Link(r2, r6)
    Bond(*doubled, mode="active-backup", primary=doubled[1], names=("both", None)).down()
    r3.vrf("blue", r3.links, table=1007)
    r3.vrf("red", [], routing=None)
    r3.leak("10.4.0.0/24", source="blue", into="red")
    r3.leak("10.6.0.0/24", source="red", into=None)
    r1.mpls([core])
    leaf = Router("leaf", routing="bgp", as_number=65008, loopback="10.0.0.8/32")
    leaf.vni(100, Link(leaf, Host("behind"), addresses=(None, None)))
    Link(leaf, r4, subnet="10.7.0.0/24")
    assert between
    return [r1, r2, r3, r4, r5, r6]


def prefixes() -> list[Node]:
    """A router that asks for a prefix of IPv6."""
    home, isp = Router("home"), Router("isp")
    uplink = Link(home, isp, subnet="2001:db8:ffff::/64")
    lan = Switch("lan", subnet="192.168.7.0/24")
    home.request_prefix(uplink, to=Link(lan, home))
    return [home, isp, lan]
