"""The commands `playground publish` and `playground open`, for ports of hosts."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from playground.errors import NotRunning

if TYPE_CHECKING:
    from playground.lab.lab import Lab
    from playground.lab.outside.published_ports import PublishedAddress

Say = Callable[[str], None]

# Where the web is, if nobody says where: the first of these at which a host listens.
_WEB_PORTS = (80, 443, 8080, 8000, 8443, 5000, 3000, 8888)


def publish(
    lab: Lab, host: str, port: str, local_port: int | None, listen: str | None, say: Say
) -> None:
    """Offer a port of a host, and say where; stay where this program has to carry."""
    address = lab.publish(host, port, local_port=local_port, listen=listen)
    say(address)
    _stay(address, say)


def end(lab: Lab, host: str, port: str | None, say: Say) -> None:
    """Offer a port of a host no more, or with None all of its ports."""
    name = lab.node(host).name
    found = [item for item in _of_host(lab, name) if port in (None, _words(item))]
    if not found:
        raise NotRunning(f"no such port of {name} is published: see `playground publish --list`")
    for item in found:
        item.close()
        say(f"{item} is closed")


def rows(lab: Lab) -> list[dict[str, str]]:
    """Return what is published of a lab, as rows of a table."""
    return [{"ADDRESS": item, "MACHINE": item.node, "PORT": _words(item)} for item in lab.published]


def open_browser(lab: Lab, host: str, port: str | None, say: Say) -> None:
    """Show the page of a host in a browser, and say its address."""
    name = lab.node(host).name
    found = [item for item in _of_host(lab, name) if port in (None, _words(item))]
    pages = [item for item in found if item.startswith("http")]
    if pages:
        address = pages[0]
    else:
        wanted = port or _web_port(lab, name)
        scheme = None if wanted in map(str, _WEB_PORTS) else "http"
        address = lab.publish(name, wanted, scheme=scheme)
    say(address)
    if not webbrowser.open(address):
        say("no browser was found here: open this address in one")
    _stay(address, say)


def _web_port(lab: Lab, name: str) -> str:
    sockets = lab.state()[name].sockets
    listening = {row.port for row in sockets if row.protocol == "tcp"}
    for port in _WEB_PORTS:
        if port in listening:
            return str(port)
    raise NotRunning(
        f"{name} listens at no port where web pages usually are: name one, as in "
        f"`playground open {name} 8123`"
    )


def _of_host(lab: Lab, name: str) -> Sequence[PublishedAddress]:
    return [item for item in lab.published if item.node == name]


def _words(item: PublishedAddress) -> str:
    return f"{item.node_port}" + ("/udp" if item.protocol == "udp" else "")


def _stay(address: PublishedAddress, say: Say) -> None:
    """Wait for Ctrl-C where this program carries, and nothing would if it ended."""
    if address.carried_here:
        say("the engine is on another machine: it is open until you press Ctrl-C")
        threading.Event().wait()
