"""Files, accounts and names of nodes."""

from __future__ import annotations

import base64
import ctypes
import errno
import hashlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, content, needs_root, run


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


@needs_root
def test_accounts(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    hashed = agent.call("hash_passwords", passwords=["secret"])[0]
    users = [
        {"name": "root", "password_hash": hashed},
        {
            "name": "student",
            "password_hash": hashed,
            "uid": 4321,
            "groups": ["mail", "games"],
            "shell": "/bin/sh",
        },
        {"name": "other", "password_hash": None, "uid": 4322, "groups": [], "shell": None},
    ]
    for _ in range(2):  # once more changes nothing
        agent.call("accounts", nodes=[{"pid": h.pid, "users": users} for h in nodes])
    for h in nodes:
        seen = run(agent, h.pid, "grep -hE '^(root|student|other):' /etc/passwd /etc/shadow")
        passwd = [line.split(":") for line in seen.splitlines()]
        assert passwd[1] == ["student", "x", "4321", "4321", "", "/home/student", "/bin/sh"]
        assert passwd[2][6] == "/bin/bash"
        assert [line[1] for line in passwd[3:]] == [hashed, hashed, "!"]
        assert len(passwd) == 6
        groups = run(agent, h.pid, "id -Gn student").split()
        assert (groups[0], sorted(groups)) == ("student", ["games", "mail", "student"])
        script = "stat -c '%a %u %g' /etc/shadow; find /home/student -printf '%P %u\\n' | sort"
        kept = Path("/etc/shadow").stat()
        assert run(agent, h.pid, script).splitlines() == [
            f"{kept.st_mode & 0o777:o} {kept.st_uid} {kept.st_gid}",
            " student",
            ".profile student",
            "Maildir student",
            "Maildir/new student",
        ]


@needs_root
@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"uid": 1}, "user id 1 for 'student'"), ({"groups": ["nosuch"]}, "no group 'nosuch'")],
    ids=["uid", "group"],
)
def test_account_that_cannot_be(
    agent: Client, pair: tuple[Namespaces, Namespaces], change: dict[str, Any], sentence: str
) -> None:
    user = {"name": "student", "password_hash": None, "uid": 4321, "groups": [], **change}
    before = run(agent, pair[0].pid, "cat /etc/passwd /etc/shadow /etc/group; ls -A /etc")
    with pytest.raises(AgentError, match=sentence):
        agent.call("accounts", nodes=[{"pid": pair[0].pid, "users": [user]}])
    after = run(agent, pair[0].pid, "cat /etc/passwd /etc/shadow /etc/group; ls -A /etc")
    assert after.replace(".pwd.lock\n", "") == before.replace(".pwd.lock\n", "")


BOB = {"name": "bob", "password_hash": None, "uid": 4321, "groups": [], "shell": None}


def writing(agent: Client, h: Namespaces, path: str) -> None:
    entry = {"path": path, "content": content(b"x")}
    agent.call("files", nodes=[{"pid": h.pid, "files": [entry]}])


@needs_root
@pytest.mark.parametrize(
    ("put", "sentence"),
    [
        ("ln -sf /dev/zero /etc/passwd", "it is no regular file"),
        ("rm /etc/passwd; mkfifo /etc/passwd", "it is no regular file"),
        ("truncate -s 2M /etc/passwd", "more than 1 MiB"),
        ("truncate -s 100G /etc/passwd", "more than 1 MiB"),
    ],
    ids=["device", "pipe", "large", "huge"],
)
def test_accounts_that_are_not_to_be_read(
    agent: Client, nodes: tuple[Namespaces, Namespaces], put: str, sentence: str
) -> None:
    """A node's root may put anything in the place of its accounts."""
    h1, _ = nodes
    run(agent, h1.pid, put)
    expected = f"cannot read /etc/passwd of the node: .*{sentence}"
    with pytest.raises(AgentError, match=expected):
        agent.spawn(h1.pid, ["true"], user="bob")
    with pytest.raises(AgentError, match=expected):
        agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])
    # What needs no account goes on.
    assert run(agent, h1.pid, "echo here") == "here\n"


@needs_root
def test_groups_that_are_not_to_be_read(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "ln -sf /dev/zero /etc/group")
    for user in ("root", "0:games"):
        with pytest.raises(AgentError, match="cannot read /etc/group of the node"):
            agent.spawn(h1.pid, ["true"], user=user)


@needs_root
@pytest.mark.parametrize("put", ["ln -s /dev/zero /etc/skel/all", "mkfifo /etc/skel/all"])
def test_a_home_is_made_of_regular_files_only(
    agent: Client, nodes: tuple[Namespaces, Namespaces], put: str
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, put)
    with pytest.raises(AgentError, match="cannot read /etc/skel/all of the node"):
        agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])


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
def test_accounts_are_saved_past_what_lies_in_the_way(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    put = "mkfifo /etc/group.playground; ln -s /etc/hosts /etc/passwd.playground"
    run(agent, h1.pid, put)
    agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])
    assert run(agent, h1.pid, "id -un 4321; cat /etc/hosts") == "bob\n127.0.0.1 localhost\n"


HOLD = (
    "import fcntl, time; file = open('/etc/.pwd.lock', 'w'); "
    "fcntl.lockf(file, fcntl.LOCK_EX); print('held', flush=True); time.sleep(1000)"
)


@needs_root
def test_a_lock_of_accounts_that_is_never_given_back(
    nodes: tuple[Namespaces, Namespaces],
) -> None:
    h1, _ = nodes
    shorter = "from playground.agent.nodes import accounts; accounts.PASSWORD_LOCK_LIMIT_S = 0.1"
    with connect(before=shorter) as agent:
        holder = agent.spawn(h1.pid, [sys.executable, "-c", HOLD])
        assert holder.read_stdout(20) == b"held\n"
        with pytest.raises(AgentError, match=r"has held the lock of /etc/\.pwd\.lock for 0 s"):
            agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])
        holder.signal(signal.SIGKILL)
        holder.wait(20)
        agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])


@needs_root
def test_a_lock_of_accounts_that_is_a_pipe(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "rm -f /etc/.pwd.lock; mkfifo /etc/.pwd.lock")
    with pytest.raises(AgentError, match=r"cannot lock /etc/\.pwd\.lock of the node: .*regular"):
        agent.call("accounts", nodes=[{"pid": h1.pid, "users": [BOB]}])


def test_hashed_passwords(agent: Client) -> None:
    passwords = ["secret", "secret", "pässwörd with spaces", "x" * 200]
    hashes = agent.call("hash_passwords", passwords=passwords)
    assert len(set(hashes)) == len(passwords)
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    for password, hashed in zip(passwords, hashes, strict=True):
        assert hashed.startswith("$6$")
        # crypt(3): a hash is its own salt.
        assert crypt(password.encode(), hashed.encode()) == hashed.encode()


@needs_root
def test_hostnames(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    machine = socket.gethostname()
    names = ["alpha", "beta"]
    entries = [{"pid": h.pid, "hostname": name} for h, name in zip(nodes, names, strict=True)]
    agent.call("hostname", nodes=entries)
    assert [run(agent, h.pid, "hostname").strip() for h in nodes] == names
    assert socket.gethostname() == machine
