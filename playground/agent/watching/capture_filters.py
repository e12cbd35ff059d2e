"""Filters of captures, compiled by libpcap: pcap-filter(7)."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import socket
import struct
from typing import Any

from playground.agent.kernel.syscalls import CLONE_NEWNET, checked, libc
from playground.agent.links.filters import BPF_RET_K
from playground.agent.links.interfaces import IFF_UP

# www.tcpdump.org/linktypes.html
LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101
DLT_RAW = 12

SIOCSIFFLAGS = 0x8914

_NAMES = ("libpcap.so.1", "libpcap.so.0.8")
_NO_LIBPCAP = (
    "a filter is compiled by libpcap, which is not there: install it (on Debian and Ubuntu "
    "`apt install libpcap0.8`, which comes with tcpdump too), or capture without a filter"
)


def compile_filters(text: str, snaplen_bytes: int) -> dict[int, bytes]:
    """Compile a filter for each type of link; raises OSError with libpcap's complaint.

    Names in it are looked up where nothing answers: it should have addresses only.

    """
    if not text.strip():
        everything = struct.pack("HBBI", BPF_RET_K, 0, 0, snaplen_bytes)
        return {LINKTYPE_ETHERNET: everything, LINKTYPE_RAW: everything}
    pcap = load_libpcap()
    # A network of its own, with nothing but a loopback.
    checked(libc.unshare(CLONE_NEWNET), "making a network for libpcap")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    complaint = ctypes.create_string_buffer(256)
    # VLAN tags do not stand in what the kernel filters.  For an open interface libpcap knows
    # that; loopback looks like Ethernet.
    live = pcap.pcap_create(b"lo", complaint)
    if not live or pcap.pcap_set_snaplen(live, snaplen_bytes) or pcap.pcap_activate(live) < 0:
        said = pcap.pcap_geterr(live) if live else complaint.value
        raise OSError(errno.EIO, f"libpcap cannot be used here: {said.decode()}")
    raw = pcap.pcap_open_dead(DLT_RAW, snaplen_bytes)
    return {
        LINKTYPE_ETHERNET: _compile(pcap, live, text),
        LINKTYPE_RAW: _compile(pcap, raw, text, unfit=True),
    }


class _Program(ctypes.Structure):
    """struct bpf_program of pcap/bpf.h."""

    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def _compile(pcap: Any, handle: int, text: str, unfit: bool = False) -> bytes:
    program = _Program()
    # PCAP_NETMASK_UNKNOWN
    if pcap.pcap_compile(handle, ctypes.byref(program), text.encode(), 1, 0xFFFFFFFF) != 0:
        if unfit:  # such as "arp": there is none, where there is no Ethernet
            return struct.pack("HBBI", BPF_RET_K, 0, 0, 0)
        said = pcap.pcap_geterr(handle).decode("utf-8", "replace")
        raise OSError(errno.EINVAL, said)
    # An instruction has 8 bytes, and is one of the kernel's as it stands.
    return ctypes.string_at(program.instructions, program.length * 8)


def load_libpcap() -> Any:
    """Return the library; raises OSError with ENOPKG where it is not installed."""
    for name in _NAMES:
        with contextlib.suppress(OSError):
            pcap = ctypes.CDLL(name)
            break
    else:
        raise OSError(errno.ENOPKG, _NO_LIBPCAP)
    pcap.pcap_create.restype = ctypes.c_void_p
    pcap.pcap_open_dead.restype = ctypes.c_void_p
    pcap.pcap_geterr.restype = ctypes.c_char_p
    for function in (pcap.pcap_activate, pcap.pcap_geterr):
        function.argtypes = [ctypes.c_void_p]
    pcap.pcap_set_snaplen.argtypes = [ctypes.c_void_p, ctypes.c_int]
    pcap.pcap_compile.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint,
    ]
    return pcap
