"""Decisions of a living picture: what was seen of a lab becomes attributes of its SVG.

Pure, and the same for every page that shows one.  A picture that `draw_svg` has drawn with
``live=True`` has parts, elements that ``data-part`` names: "lab" is all of it, "node h1" a
card, "cable 3" a line, "label 3" what is written at it, "note 3" a text of what is wrong with it.
Cables are counted as in the picture, from 0.  `attributes` says what each part should have now,
`differences` what of that has to be sent.  Who shows the picture sets these attributes on every
element of that part, and decides nothing: "title" is the text of its ``<title>``, "text" its own
text, and any other name an attribute.

The style of the picture makes of them what is seen: ``data-state`` of a cable is "up", "down",
"impaired" or "blocked" (by a spanning tree), ``data-a`` and ``data-b`` are how much goes toward
each end, from "0" to "7".  A node's ``data-state`` is "up", "answers" (all its services do),
"silent" (some do not) or "gone" (it was stopped,
or has ended).  The lab's is "runs", "rests" (it was stopped) or "gone".

>>> quiet = LabLook(0.0, (CableLook(),), {"h1": NodeLook()})
>>> busy = LabLook(1.0, (CableLook(bytes_to_b=125_000),), {"h1": NodeLook()})
>>> attributes(busy, quiet)["cable 0"]["data-b"]
'4'

"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

Attributes = dict[str, dict[str, str]]

# Where each level of traffic begins, in bits a second: a decade each, after a first packet.
_LEVELS_BITS = (1.0, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)

# A look costs at most this share of a processor, and there is at most one a second.
_MOST_BUSY = 0.02
_SHORTEST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 5.0
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class CableLook:
    """One link as the kernel has it.

    ``blocked`` is the switch that keeps it out of the spanning tree, ``impaired`` says what its
    frames suffer ("20 ms, 1 % loss"); "" for neither.  The counts are bytes that have left toward
    each end since the link was made.

    """

    up: bool = True
    blocked: str = ""
    impaired: str = ""
    bytes_to_a: int = 0
    bytes_to_b: int = 0

    @property
    def state(self) -> str:
        """Its state in one word, the gravest first."""
        if not self.up:
            return "down"
        if self.blocked:
            return "blocked"
        return "impaired" if self.impaired else "up"


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One node: whether it is there, and which of its services listen."""

    alive: bool = True
    services: Mapping[str, bool] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Its state in one word, the gravest first."""
        if not self.alive:
            return "gone"
        if not self.services:
            return "up"
        return "answers" if all(self.services.values()) else "silent"


@dataclass(frozen=True, slots=True)
class LabLook:
    """A whole lab at one moment, ``time_s`` of a clock that never goes back.

    ``cables`` are in the order of the picture, ``nodes`` go by name; ``state`` is "runs", "rests"
    or "gone".

    """

    time_s: float
    cables: tuple[CableLook, ...] = ()
    nodes: Mapping[str, NodeLook] = field(default_factory=dict)
    state: str = "runs"


def attributes(
    now: LabLook, before: LabLook | None = None, titles: Mapping[str, str] | None = None
) -> Attributes:
    """Return what each part of a picture should have.

    ``before`` is an earlier look at the same picture, without which no traffic is known.
    ``titles`` are tooltips by part ("cable 3"); what is seen is written below them.

    """
    titles = titles or {}
    found: Attributes = {"lab": {"data-state": now.state}}
    for number, cable in enumerate(now.cables):
        rates = (0.0, 0.0)
        if before is not None and number < len(before.cables):
            rates = _rates(before.cables[number], cable, now.time_s - before.time_s)
        line = f"cable {number}"
        said = "\n".join(filter(None, (titles.get(line), *_cable_words(cable, rates))))
        found[line] = {
            "data-state": cable.state,
            "data-a": str(traffic_level(rates[0])),
            "data-b": str(traffic_level(rates[1])),
            "title": said,
        }
        found[f"label {number}"] = {"data-state": cable.state, "title": said}
        found[f"note {number}"] = {"data-state": cable.state, "text": _note(cable)}
    for name, node in now.nodes.items():
        part = f"node {name}"
        said = "\n".join(filter(None, (titles.get(part), *_node_words(node))))
        found[part] = {"data-state": node.state, "title": said}
    return found


def differences(shown: Attributes, wanted: Attributes) -> Attributes:
    """Return what has to be set where ``shown`` is there already.

    >>> differences({"lab": {"data-state": "runs"}}, {"lab": {"data-state": "rests"}})
    {'lab': {'data-state': 'rests'}}

    """
    found = {}
    for part, values in wanted.items():
        has = shown.get(part, {})
        if changed := {name: value for name, value in values.items() if has.get(name) != value}:
            found[part] = changed
    return found


def traffic_level(bits_per_s: float) -> int:
    """Return how busy a direction is, from 0 (nothing passes) to 7 (1 Gbit/s and more).

    >>> [traffic_level(rate) for rate in (0, 800, 12_000, 3_000_000, 5e9)]
    [0, 1, 2, 4, 7]

    """
    return sum(bits_per_s >= begin for begin in _LEVELS_BITS)


def rate_words(bits_per_s: float) -> str:
    """Return a rate as people say it.

    >>> rate_words(12_345_678)
    '12 Mbit/s'

    """
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits_per_s >= size:
            value = bits_per_s / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{bits_per_s:.0f} bit/s"


def pause_s(took_s: float) -> float:
    """Return how long to wait after a look that took so long, in seconds.

    Looks together take at most 2 % of a processor, and there is at most one a second.  Not even a
    machine that is very busy makes the pause longer than 5 s.

    >>> pause_s(0.003), pause_s(0.1)
    (1.0, 4.9)

    """
    return round(min(max(took_s * (1 / _MOST_BUSY - 1), _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S), 3)


class PicturePace:
    """The pauses between looks, where a clock also counts how long others had the processor.

    The least of the last few is nearest to what a look itself takes.

    >>> pace = PicturePace()
    >>> [pace.pause_s(took_s) for took_s in (0.1, 0.004, 0.3)]
    [4.9, 1.0, 1.0]

    """

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_REMEMBERED)

    def pause_s(self, took_s: float) -> float:
        """Return how long to wait after one more look."""
        self._last.append(took_s)
        return pause_s(min(self._last))


def _rates(before: CableLook, now: CableLook, seconds: float) -> tuple[float, float]:
    """Return bits a second toward each end; none where counting has begun anew."""
    if seconds <= 0:
        return (0.0, 0.0)
    grown = (now.bytes_to_a - before.bytes_to_a, now.bytes_to_b - before.bytes_to_b)
    toward_a, toward_b = (max(count, 0) * 8 / seconds for count in grown)
    return toward_a, toward_b


def _note(cable: CableLook) -> str:
    return {"down": "down", "blocked": "blocked", "impaired": cable.impaired}.get(cable.state, "")


def _cable_words(cable: CableLook, rates: tuple[float, float]) -> list[str]:
    words = []
    if not cable.up:
        words.append("down: no frame passes")
    elif cable.blocked:
        words.append(f"blocked by {cable.blocked}: it would close a ring of the spanning tree")
    if cable.impaired:
        words.append(f"impaired: {cable.impaired}")
    if any(rates):
        words.append(f"now {rate_words(rates[1])} →, {rate_words(rates[0])} ←")
    return words


def _node_words(node: NodeLook) -> list[str]:
    if not node.alive:
        return ["it is stopped, or has ended"]
    silent = [name for name, answers in node.services.items() if not answers]
    return [f"does not listen: {', '.join(silent)}"] if silent else []
