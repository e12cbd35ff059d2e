"""Capabilities and devices that a host may have, on every engine: capabilities(7).  Pure."""

from __future__ import annotations

from collections.abc import Iterable

# Docker gives these to every container by itself, and bare namespaces do as it does: its default,
# daemon/pkg/oci/caps/defaults.go of moby; numbers of linux/capability.h.
DOCKERS_DEFAULT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "MKNOD": 27,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}

# Every host has these as well: its network is its own.
OF_EVERY_HOST = {"NET_ADMIN": 12}

# A device file that a host leaves in a folder of the machine's would be the machine's.
NOT_BESIDE_WRITABLE_VOLUMES = ("MKNOD",)

# A host may ask for these, which reach no farther than the host.  Who has another one than all
# these may have the machine.
ON_REQUEST = {
    "IPC_LOCK": 14,
    "IPC_OWNER": 15,
    "LEASE": 28,
    "NET_BROADCAST": 11,
    "SYS_NICE": 23,
    "SYS_PTRACE": 19,
}

# For these the kernel asks in the machine's own user namespace (capable(), kernel/capability.c),
# so that they are none to a host with a user namespace of its own.
OF_THE_MACHINE = frozenset({"IPC_LOCK", "IPC_OWNER", "LEASE", "SYS_NICE"})

# Devices that reach nothing but what their opener has: a tunnel, a file system of its own,
# a source of random bytes.  A host that asks for one has it, if the machine does.
TUN = "/dev/net/tun"
HARMLESS_DEVICES = ("/dev/fuse", "/dev/hwrng", TUN, "/dev/ppp")


def capability_mask(further: Iterable[str]) -> int:
    """Return Docker's default capabilities and some more as a mask.

    Raises ValueError for a name that no host may have.

    >>> hex(capability_mask(["NET_ADMIN"]))
    '0xa80435fb'

    """
    known = OF_EVERY_HOST | ON_REQUEST
    mask = sum(1 << number for number in DOCKERS_DEFAULT.values())
    for name in further:
        if name not in known or name in OF_THE_MACHINE:
            raise ValueError(f"a host cannot have the capability {name}")
        mask |= 1 << known[name]
    return mask
