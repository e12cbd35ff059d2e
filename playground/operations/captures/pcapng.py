"""Captures as files: pcapng with the names of interfaces, or classic pcap.

Both as Wireshark, tcpdump and others read them.  Only writing; times are kept to the
nanosecond.  Source: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap.

"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from playground.operations.captures.frames import CapturePoint, Frame

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_STATISTICS = 5
_PACKET = 6
_ORDER = 0x1A2B3C4D
_NANOSECOND_MAGIC = 0xA1B23C4D

# Options of blocks, section 4.
_APPLICATION, _NAME, _DESCRIPTION, _RESOLUTION = 4, 2, 3, 9
_FLAGS, _DROPPED = 2, 5
_INBOUND, _OUTBOUND = 1, 2


def write_pcapng(
    places: Sequence[CapturePoint], frames: Iterable[Frame], dropped: Sequence[int] = ()
) -> Iterator[bytes]:
    """Yield the bytes of a pcapng file.

    An interface is named by its machine and itself, as in ``h1/eth0``; a packet tells whether
    it came in or went out.  ``dropped`` is what the capture lost at each place.

    """
    yield _block(
        _SECTION, struct.pack("<IHHq", _ORDER, 1, 0, -1) + _options((_APPLICATION, b"playground"))
    )
    for place in places:
        name, segment = str(place).encode(), place.segment.encode()
        body = struct.pack("<HHI", place.link_type, 0, 0)
        options = [(_NAME, name), (_RESOLUTION, b"\x09")]
        if segment:
            options.insert(1, (_DESCRIPTION, b"on " + segment))
        yield _block(_INTERFACE, body + _options(*options))
    last_ns = 0
    for time_ns, place_number, outgoing, length, data in frames:
        last_ns = time_ns
        captured = len(data)
        padded = data + bytes(-captured % 4)
        # Written out for speed: `_block` and `_options` in one.
        size = 32 + len(padded) + 12
        yield (
            struct.pack(
                "<IIIIIII",
                _PACKET,
                size,
                place_number,
                time_ns >> 32,
                time_ns & 0xFFFFFFFF,
                captured,
                length,
            )
            + padded
            + struct.pack("<HHIII", _FLAGS, 4, _OUTBOUND if outgoing else _INBOUND, 0, size)
        )
    for number, count in enumerate(dropped):
        body = struct.pack("<III", number, last_ns >> 32, last_ns & 0xFFFFFFFF)
        yield _block(_STATISTICS, body + _options((_DROPPED, struct.pack("<Q", count))))


def write_pcap(link_type: int, frames: Iterable[Frame]) -> Iterator[bytes]:
    """Yield the bytes of a classic pcap file, which knows of no interfaces."""
    yield struct.pack("<IHHiIII", _NANOSECOND_MAGIC, 2, 4, 0, 0, 1 << 18, link_type)
    for frame in frames:
        seconds, nanoseconds = divmod(frame.time_ns, 1_000_000_000)
        sizes = (len(frame.data), frame.length_bytes)
        yield struct.pack("<IIII", seconds, nanoseconds, *sizes) + frame.data


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _options(*options: tuple[int, bytes]) -> bytes:
    text = b""
    for code, value in options:
        text += struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
    return text + struct.pack("<HH", 0, 0)
