"""A running node's kernel settings as a mapping, read by the agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.display.tables import Table, Tabular
from playground.errors import UnknownName
from playground.model.arguments import tells_wrong_calls
from playground.model.policy_routing import check_sysctl, sysctl_key, sysctl_parts
from playground.model.records import dataclass


@dataclass(frozen=True)
class Setting:
    """One setting that was declared by hand, and what it is now."""

    name: str
    value: str


@tells_wrong_calls
class Sysctls(Tabular):
    """The settings of one node's network, by the names of sysctl(8).

    Reading asks the kernel of a running node, and gives what was declared for one
    that does not run.  Setting is part of the plan before the lab starts, and is
    done and read back at once afterwards.  Iterating gives the names that were
    declared by hand.

    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def __getitem__(self, name: str) -> str:
        """Return a setting; raises `UnknownName`, a `KeyError`, where there is none so called."""
        live = self._node._live
        if live is None:
            known = sysctl_key(*sysctl_parts(name)) if isinstance(name, str) else ""
            if known not in self._node.own_sysctls:
                raise UnknownName(
                    f"{self._node.name} is not running, and nothing was declared for {name!r}: "
                    "start its lab, and its kernel says what it is"
                )
            return str(self._node.own_sysctls[known])
        check_sysctl(self._node.name, name, 0)
        [found] = live.agent.call("sysctls", pid=live.pid, names=[name])
        if found is None:
            raise UnknownName(f"the kernel of {self._node.name} has no setting {name!r}")
        return str(found)

    def __setitem__(self, name: str, value: object) -> None:
        setting = check_sysctl(self._node.name, name, value)
        self._node.steer(sysctls=self._node.own_sysctls | setting)

    def as_shell(self) -> list[str]:
        """Return the commands that make the settings declared by hand (sysctl(8)).

        >>> h1.sysctls.as_shell()
        ['sysctl -w net.ipv4.tcp_syncookies=0']

        """
        return [f"sysctl -w {name}={value}" for name, value in self._node.own_sysctls.items()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._node.own_sysctls)

    def __len__(self) -> int:
        return len(self._node.own_sysctls)

    def table(self) -> Table[Setting]:
        """Return a row for each setting that was declared by hand."""
        return Table(Setting(name, self[name]) for name in self)

    def __repr__(self) -> str:
        lines = [f"{name} = {self[name]}" for name in self]
        return "\n".join(lines) or "(none set by hand)"
