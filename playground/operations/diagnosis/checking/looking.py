"""What all checks share: the lab that they ask, and how they wait for what should be so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from playground.errors import BadArgument
from playground.model.arguments import LONGEST_S, is_number, shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.diagnosis.evidence.network_state import State
from playground.operations.measurements.rtt_under_load import RttUnderLoad
from playground.operations.network import Host, Link, Machine, Router, Switch
from playground.planning.plan import Plan

T = TypeVar("T")

# How long a check waits, unless it is told otherwise.
WITHIN_S = 5.0
# Between two looks: each of them is a packet, and some processor time.
PAUSE_S = 0.1


class CheckedLab(Protocol):
    """A running lab, as far as checks ask it."""

    @property
    def name(self) -> str: ...

    @property
    def links(self) -> tuple[Link, ...]: ...

    def __contains__(self, node: object) -> bool: ...

    def __getitem__(self, name: str) -> Host | Router | Switch: ...

    def explain(
        self,
        source: Host | Router | str,
        target: Host | Router | str,
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
    ) -> Explanation: ...

    def state(self) -> State: ...

    def running_plan(self) -> Plan: ...

    def rtt_under_load(
        self,
        source: Host | Router | str,
        target: Host | Router | str,
        *,
        seconds: float = 5,
        streams: int = 4,
        direction: str = "both",
    ) -> RttUnderLoad: ...


class Checking(Protocol):
    """The checks of a lab, as far as each needs the others."""

    _lab: CheckedLab

    def _machine(self, node: Node | str) -> Machine: ...

    def _addresses(self, address: Node | str) -> set[str]: ...

    def reaches(
        self,
        source: Node | str,
        target: Node | str,
        *,
        port: int | None = None,
        protocol: str | None = None,
        version: int | None = None,
        within_s: float = WITHIN_S,
    ) -> Explanation: ...


def check_within(within_s: object) -> None:
    """Refuse what is no time to wait."""
    if not is_number(within_s, 0, LONGEST_S):
        raise BadArgument(f"within_s={shown(within_s)} is no number of seconds; write within_s=5")


def wait(look: Callable[[], T], is_right: Callable[[T], Any], within_s: float) -> T:
    """Look until it is right, or the time is over; return what was seen last."""
    check_within(within_s)
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if is_right(found) or time.monotonic() >= deadline:
            return found
        time.sleep(PAUSE_S)
