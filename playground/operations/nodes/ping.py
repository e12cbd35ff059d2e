"""Ask the network from a node: ping and traceroute, and their results, `Ping` and `Traceroute`."""

from __future__ import annotations

import re
from dataclasses import field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from playground.display.tables import Table, Tabular, html_table
from playground.errors import BadArgument, CommandFailed
from playground.model.arguments import check_seconds, is_choice, is_whole, shown
from playground.model.records import dataclass
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import failure, run_shown
from playground.operations.connection.handles import Node
from playground.operations.connection.name_queries import look_up
from playground.operations.connection.vrfs import check_vrf

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of a line of ping's or traceroute's.
_LINE_CHARACTERS = 300

# Of what such a program prints, which is some kilobytes.
_OUTPUT_LIMIT_MB = 1.0

# The resolver opens these, and would wait for a pipe's other end: nsswitch.conf(5), resolver(5).
_NO_PIPES = """\
for file in /etc/hosts /etc/resolv.conf /etc/nsswitch.conf /etc/host.conf /etc/gai.conf; do
    [ ! -p $file ] || { echo "$file is a pipe and no file: no name can be looked up" >&2; exit 2; }
done
exec "$@"
"""

_METHODS = {"udp": [], "icmp": ["-I"], "tcp": ["-T"]}


@dataclass(frozen=True)
class Echo:
    """One echo request of a ping: its number, when it was sent, and what came back.

    ``sent_s`` is in seconds since the first, by the interval that was asked for.
    ``rtt_ms`` is None for one that was lost, and so is ``ttl``, the hops that its
    reply might still have gone.

    """

    sequence: int
    sent_s: float
    rtt_ms: float | None
    ttl: int | None = None


@dataclass(frozen=True, repr=False)
class Ping(Tabular):
    """The result of a ping.

    It is true when at least one reply came back, so that ``if h1.ping(www):``
    reads as it should; ``ping.lost == 0`` asks for all of them.  ``sent`` and
    ``received`` count packets, and ``sent`` is 0 when the node had no route to
    send them by.  ``times_ms`` has the round trip of each reply in the order
    they came, ``rtt_ms`` their mean or ``None``.  ``problem`` is what the node
    or a router on the way said when there was no reply, "" when nobody said
    anything.  ``echoes`` has an `Echo` for each packet, and ``rows`` the same as dicts.

    """

    target: str
    sent: int
    received: int
    times_ms: tuple[float, ...] = ()
    problem: str = ""
    echoes: Table[Echo] = field(default=Table(), compare=False)

    @property
    def lost(self) -> int:
        """How many packets came to nothing."""
        return max(0, self.sent - self.received)

    @property
    def rtt_ms(self) -> float | None:
        """The mean round trip in milliseconds; ``None`` without a reply."""
        if not self.times_ms:
            return None
        return round(sum(self.times_ms) / len(self.times_ms), 3)

    def table(self) -> Table[Echo]:
        """Return a row for each packet that was sent."""
        return self.echoes

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the round trips over time, and mark what was lost; return the axes.

        Raises `PlaygroundError` where matplotlib is not installed:
        ``pip install matplotlib``.

        >>> h1.ping(www, count=50).plot()

        """
        from playground.display import plots

        return plots.rtt(self, ax)

    def _repr_html_(self) -> str:
        mean = f", {self.rtt_ms} ms on average" if self.rtt_ms is not None else ""
        problem = f": {self.problem}" if self.problem else ""
        counts = f"{self.received} of {self.sent} came back"
        return html_table(self.rows, f"ping {self.target}: {counts}{mean}{problem}")

    def __bool__(self) -> bool:
        return self.received > 0

    def __repr__(self) -> str:
        problem = f", problem={self.problem!r}" if self.problem else ""
        return f"Ping(sent={self.sent}, received={self.received}, rtt_ms={self.rtt_ms}{problem})"


# A node's root may have put another program in the place of ping(8) or traceroute(8), that prints
# numbers which those never do.
_NUMBER = r"[0-9]{1,10}"
_TIME_MS = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_REPLY = re.compile(
    rf"^[0-9]+ bytes from .*icmp_seq=({_NUMBER})(?: ttl=({_NUMBER}))?.* time[=<]({_TIME_MS}) ms"
    r"(?!.*\(DUP!\))",
    re.M,
)
_COUNTS = re.compile(rf"^({_NUMBER}) packets transmitted, ({_NUMBER})(?: packets)? received", re.M)
_MOST_SENT = 1_000_000


def parse_ping(
    target: str, text: str, errors: str = "", interval_s: float = 1, most: int = _MOST_SENT
) -> Ping:
    """Read what ping(8) of iputils printed with ``-n``.

    ``text`` is its output and ``errors`` its error stream.  Packets were sent every
    ``interval_s`` seconds, and no more of them than ``most``.

    """
    text, errors = _short_lines(text), _short_lines(errors)
    counts = _COUNTS.search(text)
    sent, received = (min(int(number), most) for number in counts.groups()) if counts else (0, 0)
    # A duplicate is a second answer to one request; ping does not count it either.
    replies = [
        (int(sequence), float(time), int(ttl) if ttl else None)
        for sequence, ttl, time in _REPLY.findall(text)
    ]
    known = {sequence: (rtt_ms, ttl) for sequence, rtt_ms, ttl in replies}
    echoes = Table(
        Echo(number, round((number - 1) * interval_s, 6), *known.get(number, (None, None)))
        for number in range(1, sent + 1)
    )
    times = tuple(rtt_ms for _, rtt_ms, _ in replies)
    problem = "" if received else _problem(text, errors)
    return Ping(target, sent, received, times, problem, echoes)


def _short_lines(text: str) -> str:
    """Cut off what no such program prints: a search in it may take longer than its length."""
    return "\n".join(line[:_LINE_CHARACTERS] for line in text.splitlines())


def _problem(text: str, errors: str) -> str:
    said = re.search(r"^From (\S+?):? icmp_seq=\d+ (.+)$", text, re.M)
    if said:
        return f"{said[2]}, says {said[1]}"
    for line in errors.splitlines():
        words = re.sub(r"^ping6?: (?:connect: |sendmsg: )?", "", line.strip())
        if words and "source address" not in words:
            return words
    return ""


@dataclass(frozen=True, repr=False)
class Hop:
    """One step of a route: who answered, and after how long.

    ``address`` and ``rtt_ms`` are ``None`` for a machine that stayed silent.
    ``note`` is traceroute's mark, "!H" for "host unreachable" and the like.

    """

    address: str | None
    rtt_ms: float | None = None
    note: str = ""

    def __repr__(self) -> str:
        if self.address is None:
            return "Hop(None)"
        note = f", note={self.note!r}" if self.note else ""
        return f"Hop({self.address!r}, rtt_ms={self.rtt_ms}{note})"


@dataclass(frozen=True)
class HopRow:
    """One step of a route as a row of a table; ``number`` is its TTL."""

    number: int
    address: str | None
    rtt_ms: float | None
    note: str


@dataclass(frozen=True, repr=False)
class Traceroute(Tabular):
    """The machines that a packet passes on its way.

    ``hops`` has their addresses in order, the target's last, with ``None`` for
    a machine that stayed silent between two that answered; silent ones after
    the last answer are left out.  ``details`` has a `Hop` for each.
    ``reached`` says whether the target itself answered.

    """

    target: str
    details: tuple[Hop, ...]
    reached: bool

    @property
    def hops(self) -> list[str | None]:
        """The addresses, first hop first."""
        return [hop.address for hop in self.details]

    @property
    def rtts_ms(self) -> list[float | None]:
        """The round trip to each hop in milliseconds."""
        return [hop.rtt_ms for hop in self.details]

    def table(self) -> Table[HopRow]:
        """Return a row for each machine on the way."""
        return Table(
            HopRow(number, hop.address, hop.rtt_ms, hop.note)
            for number, hop in enumerate(self.details, start=1)
        )

    def _repr_html_(self) -> str:
        end = "reached" if self.reached else "not reached"
        return html_table(self.rows, f"traceroute {self.target}: {end}")

    def __bool__(self) -> bool:
        return self.reached

    def __repr__(self) -> str:
        return f"Traceroute({self.target!r}, hops={self.hops}, reached={self.reached})"


_HOP = re.compile(rf"\s*[0-9]+\s+(?:\*|(\S+)\s+({_TIME_MS}) ms\s*(\S.*)?)")


def parse_traceroute(target: str, text: str) -> Traceroute:
    """Read what traceroute(8) printed with ``-n -q 1``."""
    text = _short_lines(text)
    header = re.search(r"^traceroute to .*?\(([^)\s]+)\)", text, re.M)
    destination = header[1] if header else ""
    hops = []
    for line in text.splitlines():
        match = _HOP.match(line)
        if match:
            rtt_ms = float(match[2]) if match[2] else None
            hops.append(Hop(match[1], rtt_ms, (match[3] or "").strip()))
    while hops and hops[-1].address is None:
        hops.pop()
    # A mark such as !H means that this machine answered, but only to say that
    # it cannot deliver; "!X" from the target itself is still the target.
    reached = bool(hops) and hops[-1].address == destination
    if reached and hops[-1].note.startswith(("!H", "!N")):
        reached = False
    return Traceroute(target, tuple(hops), reached)


def ping(
    node: Node,
    target: Node | str,
    *,
    count: int = 3,
    interval_s: float = 0.2,
    timeout_s: float = 1,
    vrf: str | None = None,
) -> Ping:
    """Send echo requests to a node, name or address and return a `Ping`.

    ``count`` packets go out every ``interval_s`` seconds, and each reply
    is waited for ``timeout_s`` seconds.  The `Ping` is true when a reply
    came::

        >>> h1.ping(www)
        Ping(sent=3, received=3, rtt_ms=0.093)

    A router with VRFs sends them by the table of ``vrf``, without it by its main table.

    A machine of the lab that the node was told no name of is asked by its address, unless NAT
    or a VLAN hides it.  No reply, and no route, are findings and raise nothing, and so is one
    that is hidden: a `Ping` with nothing received, and ``problem`` says why.  A name that nobody
    in the lab has, and that the node does not know, raises `CommandFailed`.

    """
    _check_whole("count", count)
    check_seconds("interval_s", interval_s, needed=True)
    check_seconds("timeout_s", timeout_s, needed=True)
    name = _name(node, target)
    device = check_vrf(node, vrf)
    if node.running().strange:
        address = _address(node, name) or next(iter(_unnamed(node, target)), "")
        return _asked_by_agent(node, name, address, count, interval_s, timeout_s, device)
    command = ["ping", "-n", "-c", str(count), "-i", f"{interval_s:g}", "-W", f"{timeout_s:g}"]
    command += ["-I", device] if device else []
    result = _ask(
        node,
        [*command, "--", name],
        # ping itself ends after the last packet and its wait; the rest is slack.
        timeout_s=count * (interval_s + timeout_s) + 15,
    )
    # ping(8): 0 some reply, 1 no reply, 2 another error, of which no route is
    # a finding, and the others are not.
    found = parse_ping(name, result.stdout, result.stderr, interval_s, count)
    if result.returncode in (0, 1) or _has_no_way(found.problem):
        return found
    if _names_a_node(node, target) and _is_unknown(result):
        for address in _unnamed(node, target)[:1]:
            told = ping(
                node, address, count=count, interval_s=interval_s, timeout_s=timeout_s, vrf=vrf
            )
            return replace(told, target=name)
        # Behind NAT or in another VLAN: a finding as it is for its address, where nobody answers.
        return Ping(name, 0, 0, problem=f"{node.name} does not know the name {name!r}")
    raise _unknown_or_failed(node, name, result)


def _asked_by_agent(
    node: Node,
    name: str,
    address: str,
    count: int,
    interval_s: float,
    timeout_s: float,
    device: str | None,
) -> Ping:
    """Let the agent ping for a node whose image may have no such program, or another one."""
    live = node.running()
    if not address:
        return Ping(name, 0, 0, problem=f"{node.name} does not know the name {name!r}")
    [[answer]] = live.agent.call(
        "echo_all",
        nodes=[{"pid": live.pid, "targets": [address], "interface": device}],
        count=count,
        interval_s=interval_s,
        timeout_s=timeout_s,
    )
    said = answer["problem"]
    problem = "" if not said else said.get("message") or f"unreachable, says {said['from']}"
    times = tuple(answer["rtts_ms"])
    # Of several that were lost nobody says here which.
    echoes = enumerate(times, start=1) if len(times) == answer["sent"] else ()
    rows = (Echo(number, round((number - 1) * interval_s, 6), rtt) for number, rtt in echoes)
    return Ping(name, answer["sent"], len(times), times, problem, Table(rows))


def _address(node: Node, name: str) -> str:
    """Return the first address that a name means on the node; "" for none."""
    try:
        return str(ip_address(name))
    except ValueError:
        return next(iter(look_up(node, name)), "")


def traceroute(
    node: Node,
    target: Node | str,
    *,
    max_hops: int = 30,
    timeout_s: float = 1,
    method: str = "udp",
    vrf: str | None = None,
) -> Traceroute:
    """Find the machines that a packet passes on its way to ``target``.

    ::

        >>> h1.traceroute(www).hops
        ['192.168.1.1', '203.0.113.2']

    ``method`` is what the probes are: "udp", "icmp" (as Windows does it)
    or "tcp" to port 80, of which a firewall may let one through and not
    another.  A silent machine costs ``timeout_s`` seconds, and many cost
    little more than one.  ``vrf`` is as for `ping`.  Raises `CommandFailed` for an unknown name.

    """
    _check_whole("max_hops", max_hops)
    check_seconds("timeout_s", timeout_s, needed=True)
    if not is_choice(method, _METHODS):
        raise BadArgument(f"traceroute has the methods {', '.join(_METHODS)}, not {shown(method)}")
    name = _name(node, target)
    device = check_vrf(node, vrf)
    # -q 1: one probe a hop; they go out 16 at a time, so that silence costs once.
    result = _ask(
        node,
        [
            "traceroute",
            "-n",
            "-q",
            "1",
            "-w",
            f"{timeout_s:g}",
            "-m",
            str(max_hops),
            *_METHODS[method],
            *(["-i", device] if device else []),
            name,
        ],
        timeout_s=max_hops * timeout_s + 15,
    )
    if result.returncode == 0:
        return parse_traceroute(name, result.stdout)
    if _has_no_way(result.stderr):  # nobody was passed
        return Traceroute(name, (), reached=False)
    if _names_a_node(node, target) and _is_unknown(result):
        for address in _unnamed(node, target)[:1]:
            told = traceroute(
                node, address, max_hops=max_hops, timeout_s=timeout_s, method=method, vrf=vrf
            )
            return replace(told, target=name)
        return Traceroute(name, (), reached=False)
    raise _unknown_or_failed(node, name, result)


def _has_no_way(said: str) -> bool:
    """Tell whether a node had no route at all; strerror(3) of ENETUNREACH, EHOSTUNREACH."""
    return "nreachable" in said or "No route to host" in said


def _ask(node: Node, command: list[str], timeout_s: float) -> Result:
    """Run a program that looks its last argument up, unless that would wait for a pipe."""
    strange = node.running().strange
    argv = command
    if not strange and not _is_address(command[-1]):
        argv = ["/bin/sh", "-c", _NO_PIPES, "sh", *command]
    return run_shown(
        node,
        argv,
        command,
        check=False,
        # The user of an image may send no probes.
        user="0" if strange else None,
        output_limit_mb=_OUTPUT_LIMIT_MB,
        timeout_s=timeout_s,
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _name(node: Node, target: Node | str) -> str:
    if not isinstance(target, (str, Node)):
        raise BadArgument(f"{target!r} is no host, name or address to send to")
    name = node.running().lab.resolve_name(target)
    if not name or name.startswith("-"):
        raise BadArgument(f"{target!r} is no name or address")
    return name


def _names_a_node(node: Node, target: Node | str) -> bool:
    """Tell whether somebody of the node's own lab is meant, and not a name with a slip in it."""
    return isinstance(target, Node) or target in node.running().lab


def _unnamed(node: Node, target: Node | str) -> list[str]:
    """Return addresses of a node of the lab that this one was told no name of."""
    from playground.operations.connection.unnamed_machines import addresses_of

    return addresses_of(node, target) if _names_a_node(node, target) else []


def _is_unknown(result: Result) -> bool:
    # The resolver's words, gai_strerror(3).
    words = ("not known", "No address associated", "failure in name resolution")
    return any(said in result.stderr for said in words)


def _unknown_or_failed(node: Node, name: str, result: Result) -> CommandFailed:
    if _is_unknown(result):
        return CommandFailed(
            f"{node.name} does not know the name {name!r}: dict({node.name}.hosts) shows what it "
            "knows",
            result,
        )
    return CommandFailed(failure(node, result), result)


def _check_whole(name: str, value: object) -> None:
    if not is_whole(value, 1, 255):
        raise BadArgument(f"{name}={shown(value)} is no whole number from 1 to 255; write {name}=3")
