"""Living pictures: a lab's picture once, and then only what has changed of it.

`display.live_picture` decides what each part of the picture shows, and `pictures.live_looks` asks
the kernels.

"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from playground.display.live_picture import (
    Attributes,
    LabLook,
    NodeLook,
    attributes,
    differences,
)
from playground.errors import AgentError, AgentGone, NotRunning
from playground.model.records import dataclass
from playground.operations.network import Machine, Node
from playground.operations.pictures.diagram import (
    Diagram,
    Seen,
    drawn,
    make_diagram,
)
from playground.operations.pictures.layout import Layout, place
from playground.operations.pictures.live_looks import cable_look, look_at_links, look_at_nodes
from playground.operations.pictures.picture import check_theme
from playground.operations.pictures.stopped_elsewhere import StoppedElsewhere
from playground.operations.pictures.svg import draw_svg
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd


class PicturedLab(Protocol):
    """A lab, as far as its living picture needs it."""

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host, router and switch."""

    def plan(self) -> Plan:
        """Return what `start` would make."""

    def running_plan(self) -> Plan:
        """Return the plan of what runs; raises `NotRunning` when nothing does."""


@dataclass(frozen=True)
class PictureChange:
    """What has to be shown next.

    ``svg`` is a whole picture where it has to be drawn anew, which then has none of the earlier
    attributes; else None.  ``attributes`` are set after that.

    """

    svg: str | None
    attributes: Attributes


# Which services listen, and what somebody has impaired by hand, is looked at no more often.
SLOW_PAUSE_S = 3.0

# The SVG of a plan, whose parts are named: see `display.live_picture`.
Draw = Callable[[Plan, Diagram, Layout], str]


class LivePicture:
    """The picture of a lab, and what changes of it.

    One for each who looks: it keeps what it has told.  Threads may share it.  ``draw`` makes SVG
    of what is to be drawn, by default `draw_svg`.

    >>> picture = LivePicture(lab)
    >>> picture.change().svg[:4]
    '<svg'
    >>> h1.links[0].down()
    >>> picture.change().attributes["note 1"]
    {'data-state': 'down', 'text': 'down'}

    """

    def __init__(
        self,
        lab: PicturedLab,
        theme: str = "auto",
        draw: Draw | None = None,
        slow_pause_s: float = SLOW_PAUSE_S,
    ) -> None:
        check_theme(theme)
        self._lab = lab
        self._draw = draw or (lambda plan, diagram, at: draw_svg(diagram, at, theme, live=True))
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._diagram: Diagram | None = None
        self._titles: Mapping[str, str] = {}
        self._before: LabLook | None = None
        self._shown: Attributes = {}
        # What is dear to ask is asked so often, and known of earlier between.
        self._slow_pause_s = slow_pause_s
        self._slow_look_s = -slow_pause_s
        self._seen: Mapping[tuple[WireEnd, WireEnd], Seen] = {}
        self._found: Mapping[str, NodeLook] = {}
        self._stopped = StoppedElsewhere()

    @property
    def running(self) -> bool:
        """Whether its lab runs."""
        return self._lab.running

    def change(self) -> PictureChange:
        """Look at the lab, and return what has to be shown; the first time all of it.

        A lab that was stopped rests; one whose agent has died is gone.  Neither is an error.
        Raises `PlaygroundError` where nothing is installed that lays a picture out.

        """
        with self._lock:
            plan, running = self._what_runs()
            svg = self._drawn_anew(plan)
            now = self._look(plan) if running else LabLook(time.monotonic(), state="rests")
            if now is None:  # it changes at this moment: the next look will tell
                return PictureChange(svg, {})
            wanted = attributes(now, self._before, self._titles)
            told = differences(self._shown, wanted)
            self._shown = self._shown | wanted
            self._before = now if now.cables else None
            return PictureChange(svg, told)

    def whole(self) -> PictureChange:
        """Return all of it, for one who sees it for the first time, without a new look."""
        with self._lock:
            if self._diagram is None:
                self._drawn_anew(self._what_runs()[0])
            assert self._diagram is not None and self._plan is not None
            svg = self._draw(self._plan, self._diagram, self._layout)
            return PictureChange(svg, self._shown)

    def shown(self) -> Attributes:
        """Return the attributes that have been told, of all parts."""
        return dict(self._shown)

    def _what_runs(self) -> tuple[Plan, bool]:
        try:
            return self._lab.running_plan(), True
        except NotRunning:
            # It keeps the picture of what ran; before that it is what would run.
            return self._plan or self._lab.plan(), False

    def _drawn_anew(self, plan: Plan) -> str | None:
        """Return the picture where this plan looks another way than the one before."""
        if plan is self._plan:
            return None
        self._plan = plan
        # As if nothing were wrong with any link: that is for the attributes to say.
        diagram = make_diagram(plan, self._lab.nodes, {(w.a, w.b): Seen() for w in plan.wires})
        if diagram == self._diagram:
            return None
        self._diagram, self._layout = diagram, place(diagram)
        self._titles = {f"node {card.name}": card.tooltip for card in diagram.cards} | {
            f"cable {number}": cable.tooltip for number, cable in enumerate(diagram.cables)
        }
        self._before, self._shown = None, {}
        return self._draw(plan, diagram, self._layout)

    def _look(self, plan: Plan) -> LabLook | None:
        nodes = self._lab.nodes
        alive = {node.name: node._live for node in nodes if isinstance(node, Machine)}
        agent = next((live.agent for live in alive.values() if live is not None), None)
        if agent is None:
            return None
        now_s = time.monotonic()
        slowly = now_s - self._slow_look_s >= self._slow_pause_s
        try:
            self._seen = look_at_links(agent, nodes, {} if slowly else self._seen)
            if slowly or self._found.keys() != alive.keys():
                stopped = self._stopped.names(agent)
                self._found = look_at_nodes(
                    agent, {name: None if name in stopped else one for name, one in alive.items()}
                )
                self._slow_look_s = now_s
        except AgentGone:
            # It goes first where a lab stops.
            return LabLook(time.monotonic(), state="gone" if self._lab.running else "rests")
        except AgentError:
            return None
        cables = (
            cable_look(wire.a, wire.b, self._seen.get((wire.a, wire.b))) for wire in drawn(plan)
        )
        return LabLook(time.monotonic(), tuple(cables), self._found)

    _layout: Layout
