"""Links impaired: by which ways, read back, and a stranger's queue left alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.links.interfaces import interface_index
from playground.agent.links.relay import tap_names
from playground.agent.queues.impairments import impair, impaired
from playground.agent.queues.letting_go import around_name
from tests.support_agent import PLAIN_IMPAIRMENT, Namespaces, apart, cable, needs_root


@pytest.fixture
def h1() -> Iterator[Namespaces]:
    with Namespaces("h1") as h:
        cable(h)
        yield h


def direction(pid: int, wanted: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    impairment = None if wanted is None else {**PLAIN_IMPAIRMENT, **wanted}
    return {
        "pid": pid,
        "interface": "e0",
        "impairment": impairment,
        "before": None,
        "watch": pid,
        **more,
    }


def found(pid: int) -> dict[str, Any]:
    [row] = apart(impaired, [{"pid": pid, "interface": "e0"}])
    assert isinstance(row, dict)
    return row


@needs_root
@pytest.mark.parametrize(
    "wanted",
    [
        {"loss_percent": 25.0},
        {"rate_mbit": 2.0},
        {"delay_ms": 50.0, "jitter_ms": 5.0},
    ],
    ids=["loss", "rate", "delay"],
)
def test_what_a_link_is_told_is_read_back_and_taken_away(
    h1: Namespaces, wanted: dict[str, Any]
) -> None:
    [ways] = apart(impair, [direction(h1.pid, wanted)])
    row = found(h1.pid)
    # With netem by that alone; without it by what each needs.
    assert row["by"] == ways != []
    assert {name: row["settings"].get(name) for name in wanted} == wanted
    assert apart(impair, [direction(h1.pid, None)]) == [[]]
    assert found(h1.pid) == {"by": [], "settings": {}}


@needs_root
def test_a_queue_that_somebody_has_set_by_hand_stays(h1: Namespaces) -> None:
    with h1.network():
        subprocess.run(
            ["tc", "qdisc", "replace", "dev", "e0", "root", "handle", "1:", "pfifo", "limit", "7"],
            check=True,
        )
    with pytest.raises(FileExistsError, match=r"e0 has a queue .* by hand, pfifo"):
        apart(impair, [direction(h1.pid, {"rate_mbit": 2.0})])
    [ways] = apart(impair, [direction(h1.pid, {"rate_mbit": 2.0}, replace=True)])
    assert ways


@needs_root
def test_where_one_end_fails_the_others_are_as_before(h1: Namespaces) -> None:
    missing = direction(h1.pid, {"rate_mbit": 2.0}, interface="none")
    with pytest.raises(OSError, match="there is no interface none"):
        apart(impair, [direction(h1.pid, {"rate_mbit": 2.0}), missing])
    assert found(h1.pid) == {"by": [], "settings": {}}


@needs_root
def test_interfaces_made_by_hand_are_not_taken_for_those_of_a_lab(h1: Namespaces) -> None:
    with h1.network():
        index = interface_index("e0")
        names = [around_name(index), *tap_names(index)]
        for name in names:
            subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
        for wanted in ({"rate_mbit": 2.0}, {"delay_ms": 5.0}, {"loss_percent": 5.0}, None):
            try:
                apart(impair, [direction(h1.pid, wanted)])
            except FileExistsError as error:
                # No name is left for a tap, where the kernel has no netem.
                assert "others of these names by hand" in str(error)
        assert set(names) < set(h1.interfaces())
    assert found(h1.pid) == {"by": [], "settings": {}}
