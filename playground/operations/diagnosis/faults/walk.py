"""Notes of a walk along a packet's way, and the fault that it ends with.  Pure."""

from __future__ import annotations

from dataclasses import field

from playground.model.records import dataclass
from playground.operations.diagnosis.evidence.explanation import Step
from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.evidence.packet_trace import Sighting
from playground.operations.diagnosis.faults.advised_calls import variable


@dataclass(frozen=True)
class Fault:
    """Where a packet stopped and why, in words for a student."""

    node: str
    cause: str
    sentence: str
    advice: str = ""


@dataclass
class Walk:
    """The notes of one walk, there and back.

    ``used`` are the addresses on the way, by who sent to them: node, interface, address.
    ``last`` is how the packet came to where it stayed, and ``hop`` the address that the
    last node sent it to.

    """

    facts: Facts
    steps: list[Step] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    path_back: list[str] = field(default_factory=list)
    used: dict[tuple[str, str, str], None] = field(default_factory=dict)
    last: Sighting | None = None
    left_lab: bool = False
    translator: str | None = None  # of NAT64, behind which nothing was followed
    hop: str = ""

    def step(self, node: str, asked: str, found: str, ok: bool = True) -> None:
        """Write down what was looked at and found, unless that has just been done."""
        row = Step(node, asked, found, ok)
        if row not in self.steps[-6:]:
            self.steps.append(row)


def unknown(walk: Walk, node: str, what: str) -> Fault:
    """Return the fault of a node that did not do its part for a reason nothing shows."""
    walk.step(node, "packet", what, False)
    return Fault(
        node,
        "unknown",
        f"{node} {what}, for a reason that none of its tables shows.",
        f"Capture there: `{variable(node)}.capture()`, and look at "
        f'`{variable(node)}.run("nft list ruleset")` and at the rules of iptables.',
    )
