"""Links impaired: which ways are taken, and what is read back.

What leaves by an interface is impaired there.  netem does all of it where the
kernel has it.  Elsewhere tbf keeps a rate, a filter of the egress hook loses
frames, and what waits is led by that filter into a tap, to a relay.

"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Sequence

from playground.agent.links.filters import (
    TCA_BPF_OPS,
    delete_filter,
    filter_messages,
    get_filter,
    losing,
    read_losing,
)
from playground.agent.links.interfaces import delete_link, interface_index
from playground.agent.links.netem import netem_options, read_netem
from playground.agent.links.netlink import (
    NLM_F_ECHO,
    Message,
    Netlink,
    attempt,
    attributes,
    in_each,
    refusal,
)
from playground.agent.links.queues import (
    OWN_HANDLE,
    RTM_GETQDISC,
    TC_H_ROOT,
    TCA_KIND,
    TCA_OPTIONS,
    delete_queue,
    new_queue,
    queue_body,
)
from playground.agent.links.relay import needs_relay, relay_settings, start_relay, taps_there
from playground.agent.links.tbf import new_rate, read_tbf
from playground.agent.protocol import Request
from playground.agent.queues.classes import RTM_GETTCLASS, read_class
from playground.agent.queues.disciplines import read_discipline
from playground.agent.queues.letting_go import hold_again, let_go
from playground.agent.queues.stack import own_stack, stacked

# Which ways an end may be impaired; PLAYGROUND_IMPAIR=relay leaves netem out.
WITHOUT_NETEM = os.environ.get("PLAYGROUND_IMPAIR") == "relay"

# What classes share where the link has no rate: `model.queues.classes` says so.
UNLIMITED_MBIT = 100_000.0


def impair(directions: Sequence[Request]) -> list[list[str]]:
    done: list[Request] = []
    ways = []
    try:
        for direction, netlink in in_each(directions):
            if not direction.get("replace"):
                _refuse_foreign(netlink, direction)
            done.append(direction)
            ways.append(_impair(netlink, direction, direction["impairment"]))
    except BaseException:
        for direction, netlink in in_each(done):
            with contextlib.suppress(OSError):
                _impair(netlink, direction, direction["before"])
        raise
    return ways


def _refuse_foreign(netlink: Netlink, direction: Request) -> None:
    """Leave a queue alone that somebody has set by hand."""
    name, pid = direction["interface"], direction["pid"]
    where = "" if pid is None else f"in the node of pid {pid}: "
    question = Message(
        RTM_GETQDISC,
        NLM_F_ECHO,
        queue_body(interface_index(name), TC_H_ROOT),
        f"look at the queue of {name}",
    )
    for answer in netlink.look(question):
        [handle] = struct.unpack_from("I", answer, 8)  # struct tcmsg
        # One that the kernel has chosen has none.
        if handle not in (0, OWN_HANDLE):
            kind = attributes(answer[20:])[TCA_KIND].rstrip(b"\0").decode()
            raise FileExistsError(
                errno.EEXIST,
                f"{where}{name} has a queue that somebody has set by hand, {kind}, which would be "
                f"lost: take it away with `tc qdisc del dev {name} root`, or say replace=True",
            )


def _impair(netlink: Netlink, direction: Request, wanted: Request | None) -> list[str]:
    name = direction["interface"]
    index = interface_index(name)
    old = taps_there(netlink, index)
    if wanted is None:
        attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
        hold_again(netlink, index)
        _without_filter(netlink, index, old)
        return []
    if wanted.get("queue") is not None:
        return _queue(netlink, direction, index, wanted, old)
    if not WITHOUT_NETEM and _netem(netlink, index, wanted, name):
        hold_again(netlink, index)
        _without_filter(netlink, index, old)
        return ["netem"]
    ways = []
    if wanted["rate_mbit"] is not None:
        purpose = f"limit the rate of {name} by tbf (this kernel has no netem)"
        netlink.send(new_rate(index, wanted, purpose))
        ways.append("tbf")
    else:
        attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    hold_again(netlink, index)
    if wanted["rate_mbit"] is not None and not needs_relay(wanted):
        let_go(netlink, index, around=not wanted["loss_percent"])
    if needs_relay(wanted):
        start_relay(netlink, direction, index, wanted)
        ways.append("relay")
    elif wanted["loss_percent"]:
        netlink.send(filter_messages(index, losing(wanted["loss_percent"]), None))
        ways.append("filter")
    else:
        _without_filter(netlink, index, [])
    # Only now, for its relay sends what it still has when its tap goes.
    for tap in old:
        attempt(netlink, delete_link(tap), errno.ENODEV)
    return ways


def _queue(
    netlink: Netlink, direction: Request, index: int, wanted: Request, old: Sequence[str]
) -> list[str]:
    """Put a queue at an interface, below the rate, below what else impairs its frames."""
    name, queue = direction["interface"], wanted["queue"]
    attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    rest = {**wanted, "rate_mbit": None, "queue_packets": queue["netem_packets"]}
    del rest["queue"]
    delayed, lossy = needs_relay(wanted), bool(wanted["loss_percent"])
    ways = []
    if (delayed or lossy) and not WITHOUT_NETEM and _netem(netlink, index, rest, name):
        ways.append("netem")
    netlink.send(stacked(index, wanted, len(ways), name))
    if wanted["rate_mbit"] is not None:
        ways.append(queue["kind"] if queue["shapes"] else "tbf")
    # What was delayed comes from no socket any more; what cannot wait holds none back.
    hold_again(netlink, index)
    if not delayed and (wanted["rate_mbit"] or "classes" in queue):
        let_go(netlink, index, around=not wanted["loss_percent"])
    if "netem" in ways or not (delayed or lossy):
        _without_filter(netlink, index, old)
        return ways
    if delayed:
        rest["queue_packets"] = wanted["queue_packets"]
        start_relay(netlink, direction, index, rest)
        ways.append("relay")
    else:
        netlink.send(filter_messages(index, losing(wanted["loss_percent"]), None))
        ways.append("filter")
    for tap in old:
        attempt(netlink, delete_link(tap), errno.ENODEV)
    return ways


def impaired(ends: Sequence[Request]) -> list[Request]:
    found = []
    for end, netlink in in_each(ends):
        index = interface_index(end["interface"])
        ways, settings = _in_queues(netlink, index)
        taps = taps_there(netlink, index)
        if taps:
            ways.append("relay")
            settings |= relay_settings(netlink, taps[0])
        elif answers := netlink.look(get_filter(index)):
            ways.append("filter")
            options = attributes(attributes(answers[0][20:])[TCA_OPTIONS])
            settings["loss_percent"] = read_losing(options.get(TCA_BPF_OPS, b""))
        found.append({"by": ways, "settings": settings})
    return found


def _in_queues(netlink: Netlink, index: int) -> tuple[list[str], Request]:
    """Return which queues impair what leaves by an interface, and how."""
    ways: list[str] = []
    settings: Request = {}
    for kind, handle, options in own_stack(netlink, index):
        found: Request = {}
        if kind in ("netem", "tbf"):
            # Below another it holds what is on its way, and limits nothing that waits.
            found = read_netem(options) if kind == "netem" else read_tbf(options)
        elif kind in ("htb", "hfsc"):
            body = queue_body(index, 0, handle | 1)
            question = Message(RTM_GETTCLASS, NLM_F_ECHO, body, "look at a class")
            for answer in netlink.look(question)[:1]:
                found = read_class(kind, attributes(answer[20:]).get(TCA_OPTIONS, b""))
                found.pop("ceil_mbit", None)
        elif kind == "cake":
            found = read_discipline(kind, options)
        if kind in ("netem", "tbf") or found.get("rate_mbit", UNLIMITED_MBIT) < UNLIMITED_MBIT:
            ways.append(kind)
            settings.pop("queue_packets", None)
            settings |= {name: found[name] for name in found if name not in ("rtt_ms", "diffserv")}
    return ways, settings


def _netem(netlink: Netlink, index: int, wanted: Request, name: str) -> bool:
    """Impair by netem; False where the kernel has none."""
    # It takes up new settings one by one, and keeps those that are not named.
    attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    message = new_queue(index, "netem", netem_options(wanted), f"impair {name} by netem")
    [(message, number, reason)] = netlink.attempt([message])
    if number == errno.ENOENT:
        return False
    if number:
        raise refusal(message, number, reason)
    return True


def _without_filter(netlink: Netlink, index: int, taps: Sequence[str]) -> None:
    attempt(netlink, delete_filter(index), errno.ENOENT, errno.EINVAL)
    for tap in taps:
        attempt(netlink, delete_link(tap), errno.ENODEV)
