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

from playground.agent.links import ebpf
from playground.agent.links.filters import (
    TCA_BPF_OPS,
    delete_filter,
    filter_messages,
    get_filter,
    losing,
    read_losing,
)
from playground.agent.links.interfaces import delete_link, index_or_none, interface_index
from playground.agent.links.netem import netem_options, read_netem
from playground.agent.links.netlink import (
    NLM_F_ECHO,
    Message,
    Netlink,
    NetlinkError,
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
from playground.agent.links.relay import needs_relay, relay_settings, start_relay, tap_names
from playground.agent.links.tbf import new_rate, read_tbf
from playground.agent.protocol import Request

# Which ways an end may be impaired; PLAYGROUND_IMPAIR=relay leaves netem out.
WITHOUT_NETEM = os.environ.get("PLAYGROUND_IMPAIR") == "relay"

_READ_QUEUE = {"netem": read_netem, "tbf": read_tbf}


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
    for answer in _answers(netlink, question):
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
    old = [tap for tap in tap_names(index) if index_or_none(tap) is not None]
    if wanted is None:
        attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
        _without_copies(netlink, index)
        _without_filter(netlink, index, old)
        return []
    if not WITHOUT_NETEM and _netem(netlink, index, wanted, name):
        _without_copies(netlink, index)
        _without_filter(netlink, index, old)
        return ["netem"]
    ways = []
    if wanted["rate_mbit"] is not None:
        purpose = f"limit the rate of {name} by tbf (this kernel has no netem)"
        netlink.send(new_rate(index, wanted, purpose))
        ways.append("tbf")
    else:
        attempt(netlink, delete_queue(index), errno.ENOENT, errno.EINVAL)
    if wanted["rate_mbit"] is None or needs_relay(wanted):
        _without_copies(netlink, index)
    else:
        _let_go(netlink, index)
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


def impaired(ends: Sequence[Request]) -> list[Request]:
    found = []
    for end, netlink in in_each(ends):
        index = interface_index(end["interface"])
        ways: list[str] = []
        settings: Request = {}
        # Without the flag the answer goes to those who watch, and not to who has asked.
        body = queue_body(index, TC_H_ROOT)
        question = Message(RTM_GETQDISC, NLM_F_ECHO, body, "look at a queue")
        for answer in _answers(netlink, question):
            parts = attributes(answer[20:])
            kind = parts[TCA_KIND].rstrip(b"\0").decode()
            if kind in _READ_QUEUE:
                ways.append(kind)
                settings |= _READ_QUEUE[kind](parts[TCA_OPTIONS])
        taps = [tap for tap in tap_names(index) if index_or_none(tap) is not None]
        if taps:
            ways.append("relay")
            settings |= relay_settings(netlink, taps[0])
        elif answers := _answers(netlink, get_filter(index)):
            ways.append("filter")
            options = attributes(attributes(answers[0][20:])[TCA_OPTIONS])
            settings["loss_percent"] = read_losing(options.get(TCA_BPF_OPS, b""))
        found.append({"by": ways, "settings": settings})
    return found


def _answers(netlink: Netlink, question: Message) -> list[bytes]:
    try:
        return netlink.ask(question)
    except NetlinkError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
        return []


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


def _let_go(netlink: Netlink, index: int) -> None:
    """Have frames wait that no socket waits for, as netem and relays do by themselves.

    Only root may load the program; elsewhere a sender next to the link is held back.

    """
    try:
        messages, descriptor = ebpf.leaving_copied(index)
    except OSError:
        return
    try:
        netlink.send(messages)
    finally:
        os.close(descriptor)


def _without_copies(netlink: Netlink, index: int) -> None:
    attempt(netlink, ebpf.delete_leaving(index), errno.ENOENT, errno.EINVAL)


def _without_filter(netlink: Netlink, index: int, taps: Sequence[str]) -> None:
    attempt(netlink, delete_filter(index), errno.ENOENT, errno.EINVAL)
    for tap in taps:
        attempt(netlink, delete_link(tap), errno.ENODEV)
