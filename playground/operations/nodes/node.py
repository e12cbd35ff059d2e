"""Everything that can be done to a running host or router.

`NodeOperations` is what `operations.network.Host` and ``Router`` inherit; each
method is a thin door to the room that does the work.

"""

from __future__ import annotations

import socket as socket_module
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from playground.errors import BadArgument, NotRunning
from playground.model.arguments import shown
from playground.operations.connection import commands
from playground.operations.connection.commands import Command, Job
from playground.operations.connection.handles import (
    Agent,
    LabHandle,
    LiveNode,
    Node,
    Process,
)
from playground.operations.connection.results import Hop, Ping, Result, Traceroute
from playground.operations.nodes import ping

# A room that few scripts enter is imported by the door that leads to it: all of
# them take as long as the rest of playground.
if TYPE_CHECKING:
    import os
    from contextlib import AbstractContextManager
    from ipaddress import IPv4Address, IPv6Address
    from pathlib import Path

    import paramiko

    from playground.display.tables import Table
    from playground.operations.captures.capture import Capture
    from playground.operations.captures.samples import TcpSamples
    from playground.operations.nodes.connections import Connection
    from playground.operations.nodes.names import HostsFile
    from playground.operations.nodes.processes import RunningProcess
    from playground.operations.nodes.services import Services
    from playground.operations.nodes.sysctls import Sysctls
    from playground.operations.nodes.terminal_link import TerminalLink
    from playground.planning.plan_parts import Interfaces
    from playground.planning.route_rows import PolicyRule, Route

__all__ = [
    "Agent",
    "Hop",
    "Job",
    "LabHandle",
    "LiveNode",
    "Node",
    "NodeOperations",
    "Ping",
    "Process",
    "Result",
    "Traceroute",
]


class NodeOperations:
    """The operations on a node; each raises `NotRunning` before it is started.

    Many threads may use one node at once.

    """

    name: str
    short: str
    _live: LiveNode | None = None

    def running(self) -> LiveNode:
        """Return the live handle of this node.

        Raises `NotRunning` when its lab is not started.

        """
        live = self._live
        if live is None:
            raise NotRunning(
                f"{self.name} is not running: use it inside `with Lab(...)` or after lab.start()"
            )
        return live

    @property
    def sysctls(self) -> Sysctls:
        """The node's kernel settings, read from the kernel; setting one is a declaration too.

        ::

            r1.sysctls["net.ipv4.conf.all.rp_filter"] = 1
            r1.sysctls["net.ipv4.ip_forward"]          # '1'

        """
        from playground.operations.nodes.sysctls import Sysctls

        return Sysctls(self)

    # Commands

    def run(
        self,
        command: Command,
        *,
        check: bool = True,
        timeout_s: float | None = 30,
        input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        output_limit_mb: float | None = 64,
    ) -> Result:
        r"""Run a command to its end and return its `Result`.

        Text is a line for ``sh -c``, with pipes and ``$VARIABLES``; a list is
        executed as it is, without a shell::

            h1.run("ip route | grep default").stdout
            h1.run(["grep", "two words", "/etc/motd"], check=False).returncode

        The command has the node's own environment with ``env`` added, starts
        in the node's working directory or in ``cwd``, and runs as root or as
        ``user``.  ``input`` is what it reads; without it there is nothing to
        read.  Its two output streams are kept apart.

        Raises `CommandFailed`, which holds the `Result`, when the exit status
        is not zero, unless ``check=False``; a command that is not there has the
        status 127.  Raises `CommandTimeout` after ``timeout_s`` seconds
        (``None``: no limit): the command and all that it started was killed
        then, and what it had printed is in the error's ``result``; likewise
        `TooMuchOutput` when it printed more than ``output_limit_mb`` on both
        streams together, of which the beginning is kept.  Raises
        `NodeDied` when the node's container has ended.

        """
        return commands.run(
            self,
            command,
            check=check,
            timeout_s=timeout_s,
            input=input,
            env=env,
            cwd=cwd,
            user=user,
            output_limit_mb=output_limit_mb,
        )

    def start(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
    ) -> Job:
        """Start a command that goes on, and return its `Job`.

        The command runs when this returns.  ``job.stdout`` and ``job.stderr``
        give lines as they come::

            with www.start("tail -f /var/log/nginx/access.log") as log:
                h1.run("curl -s http://www.example.com/")
                print(log.stdout.readline())

        The end of the ``with`` block ends the command; without a block,
        ``job.stop()`` or the end of the lab does.  Raises `CommandFailed` when
        a command given as a list is not there.

        """
        return commands.start(self, command, env=env, cwd=cwd, user=user)

    def python(
        self,
        program: str | os.PathLike[str],
        *arguments: object,
        check: bool = True,
        timeout_s: float | None = 30,
        input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        output_limit_mb: float | None = 64,
    ) -> Result:
        """Run a script by the node's own python3 and return its `Result`.

        ``program`` is the path of a file here, or source text; ``arguments``
        become its ``sys.argv[1:]``, a node among them its name::

            h1.python("client.py", www, 80)
            h1.python("import socket; print(socket.gethostname())")

        The file itself stays here: nothing is left on the node, and modules
        beside it are not found there (`put` them first).  A traceback shows the
        name and the lines of the file.  The other arguments, and what is
        raised, are those of `run`; `TransferFailed` when there is no such file.

        """
        from playground.operations.nodes import call

        return call.python(
            self,
            program,
            *arguments,
            check=check,
            timeout_s=timeout_s,
            input=input,
            env=env,
            cwd=cwd,
            user=user,
            output_limit_mb=output_limit_mb,
        )

    def call(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        call_timeout_s: float | None = 60,
        call_result_limit_mb: float | None = 32,
        **kwargs: Any,
    ) -> Any:
        """Call a function on the node: its value comes back, its exception is raised here.

        ::

            def fetch(host, port=80):
                with socket.create_connection((host, port)) as connection:
                    connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                    return connection.recv(1000)

            h1.call(fetch, "www", port=80)

        The function crosses as source: any ``def`` or ``lambda`` of a file or
        of a notebook's cell, ``async`` too, without decorators.  What it uses
        of its surroundings crosses with it: imported modules are imported
        there, other functions follow, variables go by value.  Arguments, values
        and results are plain data: numbers, text, bytes, lists, tuples, sets,
        dicts, dates, decimals, addresses, paths, exceptions; a node among the
        arguments arrives as its name.  What the function prints is shown here
        as it comes.

        An exception of Python's own library is raised here as it was there,
        with the node's traceback as a note; any other as `CallFailed`.  Raises
        `BadArgument` for what cannot cross, before anything runs, `CallFailed`
        for a result that cannot or that takes more than ``call_result_limit_mb`` on
        its way, and `CommandTimeout` after ``call_timeout_s`` seconds.

        """
        from playground.operations.nodes import call

        return call.call(self, function, args, kwargs, call_timeout_s, call_result_limit_mb)

    # Files

    def put(
        self, local: str | os.PathLike[str], remote: str, *, timeout_s: float | None = 300
    ) -> str:
        """Copy a file or directory to the node and return its path there.

        Like ``scp -rp``: into ``remote`` when that is a directory or ends in a
        slash, else to the very path ``remote``.  Directories on the way are
        made.  Modes and times are kept, the owner is root; existing files are
        replaced, existing directories added to::

            h1.put("client.py", "/root/")          # '/root/client.py'

        Raises `TransferFailed` when it cannot be read here or written there, or not
        within ``timeout_s`` seconds.

        """
        from playground.operations.nodes import files

        return files.put(self, local, remote, timeout_s=timeout_s)

    def get(
        self,
        remote: str,
        local: str | os.PathLike[str] | None = None,
        *,
        timeout_s: float | None = 300,
        limit_mb: float | None = 2000,
    ) -> Path:
        """Copy a file or directory from the node and return its path here.

        Into the current directory, or into ``local`` when that is a directory
        or ends in a slash, else to the very path ``local``::

            www.get("/var/log/nginx/access.log")   # PosixPath('.../access.log')

        Modes (without set-user-id) and times are kept.  Nothing is written
        outside of the place asked for, whatever the node sends; inside a
        directory, links that lead out of it, and devices, are left out with a
        warning.  Raises `TransferFailed` when it cannot be read there or
        written here, when it takes more than ``limit_mb`` here (a file as least 4 kB)
        or longer than ``timeout_s`` seconds; nothing is changed here then.

        """
        from playground.operations.nodes import files

        return files.get(self, remote, local, timeout_s=timeout_s, limit_mb=limit_mb)

    def write(
        self,
        path: str,
        content: str | bytes,
        *,
        mode: int | None = None,
        append: bool = False,
        timeout_s: float | None = 60,
    ) -> None:
        """Write a file on the node; text goes as UTF-8, directories are made.

        An existing file keeps its mode, a new one gets 0o644, unless ``mode``
        is given.  Raises `TransferFailed` when it cannot be written, or not within
        ``timeout_s`` seconds.

        """
        from playground.operations.nodes import files

        files.write(self, path, content, mode=mode, append=append, timeout_s=timeout_s)

    def read(self, path: str, *, timeout_s: float | None = 30, limit_mb: float | None = 64) -> str:
        """Return a file of the node as text; bytes that are no UTF-8 become U+FFFD.

        Raises `TransferFailed` when it cannot be read, when it has more than ``limit_mb``
        (`get` takes more) or when that takes more than ``timeout_s`` seconds.

        """
        return self.read_bytes(path, timeout_s=timeout_s, limit_mb=limit_mb).decode(
            "utf-8", "replace"
        )

    def read_bytes(
        self, path: str, *, timeout_s: float | None = 30, limit_mb: float | None = 64
    ) -> bytes:
        """Return a file of the node to the byte; the arguments and errors are those of `read`."""
        from playground.operations.nodes import files

        return files.read(self, path, timeout_s=timeout_s, limit_mb=limit_mb)

    # The network, as this node sees it

    def ping(
        self,
        target: Node | str,
        *,
        count: int = 3,
        interval_s: float = 0.2,
        timeout_s: float = 1,
    ) -> Ping:
        """Send echo requests to a node, name or address and return a `Ping`.

        ``count`` packets go out every ``interval_s`` seconds, and each reply
        is waited for ``timeout_s`` seconds.  The `Ping` is true when a reply
        came::

            >>> h1.ping(www)
            Ping(sent=3, received=3, rtt_ms=0.093)

        No reply, and no route, are findings and raise nothing, and so is a machine of the
        lab that the node knows no name of (behind NAT, in another VLAN): a `Ping` with nothing
        received, and ``problem`` says why.  A name that nobody in the lab has, and that the node
        does not know, raises `CommandFailed`.

        """
        return ping.ping(self, target, count=count, interval_s=interval_s, timeout_s=timeout_s)

    def traceroute(
        self,
        target: Node | str,
        *,
        max_hops: int = 30,
        timeout_s: float = 1,
        method: str = "udp",
    ) -> Traceroute:
        """Find the machines that a packet passes on its way to ``target``.

        ::

            >>> h1.traceroute(www).hops
            ['192.168.1.1', '203.0.113.2']

        ``method`` is what the probes are: "udp", "icmp" (as Windows does it)
        or "tcp" to port 80, of which a firewall may let one through and not
        another.  A silent machine costs ``timeout_s`` seconds, and many cost
        little more than one.  Raises `CommandFailed` for an unknown name.

        """
        return ping.traceroute(self, target, max_hops=max_hops, timeout_s=timeout_s, method=method)

    def capture(
        self,
        *,
        filter: str = "",  # noqa: A002 - as tcpdump's users call it
        interface: str | None = None,
        snaplen_bytes: int = 1 << 18,
        limit_packets: int | None = None,
        limit_bytes: int | None = None,
        limit_s: float | None = None,
    ) -> Capture:
        """Return a `Capture` at one ``interface`` of the node, or at all, to be used by ``with``.

        ::

            with h1.capture(filter="tcp port 80 and host www") as packets:
                h1.run("curl -s http://www/")
            packets.table()                 # time, where, source, destination, protocol ...
            packets.ladder()                # a sequence diagram
            packets.streams()[0].received_text
            packets.save("h1.pcapng")

        ``filter`` is written as for tcpdump; names in it are those of the lab's machines.
        ``limit_packets``, ``limit_bytes`` (256 MiB, if nothing is said) and ``limit_s`` end
        the capture by themselves; ``snaplen_bytes`` is what is kept of each packet.  "All"
        interfaces are those of links, which leaves out loopback: ``interface="lo"``.

        A filter that is wrong, and an interface that is not there, raise `BadArgument` at the
        ``with`` line.  Source: packet(7), pcap-filter(7).

        """
        from playground.operations.captures.capture import at_ends, is_upon_another

        live = self.running()
        wires = (item.name for item in self.interfaces.values() if not is_upon_another(item))
        if interface is not None and not isinstance(interface, str):
            raise BadArgument(f"interface={shown(interface)} is no name; write for example 'eth0'")
        names = [interface] if interface is not None else [*wires]
        ends = [{"node": self.name, "interface": name, "pid": live.pid} for name in names]
        return at_ends(
            live.agent,
            live.lab,
            ends,
            filter=filter,
            snaplen_bytes=snaplen_bytes,
            limit_packets=limit_packets,
            limit_bytes=limit_bytes,
            limit_s=limit_s,
        )

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

    def processes(self) -> Table[RunningProcess]:
        """Return what runs on this node, as its kernel says: a row for each process.

        ::

            >>> www.processes()
            pid  parent  user  state     memory_mb  cpu_s  command
              1       0  root  sleeping       0.45   0.01  /run/playground/pause
            ...

        What the agent keeps there to start commands is left out.  Source: proc(5).

        """
        from playground.operations.nodes import processes

        return processes.processes(self)

    def routes(self) -> Table[Route]:
        """Return the routes that the kernel has, of all tables but its own addresses'.

        A row a next hop, so that equal-cost paths are several rows::

            >>> r1.routes()
            destination  via       interface  metric  protocol  kind     table
            10.0.1.0/24            eth0               kernel    unicast  main
            10.0.2.0/24  10.0.3.2  eth1           20  ospf      unicast  main
            10.0.2.0/24  10.0.6.1  eth2           20  ospf      unicast  main

        """
        from playground.operations.nodes import routes

        return routes.routes(self)

    def watch_tcp(self, port: int | None = None, *, interval_s: float = 0.05) -> TcpSamples:
        """Sample this node's TCP connections while a block runs: windows, round trips.

        A row for each connection every ``interval_s`` seconds, of those with ``port`` at
        either end if one is given, and a plot of their congestion windows::

            with h1.watch_tcp(port=5201) as samples:
                h1.run("iperf3 -c www -t 3")
            samples.plot()

        The numbers are those of ``ss -ti``, tcp(7).  Raises `AgentError` on a kernel that
        does not tell them (CONFIG_INET_TCP_DIAG).

        """
        from playground.operations.captures.samples import watch_tcp

        live = self.running()
        return watch_tcp(live.agent, live.pid, port, interval_s)

    def policy_rules(self) -> Table[PolicyRule]:
        """Return the kernel's rules of policy routing, without its own three.

        ::

            >>> r1.policy_rules()
            family  priority  source          destination  interface  mark  table
                 4      1000  192.168.2.0/24                                  100

        """
        from playground.operations.nodes import routes

        return routes.policy_rules(self)

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

    def vtysh(self, *commands: str) -> str:
        """Give commands to FRR's terminal, in one session, and return what it says.

        ::

            print(r1.vtysh("show ip ospf neighbor"))
            r1.vtysh("configure terminal", "interface eth1", "ip ospf cost 100")

        What is changed so lasts as long as the lab; ``ip route`` and what else is zebra's or
        staticd's too.  Raises `CommandFailed` with the line that FRR refused, and carries out
        none after it.  Raises `BadArgument` on a node without routing daemons, and, before
        anything is done, for a line whose daemon does not run on the node.

        """
        from playground.operations.nodes.vtysh import vtysh

        return vtysh(self, commands)

    @property
    def address(self) -> str | None:
        """The node's first address, IPv4 before IPv6; ``None`` without any."""
        addresses = [address.ip for item in self.interfaces.values() for address in item.addresses]
        first = sorted(addresses, key=lambda address: address.version)[:1]
        return str(first[0]) if first else None

    def connections(self) -> Table[Connection]:
        """Return the connections that this node keeps in mind, as rows.

        These are what NAT and a firewall's "established" go by (conntrack): the
        packets of a connection as they came, and those of its answers.  A
        node keeps none in mind that neither translates nor filters.

        >>> modem.connections()
        protocol  source        source_port  destination  ...  state
        tcp       192.168.1.11        40312  10.25.1.1    ...  ESTABLISHED

        """
        from playground.operations.nodes import connections

        return connections.connections(self)

    def forget(self, *wanted: Connection) -> int:
        """Forget these rows of `connections`, or all; return how many.

        What a NAT has forgotten does not find back: the next packet from inside
        begins anew, perhaps with another port, and one from outside is dropped.

        >>> modem.forget(modem.connections()[0])

        """
        from playground.operations.nodes import connections

        return connections.forget(self, wanted)

    # Names

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

    # Services and ways in

    @property
    def services(self) -> Services:
        """The node's services by name: status, start, stop, restart, log.

        ::

            www.services["http"].stop()
            print(www.services["http"].log(lines=5))

        """
        from playground.operations.nodes.services import Services

        return Services(self)

    def ssh(
        self,
        to: Node | str | None = None,
        *,
        user: str = "root",
        password: str | None = None,
        timeout_s: float = 15,
    ) -> paramiko.SSHClient:
        """Return a `paramiko.SSHClient` that travelled from this node to another.

        Its packets leave this node as any program's would, so NAT, firewalls
        and a ``link.down()`` on the way count.  Without ``to`` it enters this
        node itself.  The lab's key opens the door, or ``password`` if given;
        the server's host key is checked.  A server that was not declared
        is started on the target.  Close the client, or use ``with``::

            with h1.ssh(to=www, user="student") as client:
                _, stdout, _ = client.exec_command("hostname")

        Raises a `PlaygroundError` when the target cannot be reached within
        ``timeout_s`` seconds, or does not let the user in.

        """
        from playground.operations.nodes import ssh

        return ssh.connect(self, to, user=user, password=password, timeout_s=timeout_s)

    def sockets(self) -> AbstractContextManager[Node]:
        """Have every Python socket that is made in a ``with`` block live on this node.

        Libraries work unchanged, as clients and as servers, and names resolve as on
        the node::

            with h1.sockets():
                urllib.request.urlopen("https://www.example.com/").read()

        It holds for this thread or task and those that it starts, until the block
        ends; blocks may be nested, and the inner one counts.  Other threads and tasks,
        sockets of the family AF_UNIX, and sockets made before, are not affected; a
        socket made in the block stays on the node.  TLS contexts made in the block that
        trust the system's authorities, or certifi's, trust the lab's too.

        What makes its sockets in C is not affected either: other programs, libcurl,
        ZeroMQ, uvloop.  Raises `EngineError` where the engine does not share a kernel
        with this program (Docker Desktop, ``DOCKER_HOST=ssh://...``), and where it
        runs without root: there `call` and `python` do it.

        """
        # unix(7), SCM_RIGHTS; network_namespaces(7).
        from playground.operations.nodes import sockets

        return sockets.sockets(self)

    def socket(
        self,
        family: int = socket_module.AF_INET,
        type: int = socket_module.SOCK_STREAM,  # noqa: A002 - as socket.socket has it
        proto: int = 0,
    ) -> socket_module.socket:
        """Return one Python socket that lives on this node, and may be used anywhere.

        ::

            with h1.socket() as line:
                line.connect(("www", 80))

        A name that it is told, the node looks up.  Raw and packet sockets are made as
        well.  Close it, or use ``with``.  Raises `EngineError` as `sockets` does.

        """
        from playground.operations.nodes import sockets

        return sockets.socket_on(self, family, type, proto)

    def terminal(self, *, user: str | None = None) -> TerminalLink:
        """Return what opens a terminal on this node from a notebook.

        In JupyterLab it is a button, which opens a terminal of JupyterLab's own in
        which a shell of the node runs, also from another machine's browser; elsewhere it
        says what to type in a terminal.  Needs ipykernel.  The terminal
        ends with the shell, or with the lab.

        """
        from playground.operations.nodes.terminal_link import TerminalLink

        return TerminalLink(self, user)

    def shell(self, command: Command | None = None, *, user: str | None = None) -> int:
        """Open a shell, or another interactive command, in this terminal.

        Returns its exit status when it ends (Ctrl-D, ``exit``).  Raises
        `PlaygroundError` where there is no terminal, as in a notebook.

        """
        from playground.operations.nodes import terminal

        return terminal.shell(self, command, user=user)
