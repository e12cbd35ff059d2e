"""Labels of MPLS in a plan: by which interfaces, and ldpd's settings.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from playground.model.parts import End
from playground.model.policy_routing import sysctl_key
from playground.model.services.frr import LDP
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing

# How many labels a router has: the first 16 mean something else (RFC 3032 section 2.1).
_LABELS = 100_000


def labelled(machine: Machine, addressing: Addressing, names: Mapping[End, str]) -> tuple[str, ...]:
    """Return the interfaces of a node that take packets with labels."""
    if not isinstance(machine, Router):
        return ()
    ends = [link.end(machine) for link in machine.mpls_links]
    return tuple(names[end] for end in ends if addressing.of(end, 4))


def ldp_services(machine: Machine, interfaces: Sequence[str]) -> tuple[LDP, ...]:
    """Return the daemon that tells neighbours of labels; none for who has none."""
    if not interfaces:
        return ()
    # `Router.mpls` has seen to it that there is one.
    own = next(item.ip for item in machine.loopback if item.version == 4)
    assert isinstance(own, IPv4Address)
    return (LDP(ldp_settings(own, interfaces), from_lab=True),)


def ldp_settings(router_id: IPv4Address, interfaces: Sequence[str]) -> str:
    """Return ldpd's settings: a greeting each second, where 5 s are usual (RFC 5036 2.5.5).

    >>> print(ldp_settings(ip_address("10.10.10.1"), ["eth0"]))
    mpls ldp
     router-id 10.10.10.1
    ...

    """
    lines = [
        "mpls ldp",
        f" router-id {router_id}",
        " discovery hello interval 1",
        " discovery hello holdtime 4",
        " address-family ipv4",
        f"  discovery transport-address {router_id}",
    ]
    for name in interfaces:
        lines += [f"  interface {name}", "  exit"]
    return "\n".join([*lines, " exit-address-family", "exit", ""])


def label_settings(interfaces: Sequence[str]) -> Mapping[str, str]:
    """Return the sysctls of a node that switches by labels; none for others.

    Linux takes labels on no interface unless it is told so (Documentation/networking/mpls-sysctl).

    """
    if not interfaces:
        return {}
    taking = {sysctl_key("net", "mpls", "conf", name, "input"): "1" for name in interfaces}
    return {"net.mpls.platform_labels": str(_LABELS)} | taking
