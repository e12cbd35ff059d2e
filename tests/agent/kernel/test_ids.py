"""Users by number: all of them, or root alone in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from playground.agent.kernel.ids import count_ids, give_to, has_all_ids
from tests.support_agent import PACKAGE, needs_root

ALONE = """
from playground.agent.kernel import ids
print(ids.count_ids(), ids.has_all_ids())
ids.give_to("/nowhere", 5, 5)
ids.become_group(0, [])
try:
    ids.become_group(5, [5])
except PermissionError as error:
    print(error.strerror == ids.ROOT_ALONE)
"""


@needs_root
def test_root_of_a_machine_has_all_users(tmp_path: Path) -> None:
    assert count_ids() == 2**32 - 1
    assert has_all_ids()
    give_to(str(tmp_path), 12, 34)
    found = tmp_path.stat()
    assert (found.st_uid, found.st_gid) == (12, 34)


def test_in_a_user_namespace_of_one_there_is_nobody_but_root() -> None:
    script = ["unshare", "--user", "--map-root-user", sys.executable, "-I", "-c", PACKAGE + ALONE]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    assert (done.stdout.split(), done.stderr) == (["1", "False", "True"], "")
