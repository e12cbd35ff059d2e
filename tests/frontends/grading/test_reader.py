"""Submissions are read on a host where they find nothing and can do no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playground.errors import BadArgument, PlaygroundError
from playground.frontends.grading.reader import read_on_host, refuse_shown
from playground.frontends.grading.submissions import find_submissions, pack

GOOD = "from playground import *\nh1, h2 = Host('h1'), Host('h2')\nLink(h1, h2)\n"
LIMIT_S = 20


def read(tmp_path: Path, text: str, limit_s: int = LIMIT_S):
    folder = tmp_path / "class" / "anna"
    folder.mkdir(parents=True)
    (folder / "lab.py").write_text(text)
    [found] = find_submissions(tmp_path / "class")
    return read_on_host(found.kind, found.student, pack(found), "grade-test-reader", limit_s)


def refusal(found) -> str:
    return str(json.loads(found.handed_over)["refused"])


@pytest.mark.usefixtures("namespaces_engine")
class TestOnAHost:
    def test_it_sees_neither_neighbours_nor_the_exercise_nor_a_network(
        self, tmp_path: Path
    ) -> None:
        secret = tmp_path / "class" / "bob"
        secret.mkdir(parents=True)
        (secret / "secret.txt").write_text("forty-two")
        secret.rename(tmp_path / "bob")
        text = f"""
import os, socket
print(os.path.exists({str(tmp_path)!r}), os.listdir("/home"), os.getppid() < 50)
print([name for _, name in socket.if_nameindex()])
"""
        found = read(tmp_path, text + GOOD)
        assert found.printed.splitlines() == ["False ['student'] True", "['lo']"]
        assert json.loads(found.handed_over)["lab"]["nodes"].keys() == {"h1", "h2"}

    def test_an_endless_loop_is_ended(self, tmp_path: Path) -> None:
        with pytest.raises(PlaygroundError, match="still ran after 1 s"):
            read(tmp_path, "while True: pass", limit_s=1)

    def test_a_fork_bomb_memory_and_a_full_disk_cost_itself_only(self, tmp_path: Path) -> None:
        text = (
            """
import os
tried = []
try:
    while True:
        if os.fork() == 0:
            os.pause() if hasattr(os, "pause") else __import__("signal").pause()
except OSError:
    tried.append("forks end")
try:
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
except OSError:
    tried.append("disk ends")
os.unlink("/tmp/full")
print(tried)
"""
            + GOOD
            + "x = bytearray(10 ** 10)"
        )
        found = read(tmp_path, text)
        assert "['forks end', 'disk ends']" in found.printed
        assert found.status < 0 or "MemoryError" in refusal(found)

    def test_killing_all_is_killing_itself(self, tmp_path: Path) -> None:
        found = read(tmp_path, "import os\nos.kill(-1, 9)\nos.kill(os.getppid(), 9)\n" + GOOD)
        assert found.status <= 0


@pytest.mark.parametrize("place", ["/usr/share/course", "/etc/course", "/opt/course"])
def test_what_hosts_could_read_is_no_place_for_an_exercise(place: str) -> None:
    with pytest.raises(BadArgument, match="hosts of a lab could read it"):
        refuse_shown("the exercise", Path(place))


def test_a_home_folder_is(tmp_path: Path) -> None:
    refuse_shown("the exercise", Path("/home/teacher/exercise_test.py"))
