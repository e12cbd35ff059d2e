"""The live page of a lab in a browser: `Lab.web`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Protocol, cast

from playground.errors import BadArgument, PlaygroundError
from playground.lab.state import LabObject
from playground.model.arguments import is_whole, shown

# Front ends stand above labs: this is how a lab finds the one that shows it.
_GROUP, _NAME = "playground.pages", "web"


class LivePage(Protocol):
    """The live page of a lab; a notebook shows it in a frame, with a link.

    ``address`` is for who works with the lab, ``look_address`` for others to look at.

    """

    address: str
    look_address: str

    def close(self) -> None:
        """Let both addresses lead nowhere; the lab goes on."""


def web(lab: LabObject, *, port: int = 0) -> LivePage:
    """Show the lab in a browser, and return its page; a notebook shows it in a frame.

    The picture is alive: traffic, links that are down or impaired, services that answer.  A click
    on a node opens a terminal, its services, routes and files; a click on a link what passes
    there.  It listens on this machine alone, at ``port`` or at any that is free, and its
    address has a token in it: whoever has the address may do all that you may do with the lab.

    The page goes with this program.  Raises `BadArgument` for what is no port, and
    `PlaygroundError` where the package nicegui is missing, or the port is taken.

    >>> page = lab.web()
    >>> page.address
    'http://localhost:40123/lab/coffee-shop?token=...'
    >>> page.look_address                   # to be shared: with it nothing can be changed
    'http://localhost:40123/look/coffee-shop?token=...'

    """
    if not is_whole(port, 0, 65535):
        raise BadArgument(
            f"lab.web(port={shown(port)}) is no port: write 1 to 65535, or leave it out for one "
            "that is free"
        )
    if importlib.util.find_spec("nicegui") is None:
        raise PlaygroundError(
            "the page in a browser needs the package nicegui: pip install nicegui"
        )
    # 20 ms, which only who asks for a page has to wait.
    from importlib.metadata import entry_points

    found = entry_points(group=_GROUP, name=_NAME)
    if not found:
        raise PlaygroundError(
            "this installation of playground is older than its code: install it again"
        )
    open_page = cast(Callable[..., LivePage], next(iter(found)).load())
    return open_page(lab, port)
