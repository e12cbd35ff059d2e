"""What a terminal has printed is kept to a limit, and each who looks reads from where he stands."""

from __future__ import annotations

import pytest

from playground.frontends.web.content.scrollback import Scrollback, common_size, is_report


def test_all_is_there_until_the_limit() -> None:
    kept = Scrollback(limit_bytes=10)
    kept.append(b"abc")
    kept.append(b"def")
    assert kept.since(0, 100) == (b"abcdef", 6, False)
    assert kept.since(4, 100) == (b"ef", 6, False)
    assert kept.since(6, 100) == (b"", 6, False)


def test_of_more_the_oldest_is_lost_and_said_so() -> None:
    kept = Scrollback(limit_bytes=5)
    kept.append(b"abc")
    kept.append(b"defg")
    assert kept.since(0, 100) == (b"cdefg", 7, True)
    assert kept.since(2, 100) == (b"cdefg", 7, False)
    kept.append(b"0123456789")
    assert kept.since(7, 100) == (b"56789", 17, True)


def test_a_piece_at_a_time() -> None:
    kept = Scrollback(limit_bytes=100)
    kept.append(b"abcdef")
    data, offset, _ = kept.since(0, 4)
    assert (data, kept.since(offset, 4)) == (b"abcd", (b"ef", 6, False))


def test_a_million_bytes_stay_a_few() -> None:
    kept = Scrollback(limit_bytes=1000)
    for _ in range(10_000):
        kept.append(b"x" * 100)
    assert len(kept.since(0, 10**9)[0]) == 1000
    assert kept.end == 10**6


@pytest.mark.parametrize(
    "data", ["\x1b[?1;2c", "\x1b[24;80R", "\x1b[0n", "\x1b]10;rgb:0/0/0\x1b\\"]
)
def test_answers_of_a_terminal(data: str) -> None:
    assert is_report(data)


@pytest.mark.parametrize("data", ["ls\r", "\x1b[A", "\x1bOP", "\x03", "\x1b[200~R\x1b[201~", ""])
def test_keys_of_a_person(data: str) -> None:
    assert not is_report(data)


def test_a_size_that_all_can_show() -> None:
    assert common_size([(120, 40), (80, 50)]) == (80, 40)
    assert common_size([]) == (80, 24)
    assert common_size([(0, 10**9)]) == (2, 300)
