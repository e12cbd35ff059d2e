"""Tests that need what this machine's kernel may lack, and the kernel that has it.

A test marked ``second_kernel("gre", "vrf")`` needs these rows of `model.kernel.features`.
`tests/test_second_kernel.py` boots Debian's user-mode-linux once (`scripts/second-kernel`) and
runs all tests with the mark in it.  They run on this machine's own kernel as well if that has
the features; where it has not they are not collected.  A mark without names is for a test
that fares on both, perhaps in two ways.

"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from playground.model.kernel.features import FEATURES

# The tests run in that kernel, which is booted for them alone and takes all with it.
HERE = os.environ.get("PLAYGROUND_TESTS_ON") == "second-kernel"

MARK = "second_kernel"
TESTS = Path(__file__).parent

_ASK = """
import json, sys
from playground.agent.links.kernel_features import kernel_lacks
print(json.dumps(kernel_lacks(json.load(sys.stdin))))
"""


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need features which this kernel lacks."""
    out = [item for item in items if not HERE and _needs(item) & _lacking(_needs(item))]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def files() -> list[Path]:
    """Return the files with tests that are marked, so that no others need be read there."""
    own = Path(__file__).with_name("test_second_kernel.py")
    written = f"mark.{MARK}"
    return [
        path
        for path in sorted(TESTS.rglob("test_*.py"))
        if path != own and written in path.read_text()
    ]


def _needs(item: pytest.Item) -> set[str]:
    wanted = {name for mark in item.iter_markers(MARK) for name in mark.args}
    if unknown := wanted - FEATURES.keys():
        raise pytest.UsageError(
            f"{item.nodeid} is marked {MARK}({', '.join(map(repr, unknown))}), and there is no "
            f"such row in playground/model/kernel/features.py, only {', '.join(FEATURES)}"
        )
    return wanted


def _lacking(wanted: set[str]) -> set[str]:
    return wanted and {name for name in wanted if name in lacking()}


@functools.cache
def lacking() -> frozenset[str]:
    """Return the features that this kernel lacks; all, where a user may not ask."""
    who = ["--map-root-user"] if os.geteuid() else []
    done = subprocess.run(
        ["unshare", *who, "--net", sys.executable, "-c", _ASK],
        input=json.dumps([row.trial for row in FEATURES.values()]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return frozenset(FEATURES)
    return frozenset(
        name for name, said in zip(FEATURES, json.loads(done.stdout), strict=True) if said
    )
