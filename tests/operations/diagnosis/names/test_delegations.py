"""A name followed from the root, with servers that are but a table."""

from __future__ import annotations

from playground.operations.diagnosis.names.delegations import NameTree, follow
from playground.operations.diagnosis.names.dig_replies import DnsRecord, DnsReply

NOTHING = DnsReply("NXDOMAIN", True)


def refer(zone: str, server: str, glue: str | None = None) -> DnsReply:
    additional = () if glue is None else (DnsRecord(server, "A", glue),)
    return DnsReply("NOERROR", False, (), (DnsRecord(zone, "NS", server),), additional)


def answer(name: str, address: str) -> DnsReply:
    return DnsReply("NOERROR", True, (DnsRecord(name, "A", address),))


def walk(servers: dict[str, DnsReply], name: str = "www.example.com") -> NameTree:
    def ask(server: str, name: str, kind: str = "A", recursion: bool = False) -> DnsReply | None:
        return servers.get(f"{server} {name}") or servers.get(server)

    return follow(ask, name, "resolver", [("root.", "1")])


def test_each_zone_is_asked_for_the_next() -> None:
    tree = walk(
        {
            "resolver": NOTHING,
            "1": refer("com.", "ns.com.", "2"),
            "2": refer("example.com.", "ns.example.com.", "3"),
            "3": answer("www.example.com.", "9"),
        }
    )
    assert [zone.zone for zone in tree.zones] == [".", "com.", "example.com."]
    assert [zone.servers[0].address for zone in tree.zones] == ["1", "2", "3"]


def test_a_server_elsewhere_is_looked_up_and_one_within_needs_glue() -> None:
    found = walk(
        {
            "resolver": NOTHING,
            "resolver ns.org.": answer("ns.org.", "5"),
            "1": refer("com.", "ns.org."),
            "5": refer("example.com.", "ns.example.com."),
        }
    )
    assert [zone.servers[0].address for zone in found.zones] == ["1", "5", None]


def test_servers_that_send_in_a_circle_come_to_an_end() -> None:
    # A referral upwards is none (RFC 1034 section 4.3.2 leads down alone).
    tree = walk({"1": refer("com.", "ns.com.", "2"), "2": refer("com.", "ns.com.", "2")})
    assert [zone.zone for zone in tree.zones] == [".", "com."]
