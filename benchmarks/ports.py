"""Measure ports of hosts at ports of this machine.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing

from sockets import median

from playground import Host, Lab, Link
from playground.lab.outside.published_ports import PublishedAddress
from playground.operations.connection.client import Client

SECTION = """\
## Published ports

From this machine to a server on a host, each the median of {turns}: `lab.publish`, a byte and
its echo over a new connection, through the published port and from a neighbour within the lab
(`h1.sockets()`), and what a client of its own process sends in two seconds. Over a line is how
an engine on another machine is reached.

| engine | a port published | first byte through it | within the lab | TCP through it | to reach |
|---|---|---|---|---|---|
{rows}
"""

REACH = "5 ms; 1 ms more than within; 1 Gbit/s"

SERVER = """
import socket, threading

def each(port, work):
    with socket.create_server(("0.0.0.0", port), backlog=1000) as server:
        print("up", flush=True)
        while True:
            line, _ = server.accept()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=work, args=[line]).start()

def echo(line):
    while data := line.recv(1 << 16):
        line.sendall(data)
    line.close()

def sink(line):
    room = bytearray(1 << 20)
    while line.recv_into(room):
        pass
    line.close()

threading.Thread(target=each, args=[9, sink]).start()
each(7, echo)
"""

CLIENT = """
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
    piece, sent, begin = bytes(1 << 20), 0, time.perf_counter()
    while time.perf_counter() < begin + 2:
        sent += line.send(piece)
    line.shutdown(socket.SHUT_WR)
    line.recv(1)
    print(8e-9 * sent / (time.perf_counter() - begin))
"""


def section(engines: Sequence[str], runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    turns = 20 * runs
    rows = []
    for engine in engines:
        for road in ("", ", over a line"):
            say(f"published ports, {engine}{road}")
            rows.append(
                f"| {engine}{road} | {' | '.join(measure(engine, turns, road))} | {REACH} |"
            )
    return SECTION.format(turns=turns, rows="\n".join(rows))


def measure(engine: str, turns: int, road: str) -> list[str]:
    """Return the columns of a row."""
    h1, www = Host("h1"), Host("www")
    Link(h1, www)
    by_descriptor = Client.ready_sockets
    with Lab(h1, engine=engine, quiet=True) as lab:
        lines = iter(www.start(["python3", "-c", SERVER]).stdout)
        assert [next(lines).strip(), next(lines).strip()] == ["up", "up"]
        with h1.sockets():
            within = median(lambda: first_byte((str(www.address), 7)), turns)
        if road:
            Client.ready_sockets = lambda self: "the engine is elsewhere"  # type: ignore[method-assign]
        try:
            made: list[PublishedAddress] = []
            publishing = median(lambda: made.append(lab.publish(www, 7)), turns)
            echo, sink = made[0], lab.publish(www, 9)
            through = median(lambda: first_byte((echo.address, echo.port)), turns)
            speed = statistics.median(throughput(sink.port) for _ in range(3))
        finally:
            Client.ready_sockets = by_descriptor  # type: ignore[method-assign]
    times = [f"{1000 * taken:.2f} ms" for taken in (publishing, through, within)]
    return [*times, f"{speed:.1f} Gbit/s"]


def first_byte(place: tuple[str, int]) -> None:
    """Connect, send a byte and wait for its echo."""
    with closing(socket.create_connection(place)) as line:
        line.sendall(b"x")
        assert line.recv(1) == b"x"


def throughput(port: int) -> float:
    """Return how many Gbit/s another process sends through a port of this machine."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(port)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
