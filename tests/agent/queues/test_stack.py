"""Queues put in their places: the kernel has what the commands of `as_shell` would make."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import Netlink
from playground.agent.queues.impairments import impair, impaired
from playground.agent.queues.stack import is_own, own_stack
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.direction import as_shell, request
from playground.model.queues.discipline import KINDS, Queue
from playground.model.queues.link_queue import LinkQueue
from tests.support_agent import Namespaces, apart, cable, needs_root

CLASSES = (
    TrafficClass("voice", 1, dscp=("EF", "CS5"), ceil_mbit=2),
    TrafficClass("web", 2, port=80, source=("10.0.0.0/8", "2001:db8::/40")),
    TrafficClass("rest", 3, queue=Queue(limit_packets=50)),
)


@pytest.fixture(scope="module")
def h1() -> Iterator[Namespaces]:
    with Namespaces("h1") as h:
        cable(h)
        yield h


def ask(h1: Namespaces, script: str) -> str:
    with h1.network():
        return subprocess.run(
            ["sh", "-ec", script], capture_output=True, text=True, check=True, timeout=60
        ).stdout


def shown(h1: Namespaces) -> list[str]:
    """What tc shows, without the numbers that the kernel gives by itself."""
    text = ask(h1, "for what in qdisc class filter; do tc $what show dev e0; done")
    text = re.sub(r"\b(?!706)[0-9a-f]{4}: ", "auto: ", text)
    # A filter that copies what leaves is none of the queue's; tc rounds bursts in its own way.
    lines = [line for line in text.splitlines() if "clsact" not in line]
    return sorted(re.sub(r"c?burst [0-9]+\w+", "burst", line) for line in lines)


def tell(h1: Namespaces, impairment: Impairment, queue: LinkQueue | None) -> list[str]:
    direction = {
        "pid": h1.pid,
        "interface": "e0",
        "watch": h1.pid,
        "impairment": request(impairment or None, queue, 1500),
        "before": None,
    }
    [ways] = apart(impair, [direction])
    assert isinstance(ways, list)
    return ways


def same(h1: Namespaces, impairment: Impairment, queue: LinkQueue) -> None:
    by = tell(h1, impairment, queue)
    [found] = apart(impaired, [{"pid": h1.pid, "interface": "e0"}])
    assert impairment.as_read(found["settings"]) == impairment
    assert found["by"] == by
    made = shown(h1)
    commands = as_shell(impairment or None, queue, "e0", by or ("netem",), 1500)
    ask(h1, "tc qdisc del dev e0 root\n" + "\n".join(commands))
    assert made == shown(h1)
    assert tell(h1, NO_IMPAIRMENT, None) == []
    assert [line for line in shown(h1) if "706" in line] == []


@needs_root
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.second_kernel(*Queue(kind).needs)]) for kind in KINDS],
)
def test_a_queue_waits_for_a_rate_as_the_commands_say(h1: Namespaces, kind: str) -> None:
    same(h1, Impairment(rate_mbit=8), Queue(kind))


@needs_root
@pytest.mark.parametrize(
    "scheduler",
    [
        pytest.param("htb", marks=[pytest.mark.second_kernel("htb")]),
        pytest.param("hfsc", marks=[pytest.mark.second_kernel("hfsc")]),
    ],
)
def test_classes_share_a_rate_as_the_commands_say(h1: Namespaces, scheduler: str) -> None:
    same(h1, Impairment(rate_mbit=8), Classes(CLASSES, scheduler))


@needs_root
@pytest.mark.second_kernel("netem", "fq_codel")
def test_below_netem_frames_wait_for_the_rate(h1: Namespaces) -> None:
    same(h1, Impairment(rate_mbit=8, delay_ms=5, loss_percent=1), Queue("fq_codel"))


@needs_root
def test_our_queues_are_known_by_their_numbers(h1: Namespaces) -> None:
    tell(h1, Impairment(rate_mbit=8), Queue(limit_packets=7))

    def look() -> list[tuple[str, bool]]:
        netlink = Netlink(h1.pid)
        found = own_stack(netlink, interface_index("e0"))
        return [(kind, is_own(handle)) for kind, handle, _ in found]

    assert apart(look) == [("tbf", True), ("pfifo", True)]
    tell(h1, NO_IMPAIRMENT, None)
    assert [kind for kind, own in apart(look) if own] == []
