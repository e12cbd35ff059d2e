"""Limits of what an assistant may declare: nothing that reaches out of its labs.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import Declarations, NodeSaid
from playground.model.containers.own_service import Service

MOST_NODES = 200

# Arguments of hosts and routers that reach the machine, and why each is refused.
_REACHING_OUT: Mapping[str, str] = {
    "volumes": "a volume is a folder of this machine; write files with the argument files",
    "publish": "a published port lets this machine's network in",
    "devices": "a device is this machine's",
    "cap_add": "a capability is more than a host of an assistant needs",
}

# What brings programs that nobody here has looked at, by way of the machine's network.
_OF_IMAGES = ("image", "build", "dockerfile", "build_target", "build_args", "packages")

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
        for argument, value in node.arguments.items():
            if value is None:
                continue
            if argument in _REACHING_OUT:
                raise TopologyError(
                    f"{_where(node)}: {argument} is not for an assistant: {_REACHING_OUT[argument]}"
                )
            if argument in _OF_IMAGES and not own_images:
                raise TopologyError(f"{_where(node)}: {argument} {_NO_IMAGES}")
        if not own_images:
            _refuse_packages(node)


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


def _refuse_packages(node: NodeSaid) -> None:
    services: Iterable[Any] = node.arguments.get("services") or ()
    for service in services:
        if isinstance(service, Service) and service.packages:
            raise TopologyError(f"{_where(node)}: packages of a service {_NO_IMAGES}")


def _where(node: NodeSaid) -> str:
    return str(node.place) if node.place is not None else node.name
