"""The connections that a node keeps in mind: what NAT and stateful rules go by.

Rows of the kernel's connection tracking (conntrack), read through the agent.

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from playground.display.tables import Table
from playground.errors import BadArgument
from playground.model.arguments import check_most
from playground.model.records import dataclass
from playground.operations.connection.handles import Node

if TYPE_CHECKING:
    from playground.operations.captures.samples import TcpSamples

# IANA's protocol numbers, by the names that firewall rules know.
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmp", 132: "sctp", 33: "dccp"}

# linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_status.
_SEEN_REPLY = 1 << 1
_SNAT = 1 << 4
_DNAT = 1 << 5


@dataclass(frozen=True)
class Connection:
    """One connection, by who began it and by who answers whom.

    ``source`` and ``destination`` are those of its first packet as it came,
    ``answers_from`` and ``answers_to`` those of its answers: where NAT has
    changed something they differ from the first turned round.  Ports are None
    where the protocol has none; ICMP's id stands for the first's source port.
    ``state`` is TCP's, and otherwise "answered" or "unanswered".  ``expires_s``
    says after how many seconds without a packet it is forgotten.

    """

    protocol: str
    source: str
    source_port: int | None
    destination: str
    destination_port: int | None
    answers_from: str
    answers_from_port: int | None
    answers_to: str
    answers_to_port: int | None
    state: str
    expires_s: int
    status: int = field(default=0, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def translated(self) -> bool:
        """Whether NAT changes its addresses or ports."""
        return bool(self.status & (_SNAT | _DNAT))


def connections(node: Node, *, most: int | None = None) -> Table[Connection]:
    """Return the connections that this node keeps in mind, as rows.

    With ``most`` no more than so many of them, in no order: a busy NAT has a hundred thousand.

    These are what NAT and a firewall's "established" go by (conntrack): the
    packets of a connection as they came, and those of its answers.  A
    node keeps none in mind that neither translates nor filters.

    >>> modem.connections()
    protocol  source        source_port  destination  ...  state
    tcp       192.168.1.11        40312  10.25.1.1    ...  ESTABLISHED

    """
    check_most(most)
    live = node.running()
    asked = {} if most is None else {"most": most}
    rows = live.agent.call("connections", pid=live.pid, **asked)
    return Table(read_connection(row) for row in rows)


def forget(node: Node, *wanted: Connection) -> int:
    """Forget these rows of `connections`, or all; return how many.

    What a NAT has forgotten does not find back: the next packet from inside
    begins anew, perhaps with another port, and one from outside is dropped.

    >>> modem.forget(modem.connections()[0])

    """
    live = node.running()
    chosen = list(wanted)
    for item in chosen:
        if not isinstance(item, Connection):
            raise BadArgument(
                f"{node.name}.forget() takes rows of {node.name}.connections(), not {item!r}"
            )
    rows = [dict(item.raw) for item in chosen] or None
    return int(live.agent.call("forget", pid=live.pid, connections=rows))


def watch_tcp(node: Node, port: int | None = None, *, interval_s: float = 0.05) -> TcpSamples:
    """Sample this node's TCP connections while a block runs: windows, round trips.

    A row for each connection every ``interval_s`` seconds, of those with ``port`` at
    either end if one is given, and a plot of their congestion windows::

        with h1.watch_tcp(port=5201) as samples:
            h1.run("iperf3 -c www -t 3")
        samples.plot()

    The numbers are those of ``ss -ti``, tcp(7).  Raises `AgentError` on a kernel that
    does not tell them (CONFIG_INET_TCP_DIAG).

    """
    from playground.operations.captures import samples

    live = node.running()
    return samples.watch_tcp(live.agent, live.pid, port, interval_s)


def read_connection(row: Mapping[str, Any]) -> Connection:
    """Make a row of what the agent says."""
    answered = "answered" if row["status"] & _SEEN_REPLY else "unanswered"
    return Connection(
        protocol=_PROTOCOLS.get(row["protocol"], str(row["protocol"])),
        source=row["source"],
        source_port=row["source_port"],
        destination=row["destination"],
        destination_port=row["destination_port"],
        answers_from=row["reply_source"],
        answers_from_port=row["reply_source_port"],
        answers_to=row["reply_destination"],
        answers_to_port=row["reply_destination_port"],
        state=row["state"] or answered,
        expires_s=row["expires_s"],
        status=row["status"],
        raw=row,
    )
