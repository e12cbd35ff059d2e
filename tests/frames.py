"""Frames sent over one wire and looked at where they come out: who, when, how often, how whole.

A node runs one program that sends and receives.  Every frame carries its number three times,
for a bit of it may be wrong, and is as long as was asked for.  When it arrived is the kernel's own
time stamp, which does not wait for the program to get a processor.

"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playground.operations.connection.commands import Job
from playground.operations.network import Host

_PROGRAM = """
import json, select, socket, struct, sys, threading, time

KIND, MARK = 0x88B5, 60  # IEEE 802, "local experimental EtherType"; the shortest frame
SO_RCVBUFFORCE, SO_TIMESTAMPNS, SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 33, 35, 263, 6, 4
commands = sys.stdin.buffer.raw
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((sys.argv[1], 0))
wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):  # the second if it may, the first if it must
    try:
        wire.setsockopt(socket.SOL_SOCKET, option, 1 << 23)
    except PermissionError:
        pass
length, fill, come, marked = 0, 0, [], threading.Event()

def build(number, length):
    body = struct.pack("!3I", number, number, number)
    head = b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1" + struct.pack("!H", KIND)
    return (head + body).ljust(length, bytes([fill]))

def wrong_bits(frame):
    found = int.from_bytes(frame, "big")
    return min(
        ((found ^ int.from_bytes(build(number, length), "big")).bit_count(), number)
        for number in set(struct.unpack_from("!3I", frame, 14))
    )

def receive():
    while True:
        frame, parts, _, address = wire.recvmsg(1 << 16, 64)
        if address[2] == PACKET_OUTGOING:
            continue
        seconds, nanoseconds = struct.unpack("qq", parts[0][2])
        if len(frame) == length:
            come.append((seconds + nanoseconds / 1e9, frame))
        elif len(frame) == MARK and frame == build(0, MARK):
            marked.set()

def send(count):
    sent = []
    for number in range(count):
        if number and number % 20 == 0:
            time.sleep(0.001)
        sent.append(time.time())
        try:
            wire.send(build(number, length))
        except OSError as error:
            # A full queue, of which a sender on the same machine is told.
            if error.errno != 105:
                raise
    return sent

threading.Thread(target=receive, daemon=True).start()
print("ready", flush=True)
while line := commands.readline():
    order = json.loads(line)
    if "length" in order:
        length, fill = order["length"], order["fill"]
        come.clear()
        marked.clear()
        wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        answer = "listening"
    elif "count" in order:
        answer = send(order["count"])
        # Whoever comes after all of them says that no more will come.
        while not select.select([commands], [], [], 0.02)[0]:
            try:
                wire.send(build(0, MARK))
            except OSError:
                pass
        commands.readline()
    else:
        marked.wait(30)
        time.sleep(order["patience_s"])
        lost = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        found = [[*wrong_bits(frame), when] for when, frame in come]
        # Of a train before this one, which was filled with something else.
        found = [row for row in found if row[0] < 20]
        answer = {"marked": marked.is_set(), "overflowed": lost, "frames": found}
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class Arrival:
    """A frame that came: its number, how many of its bits were wrong, how long it took."""

    number: int
    wrong_bits: int
    delay_ms: float
    time_s: float


@dataclass(frozen=True)
class Train:
    """The arrivals of ``sent`` frames of ``length`` bytes, in their order."""

    sent: int
    length: int
    sending_s: float
    arrivals: tuple[Arrival, ...]
    overflowed: int

    def counts(self) -> Counter[int]:
        """How often each number came."""
        return Counter(arrival.number for arrival in self.arrivals)

    @property
    def lost(self) -> int:
        return self.sent - len(self.counts())

    @property
    def delays_ms(self) -> list[float]:
        return sorted(arrival.delay_ms for arrival in self.arrivals)

    @property
    def shortest_ms(self) -> float:
        return min(self.delays_ms, default=math.inf)

    @property
    def numbers(self) -> list[int]:
        return [arrival.number for arrival in self.arrivals]


class Tracks:
    """The programs of two nodes at the ends of one link, by the names of their interfaces."""

    def __init__(self, jobs: dict[str, Job]) -> None:
        self._jobs = jobs
        self._fill = 0

    def send(
        self,
        source: Host,
        target: Host,
        count: int,
        length: int = 100,
        patience_s: float = 0.0,
    ) -> Train:
        """Send frames, 20 in a millisecond; look until ``patience_s`` after one sent later came."""
        sender, receiver = self._jobs[source.name], self._jobs[target.name]
        self._fill = self._fill % 127 + 1
        for job in (sender, receiver):
            _order(job, length=length, fill=self._fill)
            assert _answer(job) == "listening"
        _order(sender, count=count)
        _order(receiver, patience_s=patience_s)
        found = _answer(receiver)
        _order(sender)  # it may stop
        sent = _answer(sender)
        assert found["marked"], f"nothing comes from {source.name} to {target.name}"
        arrivals = tuple(
            Arrival(number, wrong, (when - sent[number]) * 1000 if number < count else 0.0, when)
            for wrong, number, when in found["frames"]
        )
        return Train(count, length, sent[-1] - sent[0], arrivals, found["overflowed"])


@contextmanager
def tracks(a: Host, b: Host) -> Iterator[Tracks]:
    """Start the programs of two hosts that are linked by their eth0 and nothing else."""
    with (
        a.start(["python3", "-c", _PROGRAM, "eth0"]) as at_a,
        b.start(["python3", "-c", _PROGRAM, "eth0"]) as at_b,
    ):
        for job in (at_a, at_b):
            assert job.stdout.readline() == "ready", job.stderr.read()
        yield Tracks({a.name: at_a, b.name: at_b})


def _order(job: Job, **order: object) -> None:
    job.write(json.dumps(order) + "\n")


def _answer(job: Job) -> Any:
    line = job.stdout.readline()
    assert line is not None, job.stderr.read()
    return json.loads(line)
