"""Faults in a tree of names, and what `lab.explain` says of each: one lab with all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.lab.lab import Lab
from playground.model.services.dns import DNS
from playground.model.services.resolver import Resolver
from playground.operations.network import Host, Link, Switch


@pytest.fixture(scope="module")
def tree(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan", subnet="10.0.9.0/24")
    faults = [
        ("lame", "NS", "ns.good"),
        ("lost", "NS", "ns.lost"),
        ("quiet", "NS", "mute"),
        # Of a key that nobody has.
        ("bad", "DS", f"12345 13 2 {'ab' * 32}"),
    ]
    root = Host("root", services=[DNS(zone=".", dnssec=True, records=faults)])
    good = Host("ns.good", services=[DNS(zone="good.", dnssec=True)])
    bad = Host("server.bad", services=[DNS(zone="bad.", records=[("www.bad", "A", "10.0.9.9")])])
    resolver, client, mute = Host("resolver", services=[Resolver()]), Host("client"), Host("mute")
    for host in (root, good, bad, resolver, client, mute):
        Link(lan, host)
    with Lab(lan, name="names-faults", quiet=True, engine=namespaces_engine) as lab:
        assert lab.id is not None
        keep_lab(lab.id)
        yield lab


@pytest.mark.parametrize(
    ("name", "cause", "node", "words"),
    [
        ("www.lame", "lame delegation", "root", "says that ns.good. (10.0.9.2) serves lame."),
        ("www.lost", "no glue", "root", "names the server ns.lost. without an address"),
        ("www.quiet", "name server silent", "mute", "whose server mute. (10.0.9.6)"),
        ("www.bad", "bogus", "resolver", "does not believe what it is told of www.bad"),
        ("nobody.good", "name unknown", "ns.good", "which ns.good serves, has no such name"),
    ],
)
def test_the_fault_of_a_name_is_found(
    tree: Lab, name: str, cause: str, node: str, words: str
) -> None:
    found = tree.explain("client", name)
    assert (found.cause, found.node) == (cause, node), found
    assert words in found.sentence
    assert found.advice


def test_a_name_that_comes_later_is_known_at_once(tree: Lab) -> None:
    client = tree.node("client")
    assert client.run("getent hosts late.good", check=False).returncode == 2
    # Of a signed zone the resolver has proof that there is none: it is told to forget it.
    Link(tree["lan"], Host("late.good"))
    tree.start()
    assert client.run("getent hosts late.good").stdout.split()[1] == "late.good"
    assert tree.explain(client, "late.good")
