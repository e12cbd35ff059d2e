"""Capturing packets in a running lab: `Capture`.

The agent hands on what the kernel has seen, block by block; a thread here takes the
blocks apart into frames.  All that can be done with packets is `captures.packets`.

"""

from __future__ import annotations

import errno
import json
import re
import signal
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from playground.errors import (
    AgentError,
    AgentGone,
    BadArgument,
    NotReady,
    NotRunning,
    PlaygroundError,
)
from playground.model.arguments import LONGEST_S, is_number, is_whole, shown, tells_wrong_calls
from playground.operations.captures.frames import CapturePoint, Directory, Frame
from playground.operations.captures.packets import Packets, in_time
from playground.operations.connection.client import AgentProcess, Client
from playground.operations.connection.commands import kill

if TYPE_CHECKING:
    from playground.operations.captures.dissect import CapturedPacket

# As long as nobody says otherwise: no forgotten capture is to fill the memory.
USUAL_LIMIT_BYTES = 256 << 20

# The whole of any packet, as tcpdump has it.
USUAL_SNAPLEN_BYTES = 1 << 18

# The agent lingers for 0.2 s, and longer where the machine is in trouble.
STOP_LIMIT_S = 20.0

# It says how it will send them as soon as it captures.
BEGIN_LIMIT_S = 20.0

# Of the records that the agent sends, see its protocol.
_RECORD = struct.Struct("<iI")
_MARK, _END = -1, -2

# linux/if_packet.h
_TP_STATUS_VLAN_VALID = 0x10
_TP_STATUS_VLAN_TPID_VALID = 0x40
_PACKET_OUTGOING = 4


Records = Iterator[tuple[int | None, Any]]
ReadBlock = Callable[[bytes, int], list[Frame]]


@tells_wrong_calls
class Capture(Packets):
    """A capture that runs within its ``with`` block; the `Packets` in it stay.

    The first packet after the ``with`` line is in it, and so is the last before its end
    (what is under way then is waited for: until nothing came for 20 ms, 0.2 s at most).
    Times are the kernel's, in nanoseconds.

    To iterate gives packets as they come, until the capture ends; with several
    places some 30 ms late, to have them in order.

    """

    def __init__(
        self,
        agent: Client,
        places: Sequence[tuple[CapturePoint, Mapping[str, Any]]],
        directory: Callable[[], Directory],
        *,
        filter: str = "",  # noqa: A002 - as tcpdump's users call it
        snaplen_bytes: int = USUAL_SNAPLEN_BYTES,
        limit_packets: int | None = None,
        limit_bytes: int | None = None,
        limit_s: float | None = None,
    ) -> None:
        _check_options(filter, snaplen_bytes, limit_packets, limit_bytes, limit_s)
        super().__init__([place for place, _ in places], directory=directory())
        self._look_up = directory
        self.filter = filter
        self._agent = agent
        self._requests = [{"pid": end["pid"], "interface": end["interface"]} for _, end in places]
        self._snaplen_bytes = snaplen_bytes
        self._limits = (limit_packets, limit_bytes, limit_s)
        self._process: AgentProcess | None = None
        self._thread: threading.Thread | None = None
        self._news = threading.Condition()
        self._version = 0
        self._mark_ns = 0
        self._bytes = 0
        self._deadline: float | None = None
        self._over = True
        self._ended_by = ""

    # -- beginning and end --------------------------------------------------

    def start(self) -> Self:
        """Begin to capture; a second time begins anew.

        Raises `BadArgument` with libpcap's complaint if the filter is wrong, and
        `AgentError` if an interface is not there; nothing has begun then.

        """
        if self.running:
            raise PlaygroundError(f"this capture runs already: {self!r}")
        process = self._asked()
        try:
            self._begin(process)
        except BaseException:
            kill(process)
            raise
        return self

    def _asked(self) -> AgentProcess:
        """Have the agent capture; what it refuses is said in words of who has asked."""
        try:
            return self._agent.start_job(
                "capture",
                places=self._requests,
                filter=with_addresses(self.filter, self._directory),
                snaplen_bytes=self._snaplen_bytes,
            )
        except AgentError as error:
            if error.errno == errno.EINVAL and self.filter:
                raise BadArgument(
                    f"the filter {self.filter!r} is not one: {error}.  Filters are written as for "
                    'tcpdump, such as "tcp port 80" or "icmp or arp"; see pcap-filter(7)'
                ) from None
            if error.errno == errno.ENODEV:
                wanted = ", ".join(map(str, self._places))
                there = ", ".join(
                    f"{owner.node}/{owner.interface}"
                    for owner in self._directory.owners
                    if owner.node in {place.node for place in self._places}
                )
                raise BadArgument(
                    f"there is no such interface as {wanted}; there are {there or 'none'}"
                ) from None
            if error.errno == errno.ENOPKG:
                raise PlaygroundError(str(error)) from None
            raise

    def _begin(self, process: AgentProcess) -> None:
        """Forget what was captured before, and read what comes from now on."""
        records = _records(process, lambda: None if self._ended_by else self._deadline)
        try:
            head = next(records)[1]
        except TimeoutError:
            raise NotReady(
                f"the capture did not begin within {BEGIN_LIMIT_S:g} s: the engine's machine may "
                "be overloaded; try it once more"
            ) from None
        if head is None:
            raise AgentError("the capture ended before it began: try it once more", op="capture")
        self._places = tuple(
            replace(place, link_type=kind)
            for place, kind in zip(self._places, head["link_types"], strict=True)
        )
        order = "<" if head["byte_order"] == "little" else ">"
        read_block = block_reader(order, head.get("ahead_ns"))
        self._frames.clear()
        self._sorted, self._decoded = [], []
        self._dropped = [0] * len(self._places)
        self._version = self._mark_ns = self._bytes = 0
        self._ended_by = ""
        self._process = process
        limit_s = self._limits[2]
        self._deadline = None if limit_s is None else time.monotonic() + limit_s
        self._thread = threading.Thread(
            target=self._read,
            args=(process, records, read_block),
            name="playground capture",
            daemon=True,
        )
        self._over = False
        try:
            self._thread.start()
        except BaseException:
            self._thread, self._over = None, True
            raise

    def stop(self) -> None:
        """End the capture, with all packets until now.  May be repeated.

        Warns of packets that were lost, since the machine was too busy.

        """
        thread, self._thread = self._thread, None
        if thread is None or self._process is None:
            return
        with suppress(AgentError):  # where the lab was stopped, what came before is there
            self._process.signal(signal.SIGTERM)
        thread.join(STOP_LIMIT_S)
        with suppress(NotRunning):
            self._directory = self._look_up()  # with machines that came meanwhile
        if thread.is_alive():
            raise NotReady(f"the capture did not end within {STOP_LIMIT_S:g} s: {self!r}")
        if any(self._dropped):
            lost = ", ".join(f"{count} at {where}" for where, count in self.dropped.items())
            warnings.warn(
                f"the capture has lost packets, since the machine was too busy: {lost}; "
                "a filter or a smaller snaplen_bytes helps",
                RuntimeWarning,
                stacklevel=3,
            )
        if self._ended_by and self._limits[1] is None and "limit_bytes" in self._ended_by:
            warnings.warn(
                f"the capture ended by itself after {USUAL_LIMIT_BYTES >> 20} MiB: give it "
                "limit_bytes=, or a filter",
                RuntimeWarning,
                stacklevel=3,
            )

    @property
    def running(self) -> bool:
        """Whether it captures now."""
        return not self._over

    @property
    def ended_by(self) -> str:
        """Why it ended by itself, as in "limit_packets=100"; empty if it did not."""
        return self._ended_by

    def wait(self, timeout_s: float | None = 30) -> Self:
        """Wait until it ends by one of its limits; `NotReady` after ``timeout_s`` seconds.

        With ``timeout_s=None`` it waits as long as that takes.

        """
        with self._news:
            if not self._news.wait_for(lambda: self._over, timeout_s):
                raise NotReady(f"no limit was reached within {timeout_s:g} s: {self!r}")
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Capture: {self._described()}>"

    def _described(self) -> str:
        state = "running" if self.running else "ended"
        if self._process is None:
            state = "not started"
        elif self._ended_by:
            state = f"ended by {self._ended_by}"
        return f"{super()._described()}; {state}"

    # -- as they come -------------------------------------------------------

    def __iter__(self) -> Iterator[CapturedPacket]:
        if not self.running:
            return super().__iter__()
        from playground.operations.captures.dissect import Dissector

        return map(Dissector(self._places).read, self._as_they_come())

    def _as_they_come(self) -> Iterator[Frame]:
        taken = version = 0
        held: list[Frame] = []
        over = False
        while not over:
            with self._news:
                self._news.wait_for(partial(self._is_newer, version))
                version, over, mark_ns = self._version, self._over, self._mark_ns
                held += self._frames[taken:]
                taken = len(self._frames)
            held.sort(key=in_time)
            count = len(held)
            if not over and len(self._places) > 1:
                count = sum(frame.time_ns <= mark_ns for frame in held)
            ready, held = held[:count], held[count:]
            yield from ready

    def _is_newer(self, version: int) -> bool:
        return self._over or self._version > version

    # -- the thread that reads ----------------------------------------------

    def _read(self, process: AgentProcess, records: Records, read_block: ReadBlock) -> None:
        ended_by = "a failure of the agent"
        try:
            for number, payload in records:
                if number == _END:
                    self._dropped = [row["dropped"] for row in payload]
                    ended_by = ""
                    break  # the kernel takes its time to close many rings
                elif not self._ended_by:
                    self._take(process, number, payload, read_block)
        except AgentGone:
            ended_by = "the end of its lab"
        finally:
            with self._news:
                self._ended_by = self._ended_by or ended_by
                self._over = True
                self._tell()

    def _take(
        self, process: AgentProcess, number: int | None, payload: Any, read_block: ReadBlock
    ) -> None:
        """Take one record; end the capture where a limit is reached."""
        limit_packets, limit_bytes, limit_s = self._limits
        if number is None:
            self._end_by(process, f"limit_s={limit_s:g}")
        elif number == _MARK:
            with self._news:
                self._mark_ns = int.from_bytes(payload, "little")
                self._tell()
        else:
            frames = read_block(payload, number)
            if limit_packets is not None:
                frames = frames[: limit_packets - len(self._frames)]
            most_bytes = limit_bytes or USUAL_LIMIT_BYTES
            with self._news:
                for frame in frames:
                    self._bytes += len(frame.data)
                    if self._bytes > most_bytes:
                        break
                    self._frames.append(frame)
                self._tell()
            if self._bytes > most_bytes:
                self._end_by(process, f"limit_bytes={most_bytes}")
            elif len(self._frames) == limit_packets:
                self._end_by(process, f"limit_packets={limit_packets}")

    def _tell(self) -> None:
        """Wake who waits; with the condition held."""
        self._version += 1
        self._news.notify_all()

    def _end_by(self, process: AgentProcess, reason: str) -> None:
        with self._news:
            self._ended_by = reason
            self._over = True
            self._tell()
        process.signal(signal.SIGTERM)


def _check_options(
    filter: str,  # noqa: A002 - as tcpdump's users call it
    snaplen_bytes: int,
    limit_packets: int | None,
    limit_bytes: int | None,
    limit_s: float | None,
) -> None:
    if not isinstance(filter, str) or "\0" in filter:
        raise BadArgument(f'filter={filter!r} is no text such as "tcp port 80"')
    _check_count("snaplen_bytes", snaplen_bytes)
    if snaplen_bytes > USUAL_SNAPLEN_BYTES:
        raise BadArgument(
            f"snaplen_bytes={snaplen_bytes!r}: no packet has more than {USUAL_SNAPLEN_BYTES}"
        )
    for name, value in (("limit_packets", limit_packets), ("limit_bytes", limit_bytes)):
        if value is not None:
            _check_count(name, value)
    if limit_s is not None and not (is_number(limit_s, 0, LONGEST_S) and limit_s):
        raise BadArgument(f"limit_s={shown(limit_s)} has to be a number of seconds above 0")


def _check_count(name: str, value: int) -> None:
    if not is_whole(value, 1, 2**53):
        raise BadArgument(f"{name}={shown(value)} has to be a whole number above 0")


def _records(process: AgentProcess, deadline: Callable[[], float | None]) -> Records:
    """Yield what a capture sends: its head, then places and blocks; None at the deadline."""
    buffer = bytearray()
    while b"\n" not in buffer:
        part = process.read_stdout(BEGIN_LIMIT_S)
        if not part:
            yield 0, None
            return
        buffer += part
    line, _, buffer = buffer.partition(b"\n")
    yield 0, json.loads(line)
    while True:
        start = 0
        while len(buffer) - start >= _RECORD.size:
            number, length = _RECORD.unpack_from(buffer, start)
            if len(buffer) - start < _RECORD.size + length:
                break
            start += _RECORD.size
            payload = bytes(buffer[start : start + length])
            start += length
            yield number, json.loads(payload) if number == _END else payload
        del buffer[:start]
        until = deadline()
        left_s = None if until is None else until - time.monotonic()
        if left_s is not None and left_s <= 0:
            yield None, None
            continue
        try:
            part = process.read_stdout(left_s)
        except TimeoutError:
            continue
        if not part:
            return
        buffer += part


def block_reader(order: str, ahead_ns: Sequence[int] | None = None) -> ReadBlock:
    """Return a function that takes a block of the kernel's ring apart into frames.

    ``ahead_ns`` says by how much the clock at each place is ahead, where they are several.

    """
    # struct tpacket_block_desc: the number of packets, and where the first is.
    counts = struct.Struct(f"{order}II")
    # struct tpacket3_hdr, and behind it, aligned to 16, struct sockaddr_ll's type of packet.
    unpack_from = struct.Struct(f"{order}IIIIIIHHIIH").unpack_from

    def read_block(block: bytes, place: int) -> list[Frame]:
        count, offset = counts.unpack_from(block, 12)
        skew_ns = ahead_ns[place] if ahead_ns else 0
        frames = []
        for _ in range(count):
            (behind, seconds, nanoseconds, captured, length, status, mac, _, _, tci, tpid) = (
                unpack_from(block, offset)
            )
            start = offset + mac
            data = block[start : start + captured]
            if status & _TP_STATUS_VLAN_VALID:
                # The kernel keeps the tag beside the frame: put it back.
                kind = tpid if status & _TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack(">HH", kind, tci) + data[12:]
                length += 4
            frames.append(
                Frame(
                    seconds * 1_000_000_000 + nanoseconds - skew_ns,
                    place,
                    block[offset + 58] == _PACKET_OUTGOING,
                    length,
                    data,
                )
            )
            offset += behind
        return frames

    return read_block


_WORDS = re.compile(r"[^\s()!&|=<>]+")

# After these a word is no host's name; of those that are words of the language themselves
# libpcap complains better than we.
_NO_HOST_BEHIND = {"port", "portrange", "proto", "protochain", "ether", "vlan", "net", "gateway"}
_LANGUAGE = re.compile(
    "and|or|not|host|src|dst|tcp|udp|sctp|icmp6?|igmp|ip6?|arp|rarp|stp|ether|link|broadcast|"
    "multicast|inbound|outbound|less|greater|len|mask|on|ifname|mpls|pppoe[ds]|geneve|"
    + "|".join(sorted(_NO_HOST_BEHIND))
)


def with_addresses(filter: str, directory: Directory) -> str:  # noqa: A002
    """Return a filter with addresses for the names of a lab's machines.

    >>> with_addresses("tcp and host www", directory)
    'tcp and host 10.130.1.4'

    """
    before = ""
    hosts = False

    def replace(match: re.Match[str]) -> str:
        nonlocal before, hosts
        word, previous = match[0], before
        before = word
        hosts = hosts or word in ("host", "src", "dst")
        if _LANGUAGE.fullmatch(word) or previous in _NO_HOST_BEHIND:
            return word
        addresses = directory.addresses(word)
        if not addresses:
            return word
        text = addresses[0] if len(addresses) == 1 else f"({' or '.join(addresses)})"
        return text if hosts else f"host {text}"

    return _WORDS.sub(replace, filter)
