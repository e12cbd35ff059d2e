"""Limits of getrlimit(2): what /proc says of a process, and what another takes over."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from playground.agent.kernel.resource_limits import USUAL, other_limits, read_limits

# Of Linux 6.1; columns of 26, 21 and 21 characters.
TEXT = """\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 1048576              files     
Max file locks            unlimited            unlimited            locks     
Max nice priority         0                    0                    
"""  # noqa: W291


def test_what_proc_says_is_read() -> None:
    nice = 13  # RLIMIT_NICE of asm-generic/resource.h
    assert read_limits(TEXT) == [
        (resource.RLIMIT_CPU, -1, -1),
        (resource.RLIMIT_NOFILE, 1024, 1048576),
        (10, -1, -1),
        (nice, 0, 0),
    ]


def test_of_a_process_like_this_nothing_is_to_be_taken_over() -> None:
    assert {row[0] for row in read_limits(Path("/proc/self/limits").read_text())} == set(USUAL)
    assert other_limits(Path("/proc/self/limits").read_text()) == []


def test_another_process_takes_over_what_it_may() -> None:
    """One that may not be raised so far stays as it is."""
    program = """
import resource
from playground.agent.kernel.resource_limits import set_limits
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
set_limits([(resource.RLIMIT_NOFILE, 64, 128), (1000, 0, 0)])
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "(64, 128)\n"
