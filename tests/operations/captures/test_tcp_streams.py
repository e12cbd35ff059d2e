"""TCP streams, put together again."""

from __future__ import annotations

from playground.operations.captures.tcp_streams import _Half
from tests.made import H1, WWW, captured, handshake, tcp


def test_both_directions_are_bytes_and_text() -> None:
    (stream,) = captured(
        [
            *handshake(),
            tcp("PA", 1001, 5001, b"USER student\r\n", port=80),
            tcp("PA", 5001, 1015, b"331 Password\r\n\xff", back=True),
        ]
    ).streams()
    assert (stream.client, stream.server) == (f"{H1}:40000", f"{WWW}:80")
    assert (stream.sent, stream.received) == (b"USER student\r\n", b"331 Password\r\n\xff")
    assert stream.received_text == "331 Password\r\n�"
    assert str(stream) == (f"{H1}:40000 > {WWW}:80\n> USER student\n< 331 Password\n< �")


def test_segments_sent_again_and_out_of_order_count_once_where_they_belong() -> None:
    (stream,) = captured(
        [
            *handshake(0xFFFFFFFA),
            tcp("A", 0xFFFFFFFB, 5001, b"abc"),
            tcp("A", 0x00000001, 5001, b"ghi"),  # what is before it comes later
            tcp("A", 0xFFFFFFFE, 5001, b"def"),
            tcp("A", 0xFFFFFFFB, 5001, b"abcdef"),
            tcp("PA", 0x00000002, 5001, b"hijk"),  # overlaps
        ]
    ).streams()
    assert (stream.sent, stream.missing_bytes) == (b"abcdefghijk", 0)


def test_what_was_not_captured_is_counted() -> None:
    (stream,) = captured(
        [*handshake(), tcp("A", 1001, 5001, b"abc"), tcp("A", 1010, 5001, b"xyz")]
    ).streams()
    assert (stream.sent, stream.sent_bytes, stream.missing_bytes) == (b"abcxyz", 6, 6)


def test_much_that_waits_for_what_was_lost_is_put_together_once() -> None:
    half = _Half()
    half.next = 1
    pieces = [bytes([number % 251] * 10) for number in range(20_000)]
    looks = 0

    def distance(seq: int) -> int:
        nonlocal looks
        looks += 1
        return seq - (half.next or 0)

    half._distance = distance  # type: ignore[method-assign]
    # Every hundredth is not there; of the others each second pair is the wrong way round.
    there = [number for number in range(len(pieces)) if number % 100]
    for number in range(0, len(there) - 1, 4):
        there[number], there[number + 1] = there[number + 1], there[number]
    for number in there:
        assert not [*half.take(1 + 10 * number, pieces[number])]
    assert b"".join(half.rest()) == b"".join(pieces[number] for number in sorted(there))
    assert (half.missing, looks < 10 * len(pieces)) == (2000, True)


def test_a_port_used_again_is_another_connection() -> None:
    close = [tcp("FA", 1004, 5001), tcp("FA", 5001, 1005, back=True)]
    streams = captured(
        [
            *handshake(),
            tcp("A", 1001, 5001, b"one"),
            *close,
            *handshake(9000, 7000),
            tcp("A", 9001, 7001, b"two"),
        ]
    ).streams()
    assert [stream.sent for stream in streams] == [b"one", b"two"]


def test_a_server_that_is_seen_first_is_the_server() -> None:
    (stream,) = captured(handshake()[1:]).streams()
    assert stream.client == f"{H1}:40000"
