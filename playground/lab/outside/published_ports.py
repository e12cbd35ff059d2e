"""Published ports: what listens on a host, offered at a port of the user's own machine.

The socket that listens is opened here, by this program and as its user, so that no more
can be offered than the user may offer.  Where the lab's nodes run under the same kernel it
is handed to the agent, and a process beside the nodes carries (`agent.ports.carrier`).
Elsewhere this program carries itself, over a line of its own (`port_tunnel`), and for a lab that
goes on when it ends a process beside it does (`port_holder`).

"""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from playground.engines.seam import Channel
from playground.errors import AgentGone, EngineError, NotRunning
from playground.model.containers.container import PublishedPort
from playground.model.containers.ports_to_publish import LOOPBACK, overlap, published_url
from playground.operations.connection.client import Client
from playground.operations.connection.host_sockets import on_this_machine

if TYPE_CHECKING:
    from playground.lab.outside.port_holder import PortHolders
    from playground.lab.outside.port_tunnel import PortTunnel

# Connections that wait to be accepted: as many as the kernel lets there be, listen(2).
_BACKLOG = 4096


class PublishedAddress(str):
    """The address at which this machine offers a port of a host, as text: a URL.

    ``port`` and ``address`` are this machine's, ``node`` is the host's name and
    ``node_port`` its port; `close` ends it, and so does the end of a ``with`` block.

    >>> with lab.publish(www, 80) as page:
    ...     print(urllib.request.urlopen(page).status)
    200

    """

    node: str
    node_port: int
    protocol: str
    port: int
    address: str
    # Whether this very program carries, and it ends with it.
    carried_here: bool
    _close: Callable[[], None]

    @classmethod
    def of_row(
        cls, row: dict[str, Any], close: Callable[[], None], carried_here: bool = False
    ) -> PublishedAddress:
        """Make one of what its carrier tells."""
        made = cls(row["url"])
        made.node, made.node_port, made.protocol = row["node"], row["port"], row["protocol"]
        made.port, made.address = row["local_port"], row["listen"]
        made.carried_here = carried_here
        made._close = close
        return made

    @property
    def url(self) -> str:
        """The same as plain text."""
        return str.__str__(self)

    def close(self) -> None:
        """Offer it no more; whom it connects is cut off.  May be repeated."""
        self._close()

    def __enter__(self) -> PublishedAddress:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (str, (self.url,))  # elsewhere it can be read, and closed by nobody

    def _repr_html_(self) -> str:
        import html

        words = html.escape(self.words)
        if not self.startswith("http"):
            return f"<code>{html.escape(self)}</code> {words}"
        url = html.escape(self, quote=True)
        return f'<a href="{url}" target="_blank" rel="noopener">{url}</a> {words}'

    @property
    def words(self) -> str:
        """The published port, in words."""
        said = f"port {self.node_port} of {self.node}"
        if not ip_address(self.address).is_loopback:
            said += ", open to everybody who reaches this machine"
        if self.carried_here:
            said += ", carried to the engine's machine while this program runs"
        return said


class PublishedPorts:
    """The published ports of one lab.

    ``agent`` returns the line to its agent, or raises `NotRunning`; ``connect`` starts
    another agent and returns the bare line to that.  ``holders`` are for a lab that goes on when
    this program ends.

    """

    def __init__(
        self,
        agent: Callable[[], Client],
        connect: Callable[[], Channel],
        holders: PortHolders | None = None,
    ) -> None:
        self._agent = agent
        self._connect = connect
        self._holders = holders
        self._tunnel: PortTunnel | None = None

    def publish(
        self, node: str, pid: int, wanted: PublishedPort, scheme: str | None = None
    ) -> PublishedAddress:
        """Offer a port of a running node at once; nothing listens after an error."""
        published_url(wanted, 1, scheme)  # refused before anything is done
        client = self._agent()
        is_elsewhere = client.ready_sockets() is not None
        with on_this_machine():
            listener = _listening(wanted)
        # Who carries has a copy of its own, and gives that up after an error.
        with listener:
            address, local_port = listener.getsockname()[:2]
            row = {
                "key": secrets.token_hex(8),
                "node": node,
                "port": wanted.port,
                "protocol": wanted.protocol,
                "listen": address,
                "local_port": local_port,
                "url": published_url(wanted, local_port, scheme),
            }
            try:
                if not is_elsewhere:
                    client.publish(pid, row, listener)
                elif self._holders is not None:
                    self._holders.hold(pid, row, listener)
                else:
                    self._ready_tunnel().publish(pid, row, listener)
            except OSError as error:
                raise EngineError(
                    f"port {wanted.port} of {node} cannot be published: {error.strerror}"
                ) from error
        return self._address(row, is_elsewhere, held=self._holders is not None)

    def all(self) -> list[PublishedAddress]:
        """Return what is published of the lab: by anybody, or over a line by this program."""
        here = self._tunnel.rows if self._tunnel is not None else []
        found = [self._address(row, True) for row in here]
        if self._holders is not None:
            found += [self._address(row, True, held=True) for row in self._holders.rows()]
        found += [self._address(row) for row in self._agent().call("published")]
        return sorted(found)

    def close(self) -> None:
        """End what this program carries itself.  May be repeated."""
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def _ready_tunnel(self) -> PortTunnel:
        from playground.lab.outside.port_tunnel import PortTunnel

        if self._tunnel is None or self._tunnel.is_closed:
            self._tunnel = PortTunnel(self._connect())
        return self._tunnel

    def _address(
        self, row: dict[str, Any], elsewhere: bool = False, held: bool = False
    ) -> PublishedAddress:
        def close() -> None:
            if not elsewhere:
                # With the lab all that was carried has ended.
                with suppress(AgentGone, NotRunning):
                    self._agent().call("unpublish", keys=[row["key"]])
            elif held and self._holders is not None:
                self._holders.end(row["key"])
            elif self._tunnel is not None:
                self._tunnel.unpublish(row["key"])

        return PublishedAddress.of_row(row, close, elsewhere and not held)


def refuse_taken(wanted: Iterable[tuple[str, PublishedPort]]) -> None:
    """Raise `EngineError` where a port of this machine cannot be had, or two want the same.

    ``wanted`` are names of nodes with ports that they are to be published at.

    """
    earlier: list[tuple[str, PublishedPort]] = []
    with ExitStack() as held, on_this_machine():
        for node, port in wanted:
            if port.local_port is None:
                continue
            for other, its_port in earlier:
                if overlap(port, its_port):
                    who = f"{other} and {node} are both" if other != node else f"{node} is twice"
                    raise EngineError(
                        f"{who} to be published at port {port.local_port} of this machine: choose "
                        "another for one of them"
                    )
            earlier.append((node, port))
            held.enter_context(_listening(port))


def _listening(wanted: PublishedPort) -> socket.socket:
    """Return a socket that is bound, and for TCP listens, where it is wanted."""
    listen = wanted.local_address or LOOPBACK
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    kind = socket.SOCK_STREAM if wanted.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        made = socket.socket(family, kind)
        try:
            if kind == socket.SOCK_STREAM:
                # The port of an earlier lab is free at once: socket(7).
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((listen, wanted.local_port or 0))
            if kind == socket.SOCK_STREAM:
                made.listen(_BACKLOG)
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise EngineError(_sentence(error, wanted, listen)) from error
    return made


def _sentence(error: OSError, wanted: PublishedPort, listen: str) -> str:
    what = f"port {wanted.port} of a host cannot be published at"
    here = f"{what} port {wanted.local_port} of {listen}: "
    if error.errno == errno.EADDRINUSE:
        return (
            f"{here}another program has it. Choose another local port, or leave it out to have "
            "one that is free"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        above = 8000 + (wanted.local_port or 0)
        return f"{here}ports below 1024 are root's. Choose one above, such as {above}"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return (
            f"{what} {listen}: this machine has no such address. Leave listen= out, or write "
            '"0.0.0.0" for all that it has'
        )
    return f"{here}{error.strerror}"
