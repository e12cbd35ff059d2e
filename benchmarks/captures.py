"""Measure a capture of 100,000 packets, and what is made of them.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from playground import Host, Lab, Link

PACKETS = 100_000

SECTION = """\
## Captures

{packets:,} packets of 142 bytes, sent by one host as fast as Python sends, captured on its link:
median of {turns}. The end is what the `with` block takes after the last packet was sent. tshark
prints its list of the same file.

| engine | sent in a second | lost | the end | into a table | as `.pcapng` | tshark's list \
| to reach |
|---|---|---|---|---|---|---|---|
{rows}
"""

REACH = "a table in seconds"


def section(engines: Sequence[str], runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    rows = []
    for engine in engines:
        say(f"captures, {engine}")
        rate, lost, end, table, saved, tshark = measure(engine, runs)
        beside = f"{tshark:.2f} s" if tshark else "not installed"
        rows.append(
            f"| {engine} | {rate:,.0f} | {lost:.0f} | {end:.2f} s | {table:.2f} s | {saved:.2f} s "
            f"| {beside} | {REACH} |"
        )
    return SECTION.format(packets=PACKETS, turns=runs, rows="\n".join(rows))


def measure(engine: str, runs: int) -> list[float]:
    """Return the packets sent in a second, those lost, and the seconds that the rest takes."""
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2, addresses=("10.0.1.1/24", "10.0.1.2/24"))
    with (
        Lab(h1, engine=engine, quiet=True),
        tempfile.TemporaryDirectory() as folder,
        h2.start(["python3", "-c", _LISTEN]) as listening,
    ):
        listening.stdout.readline()
        turns = [one_turn(h1, link, Path(folder, "x.pcapng")) for _ in range(runs)]
    return [statistics.median(column) for column in zip(*turns, strict=True)]


# Somebody has to take them, or h2 answers that nobody does.
_LISTEN = """
import socket
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("", 9))
print("listening", flush=True)
while True:
    line.recv(2000)
"""


def one_turn(h1: Host, link: Link, file: Path) -> tuple[float, ...]:
    with link.capture(filter="udp port 9") as packets:
        sent_s = h1.call(send, PACKETS)
        begin = time.perf_counter()
    end = time.perf_counter() - begin
    lost = sum(packets.dropped.values())
    assert len(packets) + lost == PACKETS, packets
    begin = time.perf_counter()
    packets.table()
    table = time.perf_counter() - begin
    begin = time.perf_counter()
    packets.save(file)
    saved = time.perf_counter() - begin
    return PACKETS / sent_s, lost, end, table, saved, by_tshark(file)


def send(count: int) -> float:
    """Send so many datagrams; return how long it took.  Runs on the host."""
    import socket
    import time

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("10.0.1.2", 9))
        begin = time.perf_counter()
        for _ in range(count):
            line.send(bytes(100))
        return time.perf_counter() - begin


def by_tshark(file: Path) -> float:
    """Return how long tshark takes for its list of a file; 0 where it is not installed."""
    if shutil.which("tshark") is None:
        return 0.0
    begin = time.perf_counter()
    subprocess.run(
        ["tshark", "-n", "-r", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - begin
