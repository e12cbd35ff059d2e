"""Texts of /etc/hosts and /etc/resolv.conf, made from a node's plan: hosts(5), resolv.conf(5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playground.model.addresses import Address
from playground.planning.plan_parts import NO_NAME_SERVER, HostsEntry


class NamedNode(Protocol):
    """A node of a plan, as far as its names and name servers go."""

    @property
    def name(self) -> str: ...

    @property
    def short(self) -> str: ...

    @property
    def hostname(self) -> str: ...

    @property
    def hosts(self) -> tuple[HostsEntry, ...]: ...

    @property
    def nameservers(self) -> Sequence[Address]: ...

    @property
    def search(self) -> Sequence[str]: ...


def hosts_text(node: NamedNode) -> str:
    """Return the text of a node's /etc/hosts."""
    return HostsTexts().of(node).decode()


class HostsTexts:
    """The texts of /etc/hosts: one for all nodes that share their lines."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, frozenset[str]]] = {}

    def of(self, node: NamedNode) -> bytes:
        """Return the text of a node; nodes with the same lines get the same object."""
        place = id(node.hosts)
        if place not in self._known:
            lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
            lines += [f"{entry.address} {' '.join(entry.names)}" for entry in node.hosts]
            names = frozenset(name for entry in node.hosts for name in entry.names)
            self._known[place] = ("\n".join(lines) + "\n").encode(), names
        text, known = self._known[place]
        # sudo and others look up the host's own name.
        own = [node.name, node.short] if node.short not in known else []
        own += [node.hostname] if node.hostname not in known else []
        return text + f"127.0.1.1 {' '.join(dict.fromkeys(own))}\n".encode() if own else text


def resolver_text(node: NamedNode) -> str:
    """Return the text of a node's /etc/resolv.conf."""
    if not node.nameservers:
        # Without a line, resolv.conf(5) means the local machine: it refuses at once.
        return NO_NAME_SERVER
    lines = [f"search {' '.join(node.search)}"] if node.search else []
    lines += [f"nameserver {address}" for address in node.nameservers]
    lines.append("options timeout:1 attempts:2")
    return "\n".join(lines) + "\n"
