"""Messages to the kernel's packet filter, the parts that all share: linux/netfilter/nfnetlink.h."""

from __future__ import annotations

import struct

# linux/netlink.h
NETLINK_NETFILTER = 12
# linux/netfilter.h
NFPROTO_INET = 1


def netfilter_body(family: int, *attributes_: bytes) -> bytes:
    """Build a struct nfgenmsg and what follows it."""
    return struct.pack(">BBH", family, 0, 0) + b"".join(attributes_)


def big_endian(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")
