"""Plugging interfaces into containers that run: `plug`, `unplug`, `plugged`, `wait_plugged`.

What the shell script pipework did, for any container: one of a lab, one that Docker
runs, whoever started it, and whatever else has a network namespace of its own.

"""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import closing
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any, Self

from playground.display.tables import Table
from playground.engines.choice import RunningLabs
from playground.engines.namespaces.labels import find_keeper
from playground.errors import AgentError, BadArgument, LabNotFound, NoSuchNode
from playground.lab.outside.container_namespaces import (
    Container,
    OutsideNamespace,
    about,
    find_place,
    is_docker,
    machine_access_for,
    on_docker,
    refuse_strangers,
)
from playground.model.addresses import InterfaceAddress
from playground.model.arguments import check_seconds, shown, tells_wrong_call
from playground.model.records import dataclass
from playground.model.vlans import listed
from playground.operations.network import Host, Link, Machine, Switch
from playground.planning.addresses.segments import collect
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import Plan
from playground.planning.plan_parts import SwitchPlan

if TYPE_CHECKING:
    from playground.lab.lab import Lab

# A server on the same link answers in milliseconds, one that looks first whether an
# address is free (as dnsmasq does, by a ping) in some seconds.
DHCP_LIMIT_S = 15.0


@dataclass(frozen=True)
class Plugged:
    """An interface that `plug` has given to a container.

    ``container`` is what it is found by again, ``to`` what it is plugged into, such
    as "coffee-shop/home".  At the end of a ``with`` block it is taken out again.

    """

    container: str | int
    interface: str
    to: str
    mac: str
    addresses: tuple[str, ...]

    def unplug(self) -> None:
        """Take it out again: see `playground.unplug`."""
        unplug(self.container, self.interface)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.unplug()


@tells_wrong_call
def plug(
    container: Container,
    to: Switch | str | None = None,
    *,
    macvlan: str | None = None,
    physical: str | None = None,
    dummy: bool = False,
    interface: str | None = None,
    mac: str | None = None,
    addresses: str | Iterable[str] = (),
    dhcp: bool = False,
    gateway: str | None = None,
    routes: Mapping[str, str | None] | None = None,
    mtu_bytes: int | None = None,
    vlan: int | None = None,
    offload: bool = False,
    trust_hosts: bool = False,
) -> Plugged:
    """Give a container that runs one more interface, at once.

    ``container`` is a host or router that runs, "LAB/HOST", the name or id of any
    container that Docker runs, made by us or not, or the process id of anything that
    has a network namespace of its own (Podman, LXC, systemd-nspawn).

    What it is plugged into is one of:

    * ``to``, a switch: a `Switch` of a lab that runs, or "LAB/SWITCH" (or "LAB", if
      it has one switch).  A `Switch` that nothing is linked to becomes a lab of its
      own name, with ``keep``, in which a host ``probe`` is linked to it.
    * ``macvlan``, an interface of the machine: one more station on its network.
    * ``physical``, an interface of the machine, which moves into the container
      until it is unplugged or the container ends, however that comes about: a process
      of its own then gives it back with its name, MAC address, MTU and addresses, and up
      if it was up (where its name was taken meanwhile, "name.1").  Routes through it do not
      come back, nor what it was a port of.  If that process was killed too, the kernel
      gives back a card, as it is by then, and loses what is no card.  One that is the
      machine's own way out stays.
    * ``dummy``: an interface that leads nowhere.

    ``interface`` is its name in the container, by default the first free of eth0,
    eth1, ... ``mac`` is its MAC address.  ``addresses`` are one or more with their
    prefix lengths, "10.1.1.7/24"; on a switch of a lab the length may be left out,
    and where nothing is said it has no address at all.  With ``dhcp`` it asks for one,
    and for a default route where the container has none; a process renews it for as
    long as the interface is there.  ``gateway`` becomes the
    container's default route; one that was there is put back by `unplug`.
    ``routes`` maps destinations to gateways (None: on the link itself).
    ``mtu_bytes`` is 1500 on a switch.  ``vlan`` makes it an access port of that VLAN,
    on a switch that tells them apart.  ``offload`` is that of `Link`.

    ``trust_hosts`` has to be True for ``macvlan`` on a host of a lab on Docker: its root,
    or whoever is root on its neighbours, may change the machine's own network over
    such an interface (SECURITY.md).

    The interface is no part of a lab's plan.  It ends with the lab that the switch
    is in, with the container, or with `unplug`.

    Needs root, or a Docker engine that is asked for it.  ``macvlan``, ``physical``
    and ``dummy`` are made in the network namespace of the machine itself.  Raises
    `BadArgument` for what cannot be, `NoSuchNode` or `LabNotFound` for what is not
    there, `AgentError` with the kernel's reason; then all is as it was.

    >>> plug("web", to="coffee-shop/home", addresses="192.168.1.200", gateway="192.168.1.1")
    Plugged(container='web', interface='eth1', to='coffee-shop/home', ...)

    See https://github.com/jpetazzo/pipework, ip-link(8), network_namespaces(7).

    """
    if dhcp and (addresses or gateway):
        raise BadArgument(
            "with dhcp=True addresses and gateway come from the server: leave both out"
        )
    kind, of = _only_one(to, macvlan, physical, dummy)
    texts = [addresses] if isinstance(addresses, str) else list(addresses)
    if vlan is not None and (to is None or not 1 <= vlan <= 4094):
        raise BadArgument(
            f"vlan={vlan}: a number from 1 to 4094, for a switch; of the machine's interfaces take "
            'one that has the VLAN, as in macvlan="eth0.10"'
        )
    request: dict[str, Any] = {
        "kind": kind,
        "vlan": vlan,
        "of": of,
        "bridge": None,
        "port": None,
        "interface": _check_interface(interface),
        "mac": _check_mac(mac),
        "routes": [_route(*row) for row in (routes or {}).items()],
        "gateway": None if gateway is None else _gateway(gateway),
        "mtu_bytes": _check_mtu(mtu_bytes),
        "offload": offload,
        "dhcp": {"hostname": None, "timeout_s": DHCP_LIMIT_S} if dhcp else None,
    }
    place = find_place(container)
    if to is None:
        if macvlan is not None:
            refuse_strangers(place, trust_hosts)
        into, access = of or kind, machine_access_for(place)
        request["addresses"] = [_address(text) for text in texts]
    else:
        socket = _find_switch(to, vlan)
        into, access = socket.name, machine_access_for(place, socket)
        request |= {"of": socket.pid, "bridge": socket.bridge}
        request["port"] = f"plug_{secrets.token_hex(4)}"
        request["addresses"] = [socket.address(text) for text in texts]
    with about(place):
        row = access.do("plug", pid=place.pid, note={"to": into}, container=place.handle, **request)
    return Plugged(place.handle, row["interface"], into, row["mac"], tuple(row["addresses"]))


@tells_wrong_call
def unplug(container: Container, interface: str | None = None) -> None:
    """Take out again what `plug` has given to a container.

    ``interface`` may be left out where there is one.  Its addresses and routes go
    with it; the default route that it took the place of comes back, and so does,
    to the machine, a physical interface with its name, MAC address, MTU and
    addresses.  Raises `BadArgument` for what was not plugged in by `plug`,
    `AgentError` with the kernel's reason.

    >>> unplug("web")

    """
    place = find_place(container)
    access = machine_access_for(place)
    with about(place):
        ours = [row["name"] for row in access.do("look", pid=place.pid) if row["plugged"]]
    if interface is None and len(ours) == 1:
        interface = ours[0]
    if interface not in ours:
        what = f"{interface} was not plugged into {place.name}" if interface else "say which"
        raise BadArgument(f"{what}: of what it has, {', '.join(ours) or 'nothing'} was plugged in")
    with about(place):
        try:
            access.do("unplug", pid=place.pid, interface=interface)
        except AgentError as error:
            # It went meanwhile, with the lab at its other end.
            if error.errno != errno.ENODEV:
                raise


@tells_wrong_call
def plugged(container: Container) -> Table[Plugged]:
    """Return what is plugged into a container, as rows read from the kernel.

    >>> plugged("web")
    container  interface  to                mac                addresses
    web        eth1       coffee-shop/home  02:42:0a:01:01:07  192.168.1.200/24

    """
    place = find_place(container)
    with about(place):
        rows = machine_access_for(place).do("look", pid=place.pid)
    return Table(
        Plugged(
            place.handle, row["name"], row["plugged"]["to"], row["mac"], tuple(row["addresses"])
        )
        for row in rows
        if row["plugged"]
    )


@tells_wrong_call
def wait_plugged(
    container: Container, interface: str = "eth1", timeout_s: float | None = None
) -> bool:
    """Wait until a container has an interface of this name that is up and connected.

    Returns False where that has not come about within ``timeout_s`` seconds (None:
    no limit).  Whoever made the interface does not matter.

    >>> wait_plugged("web", "eth1", timeout_s=10)
    True

    """
    check_seconds("timeout_s", timeout_s)
    interface = _check_interface(interface) or "eth1"
    place = find_place(container)
    with about(place):
        found: bool = machine_access_for(place).do(
            "wait", pid=place.pid, interface=interface, timeout_s=timeout_s
        )
    return found


def interfaces_of(container: Container) -> list[str]:
    """Return the names of a container's interfaces, with "(down)" where one is not up.

    >>> interfaces_of("web")
    ['eth0', 'eth1 (down)']

    """
    place = find_place(container)
    with about(place):
        rows = machine_access_for(place).do("look", pid=place.pid)
    return [
        row["name"] + ("" if row["up"] and row["carrier"] else " (down)")
        for row in rows
        if row["name"] != "lo"
    ]


# -- Which switch ------------------------------------------------------------


@dataclass(frozen=True)
class Socket(OutsideNamespace):
    """A switch: a bridge, and where it is."""

    bridge: str = ""
    networks: tuple[InterfaceAddress, ...] = ()

    def address(self, text: str) -> str:
        """Return an address with its prefix length; that of the switch if it has none."""
        if "/" in text:
            address = _address(text)
        else:
            bare = _read(ip_address, text, "an address")
            for taken in self.networks:
                if taken.version == bare.version and bare in taken.network:
                    address = f"{bare}/{taken.network.prefixlen}"
                    break
            else:
                raise BadArgument(
                    f"{text} is in no network of {self.name}: write its prefix length, as in "
                    f'"{text}/24", or choose an address of '
                    + (", ".join(sorted({str(one.network) for one in self.networks})) or "it")
                )
        wanted = ip_interface(address)
        if any(wanted.ip == taken.ip for taken in self.networks):
            raise BadArgument(f"{wanted.ip} is taken already on {self.name}: choose another")
        return address


def _find_switch(to: Switch | str, vlan: int | None) -> Socket:
    if isinstance(to, Switch):
        lab = _lab_of(to)
        return _socket(lab.plan(), lab.id, to.name, vlan) if lab else _new_lab(to, vlan)
    if not isinstance(to, str):
        raise BadArgument(f'{to!r} is no switch: give a Switch, or "LAB/SWITCH"')
    from playground.lab.lab import Lab

    name, _, switch = to.partition("/")
    with closing(RunningLabs()) as labs:
        engine, record = labs.find(name)
        with Lab.attach(record.id, engine=engine, quiet=True) as attached:
            plan = attached.plan()
    if not switch:
        if len(plan.switches) != 1:
            names = ", ".join(f"{name}/{one.name}" for one in plan.switches) or "none"
            raise BadArgument(f"lab {name} has not one switch: say which, of {names}")
        switch = plan.switches[0].name
    return _socket(plan, record.id, switch, vlan)


def _lab_of(switch: Switch) -> Lab | None:
    """Return the lab that runs and has this switch."""
    if not switch.links:
        return None
    for node in collect([switch]):
        if isinstance(node, Machine) and node._live is not None:
            from playground.lab.lab import Lab

            lab = node._live.lab
            assert isinstance(lab, Lab)
            return lab
    raise LabNotFound(
        f"the lab that has the switch {switch.name} does not run: start it first, or plug into a "
        "Switch that nothing is linked to"
    )


def _new_lab(switch: Switch, vlan: int | None) -> Socket:
    from playground.lab.lab import Lab

    Link(switch, Host("probe"), trunk=bool(switch.vlans))
    with Lab(switch, name=switch.name, keep=True, quiet=True) as lab:
        return _socket(lab.plan(), lab.id, switch.name, vlan)


def _socket(plan: Plan, lab: str, name: str, vlan: int | None) -> Socket:
    for switch in plan.switches:
        if name == switch.name:
            break
    else:
        names = ", ".join(one.name for one in plan.switches) or "none"
        raise NoSuchNode(f"lab {plan.lab} has no switch {name!r}: it has {names}")
    _check_vlan(switch, vlan)
    here = (name, "" if vlan is None else str(vlan))
    members = {one for domain in find_domains(plan) if here in domain for one in domain}
    networks = tuple(
        address
        for node in plan.nodes
        for interface in node.interfaces
        if (node.name, interface.name) in members
        for address in interface.addresses
    )
    title = f"{plan.lab}/{name}"
    with closing(RunningLabs()) as labs:
        engine, record = labs.find(lab)
        if is_docker(engine):
            helper = on_docker(engine, title, title, f"{record.id}._helper")
            return Socket(
                title, title, helper.pid, helper.docker, bridge=switch.device, networks=networks
            )
    keeper = find_keeper(record.id, own=True)
    if keeper is None:
        raise LabNotFound(f"lab {plan.lab} is another user's, or gone")
    return Socket(title, title, keeper, None, bridge=switch.device, networks=networks)


def _check_vlan(switch: SwitchPlan, vlan: int | None) -> None:
    if vlan is None and switch.vlans:
        raise BadArgument(
            f"the switch {switch.name} has the VLANs {listed(switch.vlans)}: say which, as in "
            f"vlan={switch.vlans[0]}"
        )
    if vlan is not None and not switch.vlans:
        raise BadArgument(
            f"the switch {switch.name} tells no VLANs apart: leave vlan= out, or declare it as "
            f"Switch({switch.name!r}, vlans=({vlan}, ...))"
        )
    if vlan is not None and vlan not in switch.vlans:
        raise BadArgument(
            f"the switch {switch.name} has no VLAN {vlan}, only {listed(switch.vlans)}"
        )


# -- Checks ------------------------------------------------------------------


def _only_one(
    to: object, macvlan: str | None, physical: str | None, dummy: bool
) -> tuple[str, str | None]:
    wanted = {"switch": to, "macvlan": macvlan, "physical": physical, "dummy": dummy or None}
    given = [kind for kind, value in wanted.items() if value is not None]
    if len(given) != 1:
        raise BadArgument(
            "say once what to plug it into: to=switch, macvlan=, physical= or dummy=True"
        )
    for name, value in (("macvlan", macvlan), ("physical", physical)):
        if value is not None and (not isinstance(value, str) or not value):
            raise BadArgument(
                f"{name}={shown(value)} is no interface of the machine; write for example "
                f'{name}="eth0"'
            )
    return given[0], macvlan or physical


def _read(read: Any, text: object, what: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise BadArgument(f"{text!r} is not {what}: {error}") from None


def _address(text: str) -> str:
    address = _read(ip_interface, text, 'an address with a prefix length, as in "10.1.1.7/24"')
    if "/" not in str(text):
        raise BadArgument(f'{text} has no prefix length: write "{text}/24" for a network of 256')
    return str(address)


def _gateway(text: str) -> str:
    return str(_read(ip_address, text, "the address of a gateway"))


def _route(destination: str, via: str | None) -> dict[str, str | None]:
    network = _read(ip_network, destination, 'a destination, as in "10.2.0.0/16"')
    return {"destination": str(network), "via": None if via is None else _gateway(via)}


def _check_interface(name: str | None) -> str | None:
    if name is not None and not (
        isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", name)
    ):
        raise BadArgument(
            f"{shown(name)} is no name for an interface: use at most 15 letters, digits and hyphens"
        )
    return name


def _check_mac(mac: str | None) -> str | None:
    text = mac.lower().replace("-", ":") if mac else mac
    if text and not (
        re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text) and not int(text[:2], 16) & 1
    ):
        raise BadArgument(
            f"{mac!r} is no MAC address of one station: write six pairs of hexadecimal digits, "
            'the first of them even, as in "02:00:00:00:00:01"'
        )
    return text


def _check_mtu(mtu_bytes: int | None) -> int | None:
    if mtu_bytes is not None and not 68 <= mtu_bytes <= 65535:
        raise BadArgument(f"mtu_bytes={mtu_bytes} is not between 68 and 65535; Ethernet's is 1500")
    return mtu_bytes
