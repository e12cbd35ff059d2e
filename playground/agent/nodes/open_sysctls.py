"""Settings of a node's network, opened to its root where the engine has closed them.

An engine shows all of /proc/sys read-only to its containers, and only of a container that it
starts itself can it be told which paths may be written (`engines.docker.container_configs`).
What belongs to the network is the node's own: /proc/sys/net shows that of its namespace.

"""

from __future__ import annotations

import os
from collections.abc import Sequence

from playground.agent.kernel.syscalls import checked, libc
from playground.agent.nodes.entering import coming_back, enter_network, inside
from playground.agent.nodes.read_only import KEPT, MS_BIND, MS_RDONLY, MS_REMOUNT

_NETWORK = "/proc/sys/net"

# Closed on their own, where a kernel has them: what in it is no network's own, and what engines
# leave open for which the kernel asks for no more than root's number.
_CLOSED = (
    f"{_NETWORK}/netfilter/nf_hooks_lwtunnel",
    *("/proc/dynamic_debug", "/proc/mtrr", "/proc/pressure"),
)


def open_sysctls(pids: Sequence[int]) -> None:
    """Let root of each node write the settings of its network, as in a host of Docker."""
    for pid in pids:
        # A name below /proc/sys/net is another one in each network namespace, and a mount at it
        # is seen in that alone: fs/proc/proc_sysctl.c, proc_sys_compare().
        with coming_back():
            enter_network(pid)
            with inside(pid):
                _bind(_NETWORK, writable=True)
                for path in filter(os.path.exists, _CLOSED):
                    _bind(path, writable=False)


def _bind(path: str, writable: bool) -> None:
    name = path.encode()
    checked(libc.mount(name, name, None, MS_BIND, None), f"binding {path}")
    flags = MS_REMOUNT | MS_BIND | os.statvfs(path).f_flag & KEPT
    if not writable:
        flags |= MS_RDONLY
    checked(libc.mount(None, name, None, flags, None), f"setting what may be done at {path}")
