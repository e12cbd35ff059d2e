"""The agent: what does a lab's plumbing, in the helper container.

It runs beside the lab's containers, in the process-id namespace of the engine's
machine and in an empty network namespace of its own, where the lab's bridges
live.  It imports nothing but the standard library and its own modules, which are
copied without the rest of playground into the helper's image.  It begins in
`agent.operations`.  This text is its protocol; `connection.client` is
its client.

The line
--------
One JSON object a line; bytes travel as base64 text.  Requests come in on file
descriptor 0, everything else goes out on what was descriptor 1 at the start (the
descriptor itself is pointed at stderr, so that a stray print cannot break a
line).  The first line out is::

    {"hello": {"protocol": 1, "pid": 4711, "python": "3.13.5"}}

A request is ``{"id": 1, "op": "echo", "args": {"value": 5}}``; its reply, once, is
``{"id": 1, "result": 5}`` or ``{"id": 1, "error": {"type", "errno", "message",
"traceback"}}``, where ``type`` is the name of a Python exception and ``errno``
the system's number or null.  Replies may come in another order than requests.
Events of a job (see spawn) come unasked::

    {"event": "stdout" or "stderr", "job": 3, "data": base64}
    {"event": "exit", "job": 3, "returncode": 0}

End of file on descriptor 0, or SIGTERM, means that the client is gone: the agent
kills what it owns (see own), then the process groups of its jobs, and exits.

Operations
----------
``pid`` is always the first process of a container, as the agent sees it; where
that process has ended, the error is a ProcessLookupError.  An END is
``{"pid", "interface", "mac", "bridge", "vlans"}``, where pid null means the agent's own
network namespace, mac and bridge may be null, and vlans, where the bridge tells them
apart, is CARRIED: ``{"vlan": number or null, "trunk": [numbers], "qinq": bool = false}``, the
VLAN that the port carries without tags, or those that it carries with tags.

echo(value) -> value
own(pids) -> [pids]
    Kill these processes at end of file, in this order (a helper's own last).
    Owning one again changes nothing.  The reply holds those that have ended
    already, which is no error.
disown() -> null
    Forget all of them.
power_off(nodes: [{"pid", "interfaces": [name]}], timeout_s = 2.0) -> null
    End all programs of these nodes but the first one: SIGTERM, after timeout_s seconds SIGKILL, and
    what stays beside a node for an earlier request, such as a client of DHCP.  Set all interfaces
    down, take all addresses of those named away, and let the kernel forget routes, rules of
    policy routing and of nftables, and connections.  Files stay.  What does not end is an EBUSY.
bare(pids) -> null
    Take away the interfaces that these nodes came with, but the loopback.
open_sysctls(pids) -> null
    Let root of these nodes write the settings of their networks, below /proc/sys/net.
wire(bridges: [{"device", "settings": SWITCH or null, "vlans": bool = false,
        "qinq": bool = false}],
        veths: [{"a": END, "b": END, "mtu_bytes", "offload"}]) -> null
    An end may have an "mtu_bytes" of its own.
    Bridges and bridge ports are up afterwards, without IPv6.  Ends inside nodes
    are left down, so that no frame leaves them before `network` has set their
    sysctls.  On a failure all that this call made is removed again.  SWITCH is
    {"stp": bool, "ageing", "priority", "forward_delay", "hello_time", "max_age"}, times
    in hundredths of a second; ageing 0 makes a hub.  With "igmp_snooping" what is for a group
    goes to its members.
switch(bridges: [{"device", "settings": SWITCH, "ports": [{"port", CARRIED}],
        "port_settings": [{"port", "cost", "priority", "isolated": bool,
        "passes_lacp": bool}] = [],
        "usual": likewise = [], of which a port that is gone is no error,
        "mirror": {"to", "entering": [port], "leaving": [port]} or null,
        "unmirror": [port]}]) -> null
    Change bridges that are there, and the VLANs of these ports.  Mirrors are taken from
    the ports ``unmirror`` (one that is gone is no error), then set: what enters or leaves
    these ports goes out of the port ``to`` as well.
bond_ports(ends: [END with "bond": BOND, "offload": bool]) -> null
    Make bonds that are ports of bridges, of interfaces that are in none.  BOND is {"name", "mode":
    its number, "members": [interface], "hash": a number or null, "primary": interface or null,
    "miimon_ms", "lacp": bool, "mtu_bytes", "mac": "" for the kernel's own}.
bonds(ends) -> [[{"interface", "up", "active", "failures", "partner"}]]
    The members of each bond: whether each has a carrier, is in use (of LACP: that the other side
    said so too), how often it was lost, and the other side's MAC address, null without LACP.
guard_ports(bridges: [{"device", "guards": [{"port", "table", "commands"}],
        "unguarded": [table]}]) -> null
    Load tables of nftables that guard ports; ``commands`` are those of nft(8), which say
    `iifname != "PORT"` of what is another's.  Tables that are ``unguarded`` go (one that is
    gone is no error).  All of them or none.
port_guards(device, tables) -> [{"table", "learned": [mac], "refused": [[mac, frames]],
        "refusals", "flooded", "suppressed"}]
    What these guards of a bridge's ports have learned, and how many frames they have refused,
    let pass and held back; null where a guard does not count it.  Of a table that is not there
    there is no row.
switches(devices) -> [{"device", "id", "root", "root_cost", "ports": [{"port", "state",
        "carrier", "cost", "alias"}]}]
    The spanning tree as each bridge sees it: ids are 16 hexadecimal digits, state is
    "disabled", "listening", "learning", "forwarding" or "blocking".
    Where the bridge tells VLANs apart, a port has what CARRIED has too.  Where it is a
    bridge for each VLAN there is a row for each, with ``vlan`` (else null).
learned(device) -> [{"mac", "port", "vlan", "age_s"}]
    What a bridge has learned, in which VLAN if it has any, and how long ago it last heard it.
vlan_ways() -> ["8021q", "filtering"]
    Which ways there are here to tell VLANs apart: interfaces with tags are the kernel's
    own ("8021q") or work by "programs", and bridges do "filtering" or are one for each VLAN.
kernel_lacks(trials: [[kind, name]]) -> [text or null]; of several machines
    [{machines: [name], said: text} or null]
    Whether this kernel has each of these, null, or what it says of one that it lacks.  Kind is
    "link" (of interfaces), "queue", "congestion" (of TCP) or "mpls".  It says "kept" of a
    congestion control that no host may choose.
unwire(veths: [END], bridges: [{"device"}] = []) -> null
    Remove these interfaces (the other end goes too) and bridges.  One that is
    gone already is no error.
tunnel(underlay: pid, tunnels: [{"vni", "local", "remote", "port", "source_port", "mtu_bytes"}])
        -> null
    Join far ends, interfaces ``x`` and the VNI in six hexadecimal digits that `wire` has made
    here, by VXLAN with those of the same name on another machine.  Packets leave by the network
    of the process ``underlay``.  On a failure all that this call made is removed again.
untunnel(vnis) -> null
    Remove these tunnels, and the veth pairs of their far ends.  One that is gone is no error.
far_ends() -> [{"interface", "up", "carrier"}] ; set_far_ends(up: [name], down: [name]) -> null
watch_far_ends() -> null
    From now on each change of a far end is told as an event "far_end" with a row of far_ends.
interface_names() -> [name]
    The interfaces of the agent's own network namespace.
network(nodes: [{"pid", "interfaces": [{"name", "addresses": ["192.168.1.11/24"]}],
        "sysctls": {"net.ipv4.ip_forward": "1"}, "routes_add": [ROUTE],
        "routes_remove": [ROUTE], "addresses_remove": [{"interface": "eth0",
        "address": "192.168.1.11/24"}]}]) -> null
    ROUTE is {"destination": "10.0.0.0/8", "via": address or null, "interface"}.
    What was said by hand is in own_routes_add, own_routes_remove, rules_add and
    rules_remove: {"destination", "hops": [{"via", "interface"}], "metric", "kind",
    "table": number}, where kind is "unicast" or that of a route that leads nowhere,
    and {"family": 4 or 6, "priority", "source", "destination", "interface", "mark",
    "table"}; other values may be null.  They come last, and go first.
    An interface with a ``vlan`` also has ``parent``, upon which it is made where it is not
    yet, and ``offload``.  One with a ``tunnel`` is made likewise: {"kind": "gre", "ipip", "sit"
    or "vxlan", "local", "remote", "number": GRE's key or VXLAN's VNI or null, "port": UDP's or
    null, "ttl", "mtu_bytes", "mac"}.  interfaces_remove: [{"name", "parent", "vlan"}] takes one
    of a VLAN away.
    All but pid may be left out.  First routes_remove, then addresses_remove: one
    that is not there, or whose interface is not, is no error; with an address
    the kernel removes the routes that need it.  Then loopback up, sysctls,
    addresses, interfaces up, routes_add (those without via first), and sysctls
    are read back.  Repeating it changes nothing.
link(ends: [END], up: bool, nodes: as for network = []) -> null
    Set interfaces up or down; then do what `network` does, to bring back the
    addresses and routes that went with an interface.  On a failure the interfaces
    are set back.
forget_neighbours(nodes: [{"pid", "interface", "addresses": ["192.168.1.11"]}]) -> null
    Forget which MAC addresses these had.  What is not known is no error.
interfaces(ends: [END]) -> [{"up", "carrier", "mtu_bytes", "mac", "statistics": {...}}]
    State and counters, named as in struct rtnl_link_stats64.
impair(directions: [{"pid", "interface", "watch": pid or null, "impairment": IMPAIRMENT
        or null, "before": the same, "replace": bool = false}]) -> [["netem"]]
    Do something to all frames that leave by an interface: IMPAIRMENT is what
    `model.impairment.Impairment.request` returns, null takes it away.  Each row
    says which ways are used: "netem", or where the kernel has none "tbf" (rate),
    "filter" (loss), "relay" (the rest).  A relay is a process that ends with the
    process ``watch``.  On a failure all get their ``before`` back.  A queue that is not
    ours is an error without ``replace``.
routes(pids, most = null) -> [[{"destination", "via", "interface", "metric", "protocol", "kind",
        "table", "source", "weight"}]]
    The routes of each node, in all tables but those of its own addresses, as the
    kernel has them: a row a next hop, numbers as in rtnetlink(7).  Via, interface,
    metric and source may be null.  With ``most`` about so many of each node at most.
impaired(ends: [END]) -> [{"by": ["netem"], "settings": {"delay_ms": 50}}]
    What impairs the frames that leave by each, and how, read from the kernel: ways as
    for impair, settings by the names of `model.impairment.Impairment`.
    With IMPAIRMENT's key ``queue`` frames wait in a queue of their own: {"kind", "shapes",
    "netem_packets", "settings", "rate_mbit"}, or with classes {"kind": "htb" or "hfsc", "rest":
    number of the class of all other packets, "classes": [{"minor", "rate_mbit", "ceil_mbit",
    "priority", "burst_bytes", "ceil_burst_bytes", "quantum_bytes", "queue", "filters":
    [{"version", "priority", "keys": [[offset, mask, value, words]]}]}]}.
queues(ends: [END]) -> [{"time_s", "queues": [...], "classes": [...]}]
    The queues and classes where frames leave by each, and what they have counted: kind, handle or
    number, parent, settings, sent_bytes, sent_packets, dropped, waiting_packets, waiting_bytes,
    marked (ECN).  At most 256 rows.
policy_rules(pid) -> [as rules_add of network]
    The rules of policy routing that a node has, but the kernel's own three.
sysctls(pid, names) -> [text or null]
    Settings of a node's network, null where there is none of that name.
lease(clients: [{"pid", "interface", "watch": pid or null, "hostname": text or null,
        "gateway": bool = true, "planned": [address] or null}], timeout_s, servers: [pid] = [])
        -> [LEASE or null]
    Ask for an address by DHCP, set the interface up for that, and give it what was
    given, with ``gateway`` the default route too, or where the address is none of those
    ``planned``.  Nobody asks before ``servers`` listen, or some seconds are over.  A process
    renews it until the interface is gone or the process ``watch`` has ended.  LEASE is {"address":
    "10.1.1.7/24", "router", "nameservers", "domain", "server", "lease_s"}, null where
    nobody has given one in time.
dhcp_offers(pid, interface, listen_s = 1.0, timeout_s = 5.0) -> [LEASE]
    Ask for an address as a machine that is new on the network of an interface, and return what all
    servers offer that answer within listen_s of the first; none of it is taken.
autoconfigured(interfaces: [{"pid", "interface", "addresses", "servers"}], timeout_s)
        -> [{"ready", "addresses", "refused", "heard", "managed", "other"}]
    Wait until each interface has the IPv6 addresses, and its node's resolv.conf the name
    servers, or it has found one of its own addresses taken; else "unserved" are those missing.
    ``heard`` is whether a router was, the next two what it said of DHCPv6 (RFC 4861).
name_servers(nodes: [{"pid", "watch": pid, "interfaces", "expected": [address]}], timeout_s)
        -> [[address]]
    Write into each node's resolv.conf the name servers and domains that routers tell of (RFC
    8106), after these interfaces have asked; return those that were heard when all that are
    ``expected`` were, or time is over.  A process goes on with it until ``watch`` has ended.
firewall(nodes: [{"pid", "ruleset": [text or [chain, comment]], "table": text = "playground"}])
        -> [pid]
    Each ruleset is given to ``nft -f -`` in its node's network namespace, its texts
    one after the other.  An empty text changes nothing: to take rules away, send what
    deletes them.  A pair stands for a counter, which goes on from what a rule of that
    chain and comment has counted in the table of the family inet.
    Instead of a ruleset "edit": {"translations": text, "known": {chain: checksum}, "remove":
    [[chain, comment]], "insert": [[chain, comment or null, text]]} gives nft that text, takes
    rules out of that table by their comments, and puts others before one with a comment, or at
    the end, all at once.  ``known`` are the CRC-32 (zlib) of
    the comments of each chain's rules that count, with a newline between two.  Where others are
    there, nothing is edited, and the answer has the node's pid.
rule_counts(pid, table = "playground") -> [[chain, comment, packets, bytes]]
    What the rules of an inet table have counted, in their order.
ruleset(pid) -> text
    All rules of a node, as ``nft list ruleset`` prints them.
connections(pid, most = null) -> [CONNECTION]
    What a node's connection tracking knows, at most so many: {"protocol": 6, "source",
    "source_port", "destination", "destination_port" of its first packet, "reply_source" and
    so on of its answers (ports null where there are none; ICMP's id is its source port),
    "state": TCP's or null, "status": bits of linux/nf_conntrack_common.h, "expires_s",
    "mark", "packets", "bytes" (null where the kernel does not count), "helper"}.
forget(pid, connections: [CONNECTION] or null) -> number
    Take these out of a node's connection tracking, or all; how many were there.
processes(pid) -> [{"pid", "parent", "user", "state", "memory_bytes", "cpu_s", "command",
        "executable"}]
    What runs in a node, by the numbers that it has there; ``state`` is the kernel's
    letter, ``user`` a name where the node's /etc/passwd has one, ``executable`` the file
    that the kernel runs, "" where that is not to be seen.  The agent's own
    launchers, which are away in a node for moments, are no part of it.
files(nodes: [{"pid", "files": [{"path", "content": base64 or number, "mode": 0o644,
        "uid": 0, "gid": 0, "append": false, "optional": false}]}], contents: [base64] = [])
        -> null
    A content that many files have stands once in contents, its number in them.
    Write files as seen from inside the node; missing folders are made, and of a path that
    ends with a slash nothing else.  What
    exists is written in place, never renamed over: /etc/hosts is a bind mount.  With mode
    null it keeps its mode and owner.
    uid and gid may be names, from the node's own /etc/passwd and /etc/group.  One that is
    optional is left out where it cannot be written, or there is nothing to append to.
    With "old", which is base64 or a number too and what was written there before, lines that
    somebody has added since stay.
file_kind(pid, path) -> "file", "directory" or ""
    What is there, "" for what is not, or is neither.
changed_programs(pid, names: [name or path]) -> {name: "changed" or "added"}
    Which programs of a node differ from what the agent itself sees by that name, or are
    not there for it; a shell's usual folders are looked through in their order.
read_file(pid, path, tail_bytes = null) -> base64
    A regular file's content; with tail_bytes no more than its last so many
    bytes.  What is no regular file is an OSError with EISDIR or EINVAL, and one
    of more than 64 MiB, of which no tail is asked for, one with EFBIG.
read_only(pids) -> null
    Let nobody write to the root of these nodes any more; what is mounted in it stays as it is.
volumes(pid, targets: [path, ...]) -> {"boot": text, "files": [[device, inode], ...]}
    Let no set-user-id program and no device of these volumes have power; tell which files
    stand there, and by which boot of a kernel they are counted.
accounts(nodes: [{"pid", "users": [{"name", "password_hash": text or null, "uid",
        "groups": [...], "shell"}], "strange": false}]) -> null
    Add or change users; a home is made from /etc/skel.  For root only the hash counts.
    In a strange image that is done as far as it has the files, and room for them.
furnish(nodes: [{"pid", "users": as for accounts, "files": as for files}], contents) -> null
    Both in one request, a node's accounts before its files.
share_files(files: [{"path", "content"}]) -> null
    Put what all nodes of a lab of bare namespaces have alike where they see it.
hash_passwords(passwords: [text]) -> [text]
    SHA-512 hashes, as crypt(5) writes them.
hostname(nodes: [{"pid", "hostname"}]) -> null ; hostname_of(pid) -> text
boot(nodes: [{"pid", "programs": ["sshd"]}]) -> null
    Link each /etc/sv/NAME into /run/service and start ``runsv /run/service/NAME``,
    if it does not run yet, with all that the container has (see spawn).  It
    outlives the agent; its complaints go to /run/playground/boot.log in the node.
programs(do, ...) -> [STATUS] (of list: [{"pid", "request"}], of log: base64)
    Ask the lab's supervisor, which outlives the agent, about the users' programs.  ``do`` is
    "start" with programs: [{"pid", "name", "argv", "env", "cwd", "user", "restart": {"when":
    "no", "on-failure", "always" or "unless-stopped", "most": number or null}, "stop_signal",
    "stop_timeout_s"}], all but the first three may be left out; "list" with pids; "states" with
    programs: [[pid, name]]; "begin",
    "stop", "status" or "log" with pid and name.  Start, begin and stop reply when it is done,
    or cannot be.  STATUS is {"name", "running", "restarting", "stopped": by request, "pid",
    "command": what runs now, "ports": TCP ports on which somebody there listens, "returncode",
    "restarts", "seconds", "error"}, where pid is 0 and the error null if there is none.  A log
    is the last 1 MiB that the program has printed.
wait_ready(checks: [{"pid", "node", "service", "port", "protocol": "tcp" or "udp",
        "tls": bool, "send": base64 or null, "expect": regular expression or null,
        "address": "127.0.0.1", "authority": PEM or null, "other_port": false}], timeout_s)
        -> [{"node", "service", "port", "message"}]
    Ask each service, from inside its node, until it answers with bytes that the
    expression (read as latin-1) is found in.  With an authority its certificate
    must be signed by that, for the node's name.  With other_port the answer to a
    datagram may come from another port, as TFTP's does.  The list holds those that did
    not; it is empty when all is well.
sample(ends: [END], pids) -> {"time_s", "interfaces": [{"time_s", "tx_bytes", "tx_packets",
        "dropped", "queue_packets", "queue_bytes"}], "connections": [[{"state": number, "source",
        "source_port", "destination", "destination_port", "acked_bytes", "snd_cwnd", ...}]]}
    One look at what interfaces have sent and what waits there (in a queue of the kernel's),
    and at the TCP connections of nodes, with struct tcp_info of linux/tcp.h by its own
    names.  The time is that of a clock that only runs forward.
states(pids, with_connections = true) -> [{"interfaces": [{"name", "kind", "up",
        "carrier", "mtu_bytes", "mac", "below", "master", "settings": {"ipv4.rp_filter": "0"},
        "addresses": [{"address": "192.168.1.11/24", "peer", "refused", "tentative"}]}],
        "routes": as for routes, "rules": as for policy_rules,
        "neighbours": [{"interface", "address", "mac", "state"}],
        "sockets": [{"protocol", "address", "port", "program", "only_ipv6"}],
        "connections": as for connections, "sysctls": {name: text or null},
        "tables": [[family, name]], "firewall": [{"family", "table", "chain", "handle",
        "comment", "hook", "statements": ["match", "counter", "snat"], "text"}]}]
    What the kernel knows of each node's network, in one go: ``sockets`` are those that
    listen, ``below`` is what a VLAN's interface stands on.  ``firewall`` holds the rules of
    nftables, what they do by the names of libnftables-json(5), and as nft writes them; a
    row without a handle is about a chain or a set.
link_states(pids) -> [{interface: [passes: bool, rx_bytes, tx_bytes, queue]} or null]
    All interfaces of these networks in short: whether each is up and has a carrier, what it has
    counted, and the kind of the queue where frames leave; null of one that has ended.
listening(nodes: [{"pid", "ports": [["tcp" or "udp", port]]}]) -> [[bool] or null]
    On which of these ports anybody listens; null of a node that has ended.
look_up_routes(questions: [{"pid", "destination", "source", "interface", "mark", "protocol",
        "source_port", "port"}]) -> [WAY]
    Which way the kernel would send each packet (`ip route get`): one of its own, or with
    ``interface`` one that came in by it.  All but pid and destination may be null.  WAY is
    {"errno": null, "kind", "via", "interface", "source", "table", "prefix": of the route,
    "protocol": who made it, "mtu_bytes"}, or {"errno", "message"}.
probe(pid, watch: [pid or null], protocol: number, destination, port, payload: base64,
        packet: base64 or null, quiet_s = 0.3, timeout_s = 3.0) -> {"outcome": {"answered",
        "errno", "seconds", "source", "source_port"}, "frames": [[place in watch, interface,
        pkttype of packet(7), time_s, base64]], "traces": [TRACE], "counted": [{name: by}]}
    Send one packet from a node, and look at what comes of it at all places of ``watch``:
    a TCP connection (reset once it is there), a UDP datagram, an echo request, or a
    ``packet`` as it is.  It ends with an answer, when nothing has come for quiet_s, or
    after timeout_s.  Frames are those of ARP, ICMP and the protocol, in every interface,
    the first 256 bytes.  TRACE is what one rule of nftables decided, as in nf_tables.h:
    {"watch", "table", "chain", "handle", "type", "verdict", "policy", "id", "mark",
    "family", "network": base64, "transport": base64}, in nodes that have rules; what
    makes the kernel tell is a table that is there no longer than this takes.
watch_packets(watch, protocol, opening) -> number ; packets_watched(watcher: number) -> {"frames",
        "traces", "counted"}
    What `probe` sees, of a packet that is sent from another machine: watched from before the
    first reply until the second request.  With ``opening`` no more of TCP than begins or ends
    a connection.
clock() -> number
    The time here, in nanoseconds since 1970.
echo_all(nodes: [{"pid", "targets": [address]}], count, interval_s, timeout_s)
        -> [[{"sent", "rtts_ms": [number], "problem": PROBLEM or null}]]
    Send echo requests from each node to each of its targets, count times, and wait for
    replies until timeout_s after the last; a list for each node, an entry for each target.
    PROBLEM says why no reply came: {"errno", "message"} of what could not be sent, or the error
    of ICMP {"from", "version": 4 or 6, "type", "code"}.  Where there are many pairs, the
    neighbours that were not known before are forgotten.
ask_datagrams(pid, payloads: [base64], servers: [address], port, timeout_s) -> [base64 or null]
    Send all payloads by UDP from a node to a server, and return what came back within
    timeout_s that begins with the first two bytes of one: of the first server of these
    from which anything came.
state_save(data: text) -> null ; state_changes() -> null ; state_load(wait_s = 0) -> text or null
    One text kept in the helper, for a client that comes later.  Who loads it waits, at most
    so long, while another text is announced and not saved yet.
state_stamp() -> text
    Another one whenever another text was saved; "" before the first.
spawn(pid, argv, env = null, cwd = null, user = null, stdin = false, tty = null,
        merge_stderr = false, limit_s = 30) -> {"job": number, "pid": number}
    Start a command in a node with what the container has: all namespaces, root,
    control groups, capabilities, environment (env is added to it), working
    directory, user (or a name, or "uid[:gid]").  It leads its own session and
    process group.  ``tty`` is [columns, lines] for a terminal of the node's own.
    The reply comes when the command runs; a command that cannot be started is
    an error (FileNotFoundError, PermissionError, NotADirectoryError, LookupError
    for a user).  One that does not run after limit_s seconds, or 30, is killed, and a
    TimeoutError with ETIMEDOUT.  The exit event comes once the command itself has ended and all
    that it had written into its pipes is sent.  Processes that it left in the
    background may hold the pipes open: what they write later is thrown away.
capture(places: [{"pid": pid or null, "interface"}], filter = "", snaplen_bytes = 262144)
        -> {"job": number, "pid": number}
    Start a job that captures what these interfaces send and take, from before the reply
    until SIGTERM; then it hands on what is under way and ends.  The filter is
    pcap-filter(7); one that libpcap refuses is an OSError with EINVAL, and ENOPKG says that
    there is no libpcap.  Its stdout is a line of JSON, {"byte_order": "little" or "big",
    "link_types": [1]} (1 is Ethernet, 101 bare IP), of several machines with "ahead_ns", by
    how much the clock of each place's machine is ahead of the first one's.  Then come
    records: the number of a place and a length, both of 4 bytes, the least significant first,
    and so much data.
    That is a block of the kernel's ring (struct tpacket_block_desc of linux/if_packet.h).
    Number -1 is a mark, a time in nanoseconds of 8 bytes: what is to come is later, unless
    the machine is very busy.  Number -2 is the end: JSON, [{"packets", "dropped"}].
happenings(nodes: [{"pid": pid or null, "ports": [["tcp" or "udp", number]] = []}])
        -> {"job": number, "pid": number}
    Start a job that tells what happens in nodes, or with null in the lab's own network, from
    before the reply until a signal.  Its stdout is lines of JSON: first {"pid", "interface", "up",
    "carrier", "there": true} of each interface, {"pid", "ports": [[protocol, number, is_open]]},
    and {"ready": true}.  Then the same where something changes ("there" is false of what is gone),
    {"pid", "address": "10.0.0.1/24", "interface", "there"}, {"pid", "route": as for routes,
    "there"} but of those that the kernel makes of addresses, {"pid", "died": true}, and {"state":
    true} when another text was saved by state_save.  At most 200 a second are told of one node;
    {"pid", "lost": number} says how many more there were.
write(job, data: base64) -> null
    The reply comes when the command has taken it all; BrokenPipeError when it
    reads no more.
close_stdin(job) -> null
signal(job, signum) -> null
    To the whole process group; nothing happens to a job that has ended.
kill_background(pid) -> count
    Kill all processes of the node that are in the process group of a job which has ended.
resize(job, columns, lines) -> null
socket_line(boot_id, pid, pid_namespace, descriptor) -> text or null
    Take the client's descriptor, one end of a pair of SOCK_SEQPACKET sockets, by which
    it is then handed sockets that live in nodes.  Null when that is done, else why it
    cannot be.  ``boot_id`` is that of the client's kernel, ``pid`` its process as it is
    called in the process-id namespace of the inode number ``pid_namespace``.  An agent
    that was started with such a descriptor needs no request.
    Each packet of the client's is {"id", "pid", "family", "type", "protocol"}, numbers as
    in socket(2); the answer is {"id"} with the socket beside it, or {"id", "error"}.
    Or it is {"id", "pid", "publish": PUBLISHED} with a socket beside it that is bound on the
    client's machine, and the answer is {"id"}, or with an "error": a process carries what
    comes by it to a port of the node's until that has ended, or `unpublish`, which may also
    be asked for here: {"id", "unpublish": key}.
carry() -> null
    From this reply on the line carries connections to nodes, as `agent.ports.streams` lays it
    down, and no more requests.  Its end ends the agent.
published() -> [PUBLISHED]
    Which ports are carried to nodes of this lab: {"key": text, "protocol": "tcp" or "udp",
    "port": the node's} and whatever else the client said of each.
unpublish(keys: [text]) -> null
    Carry no more; whom it connects is cut off.  One that has ended is no error.
credit(job, bytes) -> null
    The client has consumed so many bytes of a job's output.  With 4 MiB not yet
    consumed the agent reads no more from that job, until it ends.

"""
