"""Connections whose other end is gone for good, found by asking: keepalives of tcp(7).

Who has said all (shutdown(2)) and hears on answers them.  Who has closed its socket answers
until its kernel has forgotten the connection, a minute by default (tcp_fin_timeout), and then
breaks it off; so does a machine that was started anew, and one that is off says nothing.

"""

from __future__ import annotations

import contextlib
import socket

# Two minutes in all: that long a carrier holds two descriptors for nobody.
IDLE_S = 60
AGAIN_S = 15
TIMES = 4


def keep_asking(connection: socket.socket) -> None:
    """Have the kernel ask the other end whether it is there; nothing for what is no TCP."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            # macOS has another name for the first.
            (getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)), IDLE_S),
            (getattr(socket, "TCP_KEEPINTVL", None), AGAIN_S),
            (getattr(socket, "TCP_KEEPCNT", None), TIMES),
        ):
            if option is not None:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
