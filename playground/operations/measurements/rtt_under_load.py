"""The round trip between two nodes while TCP fills the way between them: `RttUnderLoad`.

The latency that a full buffer adds is what is called bufferbloat; to measure it under load
is what draft-ietf-ippm-responsiveness asks for.

"""

from __future__ import annotations

import json
import math
import statistics
from typing import TYPE_CHECKING

from playground.display.tables import Table, Tabular, html_table
from playground.errors import BadArgument, NotReady
from playground.model.arguments import is_choice, is_number, is_whole, shown
from playground.model.records import dataclass
from playground.operations.connection import commands
from playground.operations.connection.handles import Node
from playground.operations.nodes.ping import Ping, ping

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIRECTIONS = {"up": (1, 0), "down": (0, 1), "both": (1, 1)}

# Of the round trips before the load, and of all.
_IDLE_PINGS = 10
_INTERVAL_S = 0.1
# A packet may stand behind this much in queues before it is taken for lost.
_LONGEST_RTT_S = 10.0
# To begin a python3, and to connect, on a machine that is busy.
_LINE_LIMIT_S = 60.0
_LINE_CHARACTERS = 1000

# Takes what comes, or sends for as long as it can, as the first byte of each connection says;
# tells who asks for it how much has come.
_SERVER = """
import json, os, socket, sys, threading, time
seconds = float(sys.argv[1])
end = threading.Timer(seconds + 120, os._exit, (3,))
end.daemon = True
end.start()
try:
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
except OSError:
    server = socket.create_server(("0.0.0.0", 0))
print(server.getsockname()[1], flush=True)
received, counting, begun = [0], threading.Lock(), []
def serve(line):
    what = line.recv(1)
    begun.append(time.monotonic())
    if what == b"?":
        line.sendall(json.dumps(received[0]).encode())
        line.close()
        return
    buffer = bytearray(1 << 16)
    try:
        while True:
            if what == b"d":
                line.sendall(buffer)
                continue
            size = line.recv_into(buffer)
            if not size:
                break
            # What was in queues comes later, and was not carried in that time.
            if time.monotonic() < begun[0] + seconds:
                with counting:
                    received[0] += size
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

_CLIENT = """
import json, os, socket, struct, sys, threading, time
name, port, up, down, seconds = sys.argv[1], *map(float, sys.argv[2:])
last = threading.Timer(seconds + 60, os._exit, (3,))
last.daemon = True
last.start()
received, counting = [0], threading.Lock()
def connect(what):
    line = socket.create_connection((name, int(port)), timeout=5)
    line.sendall(what)
    return line
lines = [(connect(b"u"), True) for _ in range(int(up))]
lines += [(connect(b"d"), False) for _ in range(int(down))]
print("connected", flush=True)
began = time.monotonic()
end = began + seconds
def run(line, sends):
    buffer = bytearray(1 << 16)
    try:
        while (left := end - time.monotonic()) > 0:
            line.settimeout(left)
            if sends:
                line.send(buffer)
                continue
            size = line.recv_into(buffer)
            if not size:
                break
            with counting:
                received[0] += size
    except OSError:
        pass
    # What still waits is given up: nobody is to wait for it.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
threads = [threading.Thread(target=run, args=line) for line in lines]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
took = time.monotonic() - began
with connect(b"?") as line:
    line.settimeout(30)
    print(json.dumps([int(line.recv(100)), received[0], took]), flush=True)
os._exit(0)
"""


@dataclass(frozen=True)
class RttPhase:
    """The round trips of one phase, "idle" or "loaded", and what TCP carried meanwhile.

    ``median_ms`` and the others are None where no reply came; ``worst_ms`` is that of the
    slowest twentieth.  ``up_mbit`` and ``down_mbit`` are of TCP's payload, in 10**6 bits a second.

    """

    phase: str
    sent: int
    received: int
    least_ms: float | None
    median_ms: float | None
    worst_ms: float | None
    up_mbit: float
    down_mbit: float


@dataclass(frozen=True, repr=False)
class RttUnderLoad(Tabular):
    """The round trip from a node to another, idle and while TCP fills the way.

    ``idle`` and ``loaded`` are the two `Ping`; ``idle_ms`` and ``loaded_ms`` their medians (None
    where no reply came), ``added_ms`` the difference.  ``up_mbit`` is what TCP carried from
    the one who asked, ``down_mbit`` what came to it.  It shows as a table with a row for each
    phase, and `plot` draws it.

    """

    source: str
    target: str
    idle: Ping
    loaded: Ping
    up_mbit: float
    down_mbit: float
    streams: int

    @property
    def idle_ms(self) -> float | None:
        """The usual round trip before the load."""
        return _median(self.idle)

    @property
    def loaded_ms(self) -> float | None:
        """The usual round trip under load."""
        return _median(self.loaded)

    @property
    def added_ms(self) -> float | None:
        """The wait in queues that the load brings; None where a phase had no reply."""
        if self.idle_ms is None or self.loaded_ms is None:
            return None
        return round(self.loaded_ms - self.idle_ms, 3)

    def table(self) -> Table[RttPhase]:
        """Return a row for each phase."""
        return Table(
            (
                _phase("idle", self.idle, 0, 0),
                _phase("loaded", self.loaded, self.up_mbit, self.down_mbit),
            )
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot each round trip, before the load and under it; return the axes.

        Raises `PlaygroundError` where matplotlib is not installed.

        """
        from playground.display import plots

        return plots.rtt_under_load(self, ax)

    def __repr__(self) -> str:
        return (
            f"RttUnderLoad({self.source!r}, {self.target!r}, idle_ms={self.idle_ms}, "
            f"loaded_ms={self.loaded_ms}, up_mbit={self.up_mbit:g}, down_mbit={self.down_mbit:g})"
        )

    def _repr_html_(self) -> str:
        return html_table(self.rows, f"round trip from {self.source} to {self.target}")


def _median(of: Ping) -> float | None:
    return round(statistics.median(of.times_ms), 3) if of.times_ms else None


def _phase(name: str, of: Ping, up_mbit: float, down_mbit: float) -> RttPhase:
    times = sorted(of.times_ms)
    # The nearest rank: no reply is faster than any that came.
    worst = times[math.ceil(0.95 * len(times)) - 1] if times else None
    least = times[0] if times else None
    return RttPhase(
        name,
        of.sent,
        of.received,
        least,
        _median(of),
        worst,
        round(up_mbit, 3),
        round(down_mbit, 3),
    )


def rtt_under_load(
    source: Node, target: Node, *, seconds: float, streams: int, direction: str
) -> RttUnderLoad:
    """Measure the round trip between two running nodes; see `Lab.rtt_under_load`."""
    if not is_number(seconds, 1, 600):
        raise BadArgument(
            f"seconds={shown(seconds)} cannot be; give a number of seconds from 1 to 600"
        )
    if not is_whole(streams, 1, 64):
        raise BadArgument(f"streams={shown(streams)} cannot be; give a whole number from 1 to 64")
    if not is_choice(direction, DIRECTIONS):
        raise BadArgument(f'direction={shown(direction)} is not known; use "up", "down" or "both"')
    up, down = (streams * way for way in DIRECTIONS[direction])
    idle = ping(source, target, count=_IDLE_PINGS, interval_s=_INTERVAL_S)
    with commands.start(target, ["python3", "-c", _SERVER, f"{seconds:g}"], user="0") as server:
        port = _line(server, target)
        if not port.isdigit():
            raise _failed(server, target)
        numbers = (port, str(up), str(down), f"{seconds:g}")
        argv = ["python3", "-c", _CLIENT, target.name, *numbers]
        with commands.start(source, argv, user="0") as client:
            if (said := _line(client, source)) != "connected":
                raise _failed(client, source)
            loaded = ping(
                source,
                target,
                count=max(1, int(seconds / _INTERVAL_S)),
                interval_s=_INTERVAL_S,
                timeout_s=_LONGEST_RTT_S,
            )
            said = _line(client, source)
    try:
        went, came, took_s = (max(0.0, float(number)) for number in json.loads(said))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _failed(client, source) from None
    took_s = max(took_s, 0.001)
    return RttUnderLoad(
        source.name,
        target.name,
        idle,
        loaded,
        round(went * 8 / seconds / 1e6, 3),
        round(came * 8 / took_s / 1e6, 3),
        streams,
    )


def _line(job: commands.Job, node: Node) -> str:
    """Return the next line of a program, which the host may have made say anything."""
    try:
        said = job.stdout.readline(timeout_s=_LINE_LIMIT_S)
    except NotReady:
        raise _failed(job, node) from None
    return (said or "").strip()[:_LINE_CHARACTERS]


def _failed(job: commands.Job, node: Node) -> NotReady:
    return NotReady(
        f"the program that fills the way did not do so on {node.name}: does it have a python3, and "
        f"does TCP pass in both directions, on any port?{job.last_words()}"
    )
