"""Promises of `link.impair`, measured: delay, jitter, loss, rate and the rest.

These are properties of a network, so each has a tolerance, which stands in `TABLE` and
`TOLERANCES`.  What chance decides lies within bounds that are broken less than once
in ten million times (`tests.chance`).  What a busy machine spoils (somebody comes late) may
be measured up to `ROUNDS` times, of which the best counts; what nothing excuses (a frame came
too early, or out of order) fails in any of them.

All of it runs on a second kernel too, which has netem.

"""

from __future__ import annotations

import functools
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import AgentError
from playground.lab.lab import Lab
from playground.model.impairment import Impairment
from playground.operations.network import Host, Link
from tests.chance import binomial_bounds
from tests.frames import Arrival, Tracks, Train, tracks
from tests.machine import THROWN_AWAY
from tests.traffic import iperf3_mbit, tcp_mbit

pytestmark = pytest.mark.second_kernel

# Set where the kernel is one that has netem: then nothing else will do.
NETEM_IS_HERE = THROWN_AWAY
NETEM = ("netem",)

ROUNDS = 8


@dataclass(frozen=True)
class Tolerances:
    """By how much what is measured may differ from what was said.

    A delay is never shorter, but for what clocks are rounded to, and the shortest of
    many is at most ``late_ms`` longer; of jitter, ``late_ms`` is what each frame may
    have been kept from its place.  A rate is never exceeded by more than
    ``fast_share``, bursts left aside, and reached but for ``slow_share``.

    """

    early_ms: float = 0.1
    late_ms: float = 5.0
    fast_share: float = 0.02
    slow_share: float = 0.15


TOLERANCES = Tolerances()

# tbf sends this many frames at once before it keeps the rate; netem keeps it from the first.
BURST_FRAMES = 2


# -- Facts about what came of some frames -------------------------------------


@dataclass(frozen=True)
class Fact:
    """A claim: ``complaint`` says what is wrong with it; ``excused`` if a busy machine may be."""

    complaint: Callable[[Train], str | None]
    excused: bool = False


def within(what: str, found: float, low: float, high: float) -> str | None:
    return None if low <= found <= high else f"{what}: {found:g}, not from {low:g} to {high:g}"


def by_chance(what: str, count: Callable[[Train], int], share: float) -> Fact:
    """So many of all frames that were sent, as chance allows."""

    def complaint(train: Train) -> str | None:
        return within(what, count(train), *binomial_bounds(train.sent, share))

    return Fact(complaint)


def nothing_but_delayed() -> list[Fact]:
    def complaint(train: Train) -> str | None:
        return None if train.numbers == list(range(train.sent)) else "not each once, in order"

    return [Fact(complaint)]


def delayed(delay_ms: float) -> list[Fact]:
    def early(train: Train) -> str | None:
        return within("shortest", train.shortest_ms, delay_ms - TOLERANCES.early_ms, 60_000)

    def late(train: Train) -> str | None:
        return within("shortest", train.shortest_ms, 0, delay_ms + TOLERANCES.late_ms)

    return [Fact(early), Fact(late, excused=True)]


def spread(share_below: Callable[[float], float], *thresholds_ms: float) -> list[Fact]:
    """The shares of the frames that took less than these, as a distribution has them."""

    def late(train: Train) -> str | None:
        return within("came in time", len(train.arrivals), train.sent, train.sent)

    def few(train: Train, threshold_ms: float) -> str | None:
        share = share_below(threshold_ms - TOLERANCES.late_ms)
        low, _ = binomial_bounds(train.sent, share)
        return within(f"faster than {threshold_ms:g} ms", below(train, threshold_ms), low, 1e6)

    def many(train: Train, threshold_ms: float) -> str | None:
        share = share_below(threshold_ms + TOLERANCES.early_ms)
        _, high = binomial_bounds(train.sent, share)
        return within(f"faster than {threshold_ms:g} ms", below(train, threshold_ms), 0, high)

    def below(train: Train, threshold_ms: float) -> int:
        return sum(delay < threshold_ms for delay in train.delays_ms)

    facts = [Fact(late, excused=True)]
    for threshold in thresholds_ms:
        facts.append(Fact(functools.partial(many, threshold_ms=threshold)))
        facts.append(Fact(functools.partial(few, threshold_ms=threshold), excused=True))
    return facts


def uniform(delay_ms: float, jitter_ms: float) -> Callable[[float], float]:
    return lambda ms: min(max((ms - delay_ms + jitter_ms) / (2 * jitter_ms), 0), 1)


def normal(delay_ms: float, jitter_ms: float) -> Callable[[float], float]:
    return statistics.NormalDist(delay_ms, jitter_ms).cdf


def pareto(delay_ms: float, jitter_ms: float) -> Callable[[float], float]:
    """Pareto's with an exponent of 3, as iproute2 scales it (netem/pareto.c)."""

    def share_below(ms: float) -> float:
        x = 1.5 + (ms - delay_ms) / jitter_ms * 0.75
        return 1 - x**-3 if x > 1 else 0

    return share_below


def in_bursts(loss_percent: float, correlation: float) -> list[Fact]:
    """Of frames after one that came so many are lost, and after a lost one so many come."""
    begin, end = Impairment(loss_percent=loss_percent, loss_correlation=correlation).bursts()

    def turns(train: Train, lost_before: bool) -> tuple[int, int]:
        came = train.counts()
        pairs = [(n - 1 in came, n in came) for n in range(1, train.sent)]
        before = [now for then, now in pairs if then is not lost_before]
        return len(before), sum(now is lost_before for now in before)

    def complaint(train: Train, lost_before: bool, percent: float) -> str | None:
        frames, turned = turns(train, lost_before)
        what = f"turns after {frames} that {'were lost' if lost_before else 'came'}"
        return within(what, turned, *binomial_bounds(frames, percent / 100))

    return [
        Fact(lambda train: complaint(train, False, begin)),
        Fact(lambda train: complaint(train, True, end)),
    ]


def twice(train: Train) -> int:
    return sum(count == 2 for count in train.counts().values())


def one_bit_wrong(train: Train) -> int:
    wrong = [arrival.wrong_bits for arrival in train.arrivals if arrival.wrong_bits]
    assert set(wrong) <= {1}, f"so many bits of one frame are wrong: {max(wrong)}"
    return len(wrong)


def overtaking(delay_ms: float, percent: float) -> list[Fact]:
    """So many leave at once; the others wait, none for less than the delay."""

    def quick(train: Train) -> list[float]:
        return [delay for delay in train.delays_ms if delay < delay_ms - TOLERANCES.early_ms]

    def many(train: Train) -> str | None:
        high = binomial_bounds(train.sent, percent / 100)[1]
        return within("left at once", len(quick(train)), 0, high)

    def few(train: Train) -> str | None:
        low = binomial_bounds(train.sent, percent / 100)[0]
        return within("left at once", len(quick(train)), low, train.sent)

    def order(train: Train) -> str | None:
        return "nobody overtook" if train.numbers == sorted(train.numbers) else None

    return [Fact(many), Fact(few, excused=True), Fact(order, excused=True)]


def at_rate(rate_mbit: float) -> list[Fact]:
    def rate(train: Train, burst: int) -> float:
        took_s = train.arrivals[-1].time_s - train.arrivals[0].time_s
        return (len(train.arrivals) - 1 - burst) * train.length * 8 / 1e6 / took_s

    def fast(train: Train) -> str | None:
        most = rate_mbit * (1 + TOLERANCES.fast_share)
        return within("Mbit/s but for a burst", rate(train, BURST_FRAMES), 0, most)

    def slow(train: Train) -> str | None:
        return within("Mbit/s", rate(train, 0), rate_mbit * (1 - TOLERANCES.slow_share), 1e6)

    # Who stamps the first frame late sees the others come faster.
    return [Fact(fast, excused=True), Fact(slow, excused=True)]


def queued_for(delay_ms: float, frames: int) -> list[Fact]:
    """As many come as may wait, where all are sent before the first may leave."""

    def complaint(train: Train) -> str | None:
        if train.sending_s * 1000 >= delay_ms:
            return f"sending took {train.sending_s:g} s"
        return within("came", len(train.arrivals), frames, frames)

    return [Fact(complaint, excused=True)]


def queued_at(rate_mbit: float, frames: int) -> list[Fact]:
    """As many come as may wait, and as leave while others are still sent."""

    def complaint(train: Train) -> str | None:
        leaving = int(train.sending_s * rate_mbit * 1e6 / 8 / train.length) + 1
        at_once = BURST_FRAMES * 1514 // train.length  # tbf's burst is counted in bytes
        return within("came", len(train.arrivals), frames, frames + at_once + leaving)

    return [Fact(complaint)]


# -- The table ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Arguments of `impair`, what does it where there is no netem, and the facts to measure."""

    said: dict[str, Any]
    without_netem: tuple[str, ...]
    facts: list[Fact]
    frames: int = 400
    length: int = 100

    def __str__(self) -> str:
        return "-".join(f"{name}-{value}" for name, value in self.said.items())

    @property
    def patience_s(self) -> float:
        """How much longer than the quickest the slowest of all may take."""
        jitter_ms = self.said.get("jitter_ms", 0)
        widest = 2 if self.said.get("distribution", "uniform") == "uniform" else 8
        reordered_ms = self.said["delay_ms"] if "reorder_percent" in self.said else 0
        return float(0.01 + (widest * jitter_ms + reordered_ms) / 1000)


TABLE = [
    Row({"delay_ms": 40}, ("relay",), [*delayed(40), *nothing_but_delayed()]),
    Row(
        {"delay_ms": 60, "jitter_ms": 40},
        ("relay",),
        [*delayed(20), *spread(uniform(60, 40), 30, 60, 90, 100)],
        frames=900,
    ),
    Row(
        {"delay_ms": 100, "jitter_ms": 30, "distribution": "normal"},
        ("relay",),
        spread(normal(100, 30), 60, 85, 100, 115, 140),
        frames=900,
    ),
    Row(
        {"delay_ms": 60, "jitter_ms": 30, "distribution": "pareto"},
        ("relay",),
        [*delayed(60 - 30 * 2 / 3), *spread(pareto(60, 30), 44, 60, 80, 120)],
        frames=900,
    ),
    Row(
        {"loss_percent": 20},
        ("filter",),
        [by_chance("lost", lambda train: train.lost, 0.2), *delayed(0)],
        frames=1000,
    ),
    Row(
        {"loss_percent": 20, "loss_correlation": 80},
        ("relay",),
        in_bursts(20, 80),
        frames=1000,
    ),
    Row({"duplicate_percent": 10}, ("relay",), [by_chance("twice", twice, 0.1)]),
    Row({"corrupt_percent": 20}, ("relay",), [by_chance("wrong", one_bit_wrong, 0.2)]),
    Row({"delay_ms": 40, "reorder_percent": 25}, ("relay",), overtaking(40, 25)),
    Row(
        {"rate_mbit": 5},
        ("tbf",),
        [*at_rate(5), *nothing_but_delayed()],
        frames=60,
        length=1514,
    ),
    Row({"delay_ms": 300, "queue_packets": 20}, ("relay",), queued_for(300, 20), frames=60),
    Row(
        {"rate_mbit": 2, "queue_packets": 10},
        ("tbf",),
        [*at_rate(2), *queued_at(2, 10)],
        frames=60,
        length=1514,
    ),
    # Frames are counted, however short they are.
    Row({"rate_mbit": 1, "queue_packets": 20}, ("tbf",), queued_at(1, 20), frames=200),
    Row(
        {
            "delay_ms": 40,
            "jitter_ms": 10,
            "distribution": "normal",
            "loss_percent": 10,
            "duplicate_percent": 5,
            "corrupt_percent": 5,
            "reorder_percent": 5,
            "rate_mbit": 50,
            "queue_packets": 800,
        },
        ("tbf", "relay"),
        [by_chance("lost, in spite of copies", lambda train: train.lost, 0.1 * 0.95)],
    ),
]


# -- Measured -----------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Two hosts with one link, and what sends frames between them."""

    h1: Host
    h2: Host
    link: Link
    tracks: Tracks


@pytest.fixture(scope="module")
def pair(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Pair]:
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2)
    with Lab(h1, name="measured", quiet=True) as lab:
        keep_lab(lab.id)
        with tracks(h1, h2) as sending:
            yield Pair(h1, h2, link, sending)


def complaints(facts: list[Fact], train: Train) -> list[tuple[str, bool]]:
    if train.overflowed:
        return [("who counts them could not keep up", True)]
    found = [(fact.complaint(train), fact.excused) for fact in facts]
    return [(complaint, excused) for complaint, excused in found if complaint is not None]


def assert_true(facts: list[Fact], measure: Callable[[], Train], what: str) -> None:
    """Assert that all facts hold in one of a few rounds, and what nothing excuses in each."""
    for _ in range(ROUNDS):
        wrong = complaints(facts, measure())
        assert all(excused for _, excused in wrong), f"{what}: {wrong}"
        if not wrong:
            return
    pytest.fail(f"{what}, the last of {ROUNDS} times: {wrong}")


def assert_measured(pair: Pair, row: Row, source: Host, target: Host) -> None:
    def measure() -> Train:
        return pair.tracks.send(source, target, row.frames, row.length, row.patience_s)

    assert_true(row.facts, measure, f"{source.name} to {target.name}")


def assert_untouched(pair: Pair, source: Host, target: Host) -> None:
    row = Row({}, (), [*delayed(0), *nothing_but_delayed()], frames=60)
    assert_measured(pair, row, source, target)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_frames_fare_as_was_said(pair: Pair, row: Row) -> None:
    """In both directions; then in one, while the other is as it was."""
    pair.link.impair(**row.said)
    # As the kernel tells it.
    toward_h1, toward_h2 = pair.link.impairments
    assert (toward_h1.toward, toward_h2.toward) == ("h1", "h2")
    assert toward_h1.impairment == toward_h2.impairment == Impairment(**row.said)
    assert toward_h1.by == toward_h2.by
    assert toward_h1.by in ([NETEM] if NETEM_IS_HERE else [NETEM, row.without_netem])
    assert_measured(pair, row, pair.h1, pair.h2)
    pair.link.restore(toward=pair.h2)
    assert_untouched(pair, pair.h1, pair.h2)
    assert_measured(pair, row, pair.h2, pair.h1)


def test_a_restored_link_does_nothing_to_frames(pair: Pair) -> None:
    pair.link.impair(delay_ms=20, loss_percent=50)
    pair.link.restore()
    assert not pair.link.impairments
    assert_untouched(pair, pair.h1, pair.h2)
    assert_untouched(pair, pair.h2, pair.h1)


# By netem, or without by what tc(8) can do alone.
BY_HAND = [
    {"delay_ms": 40, "jitter_ms": 10, "distribution": "normal", "loss_percent": 10},
    {"delay_ms": 60, "jitter_ms": 40, "reorder_percent": 5, "rate_mbit": 50, "queue_packets": 800},
    {"loss_percent": 12.5},
    {"rate_mbit": 3, "queue_packets": 20, "loss_percent": 5},
]


@pytest.mark.parametrize("said", BY_HAND if NETEM_IS_HERE else BY_HAND[2:], ids=str)
def test_the_command_that_is_shown_does_the_same(pair: Pair, said: dict[str, Any]) -> None:
    pair.link.impair(**said)
    before = pair.link.impairments
    shown = [line.split(": ", 1) for line in pair.link.as_shell()]
    for node in (pair.h1, pair.h2):
        # Settings stay unless they are named; so it is made anew.
        node.run("tc qdisc del dev eth0 root; tc filter del dev eth0 egress", check=False)
        for command in (line for name, line in shown if name == node.name):
            node.run(command)
    assert pair.link.impairments == before
    pair.link.restore()


def test_a_queue_that_was_set_by_hand_stays(pair: Pair) -> None:
    by_hand = "tbf rate 1mbit burst 3000 limit 30000"
    pair.h1.run(f"tc qdisc replace dev eth0 root {by_hand}")
    for change in (
        lambda: pair.link.impair(loss_percent=50),
        lambda: pair.link.impair(rate_mbit=2),
    ):
        with pytest.raises(AgentError, match=r"h1.*set by hand, tbf, .* say replace=True"):
            change()
    assert "tbf" in pair.h1.run("tc qdisc show dev eth0").stdout
    # Nothing was done in the other direction either.
    assert [row.toward for row in pair.link.impairments] == ["h2"]
    pair.link.impair(loss_percent=50, replace=True)
    assert "tbf" not in pair.h1.run("tc qdisc show dev eth0").stdout
    pair.link.restore()


def ping(pair: Pair, count: int) -> Train:
    """ping(8)'s report of so many echo requests; both ways together are one delay."""
    said = pair.h1.run(f"ping -n -c {count} -i 0.003 -W 1 {pair.h2.address}").stdout
    found = re.findall(r"icmp_seq=(\d+) .* time=([\d.]+) ms", said)
    arrivals = tuple(Arrival(int(number) - 1, 0, float(ms), 0) for number, ms in found)
    return Train(count, 84, 0, arrivals, 0)


def deviating(deviation_ms: float) -> list[Fact]:
    """The standard deviation of so many frames, which nothing makes much smaller."""

    def narrow(train: Train) -> str | None:
        return within("deviation", statistics.pstdev(train.delays_ms), deviation_ms * 0.8, 60_000)

    def wide(train: Train) -> str | None:
        most = deviation_ms * 1.2 + TOLERANCES.late_ms
        return within("deviation", statistics.pstdev(train.delays_ms), 0, most)

    return [Fact(narrow), Fact(wide, excused=True)]


def test_ping_finds_delay_jitter_and_loss(pair: Pair) -> None:
    # Half the width of a uniform distribution is 3 ** 0.5 of its deviations.
    facts = [
        by_chance("lost", lambda train: train.lost, 0.1),
        *delayed(20),
        *deviating(20 / 3**0.5),
    ]
    # Who has no MAC address yet loses the question for it too, and asks again in a second.
    pair.link.restore()
    assert pair.h1.ping(pair.h2, count=1).received == 1
    pair.link.impair(delay_ms=40, jitter_ms=20, loss_percent=10, toward=pair.h2)
    assert_true(facts, lambda: ping(pair, 200), "ping")
    pair.link.impair(delay_ms=20)
    assert_true(delayed(2 * 20), lambda: ping(pair, 20), "ping, delayed both ways")


FLOOD = """
import socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begun = time.monotonic()
for _ in range(1000):
    line.sendto(bytes(1400), (sys.argv[1], 9))
print(time.monotonic() - begun)
"""


def test_a_sender_next_to_a_slow_link_is_not_held_back(pair: Pair) -> None:
    """UDP knows of no link: what comes faster than it carries is lost in the queue."""
    pair.link.impair(rate_mbit=10, queue_packets=100, toward=pair.h2)
    pair.h1.ping(pair.h2, count=1)

    def arrived() -> int:
        return pair.link.statistics()[1].rx_packets

    before = arrived()
    sending_s = float(pair.h1.python(FLOOD, pair.h2.address).stdout)
    # Held back, they would take 1.15 s.
    assert sending_s < 0.9
    last, now = -1, arrived()
    while now != last:
        time.sleep(0.2)
        last, now = now, arrived()
    leaving = sending_s * 10e6 / 8 / 1442
    assert 100 <= now - before <= 100 + BURST_FRAMES + leaving + 5  # ARP, and a late timer
    pair.link.restore()


def test_tcp_keeps_to_the_rate(pair: Pair) -> None:
    """Measured by iperf3, where hosts have the machine's, else by bytes that came."""
    has_iperf3 = pair.h2.run("command -v iperf3", check=False).ok
    assert has_iperf3 or not NETEM_IS_HERE
    measure = iperf3_mbit if has_iperf3 else tcp_mbit
    # Payload's share of a full frame: Ethernet, IP, TCP with time stamps.
    share = (1500 - 20 - 32) / 1514
    low, high = 10 * (1 - TOLERANCES.slow_share), 10 * (1 + TOLERANCES.fast_share)
    pair.link.impair(rate_mbit=10)
    for source, target in ((pair.h1, pair.h2), (pair.h2, pair.h1)):
        reached: list[float] = []
        while not reached or not low <= reached[-1] <= high:
            assert len(reached) < ROUNDS, f"{source.name} to {target.name}, Mbit/s: {reached}"
            reached.append(measure(source, target) / share)
