"""The tree of names as a client meets it: zones, delegation, secondaries, signatures, the cache.

It does not depend on the engine: all runs on bare namespaces, but for one question.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import dns_from_the_root
from playground.lab.lab import Lab
from playground.operations.network import Host, Link
from playground.operations.nodes.services import RunningResolver


@pytest.fixture(scope="module")
def tree(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    with dns_from_the_root(quiet=True, engine=namespaces_engine) as lab:
        assert lab.id is not None
        keep_lab(lab.id)
        yield lab


@pytest.fixture
def resolver(tree: Lab) -> RunningResolver:
    """The resolver, which remembers nothing yet."""
    found = tree.node("resolver").services["resolver"]
    assert isinstance(found, RunningResolver)
    found.flush()
    return found


def dig(tree: Lab, words: str, node: str = "resolver") -> list[str]:
    """Return what dig(1) prints on a node that has it, a line each."""
    return tree.node(node).run(f"dig +tries=2 +time=3 {words}").stdout.splitlines()


def test_a_name_is_found_from_the_root_down(tree: Lab, resolver: RunningResolver) -> None:
    with tree.node("resolver").capture(filter="udp port 53") as packets:
        assert dig(tree, "+short www.example.com") == ["203.0.113.80"]
    asked = {packet.destination for packet in packets} & set(tree.running_plan().owners)
    assert {"198.51.100.1", "198.51.100.30"} <= asked
    assert asked & {"203.0.113.53", "203.0.113.54"}


def test_every_host_asks_the_resolver(tree: Lab) -> None:
    client = tree.node("client")
    assert client.nameservers == ["192.0.2.53"]
    # By the full name it asks; the short one stands in /etc/hosts, as no tree has it.
    assert client.run("getent hosts www.example.com").stdout.split() == [
        "203.0.113.80",
        "www.example.com",
    ]
    assert client.run("getent hosts www").stdout.split() == ["203.0.113.80", "www"]
    assert client.run("getent hosts resolver").stdout.split()[0] == "192.0.2.53"


def test_an_address_has_a_name(tree: Lab) -> None:
    assert dig(tree, "+short -x 203.0.113.80") == ["www.example.com."]


def test_a_zone_above_delegates_with_glue(tree: Lab) -> None:
    answer = "\n".join(dig(tree, "+norec @198.51.100.30 www.example.com"))
    assert "flags: qr;" in answer  # no authority, no answer: a referral
    assert "ns1.example.com.\t3600\tIN\tA\t203.0.113.53" in answer.replace("\t\t", "\t")


def test_a_secondary_has_the_zone_of_its_primary(tree: Lab) -> None:
    first = dig(tree, "+short @203.0.113.53 example.com SOA")
    assert len(first) == 1
    assert dig(tree, "+short @203.0.113.54 example.com SOA") == first
    assert dig(tree, "+short @203.0.113.54 example.com TXT") == ['"names from the root"']


def test_a_whole_zone_is_for_secondaries_alone(tree: Lab) -> None:
    assert any("Transfer failed" in line for line in dig(tree, "@203.0.113.53 example.com AXFR"))


def test_a_wildcard_stands_for_any_name(tree: Lab) -> None:
    assert dig(tree, "+short anna.people.example.com") == ["www.example.com.", "203.0.113.80"]


def test_what_is_signed_is_proved(tree: Lab) -> None:
    answer = "\n".join(dig(tree, "+dnssec www.example.com"))
    assert " ad;" in answer
    assert "RRSIG" in answer
    missing = "\n".join(dig(tree, "+dnssec nobody.example.com"))
    assert "NXDOMAIN" in missing
    assert " ad;" in missing


def test_the_cache_can_be_looked_at(tree: Lab, resolver: RunningResolver) -> None:
    dig(tree, "www.example.com")
    dig(tree, "nobody.example.com")
    rows = {(row.name, row.type): row for row in resolver.cache()}
    www = rows["www.example.com.", "A"]
    assert (www.data, www.security) == ("203.0.113.80", "secure")
    assert 0 < www.ttl_s <= 300
    assert rows["nobody.example.com.", "A"].data == "NXDOMAIN"
    assert [row.type for row in resolver.cache("com")][:1]
    resolver.flush("www.example.com")
    assert not [row for row in resolver.cache("www.example.com") if row.type == "A"]


def test_a_new_host_is_in_its_zone_and_on_the_secondary(tree: Lab) -> None:
    # Another client, so that the zone of the lab's other names changes.
    new = Host("shop.example.com")
    Link(tree["site"], new, address="203.0.113.90")
    tree.start()
    assert dig(tree, "+short @203.0.113.54 shop.example.com") == ["203.0.113.90"]
    assert dig(tree, "+short shop.example.com") == ["203.0.113.90"]
    serial = dig(tree, "+short @203.0.113.53 example.com SOA")[0].split()[2]
    assert serial == "2"
    assert tree.check.resolves("client", "shop.example.com", "203.0.113.90")


def test_a_secondary_starts_although_its_primary_is_gone(tree: Lab) -> None:
    primary, secondary = (tree.node(f"ns{n}.example.com").services["zones"] for n in (1, 2))
    primary.stop()
    try:
        secondary.restart()
        assert dig(tree, "+short @203.0.113.54 www.example.com") == ["203.0.113.80"]
    finally:
        primary.start()


def test_on_docker_too(docker_engine: DockerEngine) -> None:
    with dns_from_the_root(quiet=True, name="names-tree") as lab:
        assert dig(lab, "+short www.example.com", "client") == ["203.0.113.80"]
        assert " ad;" in "\n".join(dig(lab, "www.example.com", "client"))
