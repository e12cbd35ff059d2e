"""Addresses of an overlay, read from what FRR says."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import BadArgument, CommandFailed
from playground.operations.links.overlay_addresses import OverlayAddress, vni_addresses
from playground.operations.nodes import vtysh

SAID = {
    "100": {
        "numMacs": 2,
        "macs": {
            "02:00:00:00:00:01": {"type": "local", "intf": "eth1"},
            "02:00:00:00:00:02": {"type": "remote", "remoteVtep": "10.10.10.2"},
        },
    },
    "200": {"macs": {"02:00:00:00:00:03": {"type": "remote", "remoteVtep": "10.10.10.9"}}},
}


@pytest.fixture
def leaf(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(vtysh, "vtysh", lambda node, line: json.dumps(SAID))
    plan = SimpleNamespace(owners={"10.10.10.2": "leaf2"})
    own = SimpleNamespace(vnis=[SimpleNamespace(number=100), SimpleNamespace(number=200)])
    live = SimpleNamespace(plan=own, lab=SimpleNamespace(running_plan=lambda: plan))
    return SimpleNamespace(name="leaf1", running=lambda: live)


def test_each_address_is_behind_an_interface_or_another_leaf(leaf: Any) -> None:
    assert list(vni_addresses(leaf, 100)) == [
        OverlayAddress(100, "02:00:00:00:00:01", "eth1", None, None),
        OverlayAddress(100, "02:00:00:00:00:02", None, "leaf2", "10.10.10.2"),
    ]
    assert [row.vtep for row in vni_addresses(leaf)][-1] == "10.10.10.9"


def test_a_vni_that_it_has_not_is_refused(leaf: Any) -> None:
    with pytest.raises(BadArgument, match=r"leaf1 has no VNI 300 \(it has: 100, 200\)"):
        vni_addresses(leaf, 300)


@pytest.mark.parametrize("text", ["{", "[]", '{"100": []}', '{"x": {"macs": {"02": {}}}}'])
def test_what_is_none_of_frrs_is_told(
    leaf: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(vtysh, "vtysh", lambda node, line: text)
    with pytest.raises(CommandFailed, match="something else than FRR does"):
        vni_addresses(leaf)
