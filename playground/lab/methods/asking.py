"""Questions to a lab: what its network does, and what there is in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Unpack

from playground.errors import BadArgument
from playground.lab import convergence, spanning_tree
from playground.lab.labs_of_this_process import refuse_stranger
from playground.lab.routing import own_words
from playground.lab.state import LabObject
from playground.model.arguments import shown
from playground.model.parts import NodeBase
from playground.operations.captures.capture_points import (
    CaptureOptions,
    at_ends,
    is_upon_another,
)
from playground.operations.network import Host, Link, Node, Router
from playground.operations.programs.ready_timeout import READY_TIMEOUT_S
from playground.planning.interface_names import match
from playground.planning.plan import Plan

if TYPE_CHECKING:
    from playground.operations.captures.capture import Capture
    from playground.operations.diagnosis.all_pairs import PingAll
    from playground.operations.diagnosis.evidence.explanation import Explanation
    from playground.operations.diagnosis.evidence.network_state import State
    from playground.operations.measurements.rtt_under_load import RttUnderLoad


def explain(
    lab: LabObject,
    source: Host | Router | str,
    target: Host | Router | str,
    *,
    port: int | None = None,
    protocol: str | None = None,
    version: int | None = None,
) -> Explanation:
    """Send one packet, watch it on its way, and explain what became of it.

    Of TCP with a ``port`` (a connection is opened, and reset at once), of
    ``protocol="udp"``, or an echo request ("icmp", without a port).  It is followed
    from node to node by what every kernel says: the name, routes, neighbours,
    rules that it met, translations, the server's socket, and the way of the answer.
    Where a link on the way takes less than its ends, large packets are sent too.
    The `Explanation` is true if all is well, and names the ``node`` and the
    ``cause`` otherwise, with a ``sentence`` and an ``advice``; ``steps`` is a table.

    A name means what it means on the source; with ``version`` 4 or 6 its first
    address of that family.  A packet counts as lost 0.3 s after anything was last seen
    of it (longer where links delay).  Rules are watched by a table
    ``playground_trace_...`` in nodes that have any, for as long as that takes.

    Raises `NotRunning`, `NoSuchNode`, `NodeDied`, and `BadArgument` for what is no question.

    >>> lab.explain(h1, www, port=80)
    h1 to www, tcp port 80: no, no route back at www
    The packet came to www, and its answer goes nowhere: ...

    """
    state = lab._state
    from playground.operations.diagnosis.explain import explain

    client = state.agent()
    with state.lock:
        plan, pids = state.plan, dict(state.pids)
    assert plan is not None  # there is an agent
    with state.naming_the_dead():
        return explain(
            lab,
            client,
            plan,
            pids,
            source,
            target,
            port=port,
            protocol=protocol,
            version=version,
        )


def ping_all(
    lab: LabObject,
    *nodes: Host | Router | str,
    to: Host | Router | str | Sequence[Host | Router | str] | None = None,
    count: int = 1,
    interval_s: float = 0.2,
    timeout_s: float = 1,
    version: int | None = None,
) -> PingAll:
    """Let every host send echo requests to every other, and return who was reached.

    Of the ``nodes`` given, or of all hosts.  With ``to``, a node or a list of nodes, they ask
    these and not each other.  Each is asked by the address that the sender has for its name, or
    by its first one; with ``version`` 4 or 6 by one of that family.
    ``count`` requests go out every ``interval_s`` seconds, and the last reply is waited for
    ``timeout_s`` seconds.  All pairs are asked beside each other, by one process, so that
    sixty hosts (3,540 pairs) take seconds, and a thousand that ask their router take one.
    `PingAll` is true when all were reached; it
    shows as a matrix, and gives a row for each pair.  What is not reached raises nothing.

    Raises `NotRunning`, `NoSuchNode`, `NodeDied`, and `BadArgument` for what is no number.

    >>> sys.exit(not lab.ping_all().all_reached)
    >>> lab.ping_all(to="modem").all_reached

    """
    state = lab._state
    from playground.operations.diagnosis.all_pairs import ping_all

    client = state.agent()
    asked = nodes or tuple(node for node in lab.nodes if isinstance(node, Host))
    others = [to] if isinstance(to, str | Node) else to
    if not isinstance(others, list | tuple | None):
        raise BadArgument(f"to={shown(to)} is no node and no list of nodes; write to=router")

    def named(items: Iterable[object]) -> list[str]:
        names = dict.fromkeys(state.node(resolve_name(lab, item)).name for item in items)
        return [name for name in names if name in pids]

    with state.lock:
        plan, pids = state.running_plan(), dict(state.pids)
    with state.naming_the_dead():
        return ping_all(
            client,
            plan,
            pids,
            named(asked),
            None if others is None else named(others),
            count=count,
            interval_s=interval_s,
            timeout_s=timeout_s,
            version=version,
        )


def rtt_under_load(
    lab: LabObject,
    source: Host | Router | str,
    target: Host | Router | str,
    *,
    seconds: float = 5,
    streams: int = 4,
    direction: str = "both",
) -> RttUnderLoad:
    """Measure the round trip between two nodes, idle and while TCP fills the way between them.

    First ``source`` pings ``target`` ten times.  Then for ``seconds`` as many TCP connections
    as ``streams`` carry what they can, "up" to the target, "down" from it, or in "both" directions,
    and it pings on.  What the load adds to the round trip is the wait in queues ("bufferbloat").

    Both nodes need a python3.  Raises `NotRunning`, `NoSuchNode`, `BadArgument` for what
    cannot be, and `NotReady` where no TCP passes.  What was started ends with the call.

    >>> lab.rtt_under_load(h1, www, seconds=2)
    RttUnderLoad('h1', 'www', idle_ms=0.1, loaded_ms=0.4, up_mbit=900.1, down_mbit=800.2)

    """
    from playground.operations.measurements.rtt_under_load import rtt_under_load

    state = lab._state
    state.agent()
    nodes = [state.node(resolve_name(lab, item)) for item in (source, target)]
    with state.naming_the_dead():
        return rtt_under_load(*nodes, seconds=seconds, streams=streams, direction=direction)


def state(lab: LabObject) -> State:
    """Return what the kernel knows of every node's network now, as frozen data.

    Links, addresses, routes, policy rules, neighbours, listening sockets,
    connections and NAT, firewall rules and some sysctls; counters and ages are left
    out.  It shows as a table, ``state["h1"]`` is one node's, and ``diff`` says what came
    and went since another:

    >>> before = lab.state()
    >>> h1.run("ip route del default")
    >>> lab.state().diff(before)
    change  node  kind   entry
    -       h1    route  default via 192.168.1.1 dev eth1 proto static

    """
    state = lab._state
    from playground.operations.diagnosis.evidence.network_state import read_states

    client = state.agent()
    with state.lock:
        pids = dict(state.pids)
    with state.naming_the_dead():
        return read_states(client, pids)


def capture(
    lab: LabObject,
    **options: Unpack[CaptureOptions],
) -> Capture:
    """Return a `Capture` at every interface of every host and router, to be used by ``with``.

    Each packet says where it was seen; on its way through the lab one packet is seen
    many times, and ``packets.ladder()`` puts that together again.  The options are
    those of `Host.capture`: "filter", "snaplen_bytes" and the limits.

    >>> with lab.capture(filter="icmp or arp") as packets:
    ...     h1.ping(www)
    >>> packets.ladder()

    """
    state = lab._state
    plan = state.running_plan()
    ends = [
        {"node": node.name, "interface": interface.name, "pid": state.pids[node.name]}
        for node in plan.nodes
        if node.name in state.pids
        for interface in node.interfaces
        if not is_upon_another(interface)
    ]
    return at_ends(state.agent(), lab, ends, **options)


def wait_converged(lab: LabObject, timeout_s: float = READY_TIMEOUT_S) -> float:
    """Wait until the routers' protocols have found all ways; return the seconds it took.

    They are done when each of them sends to every network that the links which
    are up lead to, by the cheapest way that its protocol knows, and has
    forgotten the others.  Before that the switches with ``stp`` agree on their tree.
    A link that is up and loses every packet is no failure
    that this can see before the protocols do.  Routers that were told of a protocol in FRR's
    words (``frr=``, `Router.configure`) are done when all neighbours whose settings agree are up,
    and no route has changed for a second.  Without STP and routing protocols it returns 0.0 at
    once.

    Raises `NotReady`, which says what is missing, after ``timeout_s`` seconds, by default
    a minute.

    >>> link.down()
    >>> lab.wait_converged()
    0.31

    """
    state = lab._state
    client = state.agent()
    with state.lock:
        plan, pids = state.plan, dict(state.pids)
    assert plan is not None  # there is an agent
    trees_s = spanning_tree.wait_settled(client, plan, timeout_s)
    own_s = own_words.wait_settled(client, plan, pids, pids, timeout_s)
    return trees_s + own_s + convergence.wait_converged(client, plan, pids, timeout_s)


def link(lab: LabObject, a: Node | str, b: Node | str, *, interface: str | None = None) -> Link:
    """Return the link between two nodes; of several, that at an ``interface`` of the first.

    Raises `NoSuchNode` for a name that no node has, and `BadArgument` where there is
    no such link, or more than one.

    >>> lab.link("h1", "home").down()

    """
    state = lab._state
    for item in (a, b):
        if not isinstance(item, (str, NodeBase)):
            raise BadArgument(f"{shown(item)} is no node, and no name of one")
    first, second = (state.find(item) if isinstance(item, str) else item for item in (a, b))
    found = [link for link in state.links if {end.node for end in link.ends} == {first, second}]
    if interface is not None:
        wires = match(state.links, state.planned())
        found = [link for link in found if wires[link].end_at(first.name, interface)]
    if len(found) == 1:
        return found[0]
    if not found:
        where = f" at its interface {interface}" if interface is not None else ""
        near = ", ".join(link.peer(first).node.name for link in first.links) or "nobody"
        raise BadArgument(
            f"{first.name} has no link to {second.name}{where}; it is linked to {near}"
        )
    raise BadArgument(
        f"there are {len(found)} links between {first.name} and {second.name}: give "
        f"interface=, the name of {first.name}'s interface"
    )


def resolve_name(lab: LabObject, target: object) -> str:
    """Return the name or address that the machines of the lab know `target` by.

    Raises `NoSuchNode` for a node of another lab, whose name may mean a node here, and for
    one that nothing links to this lab.

    """
    if isinstance(target, Node):
        refuse_stranger(lab, target)
    return target if isinstance(target, str) else str(getattr(target, "name", target))


def host_key(lab: LabObject, node: str) -> str:
    """Return the public SSH host key of the node with this full name."""
    state = lab._state
    return state.credentials.host_key(state.find(node).name)[1]


def node(lab: LabObject, name: str) -> Host | Router:
    """Return the host or router with this full or short name; else `NoSuchNode`."""
    return lab._state.node(name)


def running_plan(lab: LabObject) -> Plan:
    """Return the plan of what runs; raises `NotRunning` when nothing does."""
    return lab._state.running_plan()
