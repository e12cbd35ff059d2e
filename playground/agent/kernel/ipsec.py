"""IPsec of this kernel: whether it can encrypt as Docker does a network that is to be encrypted.

Docker wraps what such a network carries in ESP (RFC 4303) with AES-GCM (RFC 4106); its own log is
the only place that says so where the kernel refuses.

"""

from __future__ import annotations

import errno
import os
import socket
import struct

# linux/netlink.h, linux/xfrm.h
NETLINK_XFRM = 6
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
XFRM_MSG_NEWSA, XFRM_MSG_DELSA = 0x10, 0x11
XFRMA_ALG_AEAD = 18
_NEVER = (1 << 64) - 1

# struct xfrm_selector, xfrm_id, the source, xfrm_lifetime_cfg, what was used, xfrm_stats, and the
# sequence number, request id, family, mode (0 is transport), replay window, flags.
_STATE = struct.Struct("=56x 16s4sB3x 16s 8Q 32x 12x IIHBBB7x")
_STATE_ID = struct.Struct("=16s4sHBx")
_ALGORITHM, _KEY_BYTES, _CHECK_BITS = b"rfc4106(gcm(aes))", 20, 64

# RFC 5737: of an address that nobody has.
_ADDRESS = socket.inet_aton("192.0.2.1").ljust(16, b"\0")


def has_ipsec() -> bool:
    """Whether an association of ESP can be made in this network namespace; it is removed again.

    Raises `OSError` for what says neither, as where this process may not do that.

    """
    spi = struct.pack(">I", 0x7067_0000 | os.getpid() & 0xFFFF)
    try:
        line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return False
        raise
    with line:
        number = _ask(line, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, new_association(spi))
        # ENOSYS for the cipher, EPROTONOSUPPORT for ESP itself: net/xfrm/xfrm_user.c.
        if number in (errno.ENOSYS, errno.EPROTONOSUPPORT):
            return False
        if number:
            raise OSError(number, f"cannot look for IPsec: {os.strerror(number)}")
        row = _STATE_ID.pack(_ADDRESS, spi, socket.AF_INET, socket.IPPROTO_ESP)
        _ask(line, XFRM_MSG_DELSA, 0, row)
    return True


def new_association(spi: bytes) -> bytes:
    """Return what XFRM_MSG_NEWSA takes: one way to an address that nobody has.

    >>> len(new_association(bytes(4)))
    320

    """
    state = _STATE.pack(
        *(_ADDRESS, spi, socket.IPPROTO_ESP, _ADDRESS),
        *(_NEVER, _NEVER, _NEVER, _NEVER, 0, 0, 0, 0),
        *(0, 0, socket.AF_INET, 0, 0, 0),
    )
    cipher = struct.pack("=64sII", _ALGORITHM, 8 * _KEY_BYTES, _CHECK_BITS) + bytes(_KEY_BYTES)
    return state + struct.pack("=HH", 4 + len(cipher), XFRMA_ALG_AEAD) + cipher


def _ask(line: socket.socket, kind: int, flags: int, body: bytes) -> int:
    """Return the error's number, 0 for none."""
    header = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0)
    line.settimeout(5)
    line.send(header + body)
    answer = line.recv(1 << 16)
    (found,) = struct.unpack_from("=H", answer, 4)
    assert found == NLMSG_ERROR
    return -int(struct.unpack_from("=i", answer, 16)[0])
