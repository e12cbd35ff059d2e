"""Limits of what an assistant may declare: nothing that reaches out of its labs.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import Declarations, NodeSaid
from playground.model.containers.reaching_out import (
    MOST_NODES,
    OF_IMAGES,
    REACHING_OUT,
    reached,
)

# What does instead.
_INSTEAD = {"volumes": ", and write files with the argument files"}

# Arguments of `Lab`; the others are the user's to say.
_SETTINGS = ("name", "users", "ipv6", "converge", "strict", "positions")


def refuse_reaching_out(declarations: Declarations, own_images: bool) -> None:
    """Raise `TopologyError` for declarations that reach out of a lab, or are too many.

    With ``own_images`` hosts may have images of their own, and packages of Debian.

    """
    if len(declarations.nodes) > MOST_NODES:
        raise TopologyError(
            f"{len(declarations.nodes)} nodes are more than the {MOST_NODES} of a lab that an "
            "assistant starts"
        )
    for node in declarations.nodes:
        for argument in reached(node.arguments):
            if argument not in OF_IMAGES:
                raise TopologyError(
                    f"{_where(node)}: {argument} is not for an assistant: such a host "
                    f"{REACHING_OUT[argument]}; leave it out{_INSTEAD.get(argument, '')}"
                )
            if not own_images:
                raise TopologyError(f"{_where(node)}: {_said(node, argument)} {_NO_IMAGES}")


_NO_IMAGES = (
    "is not allowed here: hosts have the images of playground, unless its user starts "
    "`playground mcp --allow-images`"
)


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Lab` that an assistant may say; raise `TopologyError` for others."""
    for name in settings:
        if name not in _SETTINGS:
            raise TopologyError(
                f"{name} is not for an assistant to say: the lab ends with this program, on the "
                f"engine that its user chose; leave it out (there are {', '.join(_SETTINGS)})"
            )
    return dict(settings)


def _said(node: NodeSaid, argument: str) -> str:
    return argument if node.arguments.get(argument) else f"{argument} of a service"


def _where(node: NodeSaid) -> str:
    return str(node.place) if node.place is not None else node.name
