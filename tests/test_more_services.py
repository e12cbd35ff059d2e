"""Services beside mail and the web, each asked by a real client on another host.

One lab for all of them: what a service needs comes as packages, so one host has many.

"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import BadArgument
from playground.lab.lab import Lab
from playground.model.services.ftp import TFTP
from playground.model.services.http import HTTP
from playground.model.services.ldap import LDAP
from playground.model.services.management import NTP, SNMP, Syslog
from playground.model.services.mqtt import MQTT
from playground.model.services.proxies import LoadBalancer, Proxy
from playground.operations.network import Host, Link, Switch
from playground.operations.nodes.services import RunningBalancer

# Patience for what is told on: a check of a server, a message of a log.
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def lab(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan", subnet="10.0.5.0/24")
    hub = Host(
        "hub.example.com",
        services=[
            NTP(stratum=3),
            Syslog(),
            SNMP(location="rack 3"),
            LDAP(),
            TFTP(files={"switch.cfg": "hostname sw1\n"}),
            MQTT(),
            # squid ends where a list has a domain after one below it.
            Proxy(deny=["a.forbidden.test", "forbidden.test"]),
        ],
    )
    client = Host("client", services=[NTP(servers=[hub]), Syslog(to=hub, protocol="tcp")])
    webs = [
        Host(f"www{n}", services=[HTTP(files={"index.html": f"page of www{n}"})]) for n in (1, 2)
    ]
    forbidden = Host("forbidden.test", services=["http"])
    front = Host("front", services=[LoadBalancer(to=webs, check_s=0.2)])
    secure = Host("secure", services=[LoadBalancer(to=[webs[0]], tls=True, by="leastconn")])
    plain = Host(
        "plain",
        services=[LoadBalancer(to=[(web, 80) for web in webs], layer=4, by="source", port=8080)],
    )
    fewest = Host("fewest", services=[LoadBalancer(to=webs, layer=4, by="leastconn")])
    for host in (hub, client, *webs, forbidden, front, secure, plain, fewest):
        Link(lan, host)
    with Lab(lan, users={"anna": "secret"}, quiet=True, engine=namespaces_engine) as lab:
        assert lab.id is not None
        keep_lab(lab.id)
        yield lab


def until(look: Callable[[], bool]) -> bool:
    """Look until it is so, for some seconds at most."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def say(lab: Lab, line: str, node: str = "client") -> str:
    return str(lab.node(node).run(line).stdout)


def test_a_host_keeps_to_the_time_of_another(lab: Lab) -> None:
    assert until(lambda: "^*" in say(lab, "chronyc -n -h /run/chrony/chronyd.sock sources"))
    words = say(lab, "chronyc -n -h /run/chrony/chronyd.sock tracking")
    assert "Stratum         : 4" in words


def test_what_a_host_logs_lies_on_the_log_server(lab: Lab) -> None:
    say(lab, "logger -t student it works")
    say(lab, "logger -n hub.example.com -d -P 514 -t other by hand")
    log = lab.node("hub.example.com").services["syslog"]
    assert until(lambda: "student: it works" in log.log() and "by hand" in log.log())
    line = next(line for line in log.log().splitlines() if "it works" in line)
    assert " client " in line


def test_counters_are_read_by_their_community(lab: Lab) -> None:
    hub = "hub.example.com"
    got = say(lab, "snmpget -v2c -c public -Oqv 127.0.0.1 .1.3.6.1.2.1.1.6.0", hub)
    assert got.strip().strip('"') == "rack 3"
    names = say(lab, "snmpwalk -v2c -c public -Oqv 10.0.5.1 .1.3.6.1.2.1.31.1.1.1.1", hub)
    assert "eth0" in names
    silent = lab.node(hub).run(
        "snmpget -v2c -c wrong -t 1 -r 0 127.0.0.1 .1.3.6.1.2.1.1.6.0", check=False
    )
    assert silent.returncode != 0


def test_people_log_in_by_the_directory(lab: Lab) -> None:
    hub, base = "hub.example.com", "dc=example,dc=com"
    found = say(lab, f"ldapsearch -x -LLL -b {base} uid=anna uidNumber mail", hub)
    assert "uidNumber: 1000" in found
    assert "mail: anna@example.com" in found
    who = f"-D uid=anna,ou=people,{base}"
    right = say(lab, f"ldapwhoami -x -ZZ -H ldap://hub.example.com {who} -w secret", hub)
    assert "uid=anna" in right
    assert "uid=anna" in say(lab, f"ldapwhoami -x -H ldaps://{hub} {who} -w secret", hub)
    wrong = lab.node(hub).run(f"ldapwhoami -x {who} -w wrong", check=False)
    assert "Invalid credentials" in wrong.stderr
    assert "userPassword" not in say(lab, f"ldapsearch -x -LLL -b {base}", hub)


def test_a_file_comes_by_tftp(lab: Lab) -> None:
    assert say(lab, "curl -s tftp://hub.example.com/switch.cfg") == "hostname sw1\n"


def test_messages_reach_who_subscribed(lab: Lab) -> None:
    hub = lab.node("hub.example.com")
    hub.run("mosquitto_pub -h hub.example.com -t room/1 -r -m 21.5")
    assert hub.run("mosquitto_sub -h localhost -t room/+ -C 1 -W 10").stdout == "21.5\n"
    ca = "--cafile /run/playground/ca.pem -p 8883"
    got = hub.run(f"mosquitto_sub -h hub.example.com {ca} -t room/1 -C 1 -W 10")
    assert got.stdout == "21.5\n"


def test_a_proxy_fetches_pages_and_refuses_some(lab: Lab) -> None:
    by = "curl -s -x http://hub.example.com:3128"
    assert say(lab, f"{by} http://www1/") == "page of www1"
    assert say(lab, f"{by} -o /dev/null -w '%{{http_code}}' http://forbidden.test/") == "403"
    assert say(lab, f"{by} https://www2/") == "page of www2"
    log = lab.node("hub.example.com").services["proxy"].log()
    assert "GET http://www1/" in log
    assert "CONNECT www2:443" in log


# -- load balancers -------------------------------------------------------------


def pages(lab: Lab, address: str, times: int = 6) -> set[str]:
    return {say(lab, f"curl -s {address}") for _ in range(times)}


def balancer(lab: Lab, node: str) -> RunningBalancer:
    found = lab.node(node).services["balancer"]
    assert isinstance(found, RunningBalancer)
    return found


BOTH = {"page of www1", "page of www2"}


def test_requests_go_round(lab: Lab) -> None:
    assert pages(lab, "http://front/") == BOTH
    rows = balancer(lab, "front").servers()
    assert [row.name for row in rows] == ["www1:80", "www2:80"]
    assert all(row.total >= 3 for row in rows)


def test_nothing_goes_to_a_server_that_is_down(lab: Lab) -> None:
    www1, front = lab.node("www1").services["http"], balancer(lab, "front")
    www1.stop()
    assert until(lambda: front.servers()[0].status == "DOWN")
    assert pages(lab, "http://front/") == {"page of www2"}
    www1.start()
    assert until(lambda: front.servers()[0].status == "UP")
    assert pages(lab, "http://front/") == BOTH


def test_a_server_is_taken_out_by_hand(lab: Lab) -> None:
    front = balancer(lab, "front")
    front.set_state("www2:80", "maint")
    assert pages(lab, "http://front/") == {"page of www1"}
    front.set_state("www2:80", "ready")
    assert until(lambda: pages(lab, "http://front/") == BOTH)
    with pytest.raises(BadArgument, match="it has www1:80, www2:80"):
        front.set_state("www3", "maint")


def test_servers_learn_who_asked(lab: Lab) -> None:
    with lab.node("www1").capture(filter="tcp port 80") as packets:
        pages(lab, "http://front/")
    client = lab.node("client").address
    assert any(f"X-Forwarded-For: {client}".lower().encode() in p.payload.lower() for p in packets)


def test_the_balancer_speaks_tls_by_the_labs_certificate(lab: Lab) -> None:
    assert pages(lab, "https://secure/", 1) == {"page of www1"}


def test_by_source_a_client_stays_with_its_server(lab: Lab) -> None:
    assert len(pages(lab, "http://plain:8080/")) == 1


def test_the_next_goes_to_the_server_with_the_fewest_connections(lab: Lab) -> None:
    fewest = balancer(lab, "fewest")

    def one_is_open() -> bool:
        return sum(row.sessions for row in fewest.servers()) == 1

    with lab.node("client").start("sh -c 'sleep 60 | socat - TCP:fewest:80'"):
        assert until(one_is_open)
        [busy] = [row.name for row in fewest.servers() if row.sessions]
        other = "page of www2" if busy == "www1:80" else "page of www1"
        for _ in range(4):
            assert pages(lab, "http://fewest/", 1) == {other}
            assert until(one_is_open)


def test_explain_names_a_balancer_that_has_no_server(lab: Lab) -> None:
    front, webs = balancer(lab, "front"), [lab.node(name) for name in ("www1", "www2")]
    assert lab.explain("client", "front", port=80).ok
    for web in webs:
        web.services["http"].stop()
    assert until(lambda: all(row.status == "DOWN" for row in front.servers()))
    found = lab.explain("client", "front", port=80)
    assert (found.node, found.cause) == ("front", "no server")
    assert "www1:80 is DOWN" in found.sentence
    assert "lab.explain('front', 'www1', port=80)" in found.advice
    for web in webs:
        web.services["http"].start()
    assert until(lambda: all(row.status == "UP" for row in front.servers()))
