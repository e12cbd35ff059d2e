"""Measure captured packets made into a table against tshark's list of the same file.

The packets are made here, so that UDP's and TCP's are as many in every run; what a capture of
real ones takes is in the section "Captures".

"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack

from against_kernel.measured import Measured, Say
from playground.operations.captures.frames import CapturePoint, Frame
from playground.operations.captures.packets import Packets

COUNT = 100_000

FIRST, SECOND = bytes([10, 0, 1, 1]), bytes([10, 0, 1, 2])
ETHERNET = bytes.fromhex("020000000002 020000000001 0800")


def into_a_table(runs: int, say: Say) -> list[Measured]:
    """Measure datagrams, and a TCP connection: the table / the list, in processor time."""
    found = []
    for what, make in (("UDP", datagram), ("TCP", segment)):
        say(f"{COUNT} packets of {what}")
        found.append(tables(make, runs))
    return found


def tables(make: Callable[[int], bytes], runs: int) -> Measured:
    """Return the seconds of processor time that both take in each turn."""
    bodies = map(make, range(COUNT))
    frames = [
        Frame(10**18 + 1000 * number, 0, True, len(body), body)
        for number, body in enumerate(bodies)
    ]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "packets.pcapng")
        for _ in range(runs):
            packets = Packets([CapturePoint("h1", "eth0", "x")], frames)
            begin = time.process_time()
            packets.table()
            ours.append(time.process_time() - begin)
            if not file.exists():
                packets.save(file)
            if shutil.which("tshark"):
                theirs.append(by_tshark(file))
    return Measured(ours, theirs)


def by_tshark(file: Path) -> float:
    """Return the seconds of processor time of tshark's list."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["tshark", "-n", "-r", file], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def datagram(number: int) -> bytes:
    """Return a frame of UDP with 100 bytes in it."""
    ip = pack(">BBHHHBBH", 0x45, 0, 128, number & 0xFFFF, 0x4000, 64, 17, 0) + FIRST + SECOND
    return ETHERNET + ip + pack(">HHHH", 40000, 9, 108, 0) + bytes(100)


def segment(number: int) -> bytes:
    """Return a frame of a connection: by turns 100 bytes, and their acknowledgement."""
    forth, turn = number % 2 == 0, number // 2
    body = bytes(100) if forth else b""
    ends = FIRST + SECOND if forth else SECOND + FIRST
    ip = pack(">BBHHHBBH", 0x45, 0, 40 + len(body), number & 0xFFFF, 0x4000, 64, 6, 0) + ends
    ports = (40000, 8080) if forth else (8080, 40000)
    sent, seen = (1000 + 100 * turn, 5000) if forth else (5000, 1100 + 100 * turn)
    flags = 0x18 if forth else 0x10
    return ETHERNET + ip + pack(">HHIIBBHHH", *ports, sent, seen, 0x50, flags, 502, 0, 0) + body
