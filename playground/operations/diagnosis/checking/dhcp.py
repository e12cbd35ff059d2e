"""Checks of who offers addresses on a network."""

from __future__ import annotations

from playground.errors import BadArgument, CheckFailed
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import WITHIN_S, Checking, check_within

# For whoever answers later than the first: a rogue server, say.
_LISTEN_S = 1.0


def dhcp_server(
    checks: Checking,
    node: Node | str,
    server: Node | str | None,
    *,
    interface: str | None = None,
    within_s: float = WITHIN_S,
) -> str | None:
    """Check who offers an address by DHCP on a node's network, and nobody else; return the address.

    The node asks as a machine that is new there (DHCPDISCOVER), and takes no offer: nothing
    changes.  All who answer within a second of the first count; ``server`` is who that should be,
    a node or an address, None for nobody.  ``interface`` is the one that asks, by default the
    node's first one.

    >>> lab.check.dhcp_server(h1, home_router)
    '192.168.1.100'

    """
    # RFC 2131 section 3.1
    check_within(within_s)
    machine = checks._machine(node)
    live = machine.running()
    asking = interface or next((name for name in machine.interfaces if name != "lo"), None)
    if asking not in machine.interfaces:
        raise BadArgument(
            f"{machine.name} has no interface {asking}; it has {', '.join(machine.interfaces)}"
        )
    offers = live.agent.call(
        "dhcp_offers",
        pid=live.pid,
        interface=asking,
        listen_s=_LISTEN_S,
        timeout_s=max(0.1, within_s if server is not None else min(within_s, _LISTEN_S)),
    )
    there = {str(offer["server"]): str(offer["address"]) for offer in offers}
    wanted = None if server is None else checks._addresses(server)
    strangers = sorted(one for one in there if wanted is None or one not in wanted)
    name = "nobody" if server is None else getattr(server, "name", server)
    if strangers or (wanted is not None and not there):
        says = f"{', '.join(sorted(there))} did" if there else "nobody did"
        raise CheckFailed(
            f"{name} should offer {machine.name} an address by DHCP, and {says}"
            f"{', which is not alone' if strangers and len(there) > len(strangers) else ''}."
        )
    return next(iter(there.values()), None)
