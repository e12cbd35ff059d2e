"""Descriptors that a fresh child keeps."""

from __future__ import annotations

import json
import os
import resource

import pytest

from playground.agent.nodes.descriptors import FILES_LIMITS, keep_only


@pytest.mark.parametrize("more", [0, 2])
def test_a_child_keeps_what_it_is_to_beside_the_first_three(more: int) -> None:
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    reader, writer = os.pipe()
    wanted = [*others[1:4:2][:more], writer]
    child = os.fork()
    if child == 0:
        try:
            keep_only(wanted[::-1] if more else writer)
            kept = [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{fd}")]
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            os.write(writer, json.dumps([kept, limits]).encode())
        finally:
            os._exit(0)
    for fd in (writer, *others):
        os.close(fd)
    with open(reader, "rb") as file:
        kept, limits = json.load(file)
    os.waitpid(child, 0)
    assert kept == [0, 1, 2, *wanted]
    assert tuple(limits) == FILES_LIMITS
