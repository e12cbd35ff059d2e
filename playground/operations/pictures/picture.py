"""A picture of a lab as one has it: in a notebook, in a file, in a terminal.

`Picture` draws when it is first asked.  How links are is read from the kernel.

"""

from __future__ import annotations

import dataclasses
import html
import importlib.util
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from playground.display.local_files import write_file
from playground.errors import AgentError, AgentGone, BadArgument, PlaygroundError
from playground.model.arguments import check_path, is_choice, shown, tells_wrong_calls
from playground.operations.connection.client import Client
from playground.operations.connection.handles import LiveSwitch
from playground.operations.network import Node
from playground.operations.pictures.colours import PICTURE_COLOURS
from playground.operations.pictures.diagram import Diagram, Seen, make_diagram
from playground.operations.pictures.layout import Layout, Point, place
from playground.operations.pictures.live_links import LiveLink, Pair, live_links
from playground.operations.pictures.moved import moved
from playground.operations.pictures.routing_regions import areas, systems
from playground.operations.pictures.svg import draw_svg
from playground.operations.pictures.tree import draw
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd

# Twice as many as a browser shows: a picture on paper, or on a fine screen.
_DOTS_PER_INCH = 192

# A picture that is wider than the page shrinks to this, and is scrolled beyond.
_SHRUNK = 0.6

_KINDS = (".svg", ".png", ".pdf")


@tells_wrong_calls
class Picture:
    """A picture of a network; a notebook shows it.

    >>> picture = lab.picture()
    >>> picture.save("net.svg")
    >>> print(picture)                  # as text
    modem                eth0 192.168.1.1  eth1 203.0.113.1  NAT
    ...

    """

    def __init__(
        self,
        plan: Plan,
        diagram: Diagram,
        running: bool,
        positions: Mapping[str, Point] = MappingProxyType({}),
    ) -> None:
        self._plan = plan
        self._positions = positions
        self.diagram = diagram
        self._running = running

    @cached_property
    def layout(self) -> Layout:
        """Where everything stands."""
        return moved(place(self.diagram), self.diagram, self._positions)[0]

    def svg(self, theme: str = "auto") -> str:
        """Return it as SVG: "light", "dark", or "auto" to follow the reader.

        Raises `PlaygroundError` where no package for pictures is installed.

        """
        check_theme(theme)
        return draw_svg(self.diagram, self.layout, theme)

    def save(self, path: str | os.PathLike[str], theme: str = "auto") -> Path:
        """Write it to a file, .svg, .png or .pdf by its name, and return its path.

        A .png or .pdf is light unless ``theme`` is "dark".  Raises `BadArgument` for
        another kind of file, `PlaygroundError` where a package is missing that it needs,
        `TransferFailed` where the file cannot be written.

        """
        path = check_path(path, "'net.svg'")
        kind = path.suffix.lower()
        if kind not in _KINDS:
            raise BadArgument(
                f"a picture cannot be saved as {path.name!r}: name a file that ends in "
                f"{', '.join(_KINDS)}"
            )
        if kind == ".svg":
            return write_file(path, [self.svg(theme).encode()])
        light = self.svg("light" if theme == "auto" else theme)
        return write_file(path, [_converted(light, "png" if kind == ".png" else "pdf")])

    def __str__(self) -> str:
        return draw(self._plan)

    def __repr__(self) -> str:
        return f"<Picture of {self.diagram.title}>"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        # A cell says whether it runs; a file, which outlives that, does not.
        state = "running" if self._running else "not running"
        bundle = {"text/plain": f"{self}\n({state})"}
        # A terminal asks for text alone, and a notebook has text where nothing can draw.
        if include is None or "text/plain" not in include or len(include) > 1:
            try:
                svg = draw_svg(self.diagram, self.layout, "auto", self._running)
            except PlaygroundError as error:
                plain = html.escape(f"{self}\n\n({error})")
                bundle["text/html"] = f"<pre>{plain}</pre>"
            else:
                # As HTML its text can be selected, and it follows the notebook's theme.
                bundle["text/html"] = _page(svg, self.layout.width)
                bundle["image/svg+xml"] = svg
        return bundle


def check_theme(theme: object) -> None:
    """Raise `BadArgument` for what is no theme of pictures."""
    if not is_choice(theme, ("auto", *PICTURE_COLOURS)):
        raise BadArgument(f'theme={shown(theme)} is none: say "auto", "light" or "dark"')


def _page(svg: str, width: float) -> str:
    style = f"max-width:100%;height:auto;min-width:{width * _SHRUNK:.0f}px"
    return (
        '<div style="overflow:auto;max-width:100%">'
        + svg.replace("<svg ", f'<svg style="{style}" ', 1)
        + "</div>"
    )


def _converted(svg: str, kind: Literal["png", "pdf"]) -> bytes:
    """Return SVG as "png" or "pdf", by the typesetting program typst."""
    if importlib.util.find_spec("typst") is None:
        raise PlaygroundError(
            f"a picture as .{kind} needs the package typst: pip install typst; "
            f"as .svg it does without"
        )
    import typst

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "picture.svg").write_text(svg, encoding="utf-8")
        source = Path(folder, "picture.typ")
        source.write_text(
            '#set page(width: auto, height: auto, margin: 0pt)\n#image("picture.svg")\n',
            encoding="utf-8",
        )
        return typst.compile(str(source), format=kind, ppi=float(_DOTS_PER_INCH))


def picture_of(
    plan: Plan,
    nodes: Sequence[Node],
    agent: Client | None,
    running: bool,
    group: str = "realms",
    positions: Mapping[str, Point] = MappingProxyType({}),
) -> Picture:
    """Return the picture of a plan; ``agent`` is that of its lab, if it can be asked.

    ``group`` is what is shaded: "realms", "machines", "areas" or "systems".

    """
    seen = look(agent, nodes) if agent is not None else {}
    diagram = make_diagram(plan, nodes, seen, group == "machines")
    if group in _ROUTING:
        diagram = dataclasses.replace(diagram, regions=tuple(_ROUTING[group](plan, nodes)))
    return Picture(plan, diagram, running, positions)


_ROUTING = {"areas": areas, "systems": systems}


def look(agent: Client, nodes: Sequence[Node]) -> Mapping[Pair, Seen]:
    """Ask the kernel how the links of these nodes are, in three requests at most.

    The links of a machine that has died are down; to tell, each is asked for alone.

    """
    links = live_links(nodes)
    blocked = blocked_ports(agent, nodes)
    try:
        seen = _ask(agent, links, blocked)
    except AgentGone:
        raise
    except AgentError:
        seen = {}
        for link in links:
            try:
                seen |= _ask(agent, [link], blocked)
            except AgentError:
                seen[link.ends] = Seen(up=False)
    return seen


def _ask(
    agent: Client, links: Sequence[LiveLink], blocked: Collection[WireEnd]
) -> dict[Pair, Seen]:
    ends = [end for link in links for end in link.wire.ends]
    # Frames toward an end are impaired where they leave the other.
    back = [end for link in links for end in link.wire.ends[::-1]]
    states = agent.call("interfaces", ends=ends)
    impaired = agent.call("impaired", ends=back)
    seen = {}
    for number, link in enumerate(links):
        pair = slice(2 * number, 2 * number + 2)
        toward_a, toward_b = (
            declared.as_read(answer["settings"]) if answer["by"] else None
            for declared, answer in zip(link.link.declared_impairments, impaired[pair], strict=True)
        )
        seen[link.ends] = Seen(
            all(state["up"] for state in states[pair]),
            toward_a,
            toward_b,
            next((end.node for end in link.ends if end in blocked), ""),
            # What one end has received the other has sent.
            *(states[2 * number]["statistics"][name] for name in ("rx_bytes", "tx_bytes")),
        )
    return seen


def blocked_ports(agent: Client, nodes: Sequence[Node]) -> set[WireEnd]:
    """Return the ports that spanning trees keep closed."""
    switches = [
        (node.name, live.plan.device)
        for node in nodes
        for live in [node._live]
        if isinstance(live, LiveSwitch) and live.plan.settings.stp
    ]
    if not switches:
        return set()
    answers = agent.call("switches", devices=[device for _, device in switches])
    return {
        WireEnd(name, port["port"])
        for (name, _), answer in zip(switches, answers, strict=True)
        for port in answer["ports"]
        if port["state"] == "blocking"
    }
