"""Operations on a running host or router, as a table.

Each is a function of the module named for it.  `NodeOperations` is what
`operations.network.Host` and ``Router`` inherit.

"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from playground.errors import NotRunning
from playground.operations.captures import capture_points
from playground.operations.connection import commands
from playground.operations.connection.handles import LiveNode
from playground.operations.life import power
from playground.operations.nodes import (
    call,
    connections,
    files,
    ping,
    processes,
    routes,
    sockets,
    ssh,
    terminal,
    vtysh,
)

# Modules that few scripts use are imported when they are asked for, as all take as long as the
# rest of playground.  The modules above do likewise with what they need.
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from playground.operations.nodes.names import HostsFile
    from playground.operations.nodes.services import Services
    from playground.operations.nodes.sysctls import Sysctls
    from playground.planning.plan_parts import Interfaces


class NodeOperations:
    """The operations on a node; each raises `NotRunning` before it is started.

    Many threads may use one node at once.

    """

    name: str
    short: str
    _live: LiveNode | None = None

    def running(self) -> LiveNode:
        """Return the live handle of this node.

        Raises `NotRunning` when its lab is not started, or the node was stopped.

        """
        live = self._live
        if live is None:
            raise NotRunning(
                f"{self.name} is not running: use it inside `with Lab(...)` or after lab.start()"
            )
        if live.stopped:
            raise NotRunning(f"{self.name} is stopped: {power.start_words(self.name)} starts it")
        return live

    # A line that takes a module's own name stands below the others of that module.

    run = commands.run
    start = power.start
    stop = power.stop
    restart = power.restart
    python = call.python
    call = call.call

    put = files.put
    get = files.get
    write = files.write
    read = files.read
    read_bytes = files.read_bytes

    traceroute = ping.traceroute
    ping = ping.ping
    capture = capture_points.at_node
    watch_tcp = connections.watch_tcp
    forget = connections.forget
    connections = connections.connections
    policy_rules = routes.policy_rules
    routes = routes.routes
    kill_background = processes.kill_background
    processes = processes.processes
    vtysh = vtysh.vtysh

    ssh = ssh.ssh
    socket = sockets.socket
    sockets = sockets.sockets
    shell = terminal.shell
    terminal = terminal.terminal

    @property
    def is_running(self) -> bool:
        """Whether its lab runs and the node was not stopped."""
        return self._live is not None and not self._live.stopped

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has stopped it, and nothing has started it since."""
        return self._live is not None and self._live.stopped

    @property
    def interfaces(self) -> Interfaces:
        """The node's interfaces by name, as planned: addresses, MAC, MTU.

        ::

            >>> h1.interfaces["eth0"].mtu_bytes
            1500

        """
        from playground.planning.plan_parts import Interfaces

        plan = self.running().plan
        return Interfaces({item.name: item for item in plan.interfaces} if plan else {})

    @property
    def address(self) -> str | None:
        """The node's first address, IPv4 before IPv6; ``None`` without any."""
        addresses = [address.ip for item in self.interfaces.values() for address in item.addresses]
        first = sorted(addresses, key=lambda address: address.version)[:1]
        return str(first[0]) if first else None

    def as_shell(self) -> str:
        """Return the commands that would set up this node's network, typed on it by hand.

        Addresses, routes, policy rules, sysctls, and the firewall with NAT, as they are
        now.  Raises `NotRunning`; ``lab.plan().node("h1").as_shell()`` needs no lab that runs.

        >>> print(h1.as_shell())
        ip link set dev lo up
        ...
        ip route replace default via 192.168.1.1 dev eth0

        """
        plan = self.running().plan
        if plan is None:
            raise NotRunning(f"{self.name}: nothing is known of how it runs")
        return plan.as_shell()

    @property
    def sysctls(self) -> Sysctls:
        """The node's kernel settings, read from the kernel; setting one is a declaration too.

        ::

            r1.sysctls["net.ipv4.conf.all.rp_filter"] = 1
            r1.sysctls["net.ipv4.ip_forward"]          # '1'

        """
        from playground.operations.nodes.sysctls import Sysctls

        return Sysctls(self)

    @property
    def congestion_control(self) -> str:
        """How TCP decides how much may be under way: "reno", "cubic", "bbr", "vegas" or "dctcp".

        Setting it is a declaration, and holds for connections that are made from then on.
        Raises `TopologyError` for a name that is not known, and `EngineError` for one that the
        kernel does not have, or keeps from hosts; all is then as it was.  Source: tcp(7),
        RFC 5681, RFC 9438, draft-ietf-ccwg-bbr, RFC 8257.

        ::

            h1.congestion_control = "bbr"

        """
        from playground.model.queues.congestion_control import SETTING

        return self.sysctls[SETTING]

    @congestion_control.setter
    def congestion_control(self, name: str) -> None:
        from playground.model.queues.congestion_control import congestion_setting

        for setting, value in congestion_setting(self.name, name).items():
            self.sysctls[setting] = value

    @property
    def hosts(self) -> HostsFile:
        """The live /etc/hosts as a mapping from names to addresses.

        ::

            h1.hosts["printer"] = "192.168.1.50"

        """
        from playground.operations.nodes.names import HostsFile

        return HostsFile(self)

    @property
    def hostname(self) -> str:
        """The name that the node calls itself; setting it renames it live.

        Its /etc/hostname follows, and its /etc/hosts learns the new name.  The
        lab goes on calling the node by its declared name.

        """
        from playground.operations.nodes import names

        return names.hostname(self)

    @hostname.setter
    def hostname(self, name: str) -> None:
        from playground.operations.nodes import names

        names.set_hostname(self, name)

    @property
    def nameservers(self) -> list[str]:
        """The DNS servers that the node asks, first one first; can be set.

        ::

            h1.nameservers = ["10.1.1.1"]

        """
        from playground.operations.nodes import names

        return names.nameservers(self)

    @nameservers.setter
    def nameservers(self, addresses: Iterable[str | IPv4Address | IPv6Address]) -> None:
        from playground.operations.nodes import names

        names.set_nameservers(self, addresses)

    @property
    def services(self) -> Services:
        """The node's services by name: status, start, stop, restart, log.

        ::

            www.services["http"].stop()
            print(www.services["http"].log(lines=5))

        """
        from playground.operations.nodes.services import Services

        return Services(self)
