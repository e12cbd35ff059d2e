"""The names on a running node: /etc/hosts, its own name, its name servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from playground.display.tables import Table, Tabular
from playground.errors import BadArgument, PlaygroundError, TransferFailed, UnknownName
from playground.model.arguments import check_iterable, shown, tells_wrong_calls
from playground.model.records import dataclass
from playground.operations.connection.handles import Node
from playground.operations.connection.name_queries import hosts_entries, server_addresses
from playground.operations.nodes import files
from playground.planning.plan_parts import NO_NAME_SERVER

_HOSTS = "/etc/hosts"
_RESOLVER = "/etc/resolv.conf"
_HOSTNAME = "/etc/hostname"

# Of such a file, and of the time that its node takes over it.
_LIMIT_MB = 1.0
_LIMIT_S = 10.0
_MOST_NAMES = 10_000


@dataclass(frozen=True)
class HostsLine:
    """One line of /etc/hosts: an address and the names that mean it."""

    address: str
    names: tuple[str, ...]


@tells_wrong_calls
class HostsFile(MutableMapping[str, str], Tabular):
    """The node's live /etc/hosts, as a mapping from a name to its address.

    Each look and each change goes to the file itself; comments, order, and
    the other names stay as they are (hosts(5)).  A name's letter case does not
    matter.  Where a name has an IPv4 and an IPv6 address, the mapping gives
    the first line's; setting one replaces the address of its own family only,
    and deleting takes both::

        h1.hosts["printer"] = "192.168.1.50"
        "printer" in h1.hosts
        del h1.hosts["printer"]

    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def __repr__(self) -> str:
        try:
            return f"<hosts of {self._node.name}: {dict(self._pairs())}>"
        except PlaygroundError:  # a repr never fails; the lab is down, or the node has died
            return f"<hosts of {self._node.name}: not to be reached>"

    def table(self) -> Table[HostsLine]:
        """Return the lines of the file that map an address to names."""
        return Table(
            HostsLine(address, tuple(names)) for address, names in hosts_entries(self._text())
        )

    def _text(self) -> str:
        return _read(self._node, _HOSTS)

    def __getitem__(self, name: str) -> str:
        if not isinstance(name, str):
            raise UnknownName(f"{shown(name)} is no name: {_HOSTS} has texts")
        for address, names in hosts_entries(self._text()):
            if name.lower() in (known.lower() for known in names):
                return address
        raise UnknownName(f"{self._node.name} has no {name!r} in its {_HOSTS}")

    def _pairs(self) -> dict[str, str]:
        """Return all names and addresses by one look at the file."""
        found: dict[str, str] = {}
        for address, names in hosts_entries(self._text()):
            for name in names:
                found.setdefault(name, address)
        if len(found) > _MOST_NAMES:
            raise TransferFailed(
                f"{_HOSTS} of {self._node.name} has more than {_MOST_NAMES} names: read it with "
                f"read({_HOSTS!r})"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs())

    def __len__(self) -> int:
        return len(self._pairs())

    def __setitem__(self, name: str, address: str | IPv4Address | IPv6Address) -> None:
        with self._node.running().editing:
            _write(self._node, _HOSTS, with_entry(self._text(), name, address))

    def __delitem__(self, name: str) -> None:
        if not isinstance(name, str):
            raise UnknownName(f"{shown(name)} is no name: {_HOSTS} has texts")
        with self._node.running().editing:
            before = self._text()
            after = without_name(before, name)
            if after == before:
                raise UnknownName(f"{self._node.name} has no {name!r} in its {_HOSTS}")
            _write(self._node, _HOSTS, after)


def with_entry(text: str, name: str, address: str | IPv4Address | IPv6Address) -> str:
    """Return a hosts file's text in which a name means an address.

    >>> with_entry("127.0.0.1\\tlocalhost\\n", "printer", "192.168.1.50")
    '127.0.0.1\\tlocalhost\\n192.168.1.50\\tprinter\\n'

    """
    known = _address(address)
    text_of_name = name if isinstance(name, str) else ""
    if not text_of_name or any(one.isspace() or one in "#\0" for one in text_of_name):
        raise BadArgument(f"{shown(name)} is no name for {_HOSTS}: it is one word without '#'")
    text = without_name(text, name, version=known.version)
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{known}\t{name}\n"


def without_name(text: str, name: str, version: int | None = None) -> str:
    """Return a hosts file's text without a name; lines left empty go as well.

    With ``version`` only its addresses of IPv4 or of IPv6 go.

    """
    lines = []
    for line in text.splitlines(keepends=True):
        content, hash_sign, comment = line.partition("#")
        words = content.split()
        kept = [word for word in words[1:] if word.lower() != name.lower()]
        of_version = version is None or (words and _version(words[0]) == version)
        if len(words) < 2 or len(kept) == len(words) - 1 or not of_version:
            lines.append(line)
        elif kept:
            tail = f" #{comment}" if hash_sign else "\n"
            lines.append(f"{words[0]}\t{' '.join(kept)}{tail}")
        elif hash_sign:
            lines.append(f"#{comment}")
    return "".join(lines)


def _version(address: str) -> int | None:
    try:
        return ip_address(address).version
    except ValueError:
        return None


def _address(address: str | IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    # A number is an address to ipaddress, and a mistake of the user's here.
    if isinstance(address, int):
        raise BadArgument(f"{address!r} is no address: write it as text, as in '192.168.1.50'")
    try:
        return ip_address(address)
    except ValueError as error:
        raise BadArgument(
            f"{address!r} is no IP address: write it as '192.168.1.50' or 'fd00::50'"
        ) from error


def _read(node: Node, path: str) -> str:
    return files.read(node, path, timeout_s=_LIMIT_S, limit_mb=_LIMIT_MB)


def _write(node: Node, path: str, content: str) -> None:
    files.write(node, path, content, timeout_s=_LIMIT_S)


def hostname(node: Node) -> str:
    """Return the node's name as its own kernel says it."""
    live = node.running()
    if live.strange or (live.plan and live.plan.container.user):
        # The file says to each reader the name of where that reader is.
        return str(live.agent.call("hostname_of", pid=live.pid))
    return _read(node, "/proc/sys/kernel/hostname").strip()


def set_hostname(node: Node, name: str) -> None:
    """Rename a running node."""
    if not isinstance(name, str) or not _is_host_name(name):
        raise BadArgument(
            f"{name!r} is no host name: letters, digits and hyphens, at most 63 between dots "
            "and 64 in all"
        )
    live = node.running()
    old = hostname(node)
    live.agent.call("hostname", nodes=[{"pid": live.pid, "hostname": name}])
    _write(node, _HOSTNAME, name + "\n")
    with live.editing:
        hosts = HostsFile(node)
        # A machine should know its own name: sudo(8) warns when it does not.
        if name not in hosts:
            hosts[name] = hosts.get(old, "127.0.1.1")


def _is_host_name(name: str) -> bool:
    # RFC 1123, section 2.1; 64 is the kernel's own limit, __NEW_UTS_LEN.
    labels = name.split(".")
    return len(name) <= 64 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "a").isalnum()
        and label[0] != "-" != label[-1]
        for label in labels
    )


def nameservers(node: Node) -> list[str]:
    """Return the addresses in the node's resolv.conf(5), first one first."""
    return list(server_addresses(_read(node, _RESOLVER)))


def set_nameservers(node: Node, addresses: Iterable[str | IPv4Address | IPv6Address]) -> None:
    """Make the node ask these name servers; other lines of the file stay."""
    if isinstance(addresses, str):
        raise BadArgument(f"nameservers is a list: write [{shown(addresses)}]")
    several = check_iterable("nameservers", addresses, '["10.1.1.1"]')
    lines = [f"nameserver {_address(address)}\n" for address in several]
    with node.running().editing:
        text = _read(node, _RESOLVER)
        rest = [
            line if line.endswith("\n") else line + "\n"
            for line in text.splitlines(keepends=True)
            if line.split()[:1] != ["nameserver"] and line != NO_NAME_SERVER
        ]
        if not lines:
            rest.append(NO_NAME_SERVER)
        _write(node, _RESOLVER, "".join([*rest, *lines]))
