"""A lab as people see it: a picture, a tree of text, commands of a shell."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.errors import AgentError, BadArgument
from playground.lab.saving_for_attach import save_soon
from playground.lab.state import LabObject
from playground.model.arguments import is_choice, shown
from playground.operations.network import Host, Router, Switch
from playground.operations.pictures.positions import check_positions

if TYPE_CHECKING:
    from playground.operations.pictures.live_widget import LivePictureWidget
    from playground.operations.pictures.picture import Picture

# What is shaded in a picture.
_GROUPS = ("realms", "machines", "areas", "systems")


def picture(
    lab: LabObject,
    path: str | os.PathLike[str] | None = None,
    *,
    theme: str = "auto",
    group: str = "realms",
) -> Picture:
    """Return a picture of the network, and write it to a file if one is named.

    A notebook shows it (and shows it for the lab itself too), ``print`` writes it as
    text.  A file's name ends in .svg, .png or .pdf; ``theme`` is "light", "dark" or
    "auto", which follows the reader.  In a running lab, links are drawn as the
    kernel says that they are: down, impaired, blocked by a spanning tree.

    Shaded is what a NAT hides, or with ``group="machines"`` what is on each machine of a
    swarm, with "areas" each area of OSPF and IS-IS, with "systems" each autonomous system of BGP.

    Raises `PlaygroundError` where a package is missing that a file needs
    (it says which), `BadArgument` for another kind of file, and for groups that the lab does not
    have.

    >>> lab.picture("net.svg")

    """
    state = lab._state
    from playground.operations.pictures.picture import picture_of

    if not is_choice(group, _GROUPS):
        words = " or ".join(f'"{one}"' for one in _GROUPS)
        raise BadArgument(f"group={shown(group)} is none: say {words}")
    plan, nodes = state.planned(), lab.nodes
    if group == "machines" and plan.placement is None:
        raise BadArgument(
            'this lab is on one machine: group="machines" is for labs on a swarm, as with '
            'Lab(engine="swarm")'
        )
    spoken = {one for node in nodes if isinstance(node, Router) for one in node.protocols}
    if group == "areas" and spoken.isdisjoint(("ospf", "isis")):
        raise BadArgument(
            "no router of this lab speaks OSPF or IS-IS, which alone have areas: declare them with "
            'routing="ospf"'
        )
    if group == "systems" and "bgp" not in spoken:
        raise BadArgument(
            "no router of this lab speaks BGP, which alone has systems: declare them with "
            'routing="bgp"'
        )
    agent = state.client if lab.running else None
    picture = picture_of(plan, nodes, agent, lab.running, group, state.positions)
    if path is not None:
        picture.save(path, theme)
    return picture


def live(lab: LabObject, *, theme: str = "auto") -> LivePictureWidget:
    """Return a living picture of the network, for a notebook: put it last in a cell.

    Links carry dots where frames pass, more and wider the more there are; one that is down is
    red and dotted, one that is impaired dashed, with what it suffers, and one that a spanning tree
    blocks grey.  A lamp tells whether the services of a node listen.  It looks at the kernels at
    most once a second, and takes at most 2 % of a processor; it stops when the cell goes, when
    nobody sees it, or when the lab stops.  A notebook that a program runs has a still picture.

    Raises `PlaygroundError` where the package anywidget is missing, or one that lays pictures out,
    `BadArgument` for another theme than "auto", "light" or "dark".

    ::

        lab.live()

    """
    from playground.operations.pictures.live_widget import make_widget

    return make_widget(lab, theme)


def positions(lab: LabObject) -> dict[str, tuple[float, float]]:
    """Where nodes were put in the lab's picture: the middle of each card in pixels.

    >>> lab.positions = {"h1": (120, 40)}

    """
    return dict(lab._state.positions)


def put_cards(lab: LabObject, positions: Mapping[str, Sequence[float]]) -> None:
    """Put nodes there in the lab's picture; a running lab keeps it for who attaches."""
    state = lab._state
    state.positions = check_positions(f"lab {state.name}", positions)
    if lab.running:
        save_soon(state)


def as_shell(lab: LabObject) -> str:
    """Return the commands that make this lab's network by hand: those of `Plan.as_shell`.

    >>> Path("network.sh").write_text(lab.as_shell())  # then: sudo sh network.sh

    """
    return lab._state.planned().as_shell()


def as_text(lab: LabObject) -> str:
    from playground.operations.pictures.tree import draw

    return draw(lab._state.planned())


def as_mimebundle(
    lab: LabObject, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, Any]:
    from playground.operations.pictures.picture import picture_of

    try:
        shown = picture(lab)
    except AgentError:  # how its links are nobody can tell; what there is, all the same
        state = lab._state
        shown = picture_of(state.planned(), lab.nodes, None, lab.running, positions=state.positions)
    return shown._repr_mimebundle_(include, exclude)


def in_a_line(lab: LabObject) -> str:
    nodes = lab.nodes
    counts = [
        _count(sum(isinstance(node, kind) for node in nodes), word)
        for kind, word in ((Host, "host"), (Router, "router"), (Switch, "switch"))
    ]
    state = "running" if lab.running else "not running"
    return f"<Lab {lab.name}: {', '.join(filter(None, counts))}; {state}>"


def _count(number: int, word: str) -> str:
    if not number:
        return ""
    plural = "es" if word.endswith("ch") else "s"
    return f"{number} {word}{plural if number != 1 else ''}"
