"""A node's users and groups, by its own /etc/passwd and /etc/group."""

from __future__ import annotations

from collections.abc import Iterator

from playground.agent.nodes.regular_files import read_in_node


class PasswdEntry:
    """A user of a node: numbers, home, shell and further groups."""

    def __init__(self, name: str, uid: int, gid: int, home: str, shell: str) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell
        self.groups: list[int] = []


def find_account(user: str) -> PasswdEntry:
    """Look up "name", "uid" or "uid:gid" in /etc/passwd and /etc/group.

    To be called inside the node.  The files are read here and not by the C
    library, which would load the node's own name-service modules into a process
    that still has the helper's powers.  Raises LookupError, and OSError for files that cannot
    be read; a number needs none.

    """
    name, _, group = user.partition(":")
    for fields in _rows("/etc/passwd", 7, name):
        if name in (fields[0], fields[2]):
            account = PasswdEntry(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6])
            break
    else:
        if not name.isdigit():
            raise LookupError(f"the node has no user {name!r}: its /etc/passwd does not name one")
        account = PasswdEntry(name, int(name), 0, "/", "/bin/sh")
    if group:
        account.gid = find_group(group)
        account.groups = [account.gid]
    else:
        account.groups = [account.gid]
        account.groups += [
            int(fields[2])
            for fields in _rows("/etc/group", 4, name)
            if account.name in fields[3].split(",")
        ]
    return account


def find_group(group: str) -> int:
    for fields in _rows("/etc/group", 4, group):
        if group in (fields[0], fields[2]):
            return int(fields[2])
    if not group.isdigit():
        raise LookupError(f"the node has no group {group!r}: its /etc/group does not name one")
    return int(group)


def _rows(path: str, count: int, wanted: str) -> list[list[str]]:
    """Return what a file says; nothing where it cannot be read, and a number is wanted."""
    try:
        return list(colon_file(path, count))
    except OSError:
        if wanted.isdigit():
            return []
        raise


def user_names() -> dict[str, str]:
    """Return the names of a node's users by their numbers; none where they cannot be read."""
    try:
        rows = list(colon_file("/etc/passwd", 7))
    except OSError:
        return {}
    return {fields[2]: fields[0] for fields in reversed(rows)}


def colon_file(path: str, count: int) -> Iterator[list[str]]:
    try:
        text = read_in_node(path)
    except FileNotFoundError:
        return
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= count:
            yield fields
