"""Machines on the way that were stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.life.power import start_words


def with_stopped(walk: Walk, fault: Fault | None) -> Fault | None:
    """Return a fault as that of a stopped machine where it is one, or may come of one."""
    stopped = walk.facts.plan.stopped_names
    if fault is None or not stopped:
        return fault
    if fault.node in stopped:
        name = fault.node
        return Fault(
            name,
            "stopped",
            f"{name} is stopped: nothing runs on it, and its links are dead.",
            f"Start it: `{start_words(name)}`.",
        )
    # Its neighbours may have forgotten the ways that led over it.
    return dataclasses.replace(fault, sentence=f"{fault.sentence} ({_words(stopped)} stopped.)")


def _words(names: Collection[str]) -> str:
    """Return that these are.

    >>> _words({"r1"}), _words({"r2", "r1"})
    ('r1 is', 'r1 and r2 are')

    """
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last} are" if most else f"{last} is"
