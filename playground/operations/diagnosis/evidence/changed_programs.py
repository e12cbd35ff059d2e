"""Programs of hosts that are not the machine's: what they say may be anything.

Most checks ask the kernel or the network.  Some have only a host's own program to ask: vtysh of
a router's daemons, dig for rare types of records, and whatever an exercise runs itself.

"""

from __future__ import annotations

from collections.abc import Iterator

from playground.operations.network import Machine

_PROGRAMS = ("vtysh", "dig", "getent", "ip", "ping", "cat", "head", "sh", "python3")
# By which the loader puts other code into every program, ld.so(8).
_PRELOAD = "/etc/ld.so.preload"


def changed_programs(node: Machine) -> Iterator[str]:
    """Yield what tells of each program that root of a node has put in another's place.

    They are compared with the machine's.  Of a node with an image (those of Docker, and
    ``packages=``) nothing is told: nobody here knows what its image has.

    """
    live = node.running()
    if live.own_programs or live.strange:
        return
    names = [*_PROGRAMS, _PRELOAD]
    found = live.agent.call("changed_programs", pid=live.pid, names=names)
    for name in names:
        if name in found:
            yield f"{node.name} has another {name} than the machine: what it says may be anything"
