"""The line by which an agent hands sockets to this process.

A socket stays in the network namespace where it was opened (network_namespaces(7)), and
a descriptor can be sent to another process of the same kernel (SCM_RIGHTS in unix(7)).
So the agent opens what is asked for in a node, and sends it here.  The line is a pair of
sockets without a name, which nobody else can find: on bare namespaces the agent inherits
its end, on Docker it takes it out of this process by pidfd_getfd(2).

What goes over it is laid down in the docstring of `playground.agent`.

"""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground.agent.protocol import os_error
from playground.errors import AgentError, AgentGone

# The agent opens a socket in less than a millisecond.
_LIMIT_S = 20.0

_GONE = "the line to the lab's agent is closed: the lab was stopped, or its helper has died"


class SocketLine:
    """Our end of the line.  Any number of threads may use it at once."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    @classmethod
    def pair(cls) -> tuple[SocketLine, socket.socket]:
        """Return a line, and the end of it that is the agent's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def open(self, pid: int, family: int, kind: int, protocol: int) -> int:
        """Return the descriptor of a new socket in the node whose first process is ``pid``.

        It is the caller's to close.  Raises `OSError` as socket(2) there does, `AgentGone`
        when the line is closed.

        """
        request = {"pid": pid, "family": family, "type": kind, "protocol": protocol}
        descriptor = self._ask(request)
        assert descriptor is not None
        return descriptor

    def publish(self, pid: int, row: dict[str, Any], listener: socket.socket) -> None:
        """Have a process carry what comes by a socket to a node; raises as `open` does.

        The socket is the caller's to close.  After an error, or an interrupt, nothing is carried.

        """
        try:
            self._ask({"pid": pid, "publish": row}, listener.fileno())
        except OSError:
            raise  # the agent's own word that it carries nothing
        except BaseException:
            # By the same line, so that it comes after what was asked for.
            with suppress(AgentError, OSError):
                self._ask({"unpublish": row["key"]})
            raise

    def _ask(self, question: dict[str, Any], given: int | None = None) -> int | None:
        """Return the descriptor that comes with the answer, None where none does."""
        with self._lock:
            number = next(self._numbers)
            content = [json.dumps({"id": number, **question}).encode()]
            try:
                self._line.settimeout(_LIMIT_S)
                socket.send_fds(self._line, content, [] if given is None else [given])
                while True:
                    answer, descriptor = self._answer()
                    if answer["id"] == number:
                        break
                    # Of a request whose thread was interrupted.
                    if descriptor is not None:
                        os.close(descriptor)
            except TimeoutError:
                raise AgentError(
                    f"the agent opened no socket within {_LIMIT_S:g} s: the engine's machine may "
                    "be overloaded; stop the lab and start it again"
                ) from None
            except OSError:
                raise AgentGone(_GONE) from None
        if error := answer.get("error"):
            raise os_error(error)
        return descriptor

    def _answer(self) -> tuple[dict[str, Any], int | None]:
        packet, ancillary, _, _ = self._line.recvmsg(
            1 << 16, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            raise ConnectionError
        descriptors = [
            int.from_bytes(data[:4], sys.byteorder)
            for level, kind, data in ancillary
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        ]
        return json.loads(packet), descriptors[0] if descriptors else None

    def close(self) -> None:
        """Close the line; who waits at it is woken.  May be repeated."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._line.close()

    def forget(self) -> None:
        """Close what a fork of this process has inherited."""
        self._line.close()


def where_this_is() -> dict[str, Any] | None:
    """Return how an agent finds this process, None where there is no /proc of Linux."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None
    return {"boot_id": boot_id, "pid": os.getpid(), "pid_namespace": namespace}
