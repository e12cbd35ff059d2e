"""Files, accounts and names of nodes."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from pathlib import Path

import pytest

from playground.agent.nodes.files import merged, share_files
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, content, needs_root, run


@needs_root
def test_files(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    run(agent, h1.pid, "echo old > /run/bound; touch /etc/over; mount --bind /run/bound /etc/over")
    data = os.urandom(300_000)
    agent.call(
        "files",
        nodes=[
            {
                "pid": h1.pid,
                "files": [
                    {"path": "/etc/over", "content": content(b"new\n")},
                    {"path": "/run/deep/er/data", "content": content(data), "mode": 0o4711},
                    {"path": "/run/owned", "content": "", "uid": 12, "gid": 34, "mode": 0o600},
                    {"path": "/run/named", "content": "", "uid": "daemon", "gid": "mail"},
                    {"path": "/etc/hosts", "content": content(b"more\n"), "append": True},
                ],
            },
            {
                "pid": h2.pid,
                "files": [
                    {"path": "/run/here", "content": 1},
                    {"path": "/run/there", "content": 0},
                    {"path": "/run/everywhere", "content": 1},
                ],
            },
        ],
        contents=[content(b"none\n"), content(b"h2\n")],
    )
    script = (
        "cat /run/bound; stat -c '%a %u %g' /run/deep/er/data /run/owned; "
        "stat -c '%U %G' /run/named"
    )
    assert run(agent, h1.pid, script).splitlines() == [
        "new",
        "4711 0 0",
        "600 12 34",
        "daemon mail",
    ]
    assert run(agent, h1.pid, "cat /etc/hosts") == "127.0.0.1 localhost\nmore\n"
    assert run(agent, h2.pid, "cat /run/here /run/there /run/everywhere") == "h2\nnone\nh2\n"
    digest = run(agent, h1.pid, "sha256sum < /run/deep/er/data").split()[0]
    assert digest == hashlib.sha256(data).hexdigest()
    read = agent.call("read_file", pid=h1.pid, path="/run/deep/er/data")
    assert base64.b64decode(read) == data
    assert not Path("/run/here").exists()


@needs_root
@pytest.mark.parametrize(
    ("path", "number"),
    [("/run/etc", errno.EISDIR), ("/etc/hosts/x", errno.EEXIST), ("relative", errno.EINVAL)],
    ids=["folder", "below a file", "relative"],
)
def test_file_that_cannot_be_written(
    agent: Client, pair: tuple[Namespaces, Namespaces], path: str, number: int
) -> None:
    with pytest.raises(AgentError, match="cannot write") as caught:
        agent.call("files", nodes=[{"pid": pair[0].pid, "files": [{"path": path, "content": ""}]}])
    assert caught.value.errno in (number, errno.ENOTDIR)


@needs_root
def test_links_lead_to_the_nodes_own_files(
    agent: Client, nodes: tuple[Namespaces, Namespaces], tmp_path: Path
) -> None:
    """A node's root may lay links; the agent must not follow them out of the node."""
    h1, _ = nodes
    secret = tmp_path / "secret"
    secret.write_text("the machine's")
    # In the node another file lies at that place.
    run(agent, h1.pid, f"mount -t tmpfs tmpfs {tmp_path}; ln -s {secret} /run/link")
    agent.call(
        "files", nodes=[{"pid": h1.pid, "files": [{"path": "/run/link", "content": content(b"x")}]}]
    )
    assert secret.read_text() == "the machine's"
    assert base64.b64decode(agent.call("read_file", pid=h1.pid, path=str(secret))) == b"x"


@needs_root
def test_reading_what_is_not_there(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    with pytest.raises(AgentError, match="cannot read /nosuch in the node") as caught:
        agent.call("read_file", pid=pair[0].pid, path="/nosuch")
    assert caught.value.errno == errno.ENOENT


@needs_root
def test_reading_what_is_no_regular_file(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    """A node's root may put anything in the place of a log."""
    h1, _ = nodes
    run(agent, h1.pid, "ln -s /dev/zero /run/zero; ln -s /dev/ptmx /run/ptmx; mkfifo /run/fifo")
    for path, number in (
        ("/run/zero", errno.EINVAL),
        ("/run/ptmx", errno.EINVAL),
        ("/run/fifo", errno.EINVAL),
        ("/run", errno.EISDIR),
    ):
        for tail_bytes in (None, 10):
            with pytest.raises(AgentError, match=f"cannot read {path} in the node") as caught:
                agent.call("read_file", pid=h1.pid, path=path, tail_bytes=tail_bytes)
            assert caught.value.errno == number


@needs_root
def test_reading_the_end_of_a_file(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "truncate -s 65M /run/large; echo end >> /run/large; echo hi > /run/small")
    with pytest.raises(AgentError, match="more than 64 MiB") as caught:
        agent.call("read_file", pid=h1.pid, path="/run/large")
    assert caught.value.errno == errno.EFBIG

    def tail(path: str, tail_bytes: int) -> bytes:
        reply = agent.call("read_file", pid=h1.pid, path=path, tail_bytes=tail_bytes)
        return base64.b64decode(reply)

    assert tail("/run/large", 5) == b"\0end\n"
    assert tail("/run/small", 100) == b"hi\n"
    # It has content, but no size.
    assert tail("/proc/sys/net/ipv4/ip_default_ttl", 2) == b"4\n"
    with pytest.raises(AgentError, match="must be 1 or more"):
        tail("/run/small", 0)


def writing(agent: Client, h: Namespaces, path: str) -> None:
    entry = {"path": path, "content": content(b"x")}
    agent.call("files", nodes=[{"pid": h.pid, "files": [entry]}])


@needs_root
@pytest.mark.parametrize(
    "put",
    [
        "mkfifo /etc/there",
        "mkfifo /etc/there; sleep 1000 < /etc/there & sleep 0",
        # Of the node's own: a mistake of the agent's would change the machine's.
        "mknod /etc/there c 1 3",
        "mknod /etc/there c 5 0",
    ],
    ids=["pipe", "pipe with a reader", "device", "terminal"],
)
def test_writing_what_is_no_regular_file(
    agent: Client, nodes: tuple[Namespaces, Namespaces], put: str
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, f"({put}) > /dev/null 2>&1")
    before = run(agent, h1.pid, "stat -c '%a %u %g' /etc/there")
    with pytest.raises(AgentError, match=r"cannot write /etc/there .*no regular file") as caught:
        writing(agent, h1, "/etc/there")
    assert caught.value.errno == errno.EINVAL
    assert run(agent, h1.pid, "stat -c '%a %u %g' /etc/there") == before


@needs_root
def test_what_is_written_replaces_all_that_a_file_held(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "echo much more than one letter > /etc/there")
    writing(agent, h1, "/etc/there")
    assert run(agent, h1.pid, "cat /etc/there") == "x"


@needs_root
def test_programs_that_are_not_the_agents_are_told(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = pair
    names = ["cat", "nosuch-program", "/etc/hosts", "/run/mine"]
    run(agent, h1.pid, "echo mine > /run/mine")
    assert agent.call("changed_programs", pid=h1.pid, names=names)["/run/mine"] == "added"
    assert "cat" not in agent.call("changed_programs", pid=h1.pid, names=names)


def test_only_what_nodes_have_in_common_is_put_before_all() -> None:
    with pytest.raises(ValueError, match="/etc/passwd is no file that nodes have in common"):
        share_files([{"path": "/etc/passwd", "content": ""}])


@pytest.mark.parametrize(
    ("now", "after"),
    [
        pytest.param(b"1 a\n", b"1 a\n2 b\n", id="untouched"),
        pytest.param(b"1 a\n9 mine\n", b"1 a\n2 b\n9 mine\n", id="a line of one's own stays"),
        pytest.param(b"", b"1 a\n2 b\n", id="emptied"),
    ],
)
def test_what_somebody_added_to_a_text_stays(now: bytes, after: bytes) -> None:
    assert merged(now, b"1 a\n", b"1 a\n2 b\n") == after


@needs_root
def test_a_file_is_written_anew_with_what_was_added_to_it(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    """Also where somebody has removed it."""
    h1, _ = pair
    run(agent, h1.pid, "printf '1 a\\n9 mine\\n' > /run/kept")
    entry = {"old": content(b"1 a\n"), "content": content(b"1 a\n2 b\n")}
    files = [entry | {"path": path} for path in ("/run/kept", "/run/missing")]
    agent.call("files", nodes=[{"pid": h1.pid, "files": files}])
    text = run(agent, h1.pid, "cat /run/kept /run/missing")
    assert text == "1 a\n2 b\n9 mine\n1 a\n2 b\n"
