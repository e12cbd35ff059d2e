"""A ready lab of queues: a home whose modem has far too long a queue (bufferbloat)."""

from __future__ import annotations

from typing import Any

from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Node, Router, Switch

# A line of the kind that many homes have, and a modem that keeps 200 frames: 1.2 s of upload.
UP_MBIT, DOWN_MBIT = 2, 8
DELAY_MS = 10
MODEM_PACKETS = 200


def bufferbloat(**options: Any) -> Lab:
    """Return a home that uploads by a slow line, while somebody there wants to talk.

    Not yet started; ``options`` are those of `Lab`.

    >>> with bufferbloat() as lab:
    ...     print(lab.rtt_under_load("laptop", "server", direction="up").table())

    """
    options.setdefault("name", "bufferbloat")
    return Lab(*bufferbloat_nodes(), **options)


def bufferbloat_nodes() -> tuple[Node, ...]:
    """Return the declarations of two hosts at home, a modem, a provider and a server.

    The line between modem and provider carries 2 Mbit/s up and 8 Mbit/s down, 10 ms each
    way, and 200 frames wait for it at either end.  TCP of all hosts is "reno".
    ``lab.link("modem", "isp")`` is that line: give it another queue.
    J. Gettys, Bufferbloat: Dark Buffers in the Internet, 2011.

    ::

        laptop --.
                  home -- modem ==== isp -- server
        phone  --'

    """
    home = Switch("home", subnet="192.168.1.0/24")
    # It fills whatever queue there is; what a machine does by default differs.
    laptop, phone, server = (
        Host(name, congestion_control="reno") for name in ("laptop", "phone", "server")
    )
    modem, isp = Router("modem"), Router("isp")
    for node in (modem, laptop, phone):
        Link(home, node)
    line = Link(modem, isp, subnet="203.0.113.0/30")
    line.impair(rate_mbit=UP_MBIT, delay_ms=DELAY_MS, toward=isp)
    line.impair(rate_mbit=DOWN_MBIT, delay_ms=DELAY_MS, toward=modem)
    line.queue("pfifo", limit_packets=MODEM_PACKETS)
    Link(isp, server, subnet="198.51.100.0/24")
    return (laptop, phone, modem, isp, server)
