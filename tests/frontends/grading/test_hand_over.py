"""A submission is read by a process of its own, and hands over data."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from playground.errors import PlaygroundError
from playground.frontends.grading import hand_over
from playground.frontends.grading.handed_over import HandedOver, understood
from playground.frontends.grading.pool import ChildLimits, run_children
from playground.frontends.grading.reader import Read, read_in_process
from playground.frontends.grading.submissions import Submission, find_submissions, pack

GOOD = "from playground import *\nh1, h2 = Host('h1'), Host('h2')\nLink(h1, h2)\n"


def one(tmp_path: Path, name: str) -> Submission:
    return next(item for item in find_submissions(tmp_path / "class") if item.student == name)


def answer_of(tmp_path: Path, name: str = "anna") -> dict[str, Any]:
    """Return the answer to a submission in tmp_path / "class", which a fork reads."""
    found = one(tmp_path, name)

    def answer(send) -> None:
        place = tmp_path / "reading"
        place.mkdir()
        os.chdir(place)
        send(hand_over.answer(found.kind, found.student, pack(found)))

    [(_, end)] = run_children([answer], 1, ChildLimits(120, 0))
    return end.said[0]


def handed(tmp_path: Path) -> HandedOver:
    place = tmp_path / "files"
    place.mkdir()
    return understood(json.dumps(answer_of(tmp_path)).encode(), place)


def read(tmp_path: Path) -> Read:
    """Return what a process of its own says of a submission."""
    found = one(tmp_path, "anna")
    return read_in_process(found.kind, found.student, pack(found), limit_s=60)


def submit(tmp_path: Path, files: dict[str, str | bytes], name: str = "anna") -> None:
    for path, content in files.items():
        file = tmp_path / "class" / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def zipped(entries: dict[str, str], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def nodes(lab) -> list[str]:
    return [node.name for node in lab.lab.declarations.nodes]


def test_a_python_file_is_handed_over_and_what_it_prints_kept_apart(tmp_path: Path) -> None:
    submit(tmp_path, {"lab.py": GOOD + 'print("hello")\nimport os; os.write(1, b"more")\n'})
    found = read(tmp_path)
    assert json.loads(found.handed_over)["lab"]["nodes"].keys() == {"h1", "h2"}
    assert found.printed == "hello\nmore"


def test_files_of_hosts_come_along(tmp_path: Path) -> None:
    text = "from pathlib import Path\nfrom playground import *\nhere = Path(__file__).parent\n"
    text += "www = Host('www', services=[HTTP(files=here / 'site')], files={'/x': here / 'a'})\n"
    text += "Link(www, Host('h1'))\n"
    submit(tmp_path, {"lab.py": text, "site/index.html": "<p>Hi", "a": b"\0\xff"})
    found = handed(tmp_path)
    [www] = [node for node in found.lab.declarations.nodes if node.name == "www"]
    assert www.arguments["files"]["/x"].read_bytes() == b"\0\xff"
    assert (tmp_path / "files").rglob("index.html")


def test_a_kathara_folder_in_a_zip_is_read(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    lab = {"anna/lab.conf": "pc1[0]=A\npc2[0]=A\n", "anna/pc1.startup": "ip link\n"}
    (tmp_path / "class" / "anna.zip").write_bytes(zipped(lab))
    found = handed(tmp_path)
    assert {"pc1", "pc2"} <= set(nodes(found))


def test_a_bare_git_repository_is_read_at_its_head(tmp_path: Path) -> None:
    submit(tmp_path, {"lab.py": GOOD}, "work")
    work, bare = tmp_path / "class" / "work", tmp_path / "class" / "anna.git"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(work)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    found = handed(tmp_path)
    assert nodes(found) == ["h1", "h2"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"lab.py": "1 / 0"}, "line 1: ZeroDivisionError"),
        ({"lab.py": "def ("}, "line 1"),
        ({"lab.py": b"\0\1\2"}, "no Python file"),
        ({"lab.py": "import sys; sys.exit(3)"}, "ended with 3"),
        ({"lab.py": "x = 1"}, "makes no lab"),
        ({"notes.txt": "hello"}, "no file that declares"),
        ({"a.py": GOOD, "b.py": GOOD}, "call the one lab.py"),
        ({"lab.yaml": "playground: 1\nnodes: {h1: {colour: red}}"}, "colour"),
        ({"lab.py": GOOD + "lab = Lab(h1)\nlab.start()\n"}, "cannot start it here"),
        ({"lab.py": "def f(): f()\nf()"}, "ecursion"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, files, says: str) -> None:
    submit(tmp_path, files)
    found = handed(tmp_path)
    assert says in found.refusal
    assert "Traceback" not in found.refusal


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zip at all", "no zip file"),
        (zipped({"../evil.py": GOOD}), "leads out of its folder"),
        (zipped({"/etc/evil.py": GOOD}), "leads out of its folder"),
        (zipped({"lab.py": "/etc/passwd"}, links=("lab.py",)), "has a link in it"),
        (zipped({"lab.py": GOOD, "zeros": "0" * (65 * 2**20)}), "more than 64 MB"),
        (zipped({f"{number}.txt": "" for number in range(5001)}), "more than 5,000 files"),
    ],
    ids=["none", "dots", "absolute", "link", "bomb", "many"],
)
def test_a_hostile_zip_is_a_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.zip").write_bytes(content)
    found = handed(tmp_path)
    assert says in found.refusal


@pytest.mark.parametrize(
    "text",
    [
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 9)",
        "import os\nfor fd in range(3, 20):\n try: os.write(fd, b'{forged')\n except OSError: 0",
    ],
    ids=["exit", "kill", "forge"],
)
def test_who_says_nothing_or_nonsense_is_told(tmp_path: Path, text: str) -> None:
    submit(tmp_path, {"lab.py": text})
    said = read(tmp_path).handed_over
    with pytest.raises(PlaygroundError, match="ended before it had declared"):
        understood(said, tmp_path)


def test_the_file_is_found_within_one_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "README.md").write_text("hello")
    (tmp_path / "a" / "b" / "network.py").write_text("")
    assert hand_over.find_file(tmp_path).name == "network.py"
