"""Labels of a router, read from what FRR says."""

from __future__ import annotations

import json
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import BadArgument, CommandFailed
from playground.operations.links.labels import Label, labels
from playground.operations.nodes import vtysh

SAID = {
    "bindings": [
        {
            "addressFamily": "ipv4",
            "prefix": "10.10.10.2/32",
            "neighborId": "10.10.10.2",
            "localLabel": "16",
            "remoteLabel": "imp-null",
            "inUse": 1,
        },
        {"prefix": "10.9.0.0/24", "neighborId": "10.10.10.9", "localLabel": "-", "inUse": 0},
    ]
}


def router(*labelled: str) -> Any:
    plan = SimpleNamespace(owners={"10.10.10.2": "r2"})
    live = SimpleNamespace(
        plan=SimpleNamespace(labelled=labelled), lab=SimpleNamespace(running_plan=lambda: plan)
    )
    return SimpleNamespace(name="r1.example.com", short="r1", running=lambda: live)


def test_each_neighbour_has_told_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vtysh, "vtysh", lambda node, line: json.dumps(SAID))
    assert list(labels(router("eth0"))) == [
        Label(ip_network("10.10.10.2/32"), 16, "r2", "implicit null", True),
        Label(ip_network("10.9.0.0/24"), None, "10.10.10.9", None, False),
    ]


def test_a_router_without_labels_is_told_how_to_get_some() -> None:
    with pytest.raises(BadArgument, match=r"switches by no labels; tell it so: r1\.mpls\("):
        labels(router())


@pytest.mark.parametrize("text", ["", "[]", '{"bindings": [7]}', '{"bindings": [{"prefix": "x"}]}'])
def test_what_is_none_of_frrs_is_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(vtysh, "vtysh", lambda node, line: text)
    with pytest.raises(CommandFailed, match="something else than FRR does") as caught:
        labels(router("eth0"))
    assert caught.value.result.stdout == text
