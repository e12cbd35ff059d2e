"""Offloads: work that an interface leaves to hardware, which a veth has not: ethtool(8)."""

from __future__ import annotations

import ctypes
import fcntl
import re
import socket
import struct

# linux/ethtool.h, linux/sockios.h
SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS = 0x1B
ETHTOOL_GSSET_INFO = 0x37
ETHTOOL_GFEATURES = 0x3A
ETHTOOL_SFEATURES = 0x3B
ETH_SS_FEATURES = 4
ETH_GSTRING_LEN = 32

# All by which a frame on the wire would differ from a frame in the textbook:
# checksums left open, segments larger than the MTU, segments put together.
_OFFLOADS = re.compile(
    r"tx-(checksum|scatter-gather|tcp|udp|gso|generic-segmentation|gre|ipxip|sctp|esp|tunnel|fcoe)"
    r"|rx-(gro|lro|udp-gro)"
)


def ethtool(probe: socket.socket, interface: str, request: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(request, len(request))
    fcntl.ioctl(
        probe, SIOCETHTOOL, struct.pack("16sP8x", interface.encode(), ctypes.addressof(buffer))
    )
    return buffer.raw


def feature_names(probe: socket.socket, interface: str) -> list[str]:
    """Return the names of the kernel's interface features, by bit number."""
    answer = ethtool(
        probe, interface, struct.pack("IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0)
    )
    (count,) = struct.unpack_from("I", answer, 16)
    request = struct.pack("III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    answer = ethtool(probe, interface, request + bytes(count * ETH_GSTRING_LEN))[12:]
    return [
        answer[start : start + ETH_GSTRING_LEN].rstrip(b"\0").decode("ascii", "replace")
        for start in range(0, count * ETH_GSTRING_LEN, ETH_GSTRING_LEN)
    ]


def features(probe: socket.socket, interface: str) -> list[tuple[int, int, int, int]]:
    """Return (available, requested, active, never changed) masks, 32 bits each."""
    blocks = (len(feature_names(probe, interface)) + 31) // 32
    answer = ethtool(
        probe, interface, struct.pack("II", ETHTOOL_GFEATURES, blocks) + bytes(16 * blocks)
    )
    return [struct.unpack_from("4I", answer, 8 + 16 * block) for block in range(blocks)]


class Offloads:
    """Turns offloads off; asks the kernel only once which bits those are."""

    def __init__(self) -> None:
        self._request = b""

    def off(self, interface: str) -> None:
        """Turn the offloads of an interface in the present namespace off."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if not self._request:
                self._request = self._build(probe, interface)
            ethtool(probe, interface, self._request)

    def _build(self, probe: socket.socket, interface: str) -> bytes:
        names = feature_names(probe, interface)
        masks = []
        for block, (available, _, _, never) in enumerate(features(probe, interface)):
            mask = 0
            for bit, name in enumerate(names[32 * block : 32 * block + 32]):
                if _OFFLOADS.match(name):
                    mask |= 1 << bit
            masks.append(mask & available & ~never)
        request = struct.pack("II", ETHTOOL_SFEATURES, len(masks))
        return request + b"".join(struct.pack("II", mask, 0) for mask in masks)
