"""Output of programs, read back: ping and traceroute of Debian 13, signals, statuses."""

from __future__ import annotations

import pytest

from playground.operations.connection.results import (
    Hop,
    Ping,
    Result,
    Traceroute,
    command_text,
    failure_sentence,
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


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        pytest.param(
            Result("exit 3", 3, "", ""), "'exit 3' on h1 ended with exit status 3", id="status"
        ),
        pytest.param(
            Result(("foo", "a b"), 127, "", "foo: not found\n"),
            "there is no command 'foo' on h1",
            id="no-command",
        ),
        pytest.param(
            Result("foo | cat", 127, "", "/bin/sh: 1: foo: not found\n"),
            "there is no command 'foo' on h1",
            id="no-command-in-sh",
        ),
        pytest.param(
            Result(("bash", "-c", "foo"), 127, "", "bash: line 1: foo: command not found\n"),
            "there is no command 'foo' on h1",
            id="no-command-in-bash",
        ),
        pytest.param(
            Result("exit 127", 127, "", ""),
            "'exit 127' on h1 ended with exit status 127",
            id="127-of-its-own",
        ),
        pytest.param(
            Result("sleep 9", -15, "", ""),
            "'sleep 9' on h1 was ended by signal SIGTERM (15)",
            id="signal",
        ),
        pytest.param(
            Result("x", -40, "", ""), "'x' on h1 was ended by signal 40", id="real-time-signal"
        ),
    ],
)
def test_a_failure_is_told_in_a_sentence(result: Result, sentence: str) -> None:
    assert failure_sentence("h1", result) == sentence


@pytest.mark.parametrize("returncode", [-9, 137])
def test_a_command_killed_where_memory_is_limited_may_have_wanted_more(returncode: int) -> None:
    said = failure_sentence("h1", Result("x", returncode, "", ""), memory_mb=64)
    assert said.endswith("; it may have needed more memory than h1 has with memory_mb=64")
    assert "memory" not in failure_sentence("h1", Result("x", 1, "", ""), memory_mb=64)
    assert "memory" not in failure_sentence("h1", Result("x", returncode, "", ""))


def test_a_result_has_text_and_the_exact_bytes() -> None:
    result = Result.from_bytes("cat x", 0, b"caf\xe9\n", b"")
    assert result.stdout == "caf\N{REPLACEMENT CHARACTER}\n"
    assert result.stdout_bytes == b"caf\xe9\n"
    assert result.ok
    assert repr(Result.from_bytes(["true"], 0, b"", b"")) == (
        "Result(args=('true',), returncode=0, stdout='', stderr='')"
    )


def test_the_repr_of_a_long_result_is_short() -> None:
    shown = repr(Result.from_bytes("yes", 0, b"y\n" * 1000, b""))
    assert shown.endswith("'... and 1840 characters more, stderr='')")
    assert len(shown) < 500


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("  ip route\n", "ip route"),
        (["grep", "two words"], "grep 'two words'"),
        ("one\ntwo", "one..."),
        ("x" * 100, "x" * 69 + "..."),
    ],
)
def test_a_command_is_shown_as_one_short_line(command: str | list[str], text: str) -> None:
    assert command_text(command) == text


@pytest.mark.parametrize(
    ("stdout", "stderr", "printed"),
    [
        ("one\ntwo\n", "", "one\ntwo"),
        ("one", "no\n", "one\nno"),
        ("one\n", "no\n", "one\nno"),
        ("", "no\n", "no"),
        ("", "", ""),
        ("\n\n", "", "\n"),
    ],
)
def test_a_result_prints_what_the_command_printed(stdout: str, stderr: str, printed: str) -> None:
    assert str(Result("x", 0, stdout, stderr)) == printed
