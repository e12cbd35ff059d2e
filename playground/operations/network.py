"""The parts of a network as people use them: declared, and operated while their lab runs.

Each class joins a declaration (`model.topology`) with what can be done to it in a
running lab.  Whoever only looks at declarations takes them from there.

"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.model import topology
from playground.model.arguments import tells_wrong_calls
from playground.model.links import bond, tunnel
from playground.model.parts import Listener
from playground.operations.links import labels, overlay_addresses
from playground.operations.links.bond import BondOperations
from playground.operations.links.link import LinkOperations
from playground.operations.links.switch import SwitchOperations
from playground.operations.nodes.firewall_counters import RunningFirewall
from playground.operations.nodes.node import NodeOperations


class Machine(NodeOperations, topology.Machine):
    """A host or a router."""

    firewall: RunningFirewall

    def _make_firewall(self, chains: Sequence[str]) -> RunningFirewall:
        return RunningFirewall(self, chains)

    @property
    def listener(self) -> Listener | None:
        """The lab that runs it; None for one that is only declared."""
        return None if self._live is None else self._live.lab


@tells_wrong_calls
class Host(Machine, topology.Host):
    __doc__ = topology.Host.__doc__


@tells_wrong_calls
class Router(Machine, topology.Router):
    __doc__ = topology.Router.__doc__
    firewall: RunningFirewall
    vni_addresses = overlay_addresses.vni_addresses
    labels = labels.labels


@tells_wrong_calls
class Switch(SwitchOperations):
    __doc__ = topology.Switch.__doc__


@tells_wrong_calls
class Link(LinkOperations):
    __doc__ = topology.Link.__doc__
    members: tuple[Link, ...] = ()

    def _make_part(self, vlan: int, far: topology.Far) -> VlanLink:
        return VlanLink(self, vlan, far)

    @property
    def listener(self) -> Listener | None:
        """The lab that runs it; None for one that is only declared."""
        return None if self._live is None else self._live.lab


class VlanLink(Link, topology.VlanLink):
    __doc__ = topology.VlanLink.__doc__

    def _running(self) -> Any:
        raise self.refusal()

    def _changing(self) -> Any:
        raise self.refusal()


class Tunnel(Link, tunnel.Tunnel):
    __doc__ = tunnel.Tunnel.__doc__


class Bond(Link, BondOperations):
    __doc__ = bond.Bond.__doc__


Node = Host | Router | Switch
