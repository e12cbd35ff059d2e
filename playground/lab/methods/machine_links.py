"""Links between a lab and the machine that it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from playground.lab.state import LabObject
from playground.operations.network import Host, Router

if TYPE_CHECKING:
    from playground.lab.outside.uplink import MachineLink


def machine(
    lab: LabObject, node: Host | Router, *, subnet: str | None = None, trust_hosts: bool = False
) -> MachineLink:
    """Link a host or router with this machine, and with nothing else, at once.

    A host-only network of two: the node gets an interface ``machine``, the
    machine one of its own, and each an address of ``subnet`` (by default a /30
    of 198.18.0.0/15 that neither uses).  Programs of the machine reach the node
    by `MachineLink.address`, programs on it the machine by
    `MachineLink.machine_address`.  Nobody forwards for it.

    On Docker whoever is root on a host of the lab could change the machine's own
    network over such a link: it is refused unless ``trust_hosts`` says that all
    that runs on the lab's hosts is trusted.  On bare namespaces no host can.

    This is one of two features that touch the machine's own network: it adds an
    interface, which goes with the lab, the node, or `MachineLink.remove`.  It is
    no part of the plan.  Needs root, or a Docker engine, where a container in the
    network of the engine's machine does it.  Raises `NotRunning`, `BadArgument`,
    `AgentError` with the kernel's reason.

    >>> link = lab.machine(www)
    >>> urllib.request.urlopen(f"http://{link.address.ip}/")

    """
    from playground.lab.outside import uplink

    return _reach(lab, uplink.check_host(node), subnet, None, trust_hosts)


def uplink(
    lab: LabObject,
    router: Router,
    *,
    through: Sequence[str] = (),
    subnet: str | None = None,
    trust_hosts: bool = False,
) -> MachineLink:
    """Give the lab a way out through this machine, by one of its routers, at once.

    Off unless asked for.  The router gets an interface ``uplink`` and a default
    route; so does every host and router that has none and knows a way to it.
    Packets leave the machine by the devices of ``through`` (by default those of
    its own default routes) under the machine's own address.  Nothing begins
    outside, and of the machine itself the lab can reach a ping only.  IPv4 only;
    names of the Internet are not resolved.

    This is one of two features that touch the machine's own network.  While it
    is there the machine has one more interface and one more nftables table (both
    called pg_...), forwards from and to these devices, and where it drops what
    it forwards, as Docker makes it do, has two rules more in that chain.  A
    process watches the interface and puts all of it back when it goes: by
    `MachineLink.remove`, with the router, or with the lab, also when its owner is
    killed.  Firewalls in tables of their own are not asked to let it pass.

    Needs root, or a Docker engine, and there ``trust_hosts``, as `machine` does.
    Raises the same.

    >>> with lab.uplink(isp):
    ...     h1.run("apt-get update")

    See RFC 3022, ip-sysctl (conf/*/forwarding), nft(8).

    """
    from playground.lab.outside import uplink

    return _reach(lab, uplink.check_router(router), subnet, through, trust_hosts)


def _reach(
    lab: LabObject,
    node: Host | Router,
    subnet: str | None,
    through: Sequence[str] | None,
    trust_hosts: bool,
) -> MachineLink:
    state = lab._state
    from playground.lab.outside.uplink import MachineLink

    with state.lock:
        state.agent()
        link = MachineLink(lab, node, subnet, through, trust_hosts)
        assert state.lasting is not None
        state.lasting.callback(link.remove)
        return link
