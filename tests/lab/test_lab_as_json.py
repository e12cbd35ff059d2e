"""A lab that was saved comes back as it was."""

from __future__ import annotations

import inspect
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from playground import Lab
from playground.errors import PlaygroundError
from playground.examples import miniature_internet_nodes
from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import load, save
from playground.lab.provision import provision
from playground.model.services.dns import DNS
from playground.model.services.ftp import FTP
from playground.model.services.http import HTTP
from playground.model.services.ldap import LDAP
from playground.model.services.mail import IMAP, SMTP
from playground.model.services.management import NTP
from playground.model.services.mqtt import MQTT
from playground.model.services.proxies import LoadBalancer, Proxy
from playground.model.services.resolver import Resolver
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.planner import collect, make_plan


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Credentials.make({"ann": "secret"})


def everything(site: Path) -> tuple[Node, ...]:
    """Return nodes in which each thing that can be declared is declared once."""
    (site / "index.html").write_bytes(b"\xff not text")
    message = EmailMessage()
    message["Subject"] = "hi"
    lan = Switch("lan", subnet=["192.168.1.0/24", "2001:db8:1::/64"])
    upstairs = Switch("upstairs")
    Link(lan, upstairs)
    modem = Router("modem", services=["ssh"], processes=100)
    manual = Router("manual", cpus=0.5, frr="router bgp 65001\n neighbor 10.0.0.2 bfd\n")
    www = Host("www.example.com", services=[HTTP(files=site), FTP(files={"a": "b"})])
    mail = Host(
        "mail.example.com",
        services=[
            SMTP(domain="example.com"),
            IMAP(mailboxes={"ann": [message, "Subject: yo\n\n"]}),
        ],
    )
    name_server = Host("ns", memory_mb=64, services=[DNS(records=[("example.com", "TXT", "v=1")])])
    Link(lan, modem, address="192.168.1.1", names=(None, "lan0"), macs=(None, "02:00:00:00:00:01"))
    Link(upstairs, www, mtu=1400, offload=True)
    uplink = Link(modem, name_server, addresses=(["10.1.1.1/32", "10.1.1.7/32"], "10.1.1.2/32"))
    Link(name_server, manual, subnet="203.0.113.0/24")
    Link(manual, mail)
    Link(manual, mail, addresses=(None, "auto"))
    Link(manual, mail, addresses=(None, None))
    Link(upstairs, mail, address=None)
    modem.masquerade(uplink, ports="20000-29999", clamp_mss=True)
    modem.forward(uplink, port=8080, to=(www, 80), protocol="tcp")
    modem.forward(uplink, port="90-99", to=www, hairpin=False)
    modem.snat(uplink, to="10.1.1.1", kind="symmetric", helpers=["ftp", "tftp"])
    modem.one_to_one(uplink, address="10.1.1.7", to=www)
    modem.firewall.default("drop", established=False)
    modem.firewall.accept(
        source=[www, lan, "10.0.0.0/8"], interface=[uplink, "lan0"], port=[80, "1-9"], comment="a b"
    )
    modem.firewall.drop(protocol="tcp", state=["new"], over="5/minute", burst=9).remove()
    www.firewall.reject(source="2001:db8::/32", chain="output", rate="5/minute")
    return collect((lan,))


@pytest.mark.parametrize("ipv6", [False, True])
def test_all_that_can_be_declared_is_saved(
    tmp_path: Path, credentials: Credentials, ipv6: bool
) -> None:
    nodes = everything(tmp_path)
    plan = make_plan(nodes, lab="x", ipv6=ipv6)
    saved = load(save(nodes, plan, credentials))
    assert saved.ipv6 == ipv6
    assert [repr(node) for node in saved.nodes] == [repr(node) for node in nodes]
    # The declarations alone, without the saved plan, lead to the same network.
    again = make_plan(saved.nodes, lab="x", ipv6=ipv6)
    assert again.wires == plan.wires
    assert [node.limits for node in again.nodes] == [node.limits for node in plan.nodes]
    assert [node.interfaces for node in again.nodes] == [node.interfaces for node in plan.nodes]
    assert [node.ruleset for node in again.nodes] == [node.ruleset for node in plan.nodes]
    assert [node.routes for node in again.nodes] == [node.routes for node in plan.nodes]
    assert again.node("manual").services == plan.node("manual").services
    policies = [
        [n.firewall.policy.numbers for n in some if hasattr(n, "firewall")]
        for some in (saved.nodes, nodes)
    ]
    assert policies[0] == policies[1]


def test_the_plan_comes_back_equal(credentials: Credentials) -> None:
    nodes = miniature_internet_nodes()
    plan = make_plan(nodes, lab="miniature-internet")
    saved = load(save(nodes, plan, credentials))
    assert saved.plan == plan
    assert [node.name for node in saved.nodes] == [node.name for node in nodes]


def test_what_a_lab_was_told_is_saved() -> None:
    told: dict[str, Any] = {
        "name": "coffee",
        "users": {"eve": "secret"},
        "ipv6": "slaac",
        "keep": True,
        "engine": "namespaces",
        "converge": False,
        "strict": False,
        "spread": ["m1", "m2"],
        "reschedule": True,
        "positions": {"h1": [120.0, 40.0]},
    }
    # How much is printed is no part of a lab.
    assert told.keys() == inspect.signature(Lab).parameters.keys() - {"nodes", "quiet"}
    state = Lab(Host("h1"), quiet=True, **told)._state
    text = state.saved(state.planned())
    saved = load(text)
    assert saved.settings == told
    # A password stands in one place.
    assert text.count("secret") == str(saved.credentials.to_data()).count("secret")


def test_a_lab_that_an_earlier_version_saved_waits_as_it_did(credentials: Credentials) -> None:
    host = Host("h1")
    data = json.loads(save([host], make_plan([host]), credentials))
    del data["settings"]
    assert load(json.dumps(data)).settings == {"converge": True}
    assert load(json.dumps(data | {"converge": False})).settings == {"converge": False}


def test_what_a_file_calls_a_link_is_saved(credentials: Credentials) -> None:
    a, b = Host("a"), Host("b")
    Link(a, b).id = "uplink"
    Link(a, b)
    (again, _) = load(save([a, b], make_plan([a]), credentials)).nodes
    assert [link.id for link in again.links] == ["uplink", None]


def test_what_routers_tell_of_is_saved(credentials: Credentials) -> None:
    a = Router("a", routing="bgp", as_number=1, redistribute=("static", "ospf"))
    b = Router("b", routing="bgp", as_number=2, redistribute=())
    a.bgp(Link(a, b), announce=True)
    plan = make_plan([a])
    again = load(save((a, b), plan, credentials))
    assert make_plan(again.nodes) == plan
    assert [repr(node) for node in again.nodes] == [repr(a), repr(b)]


def test_a_lab_found_again_has_nothing_to_change(tmp_path: Path, credentials: Credentials) -> None:
    nodes = everything(tmp_path)
    plan = make_plan(nodes, lab="x")
    before = provision(plan, credentials)
    text = save(nodes, plan, credentials)
    (tmp_path / "index.html").unlink()  # the directory may be on another machine
    saved = load(text)
    assert make_plan(saved.nodes, lab="x", previous=saved.plan) == saved.plan
    assert provision(saved.plan, saved.credentials) == before


def test_a_lab_that_was_saved_before_there_were_limits_has_none(credentials: Credentials) -> None:
    nodes = miniature_internet_nodes()
    data = json.loads(save(nodes, make_plan(nodes), credentials))
    for node in (*data["nodes"], *data["plan"]["nodes"]):
        node.pop("limits", None)
    assert not any(node.limits for node in load(json.dumps(data)).plan.nodes)


def test_saved_is_plain_json_and_of_one_version(credentials: Credentials) -> None:
    nodes = miniature_internet_nodes()
    data = json.loads(save(nodes, make_plan(nodes), credentials))
    data["format"] += 1
    for text in (json.dumps(data), "{}", "no JSON", '{"format": 1}'):
        with pytest.raises(PlaygroundError, match="started by another version of playground"):
            load(text)


def test_lines_that_many_share_are_saved_once(credentials: Credentials) -> None:
    lan = Switch("lan", subnet="10.0.0.0/16")
    for number in range(20):
        Link(lan, Host(f"host{number}"))
    plan = make_plan([lan])
    text = save(collect([lan]), plan, credentials)
    assert text.count('"names": ["host7"]') == 1
    loaded = load(text).plan
    assert loaded == plan
    assert loaded.node("host1").hosts is loaded.node("host2").hosts


def test_settings_that_name_other_hosts_and_zones_come_back(credentials: Credentials) -> None:
    lan, web = Switch("lan"), Host("web", services=["http"])
    zones = DNS(zone=[".", "com."], dnssec=True, records=[("a.com", "A", "1.2.3.4")], ttl_s=60)
    root = Host("root", services=[zones, NTP()])
    front = Host("front", services=[LoadBalancer(to=[web, (root, 8080)], tls=True), NTP(root)])
    others = Host("others", services=[Resolver(cache_s=5), LDAP(), Proxy(deny=["a.test"]), MQTT()])
    for host in (web, root, front, others):
        Link(lan, host)
    plan = make_plan([lan])
    credentials.zone_keys("com.")
    saved = load(save(collect((lan,)), plan, credentials))
    assert saved.plan == plan
    services = [node.declared_services for node in saved.nodes if isinstance(node, Host)]
    assert services == [host.declared_services for host in (web, root, front, others)]
    assert saved.credentials.zone_keys("com.") == credentials.zone_keys("com.")
