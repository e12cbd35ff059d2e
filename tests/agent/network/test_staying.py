"""A process that stays when the one that began it has ended."""

from __future__ import annotations

import os
import signal

from playground.agent.network.staying import stay


def test_a_child_goes_on_with_what_it_needs_and_nothing_else() -> None:
    reader, writer = os.pipe()
    unused, held = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, this process must not go on as another pytest.
        try:
            if stay((writer,)):
                alone = os.getpid() == os.getsid(0)
                deaf = signal.getsignal(signal.SIGALRM) == signal.SIG_IGN
                there = {int(name) for name in os.listdir("/proc/self/fd")}
                os.write(writer, f"{alone} {deaf} {held in there}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0  # while the other goes on
    with os.fdopen(reader, "rb") as said:
        assert said.read() == b"True True False"
    for fd in (unused, held):
        os.close(fd)
