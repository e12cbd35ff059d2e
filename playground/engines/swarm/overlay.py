"""The network between the machines, made as somebody wants it: encrypted, or for larger packets."""

from __future__ import annotations

import http.client
import time

from playground.engines.docker.http import Refused
from playground.engines.seam import LAB
from playground.engines.swarm.examination import Examination, without_ipsec
from playground.engines.swarm.manager import Manager
from playground.engines.swarm.specs import (
    ESP_BYTES,
    NETWORK,
    ROLE,
    SERVER,
    TUNNEL_BYTES,
    labels_of,
    network_spec,
)
from playground.errors import BadArgument, EngineError

_REMOVAL_LIMIT_S = 60.0
_LOOK_S = 0.2

# RFC 8200: what each link of IPv6 takes; RFC 2675 aside, the largest IPv4 packet.
_SMALLEST_MTU, _LARGEST_MTU = 1280, 65535


def refuse_underlay(underlay_mtu_bytes: int | None, encrypted: bool) -> None:
    """Raise `BadArgument` for an MTU of the machines' network that can be none."""
    if underlay_mtu_bytes is None:
        return
    smallest = _SMALLEST_MTU + TUNNEL_BYTES + (ESP_BYTES if encrypted else 0)
    if not smallest <= underlay_mtu_bytes <= _LARGEST_MTU:
        raise BadArgument(
            f"mtu={underlay_mtu_bytes}: the network between the machines takes packets of "
            f"{smallest} to {_LARGEST_MTU} bytes; `ip link` on a machine shows what its interface "
            "takes"
        )


def refuse_without_ipsec(found: Examination) -> None:
    """Raise `EngineError` where a machine cannot encrypt, or nobody knows whether it can."""
    if found.unseen and len(found.machines) > 1:
        raise EngineError(
            f"whether the kernels can encrypt is not known, as {found.unseen}: start a lab once, "
            "and take it down"
        )
    if lacking := without_ipsec(found.seen):
        raise EngineError(
            f"the network cannot be encrypted: the kernels of {', '.join(lacking)} have no IPsec "
            "(CONFIG_XFRM_USER, CONFIG_INET_ESP, CONFIG_CRYPTO_GCM); load xfrm_user, esp4 and gcm "
            "there with modprobe, if they have these as modules"
        )


def remake_network(manager: Manager, encrypted: bool, underlay_mtu_bytes: int | None) -> None:
    """Remove the network with the servers on it, and make it anew; the next lab starts those.

    Raises `EngineError` while labs run, whose links lead over it; all is as it was then.

    """
    refuse_underlay(underlay_mtu_bytes, encrypted)
    with manager.server.errors("making the network between the machines"):
        if labs := sorted({labels_of(one)[LAB] for one in manager.services(LAB)}):
            raise EngineError(
                f"labs run, and their links lead over the network: take down {', '.join(labs)} "
                "first (playground ls, playground down)"
            )
        manager.remove([str(one["ID"]) for one in manager.services(f"{ROLE}={SERVER}")])
        _remove(manager)
        with manager.server.line() as line:
            spec = network_spec(encrypted, underlay_mtu_bytes)
            line.request("POST", "/networks/create", body=spec)


def _remove(manager: Manager) -> None:
    """Remove the network, as soon as no server is on it any more."""
    deadline = time.monotonic() + _REMOVAL_LIMIT_S
    while True:
        try:
            with manager.server.line() as line:
                line.request("DELETE", f"/networks/{NETWORK}")
        except Refused as refusal:
            if refusal.status == http.client.NOT_FOUND:
                return
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_S)
