"""Events of a running lab: typed rows, each with a time, a line of text, and plain data.

`Lab.events` gives them as they happen.

"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from playground.display.safe_text import visible_line
from playground.model.records import dataclass


@dataclass(frozen=True)
class Event:
    """Something that happened; ``time_s`` is when it was heard, in seconds since 1970 (UTC).

    ``kind`` is a word for its class, and ``words`` what happened, without the time.

    """

    time_s: float

    @property
    def kind(self) -> str:
        """The word for its class: "link", "node" and so on."""
        return type(self).__name__.removesuffix("Event").lower()

    @property
    def words(self) -> str:
        """The happening in a few words."""
        raise NotImplementedError

    @property
    def line(self) -> str:
        """The event as a line: the time of day here, its kind, what happened.

        >>> print(event.line)
        14:03:11.250  link       h1 - home is down

        """
        here = datetime.fromtimestamp(self.time_s).strftime("%H:%M:%S.%f")[:-3]
        return visible_line(f"{here} {self.kind}").replace(" ", "  ").ljust(25) + visible_line(
            self.words
        )

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data for `json`: its time (ISO 8601), its kind, and its fields."""
        at = datetime.fromtimestamp(self.time_s, UTC).isoformat(timespec="milliseconds")
        fields = dataclasses.asdict(self)
        del fields["time_s"]
        return {"time": at, "kind": self.kind, **fields}

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True)
class LinkEvent(Event):
    """A link that came "up" or went "down", was "added", "removed", or "changed".

    It is up while its interfaces at both ends are, whoever has set them; ``a`` and ``b`` are the
    nodes at its ends.  ``detail`` says what has changed: how it is impaired, its queues.

    """

    a: str
    a_interface: str
    b: str
    b_interface: str
    state: str
    detail: str = ""

    @property
    def words(self) -> str:
        """The happening in a few words."""
        what = {"up": "is up", "down": "is down"}.get(self.state, f"was {self.state}")
        return f"{self.a} - {self.b} {what}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class NodeEvent(Event):
    """A node that was "added", "removed", "stopped", "started", "made anew", or has "died".

    One that is made anew under its name, as by `Lab.restore` and `Lab.apply`, has died before.

    """

    node: str
    state: str

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.node} {'has' if self.state == 'died' else 'was'} {self.state}"


@dataclass(frozen=True)
class ServiceEvent(Event):
    """A service that is "up", listening on its ports, or "down", on none of them any more."""

    node: str
    service: str
    state: str

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.service} on {self.node} is {self.state}"


@dataclass(frozen=True)
class NeighbourEvent(Event):
    """A neighbour of OSPF, OSPFv3 or BGP that is "up" (Full, Established) or "down".

    ``neighbour`` is the other router's name where that is known, else its id or address, and
    ``said`` the state in the protocol's own word.

    """

    node: str
    protocol: str
    neighbour: str
    state: str
    said: str = ""

    @property
    def words(self) -> str:
        """The happening in a few words."""
        said = f" ({self.said})" if self.said else ""
        return f"{self.protocol} on {self.node}: {self.neighbour} is {self.state}{said}"


@dataclass(frozen=True)
class AddressEvent(Event):
    """An address that an interface was given ("added") or that was taken away ("removed")."""

    node: str
    interface: str
    address: str
    state: str

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.address} on {self.node} {self.interface} was {self.state}"


@dataclass(frozen=True)
class RouteEvent(Event):
    """A route that was "added", or "removed" by hand or by a daemon.

    Those that go with an interface, for it is set down, the kernel does not tell of.  ``route`` is
    in ip-route(8)'s words.

    """

    node: str
    route: str
    state: str

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.node}: {self.route} was {self.state}"


@dataclass(frozen=True)
class InterfaceEvent(Event):
    """An interface that is no end of a link, "up", "down" or "removed": one made by hand, say."""

    node: str
    interface: str
    state: str

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.interface} on {self.node} {'was' if self.state == 'removed' else 'is'} " + (
            self.state
        )


@dataclass(frozen=True)
class LostEvent(Event):
    """More happened than can be told: ``count`` events, of one ``node`` or ("") of any."""

    node: str
    count: int

    @property
    def words(self) -> str:
        """The happening in a few words."""
        return f"{self.count} more events{' of ' + self.node if self.node else ''} are not told"


KINDS = ("link", "node", "service", "neighbour", "address", "route", "interface", "lost")
