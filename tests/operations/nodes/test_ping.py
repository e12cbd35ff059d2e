"""Output of programs, read back: ping and traceroute of Debian 13."""

from __future__ import annotations

import pytest

from playground.operations.nodes.ping import (
    Hop,
    Ping,
    Traceroute,
    parse_ping,
    parse_traceroute,
)

ALL_REPLIES = """\
PING www.example.com (10.130.1.4) 56(84) bytes of data.
64 bytes from 10.130.1.4: icmp_seq=1 ttl=60 time=0.093 ms
64 bytes from 10.130.1.4: icmp_seq=1 ttl=60 time=0.121 ms (DUP!)
64 bytes from 10.130.1.4: icmp_seq=2 ttl=60 time=0.107 ms

--- www.example.com ping statistics ---
2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 201ms
rtt min/avg/max/mdev = 0.093/0.100/0.107/0.007 ms
"""

NOBODY_THERE = """\
PING 192.168.1.99 (192.168.1.99) 56(84) bytes of data.
From 192.168.1.11 icmp_seq=1 Destination Host Unreachable
From 192.168.1.11 icmp_seq=2 Destination Host Unreachable

--- 192.168.1.99 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1031ms
pipe 2
"""

SILENCE = """\
PING 10.9.9.9 (10.9.9.9) 56(84) bytes of data.

--- 10.9.9.9 ping statistics ---
3 packets transmitted, 0 received, 100% packet loss, time 402ms

"""

IPV6 = """\
PING fd00:1::2 (fd00:1::2) 56 data bytes
64 bytes from fd00:1::2: icmp_seq=1 ttl=64 time=1234 ms

--- fd00:1::2 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 1234.000/1234.000/1234.000/0.000 ms
"""


@pytest.mark.parametrize(
    ("text", "errors", "expected"),
    [
        pytest.param(ALL_REPLIES, "", Ping("x", 2, 2, (0.093, 0.107)), id="duplicates-once"),
        pytest.param(
            NOBODY_THERE,
            "",
            Ping("x", 2, 0, (), "Destination Host Unreachable, says 192.168.1.11"),
            id="router-answers",
        ),
        pytest.param(SILENCE, "", Ping("x", 3, 0), id="silence"),
        pytest.param(IPV6, "", Ping("x", 1, 1, (1234.0,)), id="ipv6"),
        pytest.param(
            "",
            "ping: connect: Network is unreachable\n",
            Ping("x", 0, 0, (), "Network is unreachable"),
            id="no-route",
        ),
    ],
)
def test_ping_is_read(text: str, errors: str, expected: Ping) -> None:
    assert parse_ping("x", text, errors) == expected


def test_a_program_that_counts_to_no_end_has_sent_what_was_asked_for() -> None:
    said = "9999999999 packets transmitted, 9999999999 received, 0% packet loss, time 0ms\n"
    ping = parse_ping("x", said, most=3)
    assert (ping.sent, ping.received, len(ping.echoes)) == (3, 3, 3)


@pytest.mark.parametrize("number", ["1.2.3", ".", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 200])
def test_times_that_are_no_numbers_are_left_out(number: str) -> None:
    assert parse_ping("x", f"64 bytes from x: icmp_seq=1 ttl=64 time={number} ms\n").times_ms == ()
    assert parse_traceroute("x", f" 1  10.0.0.1  {number} ms\n").details == ()


def test_a_ping_is_true_when_a_reply_came() -> None:
    assert Ping("www", 3, 1, (0.5,))
    assert not Ping("www", 3, 0)


def test_a_ping_shows_its_counts_and_its_mean() -> None:
    assert repr(Ping("www", 3, 3, (0.09, 0.1, 0.2))) == "Ping(sent=3, received=3, rtt_ms=0.13)"
    assert Ping("www", 3, 2, (1, 2)).lost == 1
    assert (
        repr(Ping("www", 0, 0, (), "Network is unreachable"))
        == "Ping(sent=0, received=0, rtt_ms=None, problem='Network is unreachable')"
    )


REACHED = """\
traceroute to www.example.com (10.130.1.4), 30 hops max, 60 byte packets
 1  192.168.1.1  0.064 ms
 2  *
 3  10.130.1.4  0.033 ms
"""

LOST = """\
traceroute to 10.9.9.9 (10.9.9.9), 4 hops max, 60 byte packets
 1  192.168.1.1  0.064 ms
 2  10.25.1.1  0.081 ms
 3  *
 4  *
"""

REFUSED = """\
traceroute to 10.9.9.9 (10.9.9.9), 30 hops max, 60 byte packets
 1  192.168.1.1  0.064 ms
 2  10.25.1.1  0.081 ms !N
"""


def test_a_traceroute_that_reaches_its_target_keeps_silent_hops_in_between() -> None:
    route = parse_traceroute("www", REACHED)
    assert route == Traceroute(
        "www", (Hop("192.168.1.1", 0.064), Hop(None), Hop("10.130.1.4", 0.033)), True
    )
    assert route.hops == ["192.168.1.1", None, "10.130.1.4"]
    assert route.rtts_ms == [0.064, None, 0.033]
    assert (
        repr(route) == "Traceroute('www', hops=['192.168.1.1', None, '10.130.1.4'], reached=True)"
    )


def test_a_traceroute_that_is_lost_ends_at_the_last_answer() -> None:
    route = parse_traceroute("10.9.9.9", LOST)
    assert route.hops == ["192.168.1.1", "10.25.1.1"]
    assert not route


def test_a_router_that_says_no_is_not_the_target() -> None:
    route = parse_traceroute("10.9.9.9", REFUSED)
    assert not route.reached
    assert repr(route.details[1]) == "Hop('10.25.1.1', rtt_ms=0.081, note='!N')"
