"""Impairments: what a link does to the frames that pass it.

Delay, loss, a rate and so on in one direction of a link, checked when built; the
tables that say how jitter is distributed; and tc(8) commands that do the same.
Pure: nothing here touches a machine.

"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_number, shown
from playground.model.records import dataclass

# How jitter may be spread around the delay: tc-netem(8), "DISTRIBUTION".
DISTRIBUTIONS = ("uniform", "normal", "pareto")

# netem's default queue (tc-netem(8), "limit").
QUEUE_PACKETS = 1000

# For doctor, of a kernel that has none.
WITHOUT_NETEM = (
    "delay, jitter, duplicates and the like on links are made by a relay in user space, which "
    "makes a delay some 0.3 ms longer and passes 20,000 frames a second; loss by a filter, a "
    "rate by tbf"
)

# tbf may hold back so much at a time: an Ethernet frame of the usual size must always
# fit, and a timer that fires 250 times a second must find enough to send.
BURST_S = 0.004
BURST_FRAMES = 2
FRAME_OVERHEAD_BYTES = 14  # IEEE 802.3: destination, source, type

_LONGEST_MS = 60_000.0
# netem keeps jitter as a signed 32-bit number of nanoseconds (net/sched/sch_netem.c, tabledist).
_WIDEST_MS = 2147.0
_FASTEST_MBIT = 100_000.0


def _rounded(value: Any) -> Any:
    """Return whole numbers as people write them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_number(name: str, value: object, least: float, most: float, unit: str) -> None:
    if not is_number(value, least, most):
        raise TopologyError(
            f"{name}={shown(value)} cannot be; "
            f"give a number of {unit} from {least:g} to {most:,.0f}"
        )


@dataclass(frozen=True)
class Impairment:
    """The impairments of frames in one direction of a link; none, by default.

    ``delay_ms`` is what each takes longer, ``jitter_ms`` by how much that varies
    (half the width of a "uniform" ``distribution``, the standard deviation of a
    "normal" or "pareto" one; 2147 ms at most, as netem has it).  Of all frames,
    ``loss_percent`` are lost, each by chance, or like the one before to
    ``loss_correlation`` percent; ``duplicate_percent`` arrive twice; in
    ``corrupt_percent`` one bit is wrong;
    ``reorder_percent`` leave at once, without the delay, and so overtake others.
    ``rate_mbit`` is in 10**6 bits a second, frames with their Ethernet headers;
    ``queue_packets`` is how many frames wait at most, 1000 by default: more are lost.

    Raises `TopologyError` for what cannot be.  Source: tc-netem(8).

    >>> Impairment(delay_ms=50, jitter_ms=10, loss_percent=1)
    Impairment(delay_ms=50, jitter_ms=10, loss_percent=1)

    """

    delay_ms: float = 0
    jitter_ms: float = 0
    distribution: str = "uniform"
    loss_percent: float = 0
    loss_correlation: float = 0
    duplicate_percent: float = 0
    corrupt_percent: float = 0
    reorder_percent: float = 0
    rate_mbit: float | None = None
    queue_packets: int | None = None

    def __post_init__(self) -> None:
        _check_number("delay_ms", self.delay_ms, 0, _LONGEST_MS, "milliseconds")
        _check_number("jitter_ms", self.jitter_ms, 0, _WIDEST_MS, "milliseconds")
        for name in _PERCENTS:
            _check_number(name, getattr(self, name), 0, 100, "percent")
        if self.distribution not in DISTRIBUTIONS:
            known = ", ".join(repr(name) for name in DISTRIBUTIONS)
            raise TopologyError(f"distribution={self.distribution!r} is not known; use {known}")
        if self.jitter_ms > self.delay_ms:
            raise TopologyError(
                f"jitter_ms={self.jitter_ms:g} is more than delay_ms={self.delay_ms:g}, and no "
                f"frame arrives before it was sent; give a delay_ms of {self.jitter_ms:g} or more"
            )
        if self.distribution != "uniform" and not self.jitter_ms:
            raise TopologyError(
                f"distribution={self.distribution!r} says how jitter is spread, and there is none; "
                "give a jitter_ms too"
            )
        if self.loss_correlation and not self.loss_percent:
            raise TopologyError("loss_correlation needs a loss_percent; give both")
        if self.loss_correlation == 100:
            raise TopologyError(
                "loss_correlation=100 would have each frame fare as the first did, for ever; give "
                "less than 100"
            )
        if self.reorder_percent and not self.delay_ms:
            raise TopologyError(
                "reorder_percent of the frames leave at once while the others wait, so it needs "
                "a delay_ms; give both"
            )
        if self.rate_mbit is not None:
            _check_number("rate_mbit", self.rate_mbit, 0.001, _FASTEST_MBIT, "Mbit/s")
        if self.queue_packets is not None:
            _check_number("queue_packets", self.queue_packets, 1, 1_000_000, "frames")
            if not isinstance(self.queue_packets, int):
                raise TopologyError(
                    f"queue_packets={self.queue_packets!r} is no whole number of frames"
                )
            if len(self.settings()) == 1:
                raise TopologyError(
                    f"queue_packets={self.queue_packets} alone changes nothing, for no frame has "
                    "to wait; give a rate_mbit or a delay_ms too"
                )

    def __bool__(self) -> bool:
        """Tell whether anything happens to a frame."""
        return bool(self.settings())

    def __repr__(self) -> str:
        return f"Impairment({', '.join(f'{k}={v!r}' for k, v in self.settings().items())})"

    def settings(self) -> dict[str, Any]:
        """Return what differs from nothing, by name."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def as_shell(self, interface: str) -> str:
        """Return the tc(8) command that does this to what leaves by an interface.

        It needs a kernel with netem.

        >>> Impairment(delay_ms=50, loss_percent=1).as_shell("eth0")
        'tc qdisc replace dev eth0 root netem limit 1000 delay 50ms loss 1%'

        """
        if not self:
            return f"tc qdisc del dev {interface} root"
        words = [f"tc qdisc replace dev {interface} root netem limit {self._limit}"]
        if self.delay_ms:
            words.append(f"delay {self.delay_ms:g}ms")
            if self.jitter_ms:
                words.append(f"{self.jitter_ms:g}ms")
            if self.distribution != "uniform":
                words.append(f"distribution {self.distribution}")
        if self.loss_percent:
            if self.loss_correlation:
                begin, end = self.bursts()
                words.append(f"loss gemodel {begin:g}% {end:g}%")
            else:
                words.append(f"loss {self.loss_percent:g}%")
        if self.duplicate_percent:
            words.append(f"duplicate {self.duplicate_percent:g}%")
        if self.corrupt_percent:
            words.append(f"corrupt {self.corrupt_percent:g}%")
        if self.reorder_percent:
            words.append(f"reorder {self.reorder_percent:g}%")
        if self.rate_mbit is not None:
            words.append(f"rate {self.rate_mbit * 1000:g}kbit")
        return " ".join(words)

    def as_done(self, interface: str, by: Sequence[str], mtu_bytes: int) -> tuple[str, ...]:
        """Return the tc(8) commands that do it in these ways, netem's if ``by`` is empty.

        >>> Impairment(rate_mbit=10, queue_packets=20).as_done("eth0", ("tbf",), 1500)[1]
        'tc qdisc replace dev eth0 parent 7067: pfifo limit 20'

        """
        if not by:
            return (self.as_shell(interface),)
        if "netem" in by:
            # With the handle by which it is known as ours, and not somebody else's.
            return (self.as_shell(interface).replace(" root ", " root handle 7067: "),)
        lines = []
        if "tbf" in by and self.rate_mbit is not None:
            said = self.request(mtu_bytes)
            lines += [
                f"tc qdisc replace dev {interface} root handle 7067: tbf "
                f"rate {self.rate_mbit * 1e6:.0f}bit burst {said['burst_bytes']} "
                f"limit {said['queue_bytes']}",
                f"tc qdisc replace dev {interface} parent 7067: pfifo limit {self._limit}",
            ]
        if "filter" in by:
            # A classic BPF program: a random number, compared; "stolen" (4) or unspecified (-1).
            odds = min(round(self.loss_percent / 100 * 2**32), 2**32 - 1)
            code = f"4,32 0 0 4294963256,53 1 0 {odds},6 0 0 4,6 0 0 4294967295"
            lines += [
                f"tc qdisc replace dev {interface} clsact",
                f"tc filter replace dev {interface} egress pref 28775 handle 1 protocol all "
                f"bpf direct-action bytecode '{code}'",
            ]
        if "relay" in by:
            rest = dataclasses.replace(self, rate_mbit=None) if "tbf" in by else self
            lines.append(
                "# a process that sends frames on does what netem would: "
                f"{rest.as_shell(interface)}"
            )
        return tuple(lines)

    def as_read(self, settings: Mapping[str, Any]) -> Impairment:
        """Return what the kernel tells of an impairment that was declared as this one.

        Whoever has changed it by hand may have done what `Impairment` would refuse.

        """
        found = object.__new__(Impairment)
        values = {field.name: field.default for field in dataclasses.fields(self)}
        values |= {name: _rounded(value) for name, value in settings.items()}
        if values["queue_packets"] == self._limit:
            values["queue_packets"] = self.queue_packets
        if values["jitter_ms"] and self.jitter_ms:
            values["distribution"] = self.distribution
        if "rate_mbit" in settings and "queue_packets" not in settings:
            values["queue_packets"] = self.queue_packets  # tbf counts bytes
        for name, value in values.items():
            object.__setattr__(found, name, value)
        return found

    def bursts(self) -> tuple[float, float]:
        """Return in percent how likely a loss follows a frame that passed, and the reverse.

        With a correlation c each frame does as the one before in c percent of all cases, and
        in the others is lost by chance: a Gilbert model, with loss_percent lost in all.
        (netem's own "correlation" loses another share than it is told: tc-netem(8).)

        """
        fresh = 1 - self.loss_correlation / 100
        return fresh * self.loss_percent, fresh * (100 - self.loss_percent)

    def request(self, mtu_bytes: int) -> dict[str, Any]:
        """Return this as the agent takes it, with all numbers it needs."""
        data = dataclasses.asdict(self)
        data["queue_packets"] = self._limit
        data["bursts"] = list(self.bursts()) if self.loss_correlation else None
        if self.rate_mbit is not None:
            frame = mtu_bytes + FRAME_OVERHEAD_BYTES
            burst = int(max(BURST_FRAMES * frame, self.rate_mbit * 1e6 / 8 * BURST_S))
            data |= {"burst_bytes": burst, "queue_bytes": self._limit * frame}
        if self.distribution != "uniform":
            data["table"] = list(delay_table(self.distribution))
        return data

    @property
    def _limit(self) -> int:
        return self.queue_packets or QUEUE_PACKETS


_PERCENTS = (
    "loss_percent",
    "loss_correlation",
    "duplicate_percent",
    "corrupt_percent",
    "reorder_percent",
)

NO_IMPAIRMENT = Impairment()

# NETEM_DIST_SCALE of linux/pkt_sched.h: this number in a table is one jitter_ms.
TABLE_SCALE = 8192
TABLE_LENGTH = 4096


@functools.cache
def delay_table(distribution: str) -> tuple[int, ...]:
    """Return how far from the delay a frame's may lie, each entry as likely as another.

    In units of jitter_ms / 8192, from lowest to highest or the other way round: as netem
    takes it (iproute2, netem/normal.c and netem/pareto.c).

    """
    if distribution == "normal":
        # It brings decimal, fractions and random, which few scripts need.
        import statistics

        normal = statistics.NormalDist()
        values = (normal.inv_cdf((i + 0.5) / TABLE_LENGTH) for i in range(TABLE_LENGTH))
    else:
        # Pareto with an exponent of 3 has a mean of 1.5 and a deviation of 3/4 ** 0.5.
        values = ((((i + 1) / TABLE_LENGTH) ** (-1 / 3) - 1.5) * 4 / 3 for i in range(TABLE_LENGTH))
    most = 2**15 - 1  # it is an array of 16-bit numbers
    return tuple(max(-most, min(most, round(value * TABLE_SCALE))) for value in values)
