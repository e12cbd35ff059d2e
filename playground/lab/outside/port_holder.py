"""Published ports of a lab that goes on when this program ends, on an engine elsewhere.

No descriptor can be handed to the agent there, so somebody on this machine has to carry: a small
process for each port, which begins with the socket that is to be offered and ends with the lab,
or with the port's host, or when it is told to.  It is found by an abstract address of unix(7),
whose name has the user and the lab; only processes of that user are listened to, and believed.

"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playground.engines.choice import NAMES, choose
from playground.engines.seam import Engine
from playground.errors import EngineError, PlaygroundError
from playground.lab.outside.port_tunnel import PortTunnel

_TELL, _END = b"tell", b"end"
_LIMIT_S = 5.0
_START_LIMIT_S = 60.0
_LOOK_S = 0.5
_ROW_BYTES = 1 << 16

# struct ucred of unix(7): process, user, group.
_CREDENTIALS = struct.Struct("3i")

_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from playground.lab.outside.port_holder import main; main()"
)


class PortHolders:
    """The processes of this user that hold published ports of one lab on this machine."""

    def __init__(self, lab_id: str, engine: Engine) -> None:
        self._lab_id = lab_id
        self._engine = engine

    @property
    def possible(self) -> bool:
        """Whether another process can make the same engine, and be found (unix(7), Linux)."""
        return _kind(self._engine) in NAMES and sys.platform == "linux"

    def hold(self, pid: int, row: dict[str, Any], listener: socket.socket) -> None:
        """Have a new process offer a bound socket, which it gets a copy of.

        Returns when it does; raises `EngineError` where it cannot.

        """
        wanted = {
            "engine": _kind(self._engine),
            "url": getattr(self._engine, "url", None),
            "lab": self._lab_id,
            "pid": pid,
            "row": row,
            "fd": listener.fileno(),
        }
        path = json.dumps([entry or os.getcwd() for entry in sys.path])
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            cwd="/",
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        # Where nobody reads its answer any more, as after Ctrl-C, it ends.
        with process.stdin as asks, process.stdout as answers:
            asks.write(json.dumps(wanted).encode() + b"\n")
            asks.close()
            ready, _, _ = select.select([answers], [], [], _START_LIMIT_S)
            said = answers.readline() if ready else b""
        process.wait()
        answer = json.loads(said or b'{"error": "the process that was to carry it has ended"}')
        if "error" in answer:
            raise EngineError(
                f"port {row['port']} of {row['node']} cannot be published: {answer['error']}"
            )

    def rows(self) -> list[dict[str, Any]]:
        """Return what each of them says of its port."""
        found = []
        for name in self._names():
            with contextlib.suppress(OSError, ValueError), _line(name) as line:
                line.send(_TELL)
                found.append(json.loads(line.recv(_ROW_BYTES)))
        return found

    def end(self, key: str) -> None:
        """End the one that holds a port, and wait until it has; it may have ended already."""
        with contextlib.suppress(OSError), _line(f"{self._prefix}{key}") as line:
            line.send(_END)
            line.recv(1)

    @property
    def _prefix(self) -> str:
        return _prefix(self._lab_id)

    def _names(self) -> list[str]:
        text = Path("/proc/self/net/unix").read_text()
        found = re.findall(rf" @({re.escape(self._prefix)}[0-9a-f]+)$", text, re.MULTILINE)
        return list(dict.fromkeys(found))


def _prefix(lab_id: str) -> str:
    return f"playground.held.{os.geteuid()}.{lab_id}."


def _kind(engine: Engine) -> str:
    return type(engine).__name__.removesuffix("Engine").lower()


def _is_own(line: socket.socket) -> bool:
    """Whether a process of this user is at the other end: anybody may take such an address."""
    said = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(said)[1] == os.geteuid())


@contextlib.contextmanager
def _line(name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(_LIMIT_S)
        line.connect(f"\0{name}")
        if not _is_own(line):
            raise ConnectionRefusedError("another user has that address")
        yield line


# -- the process -------------------------------------------------------------


def main() -> None:
    """Hold one port, as the first line of standard input says; answer with a line."""
    if os.fork():
        os._exit(0)  # whoever asked has no child to wait for
    wanted = json.loads(sys.stdin.readline())
    answer: dict[str, Any] = {}
    with contextlib.ExitStack() as held:
        try:
            tunnel = held.enter_context(contextlib.closing(_tunnel(wanted)))
            register = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            register.bind(f"\0{_prefix(wanted['lab'])}{wanted['row']['key']}")
            register.listen()
        except (OSError, PlaygroundError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(nowhere, fd)
        if not answer:
            serve(register, tunnel, wanted["row"])


def _tunnel(wanted: dict[str, Any]) -> PortTunnel:
    if wanted["url"]:
        os.environ["DOCKER_HOST"] = wanted["url"]
    engine = choose(wanted["engine"])
    tunnel = PortTunnel(engine.connect(wanted["lab"]))
    with socket.socket(fileno=wanted["fd"]) as listener:
        tunnel.publish(wanted["pid"], wanted["row"], listener)
    return tunnel


def serve(register: socket.socket, tunnel: PortTunnel, row: dict[str, Any]) -> None:
    """Tell who asks of the port, until somebody ends it or it has ended."""
    while tunnel.rows and not tunnel.is_closed:
        if not select.select([register], [], [], _LOOK_S)[0]:
            continue
        with contextlib.suppress(OSError), register.accept()[0] as line:
            line.settimeout(_LIMIT_S)
            if not _is_own(line):
                continue
            wish = line.recv(64)
            if wish == _TELL:
                line.send(json.dumps(row).encode())
            elif wish == _END:
                register.close()
                tunnel.close()  # who asked waits for the end of this line
                return
