"""The network between the machines, made as somebody wants it."""

from __future__ import annotations

import contextlib
from typing import cast

import pytest

from playground.engines.swarm.examination import Examination, SeenFrom
from playground.engines.swarm.manager import Manager, _machine
from playground.engines.swarm.overlay import (
    refuse_underlay,
    refuse_without_ipsec,
    remake_network,
)
from playground.errors import BadArgument, EngineError


@pytest.mark.parametrize(
    ("mtu", "encrypted"), [(1500, True), (9000, False), (65535, True), (None, True)]
)
def test_what_a_network_takes_is_accepted(mtu: int | None, encrypted: bool) -> None:
    refuse_underlay(mtu, encrypted)


@pytest.mark.parametrize(("mtu", "encrypted"), [(1329, False), (1340, True), (65536, False)])
def test_what_is_no_mtu_is_refused(mtu: int, encrypted: bool) -> None:
    with pytest.raises(BadArgument, match="takes packets of 13"):
        refuse_underlay(mtu, encrypted)


def swarm_that_saw(*seen: SeenFrom, unseen: str = "") -> Examination:
    rows = [
        _machine(
            {
                "ID": name,
                "Spec": {"Availability": "active", "Role": "worker"},
                "Status": {"State": "ready"},
                "Description": {"Hostname": name, "Resources": {}},
            }
        )
        for name in ("m1", "m2")
    ]
    return Examination("28.2", tuple(rows), seen=seen, unseen=unseen)


def test_nothing_is_encrypted_where_a_kernel_cannot() -> None:
    refuse_without_ipsec(swarm_that_saw(SeenFrom("m1"), SeenFrom("m2")))
    with pytest.raises(EngineError, match="the kernels of m2 have no IPsec"):
        refuse_without_ipsec(swarm_that_saw(SeenFrom("m1"), SeenFrom("m2", ipsec=False)))
    with pytest.raises(EngineError, match="is not known, as no registry answers"):
        refuse_without_ipsec(swarm_that_saw(unseen="no registry answers"))


class WithLabs:
    """A manager on whose swarm a lab runs; it is its own way to the engine."""

    def __init__(self) -> None:
        self.server = self

    def errors(self, doing: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def services(self, label: str) -> list[dict[str, object]]:
        return [{"Spec": {"Labels": {"playground.lab": "shop-1"}}}]


def test_the_network_stays_while_a_lab_is_on_it() -> None:
    manager = cast(Manager, WithLabs())
    with pytest.raises(EngineError, match="take down shop-1 first"):
        remake_network(manager, encrypted=False, underlay_mtu_bytes=None)
