"""Every machine of a lab asks every other: `ping_all`, and `PingAll`, what came of it.

One request to the agent, whose one process sends all echo requests: sixty hosts are 3,540
pairs.  Who was reached shows as a matrix.

"""

from __future__ import annotations

import dataclasses
import html
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from ipaddress import ip_address
from typing import Any

from playground.display.safe_text import visible
from playground.display.tables import Table, Tabular
from playground.errors import BadArgument
from playground.model.arguments import check_seconds
from playground.model.records import dataclass
from playground.operations.connection.client import Client
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import HostsEntry

# Of more machines than these a line a machine is shown in text, and not a square.
_WIDE = 12

# ping(8)'s words for errors, by version, type and code (RFC 792, RFC 4443); else by type.
_ERRORS = {
    (4, 3, 0): "Destination Net Unreachable",
    (4, 3, 1): "Destination Host Unreachable",
    (4, 3, 2): "Destination Protocol Unreachable",
    (4, 3, 9): "Destination Net Prohibited",
    (4, 3, 10): "Destination Host Prohibited",
    (4, 3, 13): "Packet filtered",
    (6, 1, 0): "No route",
    (6, 1, 1): "Administratively prohibited",
    (6, 1, 3): "Address unreachable",
    (6, 1, 4): "Port unreachable",
}
_KINDS = {
    (4, 3): "Destination Unreachable",
    (4, 11): "Time to live exceeded",
    (6, 1): "Destination Unreachable",
    (6, 3): "Time exceeded",
}


@dataclass(frozen=True)
class PingedPair:
    """One machine that asked another: packets sent and received, and their mean round trip.

    ``rtt_ms`` is None without a reply, and ``problem`` says why, as far as anybody told.

    """

    source: str
    target: str
    address: str
    sent: int
    received: int
    rtt_ms: float | None
    problem: str = ""


@dataclass(frozen=True, repr=False)
class PingAll(Tabular):
    """Who reached whom: a row for each ordered pair of machines, and a matrix to look at.

    It is true when every machine reached every other, as ``all_reached`` says, or all that were
    asked by ``to=``.  ``unreached`` has the rows of those that did not, and
    ``pings["h1", "h2"]`` is one row.

    >>> lab.ping_all()
    from \\ to     h1     h2    www
    h1             -  0.041  0.102
    h2         0.040      -  0.099
    www            x      x      -
    4 of 6 pairs reached (x: no reply); the times are in ms

    """

    nodes: tuple[str, ...]
    pairs: Table[PingedPair] = field(repr=False)
    # Whom they asked, where these are others than each other.
    targets: tuple[str, ...] | None = None

    @property
    def all_reached(self) -> bool:
        """Whether every machine reached every other; ``sys.exit(not pings.all_reached)``."""
        return all(pair.received for pair in self.pairs)

    @property
    def unreached(self) -> Table[PingedPair]:
        """The pairs without a reply."""
        return Table(pair for pair in self.pairs if not pair.received)

    def table(self) -> Table[PingedPair]:
        """Return a row for each pair: the sender, whom it asked, packets, round trip."""
        return self.pairs

    def __bool__(self) -> bool:
        return self.all_reached

    def __iter__(self) -> Iterator[PingedPair]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, pair: tuple[str, str]) -> PingedPair:
        """Return the row of a sender and a target, by their full names or as nodes."""
        source, target = (str(getattr(item, "name", item)).lower() for item in pair)
        for row in self.pairs:
            if (row.source.lower(), row.target.lower()) == (source, target):
                return row
        raise KeyError((source, target))

    def __repr__(self) -> str:
        lines = self._lines() if len(self.nodes) > _WIDE else self._square()
        return visible("\n".join([*lines, self._sum]))

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        rows = []
        # A cell says more when one points at it.
        for source, cells in self._cells().items():
            columns = "".join(
                f'<td style="text-align:right" title="{html.escape(visible(title))}">{text}</td>'
                for text, title in cells
            )
            rows.append(f"<tr><th>{html.escape(source)}</th>{columns}</tr>")
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self._targets)
        return (
            f'<div style="overflow:auto"><table><thead><tr><th>from \\ to</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div><p>{html.escape(self._sum)}</p>"
        )

    @property
    def _targets(self) -> tuple[str, ...]:
        return self.nodes if self.targets is None else self.targets

    @property
    def _sum(self) -> str:
        reached = sum(pair.received > 0 for pair in self.pairs)
        if not self.pairs:
            return "no pairs: there are fewer than two machines"
        if reached == len(self.pairs):
            return f"all {reached} pairs reached; the times are in ms"
        return f"{reached} of {len(self.pairs)} pairs reached (x: no reply); the times are in ms"

    def _cells(self) -> dict[str, list[tuple[str, str]]]:
        known = {(pair.source, pair.target): pair for pair in self.pairs}
        return {
            source: [_cell(known.get((source, target))) for target in self._targets]
            for source in self.nodes
        }

    def _square(self) -> list[str]:
        rows = [["from \\ to", *self._targets]]
        rows += [[name, *(text for text, _ in cells)] for name, cells in self._cells().items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]

    def _lines(self) -> list[str]:
        """A line for each sender; those that it did not reach by name."""
        width = max(map(len, self.nodes))
        missed: dict[str, list[str]] = {name: [] for name in self.nodes}
        for pair in self.unreached:
            missed[pair.source].append(pair.target)
        asked = Counter(pair.source for pair in self.pairs)
        return [
            f"{name.ljust(width)}  reached {asked[name] - len(names)} of {asked[name]}"
            + (f", x {', '.join(names)}" if names else "")
            for name, names in missed.items()
        ]


def _cell(pair: PingedPair | None) -> tuple[str, str]:
    if pair is None:
        return "-", ""
    title = f"{pair.source} to {pair.target} ({pair.address}): {pair.received} of {pair.sent}"
    if pair.rtt_ms is None:
        return "x", f"{title} {pair.problem}".rstrip()
    return f"{pair.rtt_ms:.3f}" if pair.rtt_ms < 10 else f"{pair.rtt_ms:.0f}", title


def ping_all(
    agent: Client,
    plan: Plan,
    pids: Mapping[str, int],
    names: Sequence[str],
    to: Sequence[str] | None = None,
    *,
    count: int,
    interval_s: float,
    timeout_s: float,
    version: int | None,
) -> PingAll:
    """Let every machine named ask every other, or those in ``to``; see `Lab.ping_all`."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise BadArgument(f"count={count!r} is no whole number from 1 to 100; write count=1")
    if version not in (None, 4, 6):
        raise BadArgument(f"version={version!r} is no version of IP; write version=4 or version=6")
    check_seconds("interval_s", interval_s, needed=True)
    check_seconds("timeout_s", timeout_s, needed=True)
    targets = names if to is None else to
    if len(targets) * count > 0xFFFF:
        raise BadArgument("an echo request has a number of 16 bits: ask fewer machines at once")
    asked: dict[str, dict[str, str]] = {}
    addresses = {target: _own(plan.node(target)) for target in targets}
    # Nodes at the same place share their lines, which are a thousand where hosts are.
    known: dict[int, dict[str, list[str]]] = {}
    for source in names:
        lines = plan.node(source).hosts
        knows = known.get(id(lines)) or known.setdefault(id(lines), _known(lines))
        asked[source] = {
            target: _first([*knows.get(target, ()), *own], version)
            for target, own in addresses.items()
            if target != source
        }
    replies = agent.call(
        "echo_all",
        nodes=[
            {"pid": pids[source], "targets": [address for address in others.values() if address]}
            for source, others in asked.items()
        ],
        count=count,
        interval_s=interval_s,
        # How long all together may take, with a second for what is more than a hundred pairs.
        timeout_s=timeout_s,
    )
    rows: list[PingedPair] = []
    for (source, others), answers in zip(asked.items(), replies, strict=True):
        answer = iter(answers)
        for target, address in others.items():
            if address:
                row = _row(source, target, address, next(answer))
                rows.append(_with_stopped(row, plan.stopped_names))
            else:
                family = f"IPv{version} " if version else ""
                problem = f"{target} has no {family}address"
                rows.append(PingedPair(source, target, "", 0, 0, None, problem))
    return PingAll(tuple(names), Table(rows), None if to is None else tuple(to))


def _row(source: str, target: str, address: str, answer: Mapping[str, Any]) -> PingedPair:
    times = answer["rtts_ms"]
    mean = round(sum(times) / len(times), 3) if times else None
    problem = "" if times else _problem(answer["problem"])
    return PingedPair(source, target, address, answer["sent"], len(times), mean, problem)


def _with_stopped(row: PingedPair, stopped: Collection[str]) -> PingedPair:
    """Return a row that names the machine of the two that is stopped."""
    for name in (row.source, row.target):
        if name in stopped and not row.received:
            return dataclasses.replace(row, problem=f"{name} is stopped")
    return row


def _problem(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "no reply"
    if "errno" in said:
        return str(said["message"])
    key = (said["version"], said["type"])
    words = _ERRORS.get((*key, said["code"])) or _KINDS.get(key, f"ICMP type {said['type']}")
    return f"{words}, says {said['from']}"


def _known(lines: Iterable[HostsEntry]) -> dict[str, list[str]]:
    """Return which addresses a node knows by which name, from its lines of /etc/hosts."""
    known: dict[str, list[str]] = {}
    for entry in lines:
        for name in entry.names:
            known.setdefault(name, []).append(str(entry.address))
    return known


def _own(node: NodePlan) -> list[str]:
    """Return by which addresses a machine is asked of which the sender knows no name."""
    return [str(item.ip) for interface in node.interfaces for item in interface.addresses]


def _first(addresses: Iterable[str], version: int | None) -> str:
    return next(
        (text for text in addresses if version in (None, ip_address(text).version)),
        "",
    )
