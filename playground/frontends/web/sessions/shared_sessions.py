"""What the pages of a server have open together: terminals, and captures that are handed on."""

from __future__ import annotations

from dataclasses import field

from playground.frontends.web.sessions.packet_feed import CaptureStreams, PacketFeeds
from playground.frontends.web.sessions.terminals import Terminals
from playground.model.records import dataclass


@dataclass(frozen=True)
class Sessions:
    """Sessions of all pages, so that two can look at one terminal, and none opens too many."""

    terminals: Terminals = field(default_factory=Terminals)
    streams: CaptureStreams = field(default_factory=CaptureStreams)
    feeds: PacketFeeds = field(default_factory=PacketFeeds)

    def close(self) -> None:
        """End the terminals; a capture ends when its program takes no more of it."""
        self.terminals.close()
