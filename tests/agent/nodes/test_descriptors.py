"""Descriptors that a fresh child keeps."""

from __future__ import annotations

import json
import os
import resource

from playground.agent.nodes.descriptors import FILES_LIMITS, keep_only


def test_a_child_keeps_one_descriptor_beside_the_first_three() -> None:
    reader, writer = os.pipe()
    low, high = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            keep_only(writer)
            kept = [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{fd}")]
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            os.write(writer, json.dumps([kept, limits]).encode())
        finally:
            os._exit(0)
    for fd in (writer, low, high):
        os.close(fd)
    with open(reader, "rb") as file:
        kept, limits = json.load(file)
    os.waitpid(child, 0)
    assert kept == [0, 1, 2, writer]
    assert tuple(limits) == FILES_LIMITS
