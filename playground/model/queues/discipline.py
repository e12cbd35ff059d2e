"""Queueing disciplines: which frames wait where they leave by a link, and which are dropped.

Each kind is a row of `KINDS`, with the settings that it takes.  Pure.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_choice, is_number, is_whole, shown, tells_wrong_calls
from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass

DIFFSERV = ("besteffort", "diffserv3", "diffserv4", "diffserv8")

# Of the frames that RED thinks of, in bytes (tc-red(8), "avpkt").
RED_FRAME_BYTES = 1000


@dataclass(frozen=True)
class QueueKind:
    """A kind of queue, by its name in tc(8).

    ``settings`` are those that it takes, each with the value that it has where nothing is
    said.  One that ``shapes`` keeps the link's rate by itself.  ``source`` describes it.

    """

    name: str
    settings: Mapping[str, Any]
    source: str
    shapes: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        QueueKind("pfifo", {"limit_packets": 1000}, "tc-pfifo(8)"),
        QueueKind(
            "fq_codel",
            {
                "limit_packets": 10_240,
                "target_ms": 5,
                "interval_ms": 100,
                "flows": 1024,
                "ecn": True,
            },
            "RFC 8290, tc-fq_codel(8)",
        ),
        QueueKind(
            "pie", {"limit_packets": 1000, "target_ms": 15, "ecn": False}, "RFC 8033, tc-pie(8)"
        ),
        QueueKind(
            "red",
            {
                "limit_bytes": 240_000,
                "min_bytes": 30_000,
                "max_bytes": 90_000,
                "probability_percent": 10,
                "ecn": False,
            },
            "S. Floyd and V. Jacobson, Random Early Detection Gateways, 1993; tc-red(8)",
        ),
        QueueKind("sfq", {"limit_packets": 127, "perturb_s": 0}, "tc-sfq(8)"),
        QueueKind(
            "cake",
            {"rtt_ms": 100, "diffserv": "diffserv3"},
            "T. Høiland-Jørgensen and others, Piece of CAKE, 2018; tc-cake(8)",
            shapes=True,
        ),
    )
}

# Of each number: the least and the most, whether it is whole, and of what.
_NUMBERS: dict[str, tuple[float, float, bool, str]] = {
    "limit_packets": (1, 1_000_000, True, "packets"),
    "limit_bytes": (3_000, 100_000_000, True, "bytes"),
    "min_bytes": (1_500, 100_000_000, True, "bytes"),
    "max_bytes": (3_000, 100_000_000, True, "bytes"),
    "probability_percent": (0.1, 100, False, "percent"),
    "target_ms": (0.1, 10_000, False, "milliseconds"),
    "interval_ms": (1, 10_000, False, "milliseconds"),
    "rtt_ms": (0.1, 10_000, False, "milliseconds"),
    "flows": (1, 65_536, True, "flows"),
    "perturb_s": (0, 3600, True, "seconds"),
}
# sch_sfq.c keeps no more.
_SFQ_MOST = 65_407


@tells_wrong_calls
@dataclass(frozen=True)
class Queue(LinkQueue):
    """A queue where frames leave by a link, and what it does when frames wait in it.

    ``kind`` is one of `KINDS`, and each takes some of the settings only:

    * "pfifo": the first in is the first out; ``limit_packets`` wait, and what comes then is
      dropped at the tail.
    * "fq_codel": a queue for each flow, of which ``flows`` are told apart, served in turn.  From
      one in which packets wait longer than ``target_ms`` for ``interval_ms``, some are dropped.
    * "pie": one queue, from which some are dropped so that packets wait ``target_ms``.
    * "red": one queue in bytes.  Between ``min_bytes`` and ``max_bytes`` in the mean some are
      dropped by chance, up to ``probability_percent``; at ``limit_bytes`` all.
    * "sfq": a queue for each flow, ``limit_packets`` in all; every ``perturb_s`` seconds
      flows are told apart anew (0: never).
    * "cake": a queue for each flow and host, which also keeps the link's rate, and by
      ``diffserv`` serves classes of packets (DSCP) apart; ``rtt_ms`` is that of usual flows.

    With ``ecn`` packets of who understands it (RFC 3168) are marked in place of being dropped;
    cake always does so.

    Raises `TopologyError` for what cannot be.  Source: tc(8), and each row of `KINDS`.

    >>> Queue("fq_codel", target_ms=10)
    Queue('fq_codel', target_ms=10)

    """

    kind: str = "pfifo"
    limit_packets: int | None = None
    limit_bytes: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    probability_percent: float | None = None
    target_ms: float | None = None
    interval_ms: float | None = None
    rtt_ms: float | None = None
    flows: int | None = None
    perturb_s: int | None = None
    diffserv: str | None = None
    ecn: bool | None = None

    def __post_init__(self) -> None:
        if not is_choice(self.kind, KINDS):
            known = ", ".join(f'"{name}"' for name in KINDS)
            raise TopologyError(f"a queue of kind {shown(self.kind)} is not known; use {known}")
        takes = KINDS[self.kind].settings
        for name, value in self.said().items():
            if name not in takes:
                raise TopologyError(
                    f'a queue of kind "{self.kind}" has no {name}; it takes {", ".join(takes)}'
                )
            self._check(name, value)
        full = self.settings()
        if self.kind == "red" and not full["min_bytes"] < full["max_bytes"] < full["limit_bytes"]:
            raise TopologyError(
                f'a queue of kind "red" begins to drop at min_bytes={full["min_bytes"]}, and drops '
                f"more until max_bytes={full['max_bytes']}, and all at limit_bytes="
                f"{full['limit_bytes']}: give them in this order"
            )
        if self.kind == "fq_codel" and full["target_ms"] >= full["interval_ms"]:
            raise TopologyError(
                f"target_ms={full['target_ms']:g} is the wait that is accepted for "
                f"interval_ms={full['interval_ms']:g}: give a shorter target, a tenth is usual"
            )

    def _check(self, name: str, value: Any) -> None:
        here = f'a queue of kind "{self.kind}": {name}={shown(value)}'
        if name == "ecn":
            if not isinstance(value, bool):
                raise TopologyError(f"{here} is neither True nor False")
        elif name == "diffserv":
            if not is_choice(value, DIFFSERV):
                known = ", ".join(f'"{word}"' for word in DIFFSERV)
                raise TopologyError(f"{here} is not known; use {known}")
        else:
            least, most, whole, unit = _NUMBERS[name]
            if self.kind == "sfq" and name == "limit_packets":
                most = _SFQ_MOST
            fits = (
                is_whole(value, int(least), int(most)) if whole else is_number(value, least, most)
            )
            if not fits:
                kind = "a whole number" if whole else "a number"
                raise TopologyError(
                    f"{here} cannot be; give {kind} of {unit} from {least:g} to {most:,.0f}"
                )

    def __repr__(self) -> str:
        words = [repr(self.kind), *(f"{name}={value!r}" for name, value in self.said().items())]
        return f"Queue({', '.join(words)})"

    def said(self) -> dict[str, Any]:
        """Return the settings that were given, by name."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if field.name != "kind" and (value := getattr(self, field.name)) is not None
        }

    def settings(self) -> dict[str, Any]:
        """Return all settings that a queue of this kind has, by name."""
        return {**KINDS[self.kind].settings, **self.said()}

    @property
    def name(self) -> str:
        """Its kind."""
        return self.kind

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows of `model.kernel.features` that it needs."""
        return () if self.kind == "pfifo" else (self.kind,)

    @property
    def shapes(self) -> bool:
        """Whether it keeps the rate of its link by itself."""
        return KINDS[self.kind].shapes

    def words(self, rate_mbit: float | None = None) -> str:
        """Return it as tc(8) is told of it, on a link of this rate.

        >>> Queue("fq_codel", limit_packets=600).words()
        'fq_codel limit 600 flows 1024 target 5ms interval 100ms ecn'

        """
        return _WORDS[self.kind](self.settings(), rate_mbit)

    def as_shell(
        self, interface: str, where: str, handle: str, rate_mbit: float | None, mtu_bytes: int
    ) -> Iterator[str]:
        """Yield the tc(8) command that puts it in its place, ``where`` on an interface."""
        yield f"tc qdisc replace dev {interface} {where} handle {handle} {self.words(rate_mbit)}"

    def request(self, rate_mbit: float | None = None, mtu_bytes: int = 1500) -> dict[str, Any]:
        """Return it as the agent takes it, on a link of this rate."""
        return {"kind": self.kind, "settings": self.settings(), "rate_mbit": rate_mbit}

    def data(self) -> dict[str, Any]:
        """Return it as it is written down; `from_data` reads it."""
        return {"kind": self.kind, **self.said()}


def red_burst(minimum: int, maximum: int) -> int:
    """Return how many frames may come at once before RED takes the queue for longer.

    >>> red_burst(30_000, 90_000)
    51

    """
    # tc-red(8), "burst": (min + min + max) / (3 * avpkt), rounded up.
    return (2 * minimum + maximum) // (3 * RED_FRAME_BYTES) + 1


def _ecn(settings: Mapping[str, Any]) -> str:
    return " ecn" if settings["ecn"] else ""


def _red_words(settings: Mapping[str, Any], rate_mbit: float | None) -> str:
    least, most = settings["min_bytes"], settings["max_bytes"]
    return (
        f"red limit {settings['limit_bytes']} min {least} max {most} avpkt {RED_FRAME_BYTES} "
        f"burst {red_burst(least, most)} bandwidth {(rate_mbit or RED_RATE_MBIT) * 1000:g}kbit "
        f"probability {settings['probability_percent'] / 100:g}{_ecn(settings)}"
    )


# By which RED guesses how many frames could have left while it was empty: tc-red(8).
RED_RATE_MBIT = 10.0

_WORDS: dict[str, Callable[[Mapping[str, Any], float | None], str]] = {
    "pfifo": lambda s, _: f"pfifo limit {s['limit_packets']}",
    "fq_codel": lambda s, _: (
        f"fq_codel limit {s['limit_packets']} flows {s['flows']} target {s['target_ms']:g}ms "
        f"interval {s['interval_ms']:g}ms" + (_ecn(s) or " noecn")
    ),
    "pie": lambda s, _: (
        f"pie limit {s['limit_packets']} target {s['target_ms']:g}ms" + (_ecn(s) or " noecn")
    ),
    "red": _red_words,
    "sfq": lambda s, _: f"sfq limit {s['limit_packets']} perturb {s['perturb_s']}",
    "cake": lambda s, rate_mbit: (
        "cake "
        + ("unlimited" if rate_mbit is None else f"bandwidth {rate_mbit * 1000:g}kbit")
        + f" {s['diffserv']} rtt {s['rtt_ms']:g}ms"
    ),
}
