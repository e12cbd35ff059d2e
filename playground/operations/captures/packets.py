"""`Packets`: what a capture has seen, as a table, a file, a ladder, streams.

They are decoded when somebody looks, and once.

"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from playground.display.local_files import write_file
from playground.display.tables import Table, Tabular, html_table
from playground.errors import BadArgument, PlaygroundError
from playground.model.arguments import check_path, is_whole, shown
from playground.operations.captures.collector import paused_collector
from playground.operations.captures.frames import RAW_IP, CapturePoint, Directory, Frame

if TYPE_CHECKING:
    import os

    from playground.operations.captures.dissect import CapturedPacket
    from playground.operations.captures.ladder import Ladder
    from playground.operations.captures.tcp_streams import Stream


class Packets(Tabular, Sequence["CapturedPacket"]):
    """Packets in the order of their times; an index gives one, a slice `Packets` again.

    ``directory`` gives machines their names in a `ladder`.

    """

    def __init__(
        self,
        places: Sequence[CapturePoint],
        frames: Iterable[Frame] = (),
        directory: Directory | None = None,
        dropped: Sequence[int] = (),
    ) -> None:
        self._places = tuple(places)
        self._frames = list(frames)
        self._directory = directory or Directory()
        self._dropped = list(dropped) or [0] * len(self._places)
        self._decoded: list[CapturedPacket] = []
        self._sorted: list[Frame] = []

    # -- what there is ------------------------------------------------------

    @property
    def places(self) -> tuple[CapturePoint, ...]:
        """The interfaces at which was captured."""
        return self._places

    @property
    def dropped(self) -> dict[str, int]:
        """How many packets the capture has lost at each place: the machine was too busy."""
        return {
            str(place): count
            for place, count in zip(self._places, self._dropped, strict=True)
            if count
        }

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames as they were captured, in the order of their times."""
        return tuple(self._in_order())

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> CapturedPacket: ...
    @overload
    def __getitem__(self, index: slice) -> Packets: ...
    def __getitem__(self, index: int | slice) -> CapturedPacket | Packets:
        if isinstance(index, slice):
            return self._some(self._all()[index])
        return self._all()[index]

    def __iter__(self) -> Iterator[CapturedPacket]:
        return iter([*self._all()])

    def only(self, wanted: Callable[[CapturedPacket], bool] | str) -> Packets:
        """Return those of a protocol, or for which a function is true.

        >>> packets.only("DNS")
        >>> packets.only(lambda packet: packet.destination_port == 80)

        """
        if isinstance(wanted, str):
            name = wanted.upper()
            return self.only(
                lambda packet: name in (packet.protocol.upper(), packet.transport.upper())
            )
        return self._some([packet for packet in self._all() if wanted(packet)])

    # -- what they look like ------------------------------------------------

    def table(self) -> Table[CapturedPacket]:
        """Return a row a packet, with the columns of Wireshark's list.

        >>> packets.table()
        number  time_s    where    direction  source    destination  protocol  length_bytes  info
        ...

        """
        return Table(self._all())

    def ladder(self, *, hops: bool | None = None, limit_packets: int = 200) -> Ladder:
        """Return a sequence diagram: machines as columns, time downwards, an arrow a packet.

        It shows itself in a notebook, prints as text, and has ``save("x.svg")``.  Seen at
        one interface, a packet goes from who sent it to whom it is for.  Seen at several, it
        is one row with all its ``hops`` from machine to machine; where NAT changes an
        address on the way that is told, and so is where a packet stops.

        No more than ``limit_packets`` are drawn, from the first on.

        """
        from playground.operations.captures.ladder import Ladder
        from playground.operations.captures.ladder_rows import rungs

        if not is_whole(limit_packets, 1, 1_000_000):
            raise BadArgument(
                f"limit_packets={shown(limit_packets)} is no number of packets, 1 or more; write "
                "for example limit_packets=50"
            )
        packets = self._all()
        if hops is None:
            hops = len(self._places) > 1
        # One packet is seen twice on each segment at most; what is behind is not looked at.
        packets = packets[: (limit_packets + 1) * 2 * len(self._places)]
        drawn = rungs(packets, self._places, self._directory, hops=hops, lossless=not self.dropped)
        return Ladder.of(drawn, self._directory, limit_packets)

    def streams(self) -> Table[Stream]:
        """Return the TCP connections with what each side has sent: "follow stream".

        ``stream.sent`` and ``stream.received`` are bytes, ``stream.sent_text`` and
        ``stream.received_text`` text, and ``print(stream)`` is the conversation.

        >>> packets.streams()[0].received_text
        'HTTP/1.1 200 OK...'

        """
        from playground.operations.captures.tcp_streams import follow

        return Table(follow(self._all()))

    def scapy(self) -> Any:
        """Return a ``scapy.plist.PacketList``, which needs the package scapy.

        Each packet's ``sniffed_on`` tells where it was seen.  Raises `PlaygroundError` if
        scapy is not installed.

        """
        try:
            from scapy.layers.inet import IP
            from scapy.layers.inet6 import IPv6
            from scapy.layers.l2 import Ether
            from scapy.plist import PacketList
            from scapy.utils import EDecimal
        except ImportError:
            raise PlaygroundError(
                "packets.scapy() needs the package scapy: pip install scapy"
            ) from None
        found = []
        for frame in self._in_order():
            place = self._places[frame.place]
            if place.link_type != RAW_IP:
                packet = Ether(frame.data)
            else:
                packet = (IPv6 if frame.data[:1] >= b"\x60" else IP)(frame.data)
            packet.time = EDecimal(frame.time_ns) / 1_000_000_000
            packet.sniffed_on = str(place)
            packet.wirelen = frame.length_bytes
            found.append(packet)
        return PacketList(found, name="playground")

    # -- files and Wireshark ------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file for Wireshark and others; return its path.

        A name in .pcapng keeps at which interface each packet was seen, one in .pcap does not.
        Raises `BadArgument` for another, `TransferFailed` where it cannot be written.

        """
        from playground.operations.captures.pcapng import write_pcap, write_pcapng

        path = check_path(path, 'save("lesson.pcapng")')
        if path.suffix == ".pcapng":
            parts = write_pcapng(self._places, self._in_order(), self._dropped)
        elif path.suffix == ".pcap":
            kinds = {place.link_type for place in self._places}
            if len(kinds) > 1:
                raise BadArgument(
                    f"{path.name}: a .pcap file holds one type of link only, and this capture "
                    "has Ethernet and bare IP: save it as .pcapng"
                )
            parts = write_pcap(kinds.pop(), self._in_order())
        else:
            raise BadArgument(f"{path.name}: a capture is saved as .pcapng or .pcap")
        return write_file(path, parts)

    def pcapng(self) -> Iterator[bytes]:
        """Yield the bytes of a pcapng file, and as long as it is captured those that come.

        ::

            with link.capture() as packets:
                for part in packets.pcapng():
                    pipe.write(part)

        """
        from playground.operations.captures.pcapng import write_pcapng

        return write_pcapng(self._places, self._as_they_come())

    def wireshark(self) -> subprocess.Popen[bytes]:
        """Open Wireshark with these packets, and those that come as long as it is captured.

        Returns its process.  Raises `PlaygroundError` where Wireshark is not installed.

        """
        program = shutil.which("wireshark")
        if program is None:
            raise PlaygroundError(
                "Wireshark is not installed here: install it (on Debian and Ubuntu `apt install "
                'wireshark`), or open the file of packets.save("capture.pcapng") on another machine'
            )
        process = subprocess.Popen([program, "-k", "-i", "-"], stdin=subprocess.PIPE)
        pipe = process.stdin
        assert pipe is not None

        def feed() -> None:
            try:
                for part in self.pcapng():
                    pipe.write(part)
                    pipe.flush()
            except BrokenPipeError:
                pass  # its window was closed
            finally:
                with suppress(BrokenPipeError):
                    pipe.close()

        threading.Thread(target=feed, name="playground wireshark", daemon=True).start()
        return process

    def __repr__(self) -> str:
        return f"<Packets: {self._described()}>"

    def _repr_html_(self) -> str:
        return html_table(self.rows, self._described())

    # -- how ----------------------------------------------------------------

    def _described(self) -> str:
        text = f"{len(self)} {'packet' if len(self) == 1 else 'packets'} at {self._whereabouts()}"
        if self._dropped and any(self._dropped):
            text += f", {sum(self._dropped)} more were lost"
        return text

    def _whereabouts(self) -> str:
        shown = ", ".join(map(str, self._places[:4]))
        return shown if len(self._places) <= 4 else f"{len(self._places)} interfaces"

    def _in_order(self) -> list[Frame]:
        if len(self._sorted) != len(self._frames):
            self._sorted = sorted(self._frames, key=in_time)
        return self._sorted

    def _as_they_come(self) -> Iterator[Frame]:
        return iter(self._in_order())

    def _all(self) -> list[CapturedPacket]:
        frames = self._in_order()
        if len(self._decoded) != len(frames):
            from playground.operations.captures.dissect import Dissector

            read = Dissector(self._places).read
            with paused_collector():
                self._decoded = [read(frame) for frame in frames]
        return self._decoded

    def _some(self, packets: list[CapturedPacket]) -> Packets:
        """Return a part, whose packets stay as they were read among all."""
        frames = [packet.frame for packet in packets]
        part = Packets(self._places, frames, self._directory, self._dropped)
        part._sorted, part._decoded = frames, packets
        return part


def in_time(frame: Frame) -> tuple[int, bool]:
    """Return what frames are sorted by: what has left one end comes to the other then."""
    return frame.time_ns, not frame.outgoing
