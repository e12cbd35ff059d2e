"""Why an interface that waits for a router's word has no IPv6 address, or no way out.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import Plan
from playground.planning.plan_parts import AdvertisementPlan, InterfacePlan


class Cause(NamedTuple):
    """A cause in a word, as a sentence, and what to do about it."""

    name: str
    sentence: str
    remedy: str


def unconfigured(
    plan: Plan,
    node: str,
    interface: InterfacePlan,
    settings: Mapping[str, str | None],
    has_address: bool,
    called: Callable[[str], str],
) -> Cause | None:
    """Return why an interface that listens to routers has no address, or no way if it has one.

    ``settings`` are those of the interface as `lab.state()` reads them; ``called`` tells the Python
    name of a node.  None for an interface that waits for nobody.

    """
    if not interface.of_others:
        return None
    name, host = interface.name, called(node)
    lacks = "no way out" if has_address else "no IPv6 address"
    if settings.get("ipv6.accept_ra") == "0":
        setting = f"net.ipv6.conf.{name}.accept_ra"
        return Cause(
            "advertisements refused",
            f"{node} has {lacks} on {name}, for it listens to no router there: {setting} is 0.",
            f'Let it: `{host}.sysctls["{setting}"] = {2 if _is_router(plan, node) else 1}`.',
        )
    heard = settings.get("ipv6.heard") or ""
    there = advertisers(plan, node, name)
    if "router" not in heard:
        starts = " and ".join(f'`{called(one)}.services["radvd"].start()`' for one in there)
        return Cause(
            "no router advertisement",
            f"{node} has {lacks}: it waits for what a router advertises on {name} (RFC 4861), "
            "and has heard none.",
            (f"Let one advertise it: {starts}; the host goes on asking. " if starts else "")
            + f"Look whether ICMPv6 is dropped on the way: `{host}.firewall.rules()`.",
        )
    if has_address:
        told = next((one for one, said in there.items() if not said.lifetime_s), None)
        said = f": {told} says so with lifetime_s=0" if told else ""
        return Cause(
            "no default router",
            f"{node} has heard a router on {name}, and none that is a way out{said}.",
            f'Look at `{called(told or node)}.run("cat /etc/radvd.conf")`.'
            if told
            else f"Look at `{host}.routes()`, and at the routers of its link.",
        )
    if interface.dhcpv6 and not interface.slaac:
        servers = [one.name for one in plan.nodes if "dhcpv6" in one.daemons]
        start = f'`{called(servers[0])}.services["dhcpv6"].start()`' if servers else "start it"
        return Cause(
            "no DHCPv6 server",
            f"{node} has {lacks}: it asks by DHCPv6 on {name}, and no server has given it one.",
            f"Let its server answer: {start}. What was said stands in "
            f'`{host}.services["dhcpv6-client"].log()`, and whether UDP ports 546 and 547 are '
            f"dropped in `{host}.firewall.rules()`.",
        )
    if "managed" in heard:
        return Cause(
            "no DHCPv6 server",
            f"{node} has {lacks}: the router on {name} says that addresses come from a DHCPv6 "
            "server (the flag M of RFC 4861), and none has given it one.",
            'Give its link `address="dhcpv6"` and the network a server, or let the router '
            "advertise a prefix to make addresses of: `advertise(link, autonomous=True)`.",
        )
    return Cause(
        "no prefix advertised",
        f"{node} has {lacks}: it has heard a router on {name}, which tells no prefix to make an "
        "address of.",
        "Let the router advertise one, a /64: `advertise(link, prefix=...)`.",
    )


def advertisers(plan: Plan, node: str, interface: str) -> dict[str, AdvertisementPlan]:
    """Return who advertises the network of an interface, and what."""
    for domain in find_domains(plan):
        if (node, interface) in domain:
            return {
                name: said
                for name, port in domain
                if name not in plan.switch_names
                for said in plan.node(name).advertisements
                if said.interface == port
            }
    return {}


def _is_router(plan: Plan, node: str) -> bool:
    return plan.node(node).kind == "router"
