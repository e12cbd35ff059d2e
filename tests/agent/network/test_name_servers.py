"""Name servers that a router tells of: what the kernel hands on is read, and written down."""

from __future__ import annotations

import socket
import struct

from playground.agent.network.name_servers import ResolvConf, read_options

RDNSS, DNSSL = 25, 31


def message(*options: bytes, kind: int = 134) -> bytes:
    """Return what the kernel says of options: struct nduseroptmsg of linux/rtnetlink.h."""
    body = b"".join(options)
    return struct.pack("BxHiBBHI", socket.AF_INET6, len(body), 2, kind, 0, 0, 0) + body


def rdnss(lifetime_s: int, *addresses: str) -> bytes:
    """RFC 8106, section 5.1."""
    packed = b"".join(socket.inet_pton(socket.AF_INET6, item) for item in addresses)
    return struct.pack("!BBHI", RDNSS, 1 + 2 * len(addresses), 0, lifetime_s) + packed


def dnssl(lifetime_s: int, *names: bytes) -> bytes:
    """RFC 8106, section 5.2."""
    text = b"".join(
        b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"
        for name in names
    )
    text += bytes(-len(text) % 8)
    return struct.pack("!BBHI", DNSSL, 1 + len(text) // 8, 0, lifetime_s) + text


def test_servers_and_domains_are_read() -> None:
    told = message(rdnss(30, "2001:db8::53", "2001:db8::54"), dnssl(20, b"example.com", b"lab"))
    assert list(read_options(told)) == [
        (RDNSS, 30, ["2001:db8::53", "2001:db8::54"]),
        (DNSSL, 20, ["example.com", "lab"]),
    ]


def test_nonsense_is_left_out() -> None:
    evil = dnssl(20, b"a\nnameserver 6", b"good.example", b"-x", b"a" * 63)
    [(_, _, domains)] = read_options(message(evil))
    assert domains == ["good.example", "a" * 63]
    whole = message(rdnss(30, "2001:db8::53"))
    for end in range(len(whole)):
        list(read_options(whole[:end]))
    assert not list(read_options(message(rdnss(30, "2001:db8::53"), kind=135)))
    assert not list(read_options(message(bytes(8))))


def test_a_resolver_has_room_for_a_few_and_forgets_what_has_run_out() -> None:
    resolver = ResolvConf(0, "nameserver 10.0.0.1\n")
    assert resolver.render() == "nameserver 10.0.0.1\n"
    resolver.learn(message(rdnss(30, "2001:db8::1"), dnssl(30, b"lab.example")), 100.0)
    assert resolver.render() == (
        "# Told by routers (RFC 8106)\nsearch lab.example\nnameserver 2001:db8::1\n"
        "nameserver 10.0.0.1\n"
    )
    for number in range(2, 200):
        resolver.learn(message(rdnss(30, f"2001:db8::{number:x}")), 101.0)
    assert resolver.render().count("nameserver 2001:") == 3
    resolver.learn(message(rdnss(0, "2001:db8::1")), 102.0)
    assert "2001:db8::1\n" not in resolver.render()
