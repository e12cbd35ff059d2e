"""Ask the network from a node: ping and traceroute."""

from __future__ import annotations

from ipaddress import ip_address

from playground.display.tables import Table
from playground.errors import BadArgument, CommandFailed
from playground.model.arguments import check_seconds, is_choice, is_whole, shown
from playground.operations.connection.commands import failure, run
from playground.operations.connection.handles import Node
from playground.operations.connection.results import (
    Echo,
    Ping,
    Result,
    Traceroute,
    parse_ping,
    parse_traceroute,
)
from playground.operations.nodes.names import HostsFile

# Of what such a program prints, which is some kilobytes.
_OUTPUT_LIMIT_MB = 1.0

_METHODS = {"udp": [], "icmp": ["-I"], "tcp": ["-T"]}


def ping(
    node: Node,
    target: Node | str,
    *,
    count: int = 3,
    interval_s: float = 0.2,
    timeout_s: float = 1,
) -> Ping:
    """Send echo requests to a node, name or address and return a `Ping`.

    ``count`` packets go out every ``interval_s`` seconds, and each reply
    is waited for ``timeout_s`` seconds.  The `Ping` is true when a reply
    came::

        >>> h1.ping(www)
        Ping(sent=3, received=3, rtt_ms=0.093)

    No reply, and no route, are findings and raise nothing, and so is a machine of the
    lab that the node knows no name of (behind NAT, in another VLAN): a `Ping` with nothing
    received, and ``problem`` says why.  A name that nobody in the lab has, and that the node
    does not know, raises `CommandFailed`.

    """
    _check_whole("count", count)
    check_seconds("interval_s", interval_s, needed=True)
    check_seconds("timeout_s", timeout_s, needed=True)
    name = _name(node, target)
    if node.running().strange:
        return _asked_by_agent(node, name, count, interval_s, timeout_s)
    command = ["ping", "-n", "-c", str(count), "-i", f"{interval_s:g}", "-W", f"{timeout_s:g}"]
    result = run(
        node,
        [*command, "--", name],
        check=False,
        output_limit_mb=_OUTPUT_LIMIT_MB,
        # ping itself ends after the last packet and its wait; the rest is slack.
        timeout_s=count * (interval_s + timeout_s) + 15,
    )
    # ping(8): 0 some reply, 1 no reply, 2 another error, of which no route is
    # a finding, and the others are not.
    found = parse_ping(name, result.stdout, result.stderr, interval_s)
    if result.returncode in (0, 1) or "nreachable" in found.problem:
        return found
    if _names_a_node(node, target) and _is_unknown(result):
        # Behind NAT or in another VLAN: a finding as it is for its address, where nobody answers.
        return Ping(name, 0, 0, problem=f"{node.name} does not know the name {name!r}")
    raise _unknown_or_failed(node, name, result)


def _asked_by_agent(node: Node, name: str, count: int, interval_s: float, timeout_s: float) -> Ping:
    """Let the agent ping for a node whose image may have no such program, or another one."""
    live = node.running()
    address = _address(node, name)
    if not address:
        return Ping(name, 0, 0, problem=f"{node.name} does not know the name {name!r}")
    [[answer]] = live.agent.call(
        "echo_all",
        nodes=[{"pid": live.pid, "targets": [address]}],
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
    """Return the address that a name means by the node's own /etc/hosts; "" for none."""
    try:
        return str(ip_address(name))
    except ValueError:
        return HostsFile(node).get(name, "")


def traceroute(
    node: Node,
    target: Node | str,
    *,
    max_hops: int = 30,
    timeout_s: float = 1,
    method: str = "udp",
) -> Traceroute:
    """Find the machines that a packet passes on its way to ``target``.

    ::

        >>> h1.traceroute(www).hops
        ['192.168.1.1', '203.0.113.2']

    ``method`` is what the probes are: "udp", "icmp" (as Windows does it)
    or "tcp" to port 80, of which a firewall may let one through and not
    another.  A silent machine costs ``timeout_s`` seconds, and many cost
    little more than one.  Raises `CommandFailed` for an unknown name.

    """
    _check_whole("max_hops", max_hops)
    check_seconds("timeout_s", timeout_s, needed=True)
    if not is_choice(method, _METHODS):
        raise BadArgument(f"traceroute has the methods {', '.join(_METHODS)}, not {shown(method)}")
    name = _name(node, target)
    # -q 1: one probe a hop; they go out 16 at a time, so that silence costs once.
    result = run(
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
            name,
        ],
        check=False,
        # The user of an image may send no probes.
        user="0" if node.running().strange else None,
        output_limit_mb=_OUTPUT_LIMIT_MB,
        timeout_s=max_hops * timeout_s + 15,
    )
    if result.returncode == 0:
        return parse_traceroute(name, result.stdout)
    if "nreachable" in result.stderr:  # no route at all: nobody was passed
        return Traceroute(name, (), reached=False)
    if _names_a_node(node, target) and _is_unknown(result):
        return Traceroute(name, (), reached=False)
    raise _unknown_or_failed(node, name, result)


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
