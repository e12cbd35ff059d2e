"""Python's sockets on a node: of all that a block makes, or a single one."""

from __future__ import annotations

import socket as socket_module
from contextlib import AbstractContextManager

from playground.operations.connection.handles import Node


def sockets(node: Node) -> AbstractContextManager[Node]:
    """Have every Python socket that is made in a ``with`` block live on this node.

    Libraries work unchanged, as clients and as servers, and names resolve as on
    the node::

        with h1.sockets():
            urllib.request.urlopen("https://www.example.com/").read()

    It holds for this thread or task and those that it starts, until the block
    ends; blocks may be nested, and the inner one counts.  Other threads and tasks,
    sockets of the family AF_UNIX, and sockets made before, are not affected; a
    socket made in the block stays on the node.  TLS contexts made in the block that
    trust the system's authorities, or certifi's, trust the lab's too.

    What makes its sockets in C is not affected either: other programs, libcurl,
    ZeroMQ, uvloop.  Raises `EngineError` where the engine does not share a kernel
    with this program (Docker Desktop, ``DOCKER_HOST=ssh://...``), and where it
    runs without root: there `call` and `python` do it.

    """
    # unix(7), SCM_RIGHTS; network_namespaces(7).
    from playground.operations.connection import host_sockets

    return host_sockets.sockets(node)


def socket(
    node: Node,
    family: int = socket_module.AF_INET,
    type: int = socket_module.SOCK_STREAM,  # noqa: A002 - as socket.socket has it
    proto: int = 0,
) -> socket_module.socket:
    """Return one Python socket that lives on this node, and may be used anywhere.

    ::

        with h1.socket() as line:
            line.connect(("www", 80))

    A name that it is told, the node looks up.  Raw and packet sockets are made as
    well.  Close it, or use ``with``.  Raises `EngineError` as `sockets` does.

    """
    from playground.operations.connection import host_sockets

    return host_sockets.socket_on(node, family, type, proto)
