"""Name servers that a router tells of: what the kernel hands on is read, and written down."""

from __future__ import annotations

import base64
import select
import socket
import struct
import threading
from typing import Any

import pytest

from playground.agent.network import name_servers as listening
from playground.agent.network.name_servers import ResolvConf, read_options, take_over

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


TOLD = (
    "# Told by routers (RFC 8106)\nsearch lab.example\nnameserver 2001:db8::1\n# As far as this\n"
)
OWN = "nameserver 10.0.0.1\n"


def test_a_resolver_has_room_for_a_few_and_forgets_what_has_run_out() -> None:
    resolver = ResolvConf(0)
    assert resolver.render(OWN) == OWN
    resolver.learn(message(rdnss(30, "2001:db8::1"), dnssl(30, b"lab.example")), 100.0)
    assert resolver.render(OWN) == TOLD + OWN
    for number in range(2, 200):
        resolver.learn(message(rdnss(30, f"2001:db8::{number:x}")), 101.0)
    assert resolver.render(OWN).count("nameserver 2001:") == 3
    resolver.learn(message(rdnss(0, "2001:db8::1")), 102.0)
    assert "2001:db8::1\n" not in resolver.render(OWN)


class Disk:
    """The resolv.conf of a node, None while it takes no text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        self.text = text
        self.full = False
        monkeypatch.setattr(listening, "_read", lambda pid: self.text)
        monkeypatch.setattr(listening, "files", self.write)

    def write(self, nodes: list[Any]) -> None:
        if self.full:
            raise OSError("no room")
        [entry] = nodes[0]["files"]
        self.text = base64.b64decode(entry["content"]).decode()


def test_what_others_write_stays_and_what_was_heard_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk, resolver = Disk(monkeypatch, OWN), ResolvConf(0)
    resolver.learn(message(rdnss(30, "2001:db8::1"), dnssl(30, b"lab.example")), 100.0)
    resolver.write(100.0)
    assert disk.text == TOLD + OWN
    disk.text = "nameserver 10.0.0.2\n"  # as a whole, as a lab does that grows
    resolver.write(101.0)
    assert disk.text == TOLD + "nameserver 10.0.0.2\n"
    mine = "".join(line for line in disk.text.splitlines(True) if "nameserver" not in line)
    disk.text = mine + "nameserver 10.0.0.3\n"  # as `nameservers =` does
    resolver.write(102.0)
    assert disk.text == mine + "nameserver 10.0.0.3\n"
    resolver.write(140.0)
    assert disk.text == "nameserver 10.0.0.3\n"


def test_one_that_follows_another_forgets_what_that_has_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = Disk(monkeypatch, TOLD + OWN)
    ResolvConf(0).write(100.0)
    assert disk.text == OWN
    disk.text = "# Told by routers (RFC 8106)\n" + OWN  # somebody has cut it
    ResolvConf(0).write(100.0)
    assert disk.text == OWN


def test_a_file_that_takes_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, resolver = Disk(monkeypatch, OWN), ResolvConf(0)
    resolver.learn(message(rdnss(30, "2001:db8::1")), 100.0)
    disk.full = True
    with pytest.raises(OSError, match="no room"):
        resolver.write(100.0)
    assert resolver.heard == []
    disk.full = False
    resolver.write(101.0)
    assert resolver.heard == ["2001:db8::1"]
    assert "nameserver 2001:db8::1\n" in disk.text


def test_one_that_comes_later_takes_the_place_of_the_first() -> None:
    first = take_over()
    place = first.getsockname()

    def leave() -> None:
        if select.select([first], [], [], 20)[0]:
            first.close()

    leaving = threading.Thread(target=leave)
    leaving.start()
    with take_over() as second:
        leaving.join()
        assert second.getsockname() == place


def test_a_place_that_is_not_left_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "_PLACE_LIMIT_S", 0.05)
    with take_over() as first, take_over() as second:
        assert second.getsockname() not in (b"", "", first.getsockname())
