"""Labels of MPLS that a router has given networks, and those that its neighbours have told it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from playground.display.tables import Table
from playground.errors import BadArgument
from playground.model.addresses import Network
from playground.model.records import dataclass
from playground.operations.connection.frr_answers import text_in
from playground.operations.connection.handles import Node
from playground.operations.nodes.vtysh import vtysh_read


@dataclass(frozen=True)
class Label:
    """A network's label at a router, and the one that a neighbour has told for it.

    ``own`` is what the router takes packets for ``network`` with, ``neighbour`` the name of
    the other router, and ``theirs`` what that one takes them with.  "implicit null" says: send
    it without a label, I am the last (RFC 3032).  ``used`` tells whether packets go there.

    """

    network: Network
    own: int | str | None
    neighbour: str
    theirs: int | str | None
    used: bool


def labels(node: Node) -> Table[Label]:
    """Return the labels of a router that was told `Router.mpls`, a row a neighbour.

    ::

        >>> r1.labels()
        network         own            neighbour  theirs         used
        10.10.10.2/32   16             r2         implicit null  True
        10.10.10.3/32   17             r2         17             True

    Raises `BadArgument` for a router that switches by no labels, `NotRunning`, and
    `CommandFailed` where FRR does not answer.

    """
    live = node.running()
    if live.plan is None or not live.plan.labelled:
        raise BadArgument(
            f"{node.name} switches by no labels; tell it so: {node.short}.mpls({node.short}.links)"
        )
    owners = live.lab.running_plan().owners
    command = "show mpls ldp binding json"
    return Table(vtysh_read(node, command, lambda said: list(_rows(said[0], owners))))


def _rows(said: Any, owners: dict[str, str]) -> Iterator[Label]:
    for row in said.get("bindings", []):
        neighbour = text_in(row, "neighborId")
        yield Label(
            ip_network(row["prefix"]),
            _label(row.get("localLabel")),
            owners.get(neighbour, neighbour),
            _label(row.get("remoteLabel")),
            bool(row.get("inUse")),
        )


def _label(said: Any) -> int | str | None:
    if said in (None, "-"):
        return None
    text = str(said)
    return int(text) if text.isdigit() else {"imp-null": "implicit null"}.get(text, text)
