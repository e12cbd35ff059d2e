"""The labs of this process: which of them run, and which of them a node is part of."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from playground.errors import NoSuchNode, TopologyError
from playground.lab.state import LabObject
from playground.operations.network import Node

# The labs of this process that run, by the names their users gave them, so
# that a notebook cell run twice replaces its lab instead of adding another.
_running: weakref.WeakValueDictionary[str, LabObject] = weakref.WeakValueDictionary()

# Which lab a node was last declared in; neither keeps the other alive.
_lab_of: weakref.WeakKeyDictionary[Node, Callable[[], LabObject | None]] = (
    weakref.WeakKeyDictionary()
)


def take_nodes(lab: LabObject) -> None:
    """Make the nodes this lab's own; refuse those of another lab.

    A lab of the same name that was declared before is about to be replaced,
    and may lose its nodes.

    """
    for node in lab.nodes:
        other = _lab_of.get(node, _no_lab)()
        if other is None or other is lab:
            continue
        if other.name == lab.name and (lab._state.named or not other.running):
            continue
        state = "running lab" if other.running else "lab"
        raise TopologyError(
            f"{node.name} is part of the {state} {other.name!r} already, and a machine can be "
            f"in one lab at a time: stop that lab and drop it, or declare a new machine"
        )
    hand_nodes(lab)


def refuse_others(lab: LabObject, wanted: LabObject) -> None:
    """Refuse to make ``wanted``'s nodes this running lab's where another lab has them.

    Raises `TopologyError`; nothing is changed.  What ``wanted`` is called says nothing here.

    """
    for node in wanted.nodes:
        other = _lab_of.get(node, _no_lab)()
        live = node._live.lab if node._live is not None else None
        if live is not None and live is not lab:
            raise TopologyError(
                f"{node.name} runs in lab {live.name!r}, and lab {lab.name!r} cannot have it too: "
                "stop that lab, or declare a new machine"
            )
        if other is None or other is lab or other is wanted:
            continue
        # Others of its name have given it away, as where a cell of a notebook is run again.
        if other.running or other.name != wanted.name:
            raise TopologyError(
                f"{node.name} is part of the lab {other.name!r} already, and lab {lab.name!r} "
                "cannot have it too: drop that lab, or declare a new machine"
            )


def hand_nodes(lab: LabObject) -> None:
    """Make the nodes this lab's own, whichever lab they were declared in."""
    for node in lab.nodes:
        _lab_of[node] = weakref.ref(lab)


def replace_older(lab: LabObject) -> None:
    """Stop a lab of the same name that this process has started before."""
    older = _running.get(lab.name) if lab._state.named else None
    # A kept lab was meant to stay, and gives way only to another kept one.
    if older is not None and older is not lab and (lab.keep or not older.keep):
        older.stop()


def runs(lab: LabObject) -> None:
    """Note that a lab runs; one without a name of its own is replaced by none."""
    if lab._state.named:
        _running[lab.name] = lab


def runs_no_more(lab: LabObject) -> None:
    """Forget a lab that has ended."""
    if _running.get(lab.name) is lab:
        del _running[lab.name]


def _no_lab() -> None:
    return None


def refuse_stranger(lab: LabObject, node: Node) -> None:
    """Raise `NoSuchNode` for a node that this lab cannot reach by its name."""
    other = _lab_of.get(node, _no_lab)()
    if other is not None and other.name != lab.name:
        raise NoSuchNode(
            f"{node!r} is in lab {other.name}, and lab {lab.name} does not reach it: "
            f"name a machine of this one: {', '.join(node.name for node in lab.nodes)}"
        )
    if other is None and node.name not in lab:
        raise NoSuchNode(
            f"{node!r} is not in lab {lab.name}: link it to one of its machines, and call "
            "lab.start()"
        )
