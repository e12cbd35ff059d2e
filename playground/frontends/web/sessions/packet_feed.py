"""Packets of a capture as they come, for a page that looks now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from playground.errors import PlaygroundError
from playground.frontends.web.sessions.lab_shares import LabShares
from playground.operations.captures.capture import Capture
from playground.operations.captures.dissect import CapturedPacket
from playground.operations.captures.pcapng import write_pcapng

# Of one capture on a page; then it ends by itself.
MOST_PACKETS = 20_000
MOST_BYTES = 64 << 20

# Of a capture that is handed on to Wireshark: its program keeps them.
STREAM_BYTES = 256 << 20
MOST_STREAMS = 4

# Captures whose packets pages show: each may hold `MOST_BYTES`, and as much again decoded.
MOST_FEEDS_OF_A_LAB = 6
MOST_FEEDS = 16

_BEAT_S = 0.5
# Between the capture and whoever fetches it.
_READY_BYTES = 1 << 20
# A program that has taken nothing for so long has gone.
_ABANDONED_S = 30.0


class PacketFeed:
    """A capture that runs, and its packets as they are read by a thread, each once."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._packets: list[CapturedPacket] = []
        self._thread = threading.Thread(target=self._read, name="playground feed", daemon=True)

    def start(self) -> PacketFeed:
        """Begin to capture; raises what `Capture.start` does."""
        self.capture.start()
        self._thread.start()
        return self

    def _read(self) -> None:
        for packet in self.capture:
            self._packets.append(packet)

    def __len__(self) -> int:
        return len(self._packets)

    def since(self, number: int, most: int) -> Sequence[CapturedPacket]:
        """Return the packets from that one on, ``most`` of them at most."""
        return self._packets[number : number + most]

    def find(self, number: int) -> CapturedPacket | None:
        """Return the packet of that number in the table; None where there is none."""
        # Numbers begin at 1, in the order in which they came.
        place = number - 1
        if 0 <= place < len(self._packets) and self._packets[place].number == number:
            return self._packets[place]
        return next((one for one in self._packets if one.number == number), None)

    def stop(self) -> None:
        """End the capture; its packets stay.  May be repeated."""
        with suppress(PlaygroundError):
            self.capture.stop()
        if self._thread.is_alive():
            self._thread.join(5)

    def pcapng(self) -> Iterator[bytes]:
        """Yield the bytes of a file for Wireshark, with all packets until now."""
        return write_pcapng(self.capture.places, self.capture.frames)


class PacketFeeds:
    """The captures whose packets the pages of a server hold now, by lab."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[PacketFeed, str] = {}

    def begin(self, lab: str, capture: Capture) -> PacketFeed:
        """Begin to capture; raises `PlaygroundError` where pages hold too many captures.

        A feed counts, whether it runs or not, until it is `let_go`.

        """
        feed = PacketFeed(capture)
        with self._lock:
            of_lab = sum(one == lab for one in self._held.values())
            if of_lab >= MOST_FEEDS_OF_A_LAB or len(self._held) >= MOST_FEEDS:
                raise PlaygroundError(
                    f"{of_lab} captures of this lab are shown already ({len(self._held)} in all), "
                    "and no more may be: close the panel of one"
                )
            self._held[feed] = lab
        try:
            return feed.start()
        except BaseException:
            self.let_go(feed)
            raise

    def let_go(self, feed: PacketFeed) -> None:
        """End a capture, whose packets nobody looks at any more.  May be repeated."""
        try:
            feed.stop()
        finally:
            with self._lock:
                self._held.pop(feed, None)


class CaptureStream(Iterator[bytes]):
    """The pcapng bytes of a capture as it runs, piece by piece, to its end.

    ``b""`` comes where there is nothing new for half a second, so that no thread waits for
    longer; `close` may be called by another thread.  One that nobody reads ends by itself.

    """

    def __init__(self, capture: Capture, ended: Callable[[], None]) -> None:
        self._capture = capture
        self._ended = ended
        self._news = threading.Condition()
        self._ready = bytearray()
        self._over = False
        self._asked_s = time.monotonic()
        self.has_ended = False
        capture.start()
        threading.Thread(target=self._pump, name="playground stream", daemon=True).start()
        threading.Thread(target=self._guard, name="playground stream guard", daemon=True).start()

    def __next__(self) -> bytes:
        with self._news:
            self._asked_s = time.monotonic()
            self._news.wait_for(lambda: self._ready or self._over, _BEAT_S)
            piece, self._ready = bytes(self._ready), bytearray()
            self._news.notify_all()
            if not piece and self._over:
                raise StopIteration
            return piece

    def close(self) -> None:
        """End the capture.  May be repeated."""
        with self._news:
            self._over = True
            self._news.notify_all()
        with suppress(PlaygroundError):
            self._capture.stop()

    def _pump(self) -> None:
        try:
            for part in self._capture.pcapng():
                with self._news:
                    if self._ready and not self._news.wait_for(self._has_room, _ABANDONED_S):
                        break
                    if self._over:
                        break
                    self._ready += part
                    self._news.notify_all()
        finally:
            self.close()
            self.has_ended = True
            self._ended()

    def _guard(self) -> None:
        """End it where nobody asks any more: he may have gone before its first piece."""
        with self._news:
            while not self._over:
                left_s = self._asked_s + _ABANDONED_S - time.monotonic()
                if left_s <= 0:
                    break
                self._news.wait_for(lambda: self._over, left_s)
        self.close()

    def _has_room(self) -> bool:
        return len(self._ready) < _READY_BYTES or self._over


class CaptureStreams:
    """The captures that are handed on as they run, to the Wireshark of somebody who looks."""

    def __init__(self) -> None:
        self._shares = LabShares("captures are handed on", MOST_STREAMS)

    def begin(self, lab: str, capture: Capture) -> CaptureStream:
        """Begin one; raises `PlaygroundError` where too many run, of this lab or of all."""
        self._shares.take(lab)
        try:
            return CaptureStream(capture, lambda: self._shares.give_back(lab))
        except BaseException:
            self._shares.give_back(lab)
            raise

    @property
    def running(self) -> int:
        """How many run."""
        return self._shares.taken
