"""Host names of nodes: uts_namespaces(7)."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from playground.agent.kernel.syscalls import CLONE_NEWUTS, setns
from playground.agent.nodes.entering import open_namespace
from playground.agent.protocol import Request


def hostname(nodes: Sequence[Request]) -> None:
    for node in nodes:
        fd = open_namespace(node["pid"], "uts")
        setns(fd, CLONE_NEWUTS)
        os.close(fd)
        socket.sethostname(node["hostname"])


def hostname_of(pid: int) -> str:
    fd = open_namespace(pid, "uts")
    setns(fd, CLONE_NEWUTS)
    os.close(fd)
    return socket.gethostname()
