"""Advice of errors can be typed: the code in a sentence is run, and what was refused goes well."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import playground
from playground import Lab, PlaygroundError
from playground.engines.namespaces.engine import NamespacesEngine


class Row(NamedTuple):
    """What somebody wrote, of which the last line is refused, and what is then written.

    ``advice`` finds the code in the sentence, of which ``then`` has ``ADVICE`` for; `...` in it
    stands for what the refused call had there, ``meant``.

    """

    written: str
    advice: str
    then: str
    meant: str = ""


DECLARED = {
    "a call of one's own in at()": Row(
        """
        h1, h2 = Host("h1"), Host("h2")
        link = Link(h1, h2)
        lab = Lab(h1)
        lab.at(5, link.down())
        """,
        r"lab\.at\(5, link\.down\)",
        "ADVICE; assert len(lab.timetable) == 1",
    ),
    "a link by its name": Row(
        """
        isp, modem, h1 = Router("isp"), Router("modem"), Host("h1")
        Link(modem, h1)
        modem.masquerade("isp")
        """,
        r"uplink = Link\(modem, \.\.\.\)",
        "ADVICE; modem.masquerade(uplink); Lab(h1)",
        meant="isp",
    ),
    "a switch's subnet at a link": Row(
        """
        lan, h1 = Switch("lan"), Host("h1")
        Link(lan, h1, subnet="10.9.0.0/24")
        """,
        r"Switch\('lan', subnet='10.9.0.0/24'\)",
        "Link(ADVICE, h1); Lab(h1)",
    ),
    "a VLAN that a switch has not": Row(
        """
        s, h = Switch("s", vlans=(10,)), Host("h")
        Link(s, h, vlan=20)
        """,
        r"s\.add_vlan\(20\)",
        "ADVICE; Link(s, h, vlan=20); Lab(h)",
    ),
    "a relay without a server": Row(
        """
        office, lan, client = Host("office", services=["dhcp"]), Switch("lan"), Host("client")
        Router("relay", services=[DHCPRelay(to="")])
        """,
        r'DHCPRelay\(to="office"\)',
        """
        relay = Router("relay", services=[ADVICE])
        Link(relay, office), Link(lan, relay), Link(lan, client, address="dhcp")
        Lab(client)
        """,
    ),
    "nobody who gives addresses": Row(
        """
        lan, h, other = Switch("lan"), Host("h"), Host("other")
        Link(lan, h, address="dhcp")
        Link(lan, other)
        Lab(h)
        """,
        r'services=\["dhcp"\]',
        'Link(lan, Host("server", ADVICE)); Lab(h)',
    ),
    "masks that differ": Row(
        """
        client, r = Host("client"), Router("r")
        Link(r, client, addresses=("200.2.0.1/16", "200.2.0.2/24"))
        Lab(client)
        """,
        r"(?<=Lab\()strict=False(?=\))",
        """
        with warns(LabWarning, match="differ in their prefix"):
            Lab(client, ADVICE)
        """,
    ),
    "a forward without masquerading": Row(
        """
        h, modem, isp = Host("h"), Router("modem"), Router("isp")
        Link(h, modem)
        uplink = Link(modem, isp)
        modem.forward(uplink, port=80, to=(h, 80))
        Lab(h)
        """,
        r"modem\.masquerade\(\.\.\.\)",
        "ADVICE; Lab(h)",
        meant="uplink",
    ),
    "a link that is translated on": Row(
        """
        h, modem, isp = Host("h"), Router("modem"), Router("isp")
        lan, uplink = Link(h, modem), Link(modem, isp)
        modem.masquerade(uplink)
        lab = Lab(h)
        lab.remove(uplink)
        """,
        r"modem\.untranslate\(.*\)$",
        "ADVICE; lab.remove(uplink)",
    ),
    "a link that rules speak of": Row(
        """
        h, a, b = Host("h"), Router("a"), Router("b")
        lan, uplink = Link(h, a), Link(a, b)
        a.firewall.accept(protocol="icmp")
        a.firewall.drop(interface=uplink)
        lab = Lab(h)
        lab.remove(uplink)
        """,
        r"a\.firewall\.remove\(.*\)$",
        "ADVICE; lab.remove(uplink); assert len(list(a.firewall)) == 1",
    ),
    "lines for a daemon that is not there": Row(
        """
        lines = OSPF(configuration="router bgp 65001")
        r1 = Router("r1", services=[lines], routing=None)
        Link(r1, Host("h"))
        Lab(r1)
        """,
        r"Router\('r1', frr=\.\.\.\)",
        "r1 = ADVICE; Link(r1, Host('h')); Lab(r1)",
        meant="'router bgp 65001'",
    ),
    "services that are text": Row(
        'Host("h1", services="http")',
        r'services=\["http"\]',
        'assert Lab(Host("h1", ADVICE)).nodes[0].declared_services',
    ),
    "a keyword with a slip": Row(
        'Host("h1", memry_mb=64)', r"memory_mb=(?=\?)", 'Lab(Host("h1", ADVICE64))'
    ),
    "a name that two have": Row(
        """
        h1, h2, other = Host("h1"), Host("h2"), Host("h2")
        lab = Lab(h1)
        Link(h1, h2)
        link = Link(h1, other)
        lab.plan()
        """,
        r"lab\.remove\(link\)",
        "ADVICE; lab.plan()",
    ),
}


def follow(row: Row, known: dict[str, Any]) -> None:
    *before, refused = textwrap.dedent(row.written).strip().splitlines()
    exec("\n".join(before), known)
    with pytest.raises(PlaygroundError) as caught:
        exec(refused, known)
    found = re.search(row.advice, str(caught.value))
    assert found, f"{row.advice!r} is not in: {caught.value}"
    code = row.then.replace("ADVICE", found[0].replace("...", row.meant))
    exec(textwrap.dedent(code), known)


def exported() -> dict[str, Any]:
    return {name: getattr(playground, name) for name in playground.__all__} | {
        "warns": pytest.warns
    }


@pytest.mark.parametrize("row", DECLARED.values(), ids=DECLARED)
def test_an_advice_for_what_is_declared_helps(row: Row) -> None:
    follow(row, exported())


@pytest.fixture(scope="module")
def running(
    namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    known = exported()
    exec(
        "h1, h2, r1, sw = Host('h1'), Host('h2'), Router('r1'), Switch('sw')\n"
        "port, link, other = Link(sw, h1), Link(sw, r1), Link(r1, h2)",
        known,
    )
    with Lab(known["sw"], name="advised", engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        yield known | {"lab": lab}


RUNNING = {
    "a host that was linked since": Row(
        """
        late = Host("late")
        Link(sw, late)
        late.run("true")
        """,
        r"lab\.start\(\)",
        "ADVICE; late.run('true')",
    ),
    "a command that takes longer": Row(
        'h1.run("sleep 1.5", timeout_s=1)',
        r"timeout_s=\.\.\.",
        'h1.run("sleep 1.5", ADVICE)',
        meant="20",
    ),
    "more output than is taken": Row(
        'h1.run("yes | head -c 300000", output_limit_mb=0.1)',
        r"output_limit_mb=\.\.\.",
        'assert len(h1.run("yes | head -c 300000", ADVICE).stdout) == 300_000',
        meant="1",
    ),
    "a function that takes longer": Row(
        """
        import time
        def wait(seconds): time.sleep(seconds)
        h1.call(time.sleep, 1, call_timeout_s=0.5)
        """,
        r"call_timeout_s=\.\.\.",
        "h1.call(time.sleep, 1, ADVICE)",
        meant="30",
    ),
    "a file that is larger": Row(
        """
        h1.write("/tmp/large", "x" * 200_000)
        h1.read("/tmp/large", limit_mb=0.1)
        """,
        r"limit_mb=\.\.\.",
        'assert len(h1.read("/tmp/large", ADVICE)) == 200_000',
        meant="1",
    ),
    "connections that are no rows": Row(
        'h1.forget("all")', r"h1\.connections\(\)", "h1.forget(*ADVICE)"
    ),
    "a state that is none": Row(
        'lab.state().diff("before")',
        r"before = lab\.state\(\)",
        "ADVICE; lab.state().diff(before)",
    ),
    "one name server": Row(
        'h1.nameservers = "10.1.1.1"', r"\['10\.1\.1\.1'\]", "h1.nameservers = ADVICE"
    ),
    "a name that is unknown": Row(
        'h1.ping("no-such-host")', r"dict\(h1\.hosts\)", 'assert "h2" in ADVICE'
    ),
    "a queue of somebody's own": Row(
        """
        h1.run("tc qdisc replace dev eth0 root handle 1: pfifo limit 7")
        port.impair(rate_mbit=10, toward=sw)
        """,
        r"replace=True",
        "port.impair(rate_mbit=10, toward=sw, ADVICE); port.restore()",
    ),
    "a lab that ends with its program": Row(
        "lab.detach()",
        r"keep=True",
        "lab.name; Lab(Host('kept'), name='advised-2', ADVICE)",
    ),
}


@pytest.mark.parametrize("row", RUNNING.values(), ids=RUNNING)
def test_an_advice_for_what_runs_helps(running: dict[str, Any], row: Row) -> None:
    follow(row, dict(running))
