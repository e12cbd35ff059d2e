"""Terminals: made for a child, of a size, and handed over."""

from __future__ import annotations

import os
import socket
import termios

from playground.agent.nodes.terminals import open_terminal, set_window


def test_a_child_gets_a_terminal_of_the_wanted_size_and_its_other_side_is_sent() -> None:
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            here.close()
            os.setsid()
            terminal = open_terminal((132, 43), 0, there)
            # It is the child's own, and so found by the path that stands for that.
            own = os.open("/dev/tty", os.O_WRONLY)
            os.write(own, f"{os.isatty(terminal[0])}\n".encode())
            there.recv(1)  # until the other side is done
        finally:
            os._exit(0)
    there.close()
    said, [outer], _, _ = socket.recv_fds(here, 16, 1)
    assert said == b"t"
    assert termios.tcgetwinsize(outer) == (43, 132)
    assert os.read(outer, 100) == b"True\r\n"
    set_window(outer, 80, 24)
    assert termios.tcgetwinsize(outer) == (24, 80)
    here.close()
    os.waitpid(child, 0)
    os.close(outer)
