"""A lab to break one thing in at a time, and what breaks and mends it.

::

    w1 w2 - office - r1 -- core -- r2 - farm - www db
                            |
                          modem - home - h1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playground.engines.seam import Engine
from playground.lab.lab import Lab
from playground.operations.diagnosis.evidence.explanation import CAUSES, Explanation
from playground.operations.network import Host, Link, Machine, Router, Switch
from tests.advice import check_advice

SERVER = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
servers = [socket.create_server((address, port), family=family)]
if address == "0.0.0.0":
    servers.append(socket.create_server(("::", port), family=socket.AF_INET6))
print("up", flush=True)
time.sleep(1000)
"""


class Net:
    """The lab, its nodes by name, and what is often needed of them."""

    def __init__(self, engine: Engine | None = None) -> None:
        office, farm, self.home = Switch("office"), Switch("farm"), Switch("home")
        self.w1, self.w2, self.db, self.h1 = (Host(name) for name in ("w1", "w2", "db", "h1"))
        self.www = Host("www.example.com")
        self.r1, self.core, self.r2 = (Router(name) for name in ("r1", "core", "r2"))
        self.modem = Router("modem")
        for node in (self.r1, self.w1, self.w2):
            Link(office, node, subnet=None)
        self.west, self.east = Link(self.r1, self.core), Link(self.core, self.r2)
        for node in (self.r2, self.www, self.db):
            Link(farm, node)
        self.uplink = Link(self.core, self.modem)
        for node in (self.modem, self.h1):
            Link(self.home, node)
        self.modem.masquerade(self.uplink)
        self.modem.forward(self.uplink, port=8080, to=(self.h1, 80))
        self.lab = Lab(office, name="explain", ipv6=True, quiet=True, engine=engine)

    def plug_in(self, link: Link) -> None:
        """Set a link up, and wait until its ends have heard of it (net/core/link_watch.c)."""
        link.up()
        for end in link.ends:
            if isinstance(end.node, Machine):
                waits = "while ip link | grep -v LOOPBACK | grep -qE 'state (DOWN|LOWERLAYERDOWN)'"
                end.node.run(f"{waits}; do sleep 0.02; done")

    def explain(self, source: Any, target: Any, **options: Any) -> Explanation:
        options.setdefault("version", 4)
        if options.get("protocol") != "icmp":
            options.setdefault("port", 80)
        found = self.lab.explain(source, target, **options)
        check_advice(found, self.lab)
        return found


@contextmanager
def serving(node: Machine, address: str = "0.0.0.0", port: int = 80) -> Iterator[None]:
    with node.start(["python3", "-c", SERVER, address, str(port)]) as server:
        assert server.stdout.readline() == "up"
        yield


@contextmanager
def changed(node: Machine, change: str, back: str) -> Iterator[None]:
    node.run(change)
    try:
        yield
    finally:
        node.run(back)


@contextmanager
def rules(node: Machine, hook: str, rule: str = "", policy: str = "accept") -> Iterator[None]:
    """Have rules typed by hand, without counters, in a table of their own."""
    chain = f"add chain inet hand rules {{ type filter hook {hook} priority 0; policy {policy}; }}"
    text = f"add table inet hand; {chain}" + (f"; add rule inet hand rules {rule}" if rule else "")
    with changed(node, f"nft '{text}'", "nft delete table inet hand"):
        yield


def gateway(node: Machine, version: int = 4) -> str:
    [found] = {
        str(route.via)
        for route in node.routes()
        if route.via and route.destination.version == version and not route.destination.prefixlen
    }
    return found


def assert_names(found: Explanation, node: str, cause: str, *words: str) -> None:
    """Assert that an explanation names this node, this cause, and says these words."""
    assert cause in CAUSES
    assert (found.node, found.cause) == (node, cause), found
    assert not found.ok and not found
    for word in words:
        assert word in found.sentence, found
    assert found.advice
