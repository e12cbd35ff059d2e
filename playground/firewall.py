"""NAT as nft(8) commands: one ruleset for each masquerading router.

A ruleset is a whole: loading it replaces, in one step, what an earlier one of
ours did in that router, and touches no other table.  Pure functions from the
router's declarations to text.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playground.addressing import Addressing
from playground.plan import Address
from playground.realms import Realms, forward_target
from playground.topology import End, Router

TABLE = "playground"

# What takes away all rules of ours: declared first, so that it is there to delete.
NO_RULES = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
# Marks, within the router only, the first packet of a connection from inside
# to a forwarded port, from one netfilter hook to the next.
HAIRPIN_MARK = "0x70670001"
# IANA's port for FTP's control connection; a data connection is "related" to it.
FTP_PORT = 21


@dataclass(frozen=True)
class PortForward:
    """One forward as addresses: what comes to ``addresses`` at ``port`` goes ``to``."""

    interface: str
    addresses: tuple[Address, ...]
    protocol: str
    port: int
    to: Address
    to_port: int


def find_ruleset(
    router: Router, realms: Realms, addressing: Addressing, names: Mapping[End, str]
) -> str:
    """Return the ruleset of a router, "" if it declares no NAT."""
    if not router.uplinks:
        return ""
    forwards = []
    for forward in router.forwards:
        target = forward_target(router, forward, realms, addressing)
        end = forward.link.end(router)
        addresses = tuple(item.ip for item in addressing.of(end, 4))
        if target is not None and addresses:
            forwards.append(
                PortForward(
                    names[end],
                    addresses,
                    forward.protocol,
                    forward.port,
                    target.ip,
                    forward.to_port,
                )
            )
    return nat_ruleset([names[link.end(router)] for link in router.uplinks], forwards)


def nat_ruleset(uplinks: Sequence[str], forwards: Sequence[PortForward] = ()) -> str:
    """Return nft commands that masquerade out of these interfaces.

    What begins inside may go out, and its answers come in; what begins at an
    uplink goes nowhere but to the forwards, in IPv6 too, where nothing is
    translated.  A host inside reaches a forward by the router's outside
    address as well.  FTP's data connections, active or passive, are let
    through and translated where the control connection uses port 21.

    >>> print(nat_ruleset(["eth0"]))
    table inet playground
    delete table inet playground
    table inet playground {
    ...

    """
    outside = _set(f'"{name}"' for name in uplinks)
    lines = [
        # Adding before deleting makes the deletion succeed the first time too.
        f"table inet {TABLE}",
        f"delete table inet {TABLE}",
        f"table inet {TABLE} {{",
        *_helper(forwards),
        "",
        "\tchain prerouting {",
        "\t\ttype nat hook prerouting priority dstnat; policy accept;",
        *(f"\t\t{rule}" for forward in forwards for rule in _destination(forward)),
        "\t}",
        "",
        "\tchain postrouting {",
        "\t\ttype nat hook postrouting priority srcnat; policy accept;",
        f"\t\toifname {outside} meta nfproto ipv4 masquerade",
        *([f"\t\tmeta mark {HAIRPIN_MARK} masquerade"] if forwards else []),
        "\t}",
        "",
        "\tchain forward {",
        "\t\ttype filter hook forward priority filter; policy accept;",
        f"\t\tiifname {outside} ct state established,related accept",
        *([f"\t\tiifname {outside} ct status dnat accept"] if forwards else []),
        f"\t\tiifname {outside} drop",
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _helper(forwards: Iterable[PortForward]) -> list[str]:
    """Return the chain that hands FTP's control connections to their helper.

    Linux assigns no helper by itself since 6.0 (nf_conntrack_helper is gone);
    nft(8), "ct helper".  It must be set before the connection is confirmed and
    after its lookup (priority -200); after dstnat (-100), a forward to port 21
    shows the host's port as well.

    """
    ports = [FTP_PORT]
    # A forward from port 21 to another is the same protocol.
    ports += [f.to_port for f in forwards if f.protocol == "tcp" and f.port == FTP_PORT]
    return [
        "\tct helper ftp {",
        '\t\ttype "ftp" protocol tcp;',
        "\t}",
        "",
        "\tchain helpers {",
        "\t\ttype filter hook prerouting priority filter; policy accept;",
        f'\t\ttcp dport {_set(map(str, dict.fromkeys(ports)))} ct helper set "ftp"',
        "\t}",
    ]


def _destination(forward: PortForward) -> list[str]:
    """Return the rules of one forward: for what comes from inside, and from outside."""
    to = f"{forward.to}:{forward.to_port}"
    match = f"ip daddr {_set(map(str, forward.addresses))} {forward.protocol} dport {forward.port}"
    return [
        # Its answers must come back through the router, to be translated back:
        # so the router puts itself in the place of the host that asks.
        f'iifname != "{forward.interface}" {match} meta mark set {HAIRPIN_MARK} dnat ip to {to}',
        f'iifname "{forward.interface}" {match} dnat ip to {to}',
    ]


def _set(items: Iterable[str]) -> str:
    found = list(items)
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"
