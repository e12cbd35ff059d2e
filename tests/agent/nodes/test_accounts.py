"""Accounts of nodes: made, refused, saved past what a node's root has put there."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from playground.agent.nodes.accounts import changed_tables
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, needs_root, run


def test_users_that_are_there_change_no_table() -> None:
    tables = {
        "/etc/group": "root:x:0:\nsudo:x:27:eve\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "/etc/shadow": "root:*:1:0:99999:7:::\n",
    }
    users: list[dict[str, Any]] = [
        {"name": "root", "password_hash": "$6$a"},
        {"name": "ann", "password_hash": "$6$b", "uid": 1000, "groups": ["sudo"], "shell": ""},
    ]
    changed = changed_tables(tables, users, "20000")
    assert changed == {
        "/etc/group": "root:x:0:\nsudo:x:27:eve,ann\nann:x:1000:\n",
        "/etc/passwd": tables["/etc/passwd"] + "ann:x:1000:1000::/home/ann:/bin/bash\n",
        "/etc/shadow": "root:$6$a:1:0:99999:7:::\nann:$6$b:20000:0:99999:7:::\n",
    }
    assert changed_tables(changed, users, "20000") == changed


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
    # A program that needs no account goes on.
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
