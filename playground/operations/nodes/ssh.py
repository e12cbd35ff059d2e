"""Connect to a node with ssh, from another node, by paramiko."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from playground.errors import AgentError, CommandFailed, NotReady, PlaygroundError
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import kill, start_process
from playground.operations.connection.handles import LiveNode, Node

if TYPE_CHECKING:
    import paramiko

_PORT = 22

# How long the node's end of a connection may leave unread what it is sent.
_SEND_LIMIT_S = 60.0

# Every server says this first, RFC 4253, section 4.2.
_BANNER = r"^SSH-2\.0-"


def ssh(
    node: Node,
    to: Node | str | None = None,
    *,
    user: str = "root",
    password: str | None = None,
    timeout_s: float = 15,
) -> paramiko.SSHClient:
    """Return a `paramiko.SSHClient` that travelled from this node to another.

    Its packets leave this node as any program's would, so NAT, firewalls
    and a ``link.down()`` on the way count.  Without ``to`` it enters this
    node itself.  The lab's key opens the door, or ``password`` if given;
    the server's host key is checked.  A server that was not declared
    is started on the target.  Close the client, or use ``with``::

        with h1.ssh(to=www, user="student") as client:
            _, stdout, _ = client.exec_command("hostname")

    Raises a `PlaygroundError` when the target cannot be reached within
    ``timeout_s`` seconds, or does not let the user in.

    """
    # Not at the top: paramiko takes longer to import than all of playground.
    import paramiko

    live = node.running()
    target = _target(node, live, to)
    address = "127.0.0.1" if target is node else live.lab.resolve_name(to or "")
    client = paramiko.SSHClient()
    if target is None:
        # An address that is no node's name, such as that of a port forward.
        client.set_missing_host_key_policy(_any_key_of_the_lab())
        title = address
    else:
        title = target.name
        _offer_ssh(target)
        kind, key = live.lab.host_key(target.name).split()[:2]
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{title} {kind} {key}")
        client.get_host_keys().add(title, kind, entry.key)
    wire = _Wire(_connector(node, address))
    try:
        wire.wait_for_server(timeout_s)
        client.connect(
            title,
            username=user,
            password=password,
            pkey=None if password is not None else _key(live),
            sock=wire,
            timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
            look_for_keys=False,
            allow_agent=False,
        )
    except BaseException as error:
        client.close()
        wire.close()
        if isinstance(error, PlaygroundError):
            raise
        if isinstance(error, (paramiko.SSHException, OSError, EOFError)):
            raise _explained(node, title, user, wire, error, timeout_s) from error
        raise
    return client


def _target(node: Node, live: LiveNode, to: Node | str | None) -> Node | None:
    """Return the node that is meant; ``None`` for an address of no node's."""
    if to is None:
        return node
    if isinstance(to, Node):
        return to
    try:
        return live.lab.node(to)
    except LookupError:
        return None


# A stand-in for nc, for hosts with this machine's own programs, where it is missing.
_LIKE_NC = """
import os, socket, sys, threading
try:
    line = socket.create_connection((sys.argv[1], sys.argv[2]))
except OSError as error:
    sys.exit(f"connect: {error.strerror or error}")

def send():
    while data := os.read(0, 65536):
        line.sendall(data)
    line.shutdown(socket.SHUT_WR)

threading.Thread(target=send, daemon=True).start()
while data := line.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""


def _connector(node: Node, address: str) -> AgentProcess:
    """Start the node's end of the connection, which speaks on its standard streams."""
    try:
        return start_process(node, ["nc", "-v", address, str(_PORT)], stdin=True)
    except CommandFailed:
        return start_process(node, ["python3", "-c", _LIKE_NC, address, str(_PORT)], stdin=True)


def _offer_ssh(target: Node) -> None:
    """Start the target's sshd, unless it runs: every image has it."""
    live = target.running()
    if "ssh" in live.services:
        return
    if live.strange and all(row.readiness is not None for row in live.services.values()):
        raise PlaygroundError(
            f"{target.name} offers no ssh: it has an image of its own, which has no server of the "
            f'lab\'s; where the image is Debian or Ubuntu, declare it with services=["ssh"]'
        )
    if not live.own_programs:
        raise PlaygroundError(
            f"{target.name} offers no ssh: declare it, "
            f'Host({target.name!r}, services=["ssh"]), for without services it has this '
            "machine's programs and no server of its own"
        )
    live.agent.call("boot", nodes=[{"pid": live.pid, "programs": ["sshd"]}])
    check = {
        "pid": live.pid,
        "node": target.name,
        "service": "ssh",
        "port": _PORT,
        "protocol": "tcp",
        "tls": False,
        "send": None,
        "expect": _BANNER,
    }
    failures = live.agent.call("wait_ready", checks=[check], timeout_s=20)
    if failures:
        raise NotReady(
            f"the ssh server of {target.name} did not answer within 20 s: "
            f"{failures[0]['message']}; see {target.name}.read('/var/log/sshd.log')"
        )


def _key(live: LiveNode) -> paramiko.PKey:
    import paramiko

    return paramiko.Ed25519Key.from_private_key(io.StringIO(live.lab.private_key))


def _explained(
    node: Node, title: str, user: str, wire: _Wire, error: BaseException, timeout_s: float
) -> PlaygroundError:
    import paramiko

    if isinstance(error, paramiko.AuthenticationException):
        return PlaygroundError(
            f"{title} does not let {user} in; lab.users and lab.root_password show who may"
        )
    if isinstance(error, paramiko.BadHostKeyException):
        return PlaygroundError(
            f"what answers {node.name} as {title} is not {title}: its host key is another"
        )
    if isinstance(error, TimeoutError):
        why = f"no answer within {timeout_s:g} s"
    else:
        why = str(error) or wire.complaint() or "nothing listens there"
    return PlaygroundError(
        f"{node.name} cannot reach ssh at {title}: {why}; "
        f"{node.name}.ping({title!r}) shows whether it reaches it at all"
    )


def _any_key_of_the_lab() -> Any:
    import paramiko

    class AnyHostKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        """Accept the key of whoever answers: all of them are in the lab."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            return

    return AnyHostKey()


class _Wire:
    """A process's two streams, with as much of a socket as paramiko needs."""

    def __init__(self, process: AgentProcess) -> None:
        self._process = process
        self._timeout_s: float | None = None
        self._rest = b""
        self._closed = False

    def wait_for_server(self, timeout_s: float) -> None:
        """Wait for the server's first words, which `recv` returns later.

        paramiko would tell of their absence in a log and not in words for a
        student.  Raises `TimeoutError`, or `EOFError` when there is no server.

        """
        self._rest = self._process.read_stdout(timeout_s)
        if not self._rest:
            raise EOFError

    def settimeout(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s

    def send(self, data: bytes) -> int:
        try:
            self._process.write(bytes(data), _SEND_LIMIT_S)
        except (AgentError, TimeoutError) as error:
            raise EOFError(str(error)) from error
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.send(data)

    def recv(self, size: int) -> bytes:
        # TimeoutError is what a socket raises as well.
        if not self._rest:
            try:
                self._rest = self._process.read_stdout(self._timeout_s)
            except AgentError:
                return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            kill(self._process)

    def complaint(self) -> str:
        """Return the reason that nc gave when it could not connect."""
        try:
            kill(self._process)
            text = self._process.communicate(None, 5, 1 << 20)[1].decode("utf-8", "replace")
        except (TimeoutError, BufferError, AgentError):
            return ""
        # nc: connect to www (10.130.1.4) port 22 (tcp) failed: Connection refused
        return text.strip().splitlines()[-1].rpartition(": ")[2] if text.strip() else ""
