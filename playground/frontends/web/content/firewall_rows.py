"""Rules of a firewall with counters that move: what each has counted since the last look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.operations.nodes.firewall_counters import RuleRow

COLUMNS = ("number", "chain", "verdict", "match", "packets", "bytes", "new_packets", "comment")
NUMBERS = ("number", "packets", "bytes", "new_packets")


class MovingCounters:
    """Rules as rows, with how many packets each has counted since the look before."""

    def __init__(self) -> None:
        self._before: dict[tuple[Any, ...], int] | None = None

    def rows(self, rules: Sequence[RuleRow]) -> list[Mapping[str, Any]]:
        """Return a row for each rule; at the first look nothing is new."""
        counts: dict[tuple[Any, ...], int] = {}
        found: list[Mapping[str, Any]] = []
        for rule in rules:
            key = (rule.number, rule.chain, rule.verdict, rule.match)
            packets = rule.packets or 0
            counts[key] = packets
            before = 0 if self._before is None else self._before.get(key, 0)
            # Counters of rules that were loaded anew begin at nothing.
            new = packets - before if packets >= before else packets
            found.append(
                {
                    "number": rule.number,
                    "chain": rule.chain,
                    "verdict": rule.verdict,
                    "match": rule.match,
                    "packets": rule.packets,
                    "bytes": rule.bytes,
                    "new_packets": new if self._before is not None else 0,
                    "comment": rule.comment,
                }
            )
        self._before = counts
        return found
