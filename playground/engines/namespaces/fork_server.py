"""The fork server: a process that has imported what keepers need, and forks them.

A script, started by `namespaces.fork_client` with `python -I -S`.  A keeper that is
forked here is there in 2 ms of processor time, of which starting a Python and
importing for it would take 35; and whatever its own forks need is imported too.

It is started with one argument, a JSON object ``{"line": descriptor, "owner":
descriptor, "interpreter": descriptor of what it runs from, to be closed}``.
``owner`` is a pidfd.  One packet on the line asks for one keeper, ``{"settings",
"environ", "names"}``, with descriptors beside it: three for stdin, stdout and stderr,
then those that ``names`` says in their order, which become the settings' own.  There is
no answer but what the keeper says by its own lines.

It ends with the line or with its owner, whichever ends first; keepers go on without
it.  It is in no lab, and has nothing of one.

"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from playground.agent.kernel.process_stat import process_stat
from playground.engines.namespaces import keeper

# Packets are labels and numbers of descriptors.
_PACKET_BYTES = 1 << 16
_MOST_DESCRIPTORS = 16


def main() -> NoReturn:
    """Fork keepers until nobody wants any; never returns."""
    settings = json.loads(sys.argv[-1])
    os.close(settings["interpreter"])
    line = socket.socket(fileno=settings["line"])
    owner = int(settings["owner"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel takes leave of keepers that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Children share these pages until one side writes to them, as a collection does.
    gc.disable()
    gc.freeze()
    poll = select.poll()
    poll.register(line, select.POLLIN)
    poll.register(owner, select.POLLIN)
    while owner not in (ready := dict(poll.poll())):
        if line.fileno() not in ready:
            continue
        packet, descriptors, _, _ = socket.recv_fds(line, _PACKET_BYTES, _MOST_DESCRIPTORS)
        if not packet:
            break
        if os.fork() == 0:
            try:
                line.close()
                os.close(owner)
                _become_keeper(json.loads(packet), descriptors)
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(1)
        for fd in descriptors:
            os.close(fd)
        _import_more()
    os._exit(0)


def _import_more() -> None:
    """Import what each lab's launcher needs.  The first lab does not wait for that."""
    import warnings  # noqa: F401

    gc.freeze()


def _become_keeper(request: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
    """Turn this fresh child process into a keeper."""
    gc.enable()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, fd in enumerate(descriptors[:3]):
        os.dup2(fd, target)
        os.close(fd)
    write_environment(request["environ"])
    given = dict(zip(request["names"], descriptors[3:], strict=True))
    keeper.run(request["settings"] | given)


def write_environment(environ: Mapping[str, str]) -> None:
    """Have another environment, for programs that are run, and for who looks in /proc.

    A process's environment stays where its start has put it, and is read there
    (proc_pid_environ(5)); a longer one than there is room for is a ValueError.

    """
    os.environ.clear()
    os.environ.update(environ)
    start, end = process_stat("self").environment
    block = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environ.items())
    if len(block) > end - start:
        raise ValueError("the labels of the lab are too long: give it a shorter name")
    ctypes.memmove(start, block.ljust(end - start, b"\0"), end - start)
