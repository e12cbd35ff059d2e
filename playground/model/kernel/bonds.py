"""Bonds as data: how a kernel makes one link of several, and the commands that do the same.

Source: Documentation/networking/bonding of the kernel, ip-link(8); IEEE 802.1AX for LACP.

"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.model.records import dataclass

# How often the kernel looks whether a link has lost its carrier, in milliseconds.
MIIMON_MS = 50

# linux/if_bonding.h: the numbers of modes and of hashes.
MODES = {
    "balance-rr": 0,
    "active-backup": 1,
    "balance-xor": 2,
    "broadcast": 3,
    "802.3ad": 4,
    "balance-tlb": 5,
    "balance-alb": 6,
}
HASHES = {"layer2": 0, "layer3+4": 1, "layer2+3": 2}

# The other side of these knows nothing of a bond: its links may lead to several switches.
ONE_SIDED = ("active-backup", "balance-tlb", "balance-alb")
# Of these one link carries all, or what comes in.
WITH_PRIMARY = ("active-backup", "balance-tlb", "balance-alb")
# Of these a hash of addresses, or of ports too, chooses the link.
WITH_HASH = ("balance-xor", "802.3ad", "balance-tlb")

LACP = "802.3ad"


@dataclass(frozen=True)
class BondSettings:
    """A bond as it was declared; ``primary`` is the number of a link, None for none.

    ``spread_by`` is None where the kernel's own is meant, "layer2".

    """

    mode: str
    spread_by: str | None = None
    primary: int | None = None


@dataclass(frozen=True)
class BondPlan:
    """One end of a bond: the interface ``name`` is made of those of ``members``."""

    name: str
    mode: str
    members: tuple[str, ...]
    spread_by: str | None = None
    primary: str | None = None

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        return {
            "name": self.name,
            "mode": MODES[self.mode],
            "members": list(self.members),
            "hash": None if self.spread_by is None else HASHES[self.spread_by],
            "primary": self.primary,
            "miimon_ms": MIIMON_MS,
            "lacp": self.mode == LACP,
        }

    def as_shell(self, mtu_bytes: int | None = None, mac: str = "") -> Iterator[str]:
        """Yield the commands that make it, where its members are (ip-link(8)).

        >>> bond = BondPlan("bond0", "active-backup", ("eth0", "eth1"))
        >>> print(*bond.as_shell(), sep="; ")
        ip link add bond0 type bond mode active-backup miimon 50; ip link set dev eth0 down; ...

        """
        words = ["ip link add", self.name]
        words += ["mtu", str(mtu_bytes)] if mtu_bytes is not None else []
        words += ["address", mac] if mac else []
        words += ["type bond mode", self.mode, "miimon", str(MIIMON_MS)]
        words += ["lacp_rate fast"] if self.mode == LACP else []
        words += ["xmit_hash_policy", self.spread_by] if self.spread_by else []
        yield " ".join(words)
        for member in self.members:
            # The kernel takes none that is up.
            yield f"ip link set dev {member} down"
            yield f"ip link set dev {member} master {self.name}"
        if self.primary:
            yield f"ip link set dev {self.name} type bond primary {self.primary}"
        yield f"ip link set dev {self.name} up"
