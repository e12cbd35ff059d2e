"""A node's accounts: passwd(5), shadow(5), group(5), homes, hashed passwords."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import fcntl
import functools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence

from playground.agent.kernel.ids import give_to
from playground.agent.nodes.entering import inside
from playground.agent.nodes.files import with_contents, write_files
from playground.agent.nodes.regular_files import NEW_FILE, open_regular, read_in_node, write_all
from playground.agent.protocol import Request

# How long other programs of a node may hold the lock of its accounts: lckpwdf(3).
PASSWORD_LOCK_LIMIT_S = 15.0
PASSWORD_LOCK_POLL_S = 0.02


def accounts(nodes: Sequence[Request]) -> None:
    days = _today()
    for node in nodes:
        with inside(node["pid"]):
            _give_accounts(node, days)


def _today() -> str:
    return str(int(time.time()) // 86400)


def _give_accounts(node: Request, days: str) -> None:
    users, strange = node["users"], bool(node.get("strange"))
    if strange and not os.path.isfile("/etc/passwd"):
        return  # an image without users
    if not strange and _are_there(users, days):
        return  # as in a root that was made with them: `machine_layer`
    with _password_lock():
        _change_accounts(users, days, strange)


def _are_there(users: Sequence[Request], days: str) -> bool:
    tables = tuple(read_in_node(path) for path in TABLES)
    return _have(tables, json.dumps(users), days) and all(
        user["name"] == "root" or os.path.isdir(f"/home/{user['name']}") for user in users
    )


@functools.lru_cache(maxsize=8)
def _have(texts: tuple[str, ...], users: str, days: str) -> bool:
    """Whether tables have all users, as JSON; those of hosts alike are looked through once."""
    before = dict(zip(TABLES, texts, strict=True))
    return changed_tables(before, json.loads(users), days) == before


def furnish(nodes: Sequence[Request], contents: Sequence[str] = ()) -> None:
    days = _today()
    for node, decoded in with_contents(nodes, contents):
        with inside(node["pid"]):
            if node["users"]:
                _give_accounts(node, days)
            write_files(node, decoded)


@contextlib.contextmanager
def _password_lock() -> Iterator[None]:
    # lckpwdf(3): useradd and passwd wait while this is held, and we for them.
    path = "/etc/.pwd.lock"
    try:
        fd = open_regular(path)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot lock {path} of the node: {error.strerror}"
        ) from None
    try:
        deadline = time.monotonic() + PASSWORD_LOCK_LIMIT_S
        while not _locked(fd):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    "the node's accounts cannot be changed: one of its programs has held the lock "
                    f"of {path} for {PASSWORD_LOCK_LIMIT_S:.0f} s; end that program",
                )
            time.sleep(PASSWORD_LOCK_POLL_S)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        return False
    return True


def _change_accounts(users: Sequence[Request], days: str, strange: bool) -> None:
    """Add or change users; in a strange image only as far as it has room for them."""
    before = _read_tables(strange)
    if strange:
        passwd = _rows(before["/etc/passwd"])
        users = [user for user in users if _has_room(user, passwd)]
    for path, text in changed_tables(before, users, days, strange).items():
        _save(path, text)
    for user in users:
        if user["name"] != "root":
            _make_home(f"/home/{user['name']}", int(user["uid"]))


def _read_tables(strange: bool) -> dict[str, str]:
    return {path: read_in_node(path) for path in TABLES if not strange or os.path.isfile(path)}


# group(5), passwd(5), shadow(5)
TABLES = ("/etc/group", "/etc/passwd", "/etc/shadow")


def changed_tables(
    tables: Mapping[str, str], users: Sequence[Request], days: str, strange: bool = False
) -> dict[str, str]:
    """Return the texts of `TABLES`, or of those that are given, with users in them.

    ``days`` is today as shadow(5) counts.  In a strange image a user is in no group that it
    has not, and has its /bin/sh where there is no other.  Raises ValueError for a number that
    is another user's, LookupError for a group that is missing.

    """
    rows = {path: _rows(text) for path, text in tables.items()}
    passwd, shadow = rows["/etc/passwd"], rows.get("/etc/shadow", [])
    group = rows.get("/etc/group", [])
    for user in users:
        name = user["name"]
        if name == "root":
            if user.get("password_hash"):
                _replace(shadow, "root", 1, user["password_hash"])
            continue
        uid = int(user["uid"])
        for row in passwd:
            if row[2:3] == [str(uid)] and row[0] != name:
                raise ValueError(f"the user id {uid} for {name!r} is that of {row[0]!r} already")
        shell = user.get("shell") or "/bin/bash"
        if strange and not os.path.exists(shell):
            shell = "/bin/sh"
        home = f"/home/{name}"
        _put(passwd, [name, "x", str(uid), str(uid), "", home, shell])
        # shadow(5): "!" matches no password.
        _put(shadow, [name, user.get("password_hash") or "!", days, "0", "99999", "7", "", "", ""])
        if not any(row[0] == name for row in group):
            group.append([name, "x", str(uid), ""])
        for wanted in user.get("groups", []):
            for row in group:
                if row[0] == wanted:
                    members = [member for member in row[3].split(",") if member]
                    row[3] = ",".join([*members, *([name] if name not in members else [])])
                    break
            else:
                if strange:
                    continue
                raise LookupError(f"the node has no group {wanted!r} for the user {name!r}")
    return {path: "".join(":".join(row) + "\n" for row in rows[path]) for path in tables}


def _has_room(user: Request, passwd: Sequence[Sequence[str]]) -> bool:
    """Whether a strange image has not given the user's name or number to somebody else."""
    if user["name"] == "root":
        return True
    return not any(row[0] == user["name"] or row[2:3] == [str(user["uid"])] for row in passwd)


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines() if line]


def _put(rows: list[list[str]], new: list[str]) -> None:
    for position, row in enumerate(rows):
        if row[0] == new[0]:
            rows[position] = new
            return
    rows.append(new)


def _replace(rows: list[list[str]], name: str, column: int, value: str) -> None:
    for row in rows:
        if row[0] == name:
            row[column] = value


def _save(path: str, text: str) -> None:
    """Write a file of accounts whole and at once, owner and mode kept."""
    before = os.stat(path)
    temporary = f"{path}.playground"
    # Never what is there: an earlier one half written, or a pipe of the node's root.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, NEW_FILE, 0o600)
    try:
        write_all(fd, text.encode("utf-8", "surrogateescape"))
        give_to(fd, before.st_uid, before.st_gid)
        os.fchmod(fd, before.st_mode & 0o7777)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def _make_home(home: str, uid: int) -> None:
    if os.path.isdir(home):
        return
    os.makedirs(home, 0o755)
    for folder, _, names in os.walk("/etc/skel"):
        target = home + folder[len("/etc/skel") :]
        if not os.path.isdir(target):
            os.mkdir(target, 0o755)
        for name in names:
            mode = os.stat(f"{folder}/{name}").st_mode & 0o777
            content = read_in_node(f"{folder}/{name}").encode("utf-8", "surrogateescape")
            fd = os.open(f"{target}/{name}", NEW_FILE, mode)
            try:
                write_all(fd, content)
                give_to(fd, uid, uid)
            finally:
                os.close(fd)
        give_to(target, uid, uid)


def remember_hashes(passwords: Sequence[str]) -> list[str]:
    """Hash passwords that roots are made with: the agent is asked for their hashes later."""
    _remembered.update(zip(passwords, hash_passwords(passwords), strict=True))
    return [_remembered[password] for password in passwords]


_remembered: dict[str, str] = {}


def hash_passwords(passwords: Sequence[str]) -> list[str]:
    if all(password in _remembered for password in passwords):
        return [_remembered[password] for password in passwords]
    # Python 3.13 has no crypt module; the library is in Debian's base.
    for library in ("libcrypt.so.1", "libcrypt.so.2"):
        with contextlib.suppress(OSError):
            crypt = ctypes.CDLL(library, use_errno=True).crypt
            break
    else:
        raise OSError(errno.ENOENT, "there is no libcrypt here to hash passwords with")
    crypt.restype = ctypes.c_char_p
    hashes = []
    for password in passwords:
        # crypt(5): up to 16 characters of ./0-9A-Za-z.
        salt = base64.b64encode(os.urandom(12), b"./")
        # The fewest rounds: these passwords are the lab's own and end with it, and the
        # usual 5,000 take 5 ms each of a start.
        hashed = crypt(password.encode(), b"$6$rounds=1000$" + salt)
        if not hashed or not hashed.startswith(b"$6$"):
            raise OSError(ctypes.get_errno() or errno.EINVAL, "libcrypt refused to hash a password")
        hashes.append(hashed.decode())
    return hashes
