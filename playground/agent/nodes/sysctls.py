"""Settings of a node's network, by their names in sysctl(8)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from playground.agent.kernel.syscalls import read_text, write_text
from playground.agent.nodes.entering import enter_network
from playground.agent.nodes.proc_views import settings_place


def disable_ipv6(interface: str) -> None:
    # A port with IPv6 would announce itself to the lab's multicast groups.
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        write_text(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "1")


def quiet_ipv6(interface: str) -> None:
    """Keep an interface from asking for routers and from trying its addresses."""
    for name, value in (
        ("router_solicitations", "0"),
        ("accept_ra", "0"),
        ("dad_transmits", "0"),
    ):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            write_text(f"{settings_place()}/net/ipv6/conf/{interface}/{name}", value)


def _sysctl_path(name: str) -> str:
    # sysctl(8): with a slash in it, dots are part of a name ("eth0.100").
    path = name if "/" in name else name.replace(".", "/")
    if not path.startswith("net/") or ".." in path.split("/"):
        raise ValueError(f"{name} is not a network sysctl: only names in net. are a node's own")
    return f"{settings_place()}/{path}"


def read_sysctl(name: str) -> str:
    """Read a sysctl of the present network namespace."""
    return read_text(_sysctl_path(name)).strip()


def same_setting(found: str, wanted: str) -> bool:
    """Tell whether a sysctl is what was written: words, or an IPv6 address in whatever form."""
    if found.split() == wanted.split():
        return True
    try:
        return socket.inet_pton(socket.AF_INET6, found) == socket.inet_pton(
            socket.AF_INET6, wanted.strip()
        )
    except OSError:
        return False


def write_sysctl(name: str, value: str) -> None:
    path = _sysctl_path(name)
    try:
        write_text(path, value)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot set the sysctl {name} to {value!r}: {error.strerror}"
        ) from None


def sysctls(pid: int, names: Sequence[str]) -> list[str | None]:
    enter_network(pid)
    found: list[str | None] = []
    for name in names:
        try:
            found.append(read_sysctl(name))
        except FileNotFoundError:
            found.append(None)
    return found
