"""What the agent does, in real namespaces, and as a container sees it."""

from __future__ import annotations

import ast
import base64
import contextlib
import ctypes
import errno
import hashlib
import json
import os
import resource
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support_agent import (
    NO_IPV6,
    PACKAGE,
    Namespaces,
    agent_argv,
    connect,
    end,
    in_network,
    needs_root,
    node,
    veth,
    wait_for,
)

import playground.agent
from playground import cgroups
from playground.agent import (
    control_groups,
    kernel,
    links,
    offloads,
    operations,
    seccomp,
)
from playground.agent.netlink import NLMSG_ERROR, Netlink
from playground.agent.nodes import read_status
from playground.agent.programs import DEFAULT_PATH
from playground.docker_engine import DockerEngine
from playground.engine import LabLabels, NodeContainer
from playground.errors import AgentError
from playground.images import helper_image
from playground.remote import Client

ETH_P_ALL = 3  # linux/if_ether.h
LLDP = bytes.fromhex("0180c200000e")  # IEEE 802.1AB: nearest bridge


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """An agent with an empty network namespace of its own."""
    monkeypatch.setenv("PLAYGROUND_STATE", str(tmp_path / "state" / "state.json"))
    with connect() as client:
        yield client


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Namespaces, Namespaces]]:
    """Two nodes for tests that put nothing in their networks."""
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        yield h1, h2


@pytest.fixture
def nodes() -> Iterator[tuple[Namespaces, Namespaces]]:
    """Two fresh nodes."""
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        yield h1, h2


def run(agent: Client, pid: int, script: str, **options: Any) -> str:
    """What a shell script prints on a node; it must succeed."""
    process = agent.spawn(pid, ["sh", "-c", script], **options)
    out, err = process.communicate(timeout_s=20)
    assert (process.wait(20), err) == (0, b"")
    return out.decode()


def plug(agent: Client, h1: Namespaces, h2: Namespaces, offload: bool = False) -> None:
    """Put two nodes on one bridge, silent and without addresses."""
    agent.call(
        "wire",
        bridges=[{"device": "br0"}],
        veths=[
            veth(end(h.pid, "eth0"), end(None, f"p{h.pid}", "br0"), offload=offload)
            for h in (h1, h2)
        ],
    )


def says(server: Namespaces, client: Namespaces, address: str) -> bytes:
    """What arrives of a datagram sent from one node to another."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        with server.network():
            inner = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        with client.network():
            outer = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        inner.bind((address, 4000))
        inner.settimeout(10)
        outer.sendto(b"hello", (address, 4000))
        return inner.recv(100)


# -- The line ----------------------------------------------------------------


def test_every_operation_stands_in_the_protocol() -> None:
    text = playground.agent.__doc__ or ""
    names = [*operations.OPS, *operations.WORK]
    assert [name for name in names if f"\n{name}(" not in text and f"; {name}(" not in text] == []


def test_agent_imports_no_playground_and_nothing_foreign() -> None:
    program = f"""
{PACKAGE}
from playground.agent import operations
names = {{name.partition(".")[0] for name in sys.modules}} - {{"playground"}}
print(names - sys.stdlib_module_names)
print({{name for name in sys.modules if name.startswith("playground.")}})
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True)
    foreign, ours = (ast.literal_eval(line) for line in done.stdout.decode().splitlines())
    assert foreign == {"__main__"}
    assert {name.split(".")[1] for name in ours} == {"agent"}


def test_stray_print_does_not_break_a_line() -> None:
    noisy = (
        "operations.OPS['loud'] = lambda *_: print('stray'); "
        "operations.WORK['louder'] = lambda: (print('stray'), sys.stdout.flush()) and 7"
    )
    with connect(before=noisy, network=False) as client:
        assert client.call("loud") is None
        assert client.call("louder") == 7
        assert client.call("echo", value=1) == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"no json", "JSONDecodeError"),
        (b"[1]", "TypeError"),
        (b'{"id": 4, "op": "nosuch"}', "LookupError"),
        (b'{"id": 4, "op": ["echo"]}', "TypeError"),
        (b'{"id": 4, "op": "echo", "args": 5}', "TypeError"),
        (b'{"id": 4, "op": "echo", "args": {"valu": 5}}', "TypeError"),
        (b'{"id": 4, "op": "wire", "args": {"bridges": 5}}', "TypeError"),
        (b'{"id": 4, "op": "write", "args": {"job": 1, "data": ""}}', "LookupError"),
        (b'{"id": 4, "op": "own", "args": {"pids": ["x"]}}', "TypeError"),
    ],
    ids=["text", "list", "op", "op list", "args", "name", "worker", "job", "pid"],
)
def test_bad_request_is_an_error_and_no_end(line: bytes, kind: str) -> None:
    good = b'{"id": 5, "op": "echo", "args": {"value": 6}}'
    with subprocess.Popen(
        agent_argv(network=False), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert "hello" in json.loads(process.stdout.readline())
        process.stdin.write(line + b"\n\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["error"]["type"] == kind
        process.stdin.write(good + b"\n")
        process.stdin.close()
        assert json.loads(process.stdout.readline()) == {"id": 5, "result": 6}
        assert process.wait(20) == 0


def test_reply_of_a_worker_that_is_killed() -> None:
    program = "import os; operations.WORK['die'] = lambda: os.kill(os.getpid(), 9)"
    with connect(before=program, network=False) as client:
        with pytest.raises(AgentError, match="was killed"):
            client.call("die")
        assert client.call("echo", value=1) == 1


def test_operation_without_end_is_given_up() -> None:
    program = (
        "import time; from playground.agent import loop; loop.WORK_LIMIT_S = 0.2; "
        "operations.WORK['sleep'] = lambda: time.sleep(1000)"
    )
    with (
        connect(before=program, network=False) as client,
        pytest.raises(AgentError, match="took too long") as caught,
    ):
        client.call("sleep")
    assert caught.value.errno == errno.ETIMEDOUT


def test_state_is_kept_for_a_later_agent(agent: Client, tmp_path: Path) -> None:
    assert agent.call("state_load") is None
    agent.call("state_save", data="é" * 100_000)
    with connect(network=False) as later:
        assert later.call("state_load") == "é" * 100_000
    file = tmp_path / "state" / "state.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["state.json"]


# -- The end -----------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("how", ["end of file", "SIGTERM"])
def test_end_kills_what_is_owned_and_every_job(how: str) -> None:
    with Namespaces("owned") as owned, Namespaces("other") as other:
        client = connect()
        client.call("own", pids=[owned.pid])
        client.spawn(owned.pid, ["sleep", "1000"])
        client.spawn(other.pid, ["sh", "-c", "sleep 1001 & sleep 1002"])
        if how == "SIGTERM":
            os.kill(client.hello()["pid"], signal.SIGTERM)
        client.close()
        owned.wait()
        assert Path(f"/proc/{other.pid}").exists()
        with connect() as later:
            # Its first process, ours, and the one that lists them.
            wait_for(lambda: "sleep 100" not in run(later, other.pid, _COMMANDS))


# Without a ps: every command line but that of the first process.
_COMMANDS = (
    "for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) "
    "tr '\\0' ' ' < $p/cmdline 2>/dev/null || true;; esac; done"
)


@needs_root
def test_disown_lets_a_node_live(pair: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = pair
    with connect() as client:
        client.call("own", pids=[h1.pid])
        client.call("disown")
    assert Path(f"/proc/{h1.pid}/ns/net").exists()


@needs_root
@needs_root
def test_more_nodes_than_the_usual_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        with connect() as agent, contextlib.ExitStack() as stack, Namespaces("h1") as h1:
            nodes = [stack.enter_context(subprocess.Popen(["sleep", "60"])) for _ in range(150)]
            assert agent.call("own", pids=[node.pid for node in nodes]) == []
            # What runs in a node has the limits that the engine gave.
            assert run(agent, h1.pid, "ulimit -Sn").strip() == "100"
            agent.close()
            assert {node.wait() for node in nodes} == {-signal.SIGKILL}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_owning_what_is_gone_or_owned_already(agent: Client) -> None:
    pid = agent.hello()["pid"]
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        assert agent.call("own", pids=[process.pid, h1.pid]) == [process.pid]
        open_files = os.listdir(f"/proc/{pid}/fd")
        assert agent.call("own", pids=[h1.pid, process.pid]) == [process.pid]
        assert os.listdir(f"/proc/{pid}/fd") == open_files
        h1.kill()
        assert agent.call("own", pids=[h1.pid, h2.pid]) == [h1.pid]
        agent.close()
        h2.wait()


@needs_root
def test_no_zombies_and_no_open_files_stay(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    pid = agent.hello()["pid"]
    agent.spawn(pair[0].pid, ["true"]).communicate(timeout_s=20)
    before = sorted(os.listdir(f"/proc/{pid}/fd"))
    for script in ("true", "sleep 0.01 & exit 3", "cat", "yes | head -c 100000"):
        for _ in range(5):
            agent.spawn(pair[0].pid, ["sh", "-c", script], stdin=True).communicate(
                b"x" * 70_000, timeout_s=20
            )
        agent.call("read_file", pid=pair[0].pid, path="/etc/hosts")
        with contextlib.suppress(AgentError):
            agent.spawn(pair[0].pid, ["nosuch"], stdin=True)
        agent.spawn(pair[0].pid, ["true"], tty=(80, 24)).communicate(timeout_s=20)
    wait_for(lambda: sorted(os.listdir(f"/proc/{pid}/fd")) == before)
    # One child stays, the launcher, and it has none.
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_for(lambda: len(children.read_text().split()) == 1)
    [launcher] = children.read_text().split()
    assert Path(f"/proc/{launcher}/task/{launcher}/children").read_text() == ""


# -- Entering ----------------------------------------------------------------


@needs_root
def test_command_is_in_the_node(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    for name, h in zip(("h1", "h2"), pair, strict=True):
        seen = run(agent, h.pid, "hostname; echo $NODE; tr '\\0' ' ' < /proc/1/cmdline")
        assert seen.split("\n") == [name, name, "sleep 1000 "]
        for kind in ("net", "mnt", "pid", "uts", "ipc"):
            inside = run(agent, h.pid, f"readlink /proc/self/ns/{kind}").strip()
            assert inside == os.readlink(f"/proc/{h.pid}/ns/{kind}")


@needs_root
def test_agent_stays_where_it_is(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    pid = agent.hello()["pid"]

    def places() -> list[str]:
        links = [f"ns/{name}" for name in sorted(os.listdir(f"/proc/{pid}/ns"))]
        return [os.readlink(f"/proc/{pid}/{link}") for link in [*links, "root", "cwd"]]

    before = places()
    run(agent, pair[0].pid, "true")
    with contextlib.suppress(AgentError):
        agent.spawn(pair[0].pid, ["nosuch"])
    agent.call("files", nodes=[])
    assert places() == before


@needs_root
def test_command_starts_clean(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    # 3 is the listing's own.
    assert run(agent, pair[0].pid, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]
    status = run(agent, pair[0].pid, "cat /proc/self/status").splitlines()
    signals = [line.split()[1] for line in status if line.startswith(("SigBlk", "SigIgn"))]
    assert signals == ["0" * 16] * 2
    assert run(agent, pair[0].pid, "umask; readlink /proc/self/fd/0") == "0022\n/dev/null\n"


@needs_root
def test_working_directory_and_environment() -> None:
    with Namespaces("h1", cwd="/usr/share", env={"A": "b=c", "B": ""}) as h1, connect() as agent:
        assert run(agent, h1.pid, "pwd; echo $A/$B/$C", env={"C": "d"}) == "/usr/share\nb=c//d\n"
        assert run(agent, h1.pid, "pwd; echo $A", cwd="/etc", env={"A": "x"}) == "/etc\nx\n"


@needs_root
def test_user_and_groups(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = nodes
    student = {"name": "student", "password_hash": None, "uid": 4321, "groups": ["mail"]}
    agent.call("accounts", nodes=[{"pid": h1.pid, "users": [student]}])
    script = (
        "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; grep -E 'Cap(Eff|Prm)' /proc/self/status"
    )
    mail = next(
        line.split(":")[2]
        for line in Path("/etc/group").read_text().splitlines()
        if "mail:" in line
    )
    seen = run(agent, h1.pid, script, user="student").splitlines()
    assert seen[:4] == ["4321", "4321", f"4321 {mail}", "/home/student student student"]
    assert [line.split()[1] for line in seen[4:]] == ["0" * 16] * 2
    assert run(agent, h1.pid, "id -u; id -g; id -G", user="4321:7").split() == ["4321", "7", "7"]
    assert run(agent, h1.pid, "id -u; id -g", user="5555").split() == ["5555", "0"]


@needs_root
@pytest.mark.parametrize(
    "options",
    [
        ["--bounding-set=-all,+chown,+net_admin,+setuid,+setgid", "--inh-caps=-all"],
        ["--bounding-set=-sys_admin,-sys_module", "--inh-caps=-all,+chown"],
        ["--bounding-set=-sys_admin", "--inh-caps=-all", "--no-new-privs"],
        ["--reuid=65534", "--regid=65534", "--groups=7,8", "--inh-caps=-all"],
    ],
    ids=["few", "inheritable", "no new privileges", "other user"],
)
def test_command_has_what_the_first_process_has(options: list[str], agent: Client) -> None:
    with Namespaces("h1", prefix=["setpriv", *options]) as h1:
        wanted = _privileges(Path(f"/proc/{h1.pid}/status").read_text())
        assert _privileges(run(agent, h1.pid, "cat /proc/self/status")) == wanted


# Each round looks at every other process; told until when by its input.
_SPY = """
import os
os.set_blocking(0, False)
seen, early, links = 0, 0, set()
while True:
    try:
        if os.read(0, 1) == b"":
            break
    except BlockingIOError:
        pass
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        # Their numbers may be seen, but not what is behind them.
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                seen += b"operations.main" in file.read()
            for fd in os.listdir(f"/proc/{pid}/fd"):
                links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    early += b"operations.main" in file.read()
        except OSError:
            pass
print(seen, early, *links)
"""


@needs_root
@pytest.mark.parametrize(
    "options", [{"tty": (80, 24)}, {"user": "root"}, {"user": "daemon"}], ids=str
)
def test_a_nodes_root_cannot_look_into_what_enters(options: dict[str, Any], agent: Client) -> None:
    # The engine's usual capabilities, of those that matter here.
    few = "--bounding-set=-all,+chown,+dac_override,+fowner,+kill,+setuid,+setgid,+net_admin"
    pid = agent.hello()["pid"]
    ours = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    ours = {link for link in ours if link.startswith(("pipe:", "socket:"))}
    assert len(ours) >= 3
    with Namespaces("h1", prefix=["setpriv", few, "--inh-caps=-all"]) as h1:
        spy = agent.spawn(h1.pid, [sys.executable, "-I", "-c", _SPY], stdin=True)
        # Where a command is looked for in many places, the way to it is long.
        env = {"PATH": "/nosuch:" * 3000 + DEFAULT_PATH}
        for _ in range(20):
            agent.spawn(h1.pid, ["true"], env=env, **options).communicate(timeout_s=20)
        out, err = spy.communicate(b"", timeout_s=20)
        assert err == b""
        seen, early, *links = out.decode().split()
        assert int(seen) > 0
        assert (int(early), ours & set(links)) == (0, set())


@needs_root
def test_a_process_of_the_machine_is_no_node(agent: Client) -> None:
    for operation in (
        lambda: agent.spawn(os.getpid(), ["true"]),
        lambda: agent.spawn(os.getpid(), ["true"], tty=(80, 24)),
        lambda: agent.call("read_file", pid=os.getpid(), path="/etc/hosts"),
        lambda: agent.call("link", ends=[end(os.getpid(), "lo")], up=True),
    ):
        with pytest.raises(AgentError) as caught:
            operation()
        assert caught.value.errno == errno.ESRCH


@needs_root
def test_a_node_in_a_user_namespace_is_refused(agent: Client) -> None:
    with Namespaces("h1", prefix=["unshare", "--user", "--map-root-user"]) as h1:
        for options in ({}, {"tty": (80, 24)}):
            with pytest.raises(AgentError, match="switch userns-remap off") as caught:
                agent.spawn(h1.pid, ["true"], **options)
            assert caught.value.errno == errno.EOPNOTSUPP


def _privileges(status: str) -> list[str]:
    kinds = ("Cap", "NoNewPrivs", "Uid", "Gid", "Groups")
    return [" ".join(line.split()) for line in status.splitlines() if line.startswith(kinds)]


MACHINES = {
    "version 1": (
        "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
        "31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup"
        " rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd\n"
        "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    ),
    "version 2": "35 24 0:30 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    "both": (
        "32 30 0:28 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n"
        "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    ),
    "part of the tree": "35 24 0:30 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "none": "23 1 0:21 / /proc rw - proc proc rw\n",
}


@pytest.mark.parametrize(
    ("machine", "cgroup", "own", "files"),
    [
        (
            "version 1",
            "2:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n",
            "2:cpu,cpuacct:/\n1:name=systemd:/\n",
            ["cpu,cpuacct/docker/ab", "systemd/docker/ab"],
        ),
        ("version 1", "3:pids:/docker/ab\n", "3:pids:/\n", []),
        ("version 1", "2:cpu,cpuacct:/\n", "2:cpu,cpuacct:/\n", []),
        (
            "version 2",
            "0::/system.slice/docker-ab.scope\n",
            "0::/system.slice/docker-cd.scope\n",
            ["system.slice/docker-ab.scope"],
        ),
        (
            "both",
            "5:pids:/docker/ab\n0::/docker/ab\n",
            "5:pids:/\n0::/\n",
            ["pids/docker/ab", "unified/docker/ab"],
        ),
        ("part of the tree", "0::/docker/ab/init\n", "0::/docker/ab\n", ["init"]),
        ("none", "0::/docker/ab\n", "0::/\n", []),
    ],
    ids=["v1", "v1 unmounted", "v1 same", "v2", "hybrid", "nested", "no mounts"],
)
def test_control_groups_to_join(machine: str, cgroup: str, own: str, files: list[str]) -> None:
    found = control_groups.cgroup_files(
        control_groups.parse_cgroups(cgroup),
        control_groups.parse_cgroups(own),
        control_groups.parse_cgroup_mounts(MACHINES[machine]),
    )
    assert found == [f"/sys/fs/cgroup/{file}/cgroup.procs" for file in files]


@needs_root
def test_who_takes_more_memory_than_the_node_has_is_killed_alone(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    lab = f"test-{secrets.token_hex(3)}"
    patient = agent.spawn(h2.pid, ["cat"], stdin=True)
    try:
        # So little that anything of the agent's in it would be the largest.
        for file in cgroups.make_group(lab, "h1", {"memory_mb": 20}):
            Path(file).write_text(str(h1.pid))
        greedy = agent.spawn(h1.pid, [sys.executable, "-I", "-S", "-c", "bytearray(200 << 20)"])
        assert greedy.wait(20) == -signal.SIGKILL
        assert run(agent, h1.pid, "echo h1 goes on") == "h1 goes on\n"
        assert patient.communicate(b"so does h2", timeout_s=20) == (b"so does h2", b"")
        assert patient.wait(20) == 0
    finally:
        h1.kill()
        cgroups.remove_lab(lab)


@needs_root
def test_a_node_with_all_the_processes_it_may_have_says_so(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    lab = f"test-{secrets.token_hex(3)}"
    try:
        for file in cgroups.make_group(lab, "h1", {"processes": 4}):
            Path(file).write_text(str(h1.pid))
        some = [agent.spawn(h1.pid, ["sleep", "1000"]) for _ in range(2)]
        with pytest.raises(AgentError, match="it has as many processes as it may have") as caught:
            agent.spawn(h1.pid, ["true"])
        assert caught.value.errno == errno.EAGAIN
        assert run(agent, h2.pid, "echo others go on") == "others go on\n"
        for job in some:
            job.signal(signal.SIGKILL)
            assert job.wait(20) == -signal.SIGKILL
        assert run(agent, h1.pid, "echo h1 goes on") == "h1 goes on\n"
    finally:
        h1.kill()
        cgroups.remove_lab(lab)


# -- The filter of system calls ----------------------------------------------

ALLOW = seccomp.SECCOMP_RET_ALLOW
KILL = seccomp.SECCOMP_RET_KILL_PROCESS
NOT_PERMITTED = seccomp.SECCOMP_RET_ERRNO | errno.EPERM
UNKNOWN = seccomp.SECCOMP_RET_ERRNO | errno.ENOSYS
# linux/audit.h
X86_64, I386, AARCH64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3
NEW_NETWORK = kernel.CLONE_NEWNET
NEW_USER = kernel.CLONE_NEWUSER


def verdict(machine: str, architecture: int, number: int, argument: int = 0) -> int:
    """What the kernel would make of a system call (Documentation/networking/filter)."""
    data = struct.pack("=IIQQ", number, architecture, 0, argument)
    program, at, accumulator = seccomp.filter_program(machine), 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x06:  # return
            return operand
        if code == 0x20:  # load
            (accumulator,) = struct.unpack_from("=I", data, operand)
            continue
        met = {0x15: accumulator == operand, 0x35: accumulator >= operand}
        met[0x45] = bool(accumulator & operand)
        at += true if met[code] else false


@pytest.mark.parametrize(
    ("machine", "architecture", "number", "argument", "expected"),
    [
        ("x86_64", X86_64, 0, 0, ALLOW),  # read
        ("x86_64", X86_64, 101, 0, ALLOW),  # ptrace
        ("x86_64", X86_64, 308, NEW_NETWORK, ALLOW),  # setns
        ("x86_64", X86_64, 470, 0, ALLOW),
        ("x86_64", X86_64, 248, 0, NOT_PERMITTED),  # add_key
        ("x86_64", X86_64, 321, 0, NOT_PERMITTED),  # bpf
        ("x86_64", X86_64, 304, 0, NOT_PERMITTED),  # open_by_handle_at
        ("x86_64", X86_64, 435, 0, UNKNOWN),  # clone3
        ("x86_64", X86_64, 272, NEW_NETWORK, ALLOW),  # unshare
        ("x86_64", X86_64, 272, NEW_NETWORK | NEW_USER, NOT_PERMITTED),
        ("x86_64", X86_64, 272, 1 << 40 | NEW_USER, NOT_PERMITTED),
        ("x86_64", X86_64, 56, signal.SIGCHLD, ALLOW),  # clone
        ("x86_64", X86_64, 56, NEW_USER | signal.SIGCHLD, NOT_PERMITTED),
        ("x86_64", X86_64, 0x40000000 | 272, NEW_USER, UNKNOWN),
        ("x86_64", I386, 3, 0, ALLOW),  # read
        ("x86_64", I386, 272, NEW_USER, ALLOW),  # fadvise64_64
        ("x86_64", I386, 310, NEW_USER, NOT_PERMITTED),  # unshare
        ("x86_64", I386, 120, NEW_USER, NOT_PERMITTED),  # clone
        ("x86_64", I386, 357, 0, NOT_PERMITTED),  # bpf
        ("x86_64", AARCH64, 63, 0, KILL),
        ("aarch64", AARCH64, 63, 0, ALLOW),  # read
        ("aarch64", AARCH64, 56, NEW_USER, ALLOW),  # openat
        ("aarch64", AARCH64, 97, NEW_USER, NOT_PERMITTED),  # unshare
        ("aarch64", AARCH64, 220, NEW_USER, NOT_PERMITTED),  # clone
        ("aarch64", AARCH64, 280, 0, NOT_PERMITTED),  # bpf
        ("aarch64", AARCH64, 435, 0, UNKNOWN),  # clone3
        ("aarch64", ARM, 3, 0, KILL),
    ],
)
def test_what_the_filter_says(
    machine: str, architecture: int, number: int, argument: int, expected: int
) -> None:
    assert verdict(machine, architecture, number, argument) == expected


def test_a_machine_whose_system_calls_are_not_known_has_no_filter() -> None:
    assert seccomp.filter_program("riscv64") == []
    assert seccomp.filter_missing("x86_64", 8) == ""
    assert seccomp.filter_missing("aarch64", 8) == ""
    said = seccomp.filter_missing("riscv64", 8)
    assert "no filter of system calls for riscv64" in said
    assert 'Lab(engine="docker")' in said


@pytest.mark.parametrize(
    ("machine", "own_architecture"), [("x86_64", I386), ("aarch64", ARM), ("armv8l", None)]
)
def test_a_python_of_32_bits_gets_no_filter_that_would_kill_it(
    machine: str, own_architecture: int | None
) -> None:
    said = seccomp.filter_missing(machine, 4)
    if own_architecture is not None:
        assert (verdict(machine, own_architecture, 3) == KILL) == bool(said)  # read
    assert said == "" or f"a Python of 32 bits on {machine}" in said


CONFINED = f"""
{PACKAGE}
import os
from playground.agent.seccomp import confine
confine() or sys.exit("no filter")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def status(agent: Client, pid: int, key: str, **options: Any) -> str:
    """One line of what /proc says of a command in a node."""
    return run(agent, pid, f"grep -w {key} /proc/self/status", **options).split()[1]


@needs_root
@pytest.mark.parametrize("told", [False, True], ids=["as its first process", "all of them"])
@pytest.mark.parametrize("user", [None, "root", "daemon"])
def test_a_command_under_the_filter_makes_no_user_namespace(
    told: bool, user: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told:
        monkeypatch.setenv("PLAYGROUND_SECCOMP", "1")
    prefix = [] if told else [sys.executable, "-I", "-c", CONFINED]
    with Namespaces("h1", prefix=prefix) as h1, connect() as agent:
        tried = agent.spawn(h1.pid, ["unshare", "--user", "true"], user=user)
        _, complaint = tried.communicate(timeout_s=20)
        assert tried.wait(20) == 1
        assert b"Operation not permitted" in complaint
        assert status(agent, h1.pid, "Seccomp", user=user) == "2"
        # su(1) and sudo(8) go on working.
        assert status(agent, h1.pid, "NoNewPrivs", user=user) == "0"


@needs_root
def test_a_command_under_the_filter_has_threads_and_other_namespaces() -> None:
    # Although clone3(2), by which the C library makes threads, is denied.
    script = "import threading; t = threading.Thread(target=print, args=('hi',)); t.start()"
    prefix = [sys.executable, "-I", "-c", CONFINED]
    with Namespaces("h1", prefix=prefix) as h1, connect() as agent:
        threaded = agent.spawn(h1.pid, [sys.executable, "-I", "-S", "-c", script])
        assert threaded.communicate(timeout_s=20) == (b"hi\n", b"")
        assert run(agent, h1.pid, "unshare --net echo alone") == "alone\n"


@needs_root
def test_the_filter_is_for_nodes_that_have_one(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    own = read_status("self")["Seccomp"].strip()
    assert status(agent, pair[0].pid, "Seccomp") == own


# -- Wiring ------------------------------------------------------------------


@needs_root
def test_link_between_two_nodes(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    a = end(h1.pid, "eth0", mac="02:00:00:00:00:01")
    b = end(h2.pid, "wan", mac="02:00:00:00:00:02")
    agent.call("wire", bridges=[], veths=[veth(a, b, mtu_bytes=1400)])
    agent.call(
        "network", nodes=[node(h1.pid, "10.0.0.1/30"), node(h2.pid, "10.0.0.2/30", interface="wan")]
    )
    assert says(h1, h2, "10.0.0.1") == b"hello"
    for h, name, number in ((h1, "eth0", 1), (h2, "wan", 2)):
        script = f"cat /sys/class/net/{name}/address /sys/class/net/{name}/mtu"
        # A /sys of the node's own network.
        seen = run(agent, h.pid, f"mount -t sysfs sysfs /sys && {script}")
        assert seen.split() == [f"02:00:00:00:00:0{number}", "1400"]
    assert _own_interfaces(agent) == ["lo"]


@needs_root
def test_two_nodes_on_a_bridge(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h1, h2, "10.0.0.1") == b"hello"
    assert says(h2, h1, "10.0.0.2") == b"hello"
    # No frame of the lab ever was in the machine's own namespace.
    assert f"p{h1.pid}" not in [name for _, name in socket.if_nameindex()]


@needs_root
def test_bridges_linked_to_each_other(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call(
        "wire",
        bridges=[{"device": "br0"}, {"device": "br1"}],
        veths=[
            veth(end(None, "p0", "br0"), end(None, "p1", "br1")),
            veth(end(h1.pid, "eth0"), end(None, "p2", "br0")),
            veth(end(None, "p3", "br1"), end(h2.pid, "eth0")),
        ],
    )
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h1, h2, "10.0.0.1") == b"hello"


@needs_root
def test_a_silent_wire_stays_silent(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    with contextlib.ExitStack() as stack:
        sniffers = []
        for pid in (agent.hello()["pid"], h1.pid, h2.pid):
            with in_network(pid):
                sniffers.append(stack.enter_context(_sniffer()))
        plug(agent, h1, h2)
        agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth1"), end(h2.pid, "eth1"))])
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
        for h in nodes:
            agent.call("network", nodes=[node(h.pid, f"10.1.0.{h.pid % 250}/24", interface="eth1")])
        time.sleep(1.2)
        for sniffer in sniffers:
            with pytest.raises(BlockingIOError):
                pytest.fail(f"a frame was sent: {sniffer.recv(2000).hex()}")
        # The sniffers do see what there is.
        assert says(h1, h2, "10.0.0.1") == b"hello"
        assert all(sniffer.recv(2000) for sniffer in sniffers)


def _sniffer() -> socket.socket:
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sniffer.setblocking(False)
    return sniffer


@needs_root
def test_bridge_passes_reserved_multicast(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    agent.call("network", nodes=[node(h1.pid), node(h2.pid)])
    frame = LLDP + bytes.fromhex("020000000001") + bytes.fromhex("88cc") + bytes(50)
    with contextlib.ExitStack() as stack:
        with h2.network():
            receiver = stack.enter_context(_sniffer())
            receiver.settimeout(10)
        with h1.network():
            sender = stack.enter_context(_sniffer())
            sender.bind(("eth0", 0))
        sender.send(frame)
        assert receiver.recv(2000) == frame


@needs_root
@pytest.mark.parametrize("offload", [False, True], ids=["off", "on"])
def test_offloads(agent: Client, nodes: tuple[Namespaces, Namespaces], offload: bool) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2, offload)
    textbook = {
        "tx-checksum-ip-generic",
        "tx-scatter-gather",
        "tx-tcp-segmentation",
        "tx-tcp6-segmentation",
        "tx-generic-segmentation",
        "tx-udp-segmentation",
        "rx-gro",
    }
    for pid, name in ((h1.pid, "eth0"), (agent.hello()["pid"], f"p{h1.pid}")):
        with in_network(pid):
            on = _active_features(name)
        if offload:
            assert {"tx-checksum-ip-generic", "tx-tcp-segmentation"} <= on
        else:
            assert on & textbook == set()


def _active_features(interface: str) -> set[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        names = offloads.feature_names(probe, interface)
        blocks = offloads.features(probe, interface)
    return {name for bit, name in enumerate(names) if blocks[bit // 32][2] >> bit % 32 & 1}


def _own_interfaces(agent: Client) -> list[str]:
    with in_network(agent.hello()["pid"]):
        return sorted(name for _, name in socket.if_nameindex())


@needs_root
@pytest.mark.parametrize("fault", ["name taken", "node dead", "bad mac", "no bridge", "long name"])
def test_failed_wiring_leaves_nothing(
    agent: Client, nodes: tuple[Namespaces, Namespaces], fault: str
) -> None:
    h1, h2 = nodes
    veths = [
        veth(end(h1.pid, "eth0"), end(None, "p0", "br0")),
        veth(end(h1.pid, "eth1"), end(h2.pid, "eth1")),
        veth(end(h2.pid, "eth0"), end(None, "p1", "br0")),
    ]
    number = None
    if fault == "name taken":
        veths[2]["a"]["interface"] = "lo"
        number = errno.EEXIST
    elif fault == "node dead":
        veths[2]["a"]["pid"] = 2**22 - 3
        number = errno.ESRCH
    elif fault == "bad mac":
        veths[2]["a"]["mac"] = "01:00:00:00:00:01"
        number = errno.EADDRNOTAVAIL
    elif fault == "no bridge":
        veths[2]["b"]["bridge"] = "br9"
        number = errno.ENODEV
    else:
        veths[2]["a"]["interface"] = "x" * 16
        number = errno.ERANGE
    with pytest.raises(AgentError) as caught:
        agent.call("wire", bridges=[{"device": "br0"}], veths=veths)
    assert caught.value.errno in (number, errno.ENXIO)
    assert _own_interfaces(agent) == h1.interfaces() == h2.interfaces() == ["lo"]
    # And what was there before stays, when a second call fails.
    plug(agent, h1, h2)
    before = _own_interfaces(agent)
    with pytest.raises(AgentError, match="make the bridge br0: File exists"):
        agent.call("wire", bridges=[{"device": "br1"}, {"device": "br0"}], veths=[])
    assert _own_interfaces(agent) == before


class _LateSocket:
    """A netlink socket in which acknowledgements of an earlier batch still are."""

    def __init__(self) -> None:
        self.packets = [self._acknowledge(sequence) for sequence in (1, 2, 3, 4)]

    def _acknowledge(self, sequence: int) -> bytes:
        return struct.pack("IHHIIi", 20, NLMSG_ERROR, 0, sequence, 0, -sequence)

    def send(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self.packets.pop(0)


def test_acknowledgements_that_come_late_are_not_taken_for_others() -> None:
    line = Netlink.__new__(Netlink)
    line.socket = _LateSocket()  # type: ignore[assignment]
    line.sequence = 2
    messages = [links.delete_link("eth0"), links.delete_link("eth1")]
    assert [number for _, number, _ in line.attempt(messages)] == [3, 4]


@needs_root
def test_unwire(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    for _ in range(2):
        agent.call(
            "unwire",
            veths=[end(h1.pid, "eth0"), end(None, f"p{h2.pid}"), end(2**22 - 3, "eth0")],
            bridges=[{"device": "br0"}],
        )
    assert _own_interfaces(agent) == h1.interfaces() == h2.interfaces() == ["lo"]


@needs_root
def test_link_down_and_up(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    agent.call("link", ends=ends, up=False)
    with pytest.raises(OSError, match="unreachable"):
        says(h2, h1, "10.0.0.2")
    agent.call("link", ends=ends, up=True)
    assert says(h2, h1, "10.0.0.2") == b"hello"


@needs_root
def test_what_is_sent_at_once_over_a_link_that_came_up_is_not_dropped(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    for _ in range(10):
        agent.call("wire", bridges=[], veths=[veth(*ends)])
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
        with h1.network():
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe:
            probe.sendto(b"", ("10.0.0.2", 9))
        for row in agent.call("interfaces", ends=ends):
            assert row["statistics"]["tx_dropped"] == row["statistics"]["rx_dropped"] == 0
        agent.call("unwire", veths=ends[:1])


@needs_root
def test_link_up_brings_back_the_routes_that_went(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    default = {"destination": "0.0.0.0/0", "via": "10.0.0.2", "interface": "eth0"}
    here = node(h1.pid, "10.0.0.1/24", routes_add=[default])
    agent.call("network", nodes=[here, node(h2.pid, "10.0.0.2/24")])
    before = run(agent, h1.pid, "ip route")
    agent.call("link", ends=[end(h1.pid, "eth0")], up=False)
    assert run(agent, h1.pid, "ip route") == ""
    agent.call("link", ends=[end(h1.pid, "eth0")], up=True, nodes=[here])
    assert run(agent, h1.pid, "ip route") == before


@needs_root
def test_a_link_of_which_one_end_is_missing_stays_as_it_is(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    with pytest.raises(AgentError, match="set the interface eth9 down"):
        agent.call("link", ends=[end(h1.pid, "eth0"), end(h2.pid, "eth9")], up=False)
    assert says(h2, h1, "10.0.0.2") == b"hello"


@needs_root
def test_neighbours_that_are_forgotten_are_asked_for_again(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "10.0.0.2" in run(agent, h1.pid, "ip neigh show nud reachable")
    here = {
        "pid": h1.pid,
        "interface": "eth0",
        "addresses": ["10.0.0.2", "10.0.0.9", "2001:db8::1"],
    }
    agent.call("forget_neighbours", nodes=[here, {**here, "interface": "eth9"}])
    assert run(agent, h1.pid, "ip neigh show nud reachable") == ""
    assert says(h2, h1, "10.0.0.2") == b"hello"


# What `playground.switching.SwitchSettings` says of a plain switch.
PLAIN_SWITCH = {
    "stp": False,
    "ageing": 30000,
    "priority": 32768,
    "forward_delay": 0,
    "hello_time": 100,
    "max_age": 600,
}


@needs_root
def test_a_bridge_is_changed_and_says_what_it_learned(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ports = [
        veth(end(h1.pid, "eth0", mac="02:00:00:00:00:01"), end(None, "p1", "lan")),
        veth(end(h2.pid, "eth0", mac="02:00:00:00:00:02"), end(None, "p2", "lan")),
    ]
    agent.call("wire", bridges=[{"device": "lan", "settings": PLAIN_SWITCH}], veths=ports)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    rows = agent.call("learned", device="lan")
    assert {row["mac"]: row["port"] for row in rows} == {
        "02:00:00:00:00:01": "p1",
        "02:00:00:00:00:02": "p2",
    }
    hub = {"device": "lan", "settings": {**PLAIN_SWITCH, "ageing": 0}, "unmirror": []}
    agent.call("switch", bridges=[{**hub, "mirror": None}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert agent.call("learned", device="lan") == []


@needs_root
def test_a_bridge_tells_its_tree_and_where_its_ports_stand(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    speaks = {**PLAIN_SWITCH, "stp": True, "priority": 4096, "forward_delay": 200}
    pair = veth(end(h1.pid, "eth0"), end(None, "p1", "lan"))
    agent.call("wire", bridges=[{"device": "lan", "settings": speaks}], veths=[pair])
    [row] = agent.call("switches", devices=["lan"])
    assert row["id"] == row["root"]
    assert row["id"].startswith("1000")
    assert [(port["port"], port["carrier"]) for port in row["ports"]] == [("p1", False)]
    # Back to a plain one, whose delay of 0 the kernel takes only without the protocol.
    plain = {"device": "lan", "settings": PLAIN_SWITCH, "unmirror": ["p1"], "mirror": None}
    agent.call("switch", bridges=[plain])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24")])
    # The kernel hears of a carrier a moment after it is there (its net/core/link_watch.c).
    deadline = time.monotonic() + 10
    while (row := agent.call("switches", devices=["lan"])[0])["ports"][0]["state"] != "forwarding":
        assert time.monotonic() < deadline, row


@needs_root
def test_interfaces_tell_their_state_and_count_what_passes(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    mac = "02:00:00:00:00:01"
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0", mac=mac), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    before = agent.call("interfaces", ends=ends)
    assert says(h2, h1, "10.0.0.2") == b"hello"
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], row["mtu_bytes"], row["mac"]) == (True, True, 1500, mac)
    # An ARP request and the datagram: Ethernet, IP and UDP headers and 5 bytes.
    sent = row["statistics"]["tx_bytes"] - before[0]["statistics"]["tx_bytes"]
    assert sent == 42 + 14 + 20 + 8 + 5
    assert row["statistics"]["tx_packets"] == other["statistics"]["rx_packets"]
    agent.call("link", ends=ends[1:], up=False)
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], other["up"]) == (True, False, False)
    with pytest.raises(AgentError, match="look at the interface eth9"):
        agent.call("interfaces", ends=[end(h1.pid, "eth9")])


@needs_root
def test_routes_are_read_from_each_node(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", routes_add=[gateway])])
    first, second = agent.call("routes", pids=[h1.pid, h2.pid])
    found = {(r["destination"], r["via"], r["interface"]) for r in first if "." in r["destination"]}
    assert found == {("10.0.0.0/24", None, "eth0"), ("10.9.0.0/16", "10.0.0.2", "eth0")}
    assert [r for r in second if "." in r["destination"]] == []


@needs_root
def test_a_packet_is_sent_and_seen_and_ways_are_found(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    ends = [node(h1.pid, "10.0.0.1/24", routes_add=[gateway]), node(h2.pid, "10.0.0.2/24")]
    agent.call("network", nodes=ends)
    question = {"pid": h1.pid, "source": None, "interface": None, "mark": 0, "protocol": None}
    question |= {"source_port": None, "port": None}
    there, nowhere = agent.call(
        "ways",
        questions=[question | {"destination": to} for to in ("10.9.1.1", "10.8.1.1")],
    )
    assert (there["via"], there["interface"], there["prefix"]) == (
        "10.0.0.2",
        "eth0",
        "10.9.0.0/16",
    )
    assert nowhere == {"errno": errno.ENETUNREACH, "message": "Network is unreachable"}

    def probe(protocol: int, port: int | None) -> Any:
        to = {"destination": "10.0.0.2", "port": port, "payload": ""}
        return agent.call("probe", pid=h1.pid, watch=[h1.pid, h2.pid], protocol=protocol, **to)

    answered = probe(1, None)
    assert answered["outcome"]["answered"]
    assert {(row[0], row[1]) for row in answered["frames"]} == {(0, "eth0"), (1, "eth0")}
    refused = probe(6, 80)
    assert refused["outcome"]["errno"] == errno.ECONNREFUSED
    assert refused["outcome"]["source"] == "10.0.0.1"
    # With rules, each tells what it decided; what made them tell is gone after that.
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }; }"
    agent.call("firewall", nodes=[{"pid": h2.pid, "ruleset": rules}])
    lost = probe(6, 80)
    assert (lost["outcome"]["answered"], lost["outcome"]["errno"]) == (False, None)
    assert any(
        (row["watch"], row["chain"], row["verdict"]) == (1, "c", 0) for row in lost["traces"]
    )
    [state] = agent.call("states", pids=[h2.pid])
    assert state["tables"] == [["inet", "t"]]
    assert "tcp dport 80 drop # handle" in state["ruleset"]


# -- Addresses, routes, sysctls, rules ---------------------------------------


@needs_root
def test_point_to_point_addresses_and_routes(agent: Client) -> None:
    """The same /32 on two links of a router, and a host behind either."""
    with Namespaces("a") as a, Namespaces("isp") as isp, Namespaces("b") as b:
        agent.call(
            "wire",
            bridges=[],
            veths=[
                veth(end(a.pid, "eth0"), end(isp.pid, "eth0")),
                veth(end(b.pid, "eth0"), end(isp.pid, "eth1")),
            ],
        )

        def route(destination: str, interface: str, via: str | None = None) -> dict[str, Any]:
            return {"destination": destination, "interface": interface, "via": via}

        request = [
            node(
                a.pid,
                "10.25.1.65/16",
                # Not in order: the way to the gateway has to come first.
                routes_add=[
                    route("0.0.0.0/0", "eth0", "10.1.1.1"),
                    route("10.1.1.1/32", "eth0"),
                ],
            ),
            {
                "pid": isp.pid,
                "interfaces": [
                    {"name": "eth0", "addresses": ["10.1.1.1/32"]},
                    {"name": "eth1", "addresses": ["10.1.1.1/32"]},
                ],
                "sysctls": {**NO_IPV6, "net.ipv4.ip_forward": "1"},
                "routes_add": [
                    route("10.25.1.65/32", "eth0"),
                    route("10.30.1.1/32", "eth1"),
                    route("10.30.0.0/16", "eth1", "10.30.1.1"),
                ],
            },
            node(
                b.pid,
                "10.30.1.1/32",
                routes_add=[
                    route("10.1.1.1/32", "eth0"),
                    route("0.0.0.0/0", "eth0", "10.1.1.1"),
                ],
            ),
        ]
        for _ in range(2):  # once more changes nothing
            agent.call("network", nodes=request)
            assert says(b, a, "10.30.1.1") == b"hello"
        remove = [route("0.0.0.0/0", "eth0", "10.1.1.1"), route("10.77.0.0/16", "eth0")]
        agent.call("network", nodes=[{"pid": a.pid, "routes_remove": remove}])
        with pytest.raises(OSError, match="unreachable"):
            says(b, a, "10.30.1.1")


# Prints what pyroute2, which shares no line with the agent, reads in a namespace.
WITNESS = """
import json
from pyroute2 import IPRoute
with IPRoute() as ip:
    links = {
        link.get_attr("IFLA_IFNAME"): link
        for link in ip.get_links() if link.get_attr("IFLA_IFNAME") != "lo"
    }
    names = {link["index"]: name for name, link in links.items()}
    print(json.dumps({
        "links": {
            name: [link["state"], link.get_attr("IFLA_ADDRESS"), link.get_attr("IFLA_MTU"),
                   link.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND")]
            for name, link in links.items()
        },
        "addresses": [
            [names[item["index"]], item.get_attr("IFA_LOCAL"), item["prefixlen"]]
            for item in ip.get_addr() if item["index"] in names
        ],
        "routes": [
            [item.get_attr("RTA_DST"), item["dst_len"], item.get_attr("RTA_GATEWAY"),
             names[item.get_attr("RTA_OIF")]]
            for item in ip.get_routes(table=254) if item.get_attr("RTA_OIF") in names
        ],
    }))
"""


@needs_root
def test_another_library_reads_from_the_kernel_what_the_agent_wrote(agent: Client) -> None:
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        mac = "02:00:00:00:00:07"
        pair_of_ends = veth(end(h1.pid, "lan0", mac=mac), end(h2.pid, "eth0"), mtu_bytes=1400)
        agent.call("wire", bridges=[], veths=[pair_of_ends])
        default = {"destination": "0.0.0.0/0", "via": "192.168.7.1", "interface": "lan0"}
        far = {"destination": "10.25.1.1/32", "via": None, "interface": "lan0"}
        agent.call(
            "network",
            nodes=[
                node(h1.pid, "192.168.7.2/24", interface="lan0", routes_add=[default, far]),
                node(h2.pid, "192.168.7.1/24"),
            ],
        )
        command = ["nsenter", f"--net=/proc/{h1.pid}/ns/net", sys.executable, "-c", WITNESS]
        seen = json.loads(subprocess.run(command, stdout=-1, check=True, timeout=30).stdout)
    assert seen == {
        "links": {"lan0": ["up", mac, 1400, "veth"]},
        "addresses": [["lan0", "192.168.7.2", 24]],
        "routes": [
            [None, 0, "192.168.7.1", "lan0"],
            ["10.25.1.1", 32, None, "lan0"],
            ["192.168.7.0", 24, None, "lan0"],
        ],
    }


@needs_root
def test_two_links_to_the_same_peer(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    names = ("eth0", "eth1")
    agent.call(
        "wire", bridges=[], veths=[veth(end(h1.pid, name), end(h2.pid, name)) for name in names]
    )
    for h, own, peer in ((h1, "10.0.0.1", "10.0.0.2"), (h2, "10.0.0.2", "10.0.0.1")):
        routes = [
            {"destination": f"10.{number}.0.0/16", "via": peer, "interface": name}
            for number, name in enumerate(names, 1)
        ]
        routes += [{"destination": f"{peer}/32", "via": None, "interface": name} for name in names]
        interfaces = [{"name": name, "addresses": [f"{own}/32"]} for name in names]
        agent.call(
            "network", nodes=[{"pid": h.pid, "interfaces": interfaces, "routes_add": routes}]
        )
    seen = run(agent, h1.pid, "cat /proc/net/route")
    assert {line.split()[0] for line in seen.splitlines() if "0200000A" in line} == set(names)
    assert says(h1, h2, "10.0.0.1") == b"hello"


@needs_root
def test_ipv6_addresses_are_of_use_at_once(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    for h in nodes:
        # As the engine leaves a container without a network.
        agent.call("network", nodes=[{"pid": h.pid, "sysctls": NO_IPV6}])
    plug(agent, h1, h2)
    entries = [node(h1.pid, "fd00::1/64", "10.0.0.1/24"), node(h2.pid, "fd00::2/64")]
    for entry in entries:
        entry["sysctls"] = {}
    entries[1]["routes_add"] = [{"destination": "fd01::/64", "via": "fd00::1", "interface": "eth0"}]
    agent.call("network", nodes=entries)
    assert says(h1, h2, "fd00::1") == b"hello"
    seen = run(agent, h2.pid, "cat /proc/net/ipv6_route")
    assert "fd010000000000000000000000000000 40" in seen


@needs_root
def test_addresses_are_taken_away(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    before = ["10.0.0.1/24", "10.0.0.9/24", "10.1.0.1/32", "fd00::1/64"]
    agent.call("network", nodes=[node(h1.pid, *before)])
    away = [
        {"interface": interface, "address": address}
        for interface, address in (
            ("eth0", "10.0.0.1/24"),
            ("eth0", "10.1.0.1/32"),
            ("eth0", "fd00::1/64"),
            ("eth0", "10.7.7.7/24"),
            ("eth7", "10.0.0.1/24"),
        )
    ]
    route = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth7"}
    for _ in range(2):
        agent.call(
            "network",
            nodes=[node(h1.pid, "10.0.0.9/24", addresses_remove=away, routes_remove=[route])],
        )
        seen = json.loads(run(agent, h1.pid, "ip -json address show dev eth0"))
        addresses = [
            f"{row['local']}/{row['prefixlen']}"
            for row in seen[0]["addr_info"]
            if row["scope"] == "global"
        ]
        # The kernel removes the others of a network with the first of it: what is
        # to stay is given anew.
        assert addresses == ["10.0.0.9/24"]
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", addresses_remove=away)])
    assert "10.0.0.1/24" in run(agent, h1.pid, "ip address show dev eth0")


@needs_root
def test_refused_address_names_it(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    with pytest.raises(AgentError, match=r"cannot give eth0 the address 10\.0\.0\.1/33"):
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/33")])
    with pytest.raises(AgentError, match="there is no interface eth7"):
        agent.call("network", nodes=[node(h1.pid, interface="eth7")])
    faulty = {"destination": "10.9.0.0/16", "via": "10.8.0.1", "interface": "lo"}
    with pytest.raises(AgentError, match=r"add the route to 10\.9\.0\.0/16 via 10\.8\.0\.1"):
        agent.call("network", nodes=[{"pid": h1.pid, "routes_add": [faulty]}])


@needs_root
def test_sysctls_are_set_in_the_node_only(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    before = Path("/proc/sys/net/ipv4/ip_default_ttl").read_text()
    sysctls = {"net.ipv4.ip_default_ttl": "33", "net/ipv4/tcp_rmem": "4096 100000 200000"}
    agent.call("network", nodes=[{"pid": h1.pid, "sysctls": sysctls}])
    script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv4/tcp_rmem"
    assert run(agent, h1.pid, script).split() == ["33", "4096", "100000", "200000"]
    assert run(agent, h2.pid, script).split()[0] == "64"
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text() == before


@needs_root
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        # The kernel takes the number and keeps another.
        ("net.ipv4.conf.lo.mc_forwarding", "1", "mc_forwarding"),
        ("net.ipv4.nosuch", "1", "cannot set the sysctl net.ipv4.nosuch"),
        ("net.ipv4.ip_default_ttl", "999", "cannot set the sysctl net.ipv4.ip_default_ttl"),
        ("kernel.hostname", "x", "kernel.hostname is not a network sysctl"),
        ("net/../kernel/hostname", "x", "is not a network sysctl"),
    ],
    ids=["read-only", "unknown", "refused", "not net", "way out"],
)
def test_sysctl_that_cannot_be(
    agent: Client, pair: tuple[Namespaces, Namespaces], name: str, value: str, sentence: str
) -> None:
    with pytest.raises(AgentError, match=sentence):
        agent.call("network", nodes=[{"pid": pair[0].pid, "sysctls": {name: value}}])


@needs_root
def test_sysctl_that_does_not_stay_is_reported(agent: Client) -> None:
    with Namespaces("h1") as h1:
        # Setting "all" sets every interface: the first value does not stay.
        sysctls = {"net.ipv4.conf.lo.forwarding": "1", "net.ipv4.conf.all.forwarding": "0"}
        agent.call("network", nodes=[{"pid": h1.pid, "sysctls": {"net.ipv4.ip_forward": "1"}}])
        with pytest.raises(AgentError, match=r"conf\.lo\.forwarding is '0' after '1' was written"):
            agent.call("network", nodes=[{"pid": h1.pid, "sysctls": sysctls}])


RULES = """
table ip lab {
    chain input {
        type filter hook input priority filter
        udp dport 4000 drop
    }
}
"""


@needs_root
def test_firewall(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": RULES}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "udp dport 4000 drop" in run(agent, h1.pid, "nft list ruleset")
    assert run(agent, h2.pid, "nft list ruleset") == ""
    with pytest.raises(AgentError, match=r"(?s)nft refused the rules.*syntax error"):
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": RULES + "nonsense\n"}])


COUNTING = """\
table inet lab
delete table inet lab
table inet lab {
	chain output {
		type filter hook output priority filter; policy accept;
		ip daddr 127.0.0.1 counter accept comment "1 pings"
		ip6 daddr ::1 counter accept comment "1 pings"
		counter accept comment "default"
	}
}
"""


@needs_root
def test_counters_go_on_when_a_ruleset_is_replaced(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == []
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": COUNTING}])
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        counted = agent.call("rule_counts", pid=h1.pid, table="lab")
        assert counted == [  # the request and its answer, of 84 bytes each
            ["output", "1 pings", 2, 168],
            ["output", "1 pings", 0, 0],
            ["output", "default", 0, 0],
        ]
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": COUNTING}])
        assert agent.call("rule_counts", pid=h1.pid, table="lab") == counted
        without = COUNTING.replace("1 pings", "2 others")
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": without}])
        assert [row[2] for row in agent.call("rule_counts", pid=h1.pid, table="lab")] == [0, 0, 0]
        assert 'comment "2 others"' in agent.call("ruleset", pid=h1.pid)


@needs_root
def test_connections_are_read_and_forgotten(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        tracking = COUNTING.replace("counter accept", "ct state new counter accept")
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": tracking}])
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        [row] = agent.call("connections", pid=h1.pid)
        assert (row["protocol"], row["source"], row["reply_source"]) == (
            socket.IPPROTO_ICMP,
            "127.0.0.1",
            "127.0.0.1",
        )
        assert (row["state"], row["destination_port"], row["packets"]) == (None, None, None)
        assert 0 < row["expires_s"] <= 30
        other = row | {"source_port": row["source_port"] ^ 1}
        assert agent.call("forget", pid=h1.pid, connections=[other]) == 0
        assert agent.call("forget", pid=h1.pid, connections=[row]) == 1
        assert agent.call("connections", pid=h1.pid) == []
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        assert agent.call("forget", pid=h1.pid, connections=None) == 1


# -- Files, accounts, names --------------------------------------------------


def content(data: bytes) -> str:
    return base64.b64encode(data).decode()


@needs_root
def test_files(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    run(agent, h1.pid, "echo old > /run/bound; touch /etc/over; mount --bind /run/bound /etc/over")
    data = os.urandom(300_000)
    agent.call(
        "files",
        nodes=[
            {
                "pid": h1.pid,
                "files": [
                    {"path": "/etc/over", "content": content(b"new\n")},
                    {"path": "/run/deep/er/data", "content": content(data), "mode": 0o4711},
                    {"path": "/run/owned", "content": "", "uid": 12, "gid": 34, "mode": 0o600},
                    {"path": "/run/named", "content": "", "uid": "daemon", "gid": "mail"},
                    {"path": "/etc/hosts", "content": content(b"more\n"), "append": True},
                ],
            },
            {
                "pid": h2.pid,
                "files": [
                    {"path": "/run/here", "content": 1},
                    {"path": "/run/there", "content": 0},
                    {"path": "/run/everywhere", "content": 1},
                ],
            },
        ],
        contents=[content(b"none\n"), content(b"h2\n")],
    )
    script = (
        "cat /run/bound; stat -c '%a %u %g' /run/deep/er/data /run/owned; "
        "stat -c '%U %G' /run/named"
    )
    assert run(agent, h1.pid, script).splitlines() == [
        "new",
        "4711 0 0",
        "600 12 34",
        "daemon mail",
    ]
    assert run(agent, h1.pid, "cat /etc/hosts") == "127.0.0.1 localhost\nmore\n"
    assert run(agent, h2.pid, "cat /run/here /run/there /run/everywhere") == "h2\nnone\nh2\n"
    digest = run(agent, h1.pid, "sha256sum < /run/deep/er/data").split()[0]
    assert digest == hashlib.sha256(data).hexdigest()
    read = agent.call("read_file", pid=h1.pid, path="/run/deep/er/data")
    assert base64.b64decode(read) == data
    assert not Path("/run/here").exists()


@needs_root
@pytest.mark.parametrize(
    ("path", "number"),
    [("/run/etc", errno.EISDIR), ("/etc/hosts/x", errno.EEXIST), ("relative", errno.EINVAL)],
    ids=["folder", "below a file", "relative"],
)
def test_file_that_cannot_be_written(
    agent: Client, pair: tuple[Namespaces, Namespaces], path: str, number: int
) -> None:
    with pytest.raises(AgentError, match="cannot write") as caught:
        agent.call("files", nodes=[{"pid": pair[0].pid, "files": [{"path": path, "content": ""}]}])
    assert caught.value.errno in (number, errno.ENOTDIR)


@needs_root
def test_links_lead_to_the_nodes_own_files(
    agent: Client, nodes: tuple[Namespaces, Namespaces], tmp_path: Path
) -> None:
    """A node's root may lay links; the agent must not follow them out of the node."""
    h1, _ = nodes
    secret = tmp_path / "secret"
    secret.write_text("the machine's")
    # In the node another file lies at that place.
    run(agent, h1.pid, f"mount -t tmpfs tmpfs {tmp_path}; ln -s {secret} /run/link")
    agent.call(
        "files", nodes=[{"pid": h1.pid, "files": [{"path": "/run/link", "content": content(b"x")}]}]
    )
    assert secret.read_text() == "the machine's"
    assert base64.b64decode(agent.call("read_file", pid=h1.pid, path=str(secret))) == b"x"


@needs_root
def test_reading_what_is_not_there(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    with pytest.raises(AgentError, match="cannot read /nosuch in the node") as caught:
        agent.call("read_file", pid=pair[0].pid, path="/nosuch")
    assert caught.value.errno == errno.ENOENT


@needs_root
def test_reading_what_is_no_regular_file(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    """A node's root may put anything in the place of a log."""
    h1, _ = nodes
    run(agent, h1.pid, "ln -s /dev/zero /run/zero; ln -s /dev/ptmx /run/ptmx; mkfifo /run/fifo")
    for path, number in (
        ("/run/zero", errno.EINVAL),
        ("/run/ptmx", errno.EINVAL),
        ("/run/fifo", errno.EINVAL),
        ("/run", errno.EISDIR),
    ):
        for tail_bytes in (None, 10):
            with pytest.raises(AgentError, match=f"cannot read {path} in the node") as caught:
                agent.call("read_file", pid=h1.pid, path=path, tail_bytes=tail_bytes)
            assert caught.value.errno == number


@needs_root
def test_reading_the_end_of_a_file(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "truncate -s 65M /run/large; echo end >> /run/large; echo hi > /run/small")
    with pytest.raises(AgentError, match="more than 64 MiB") as caught:
        agent.call("read_file", pid=h1.pid, path="/run/large")
    assert caught.value.errno == errno.EFBIG

    def tail(path: str, tail_bytes: int) -> bytes:
        reply = agent.call("read_file", pid=h1.pid, path=path, tail_bytes=tail_bytes)
        return base64.b64decode(reply)

    assert tail("/run/large", 5) == b"\0end\n"
    assert tail("/run/small", 100) == b"hi\n"
    # It has content, but no size.
    assert tail("/proc/sys/net/ipv4/ip_default_ttl", 2) == b"4\n"
    with pytest.raises(AgentError, match="must be 1 or more"):
        tail("/run/small", 0)


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


def writing(agent: Client, h: Namespaces, path: str) -> None:
    entry = {"path": path, "content": content(b"x")}
    agent.call("files", nodes=[{"pid": h.pid, "files": [entry]}])


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
    # What needs no account goes on.
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
@pytest.mark.parametrize(
    "put",
    [
        "mkfifo /etc/there",
        "mkfifo /etc/there; sleep 1000 < /etc/there & sleep 0",
        # Of the node's own: a mistake of the agent's would change the machine's.
        "mknod /etc/there c 1 3",
        "mknod /etc/there c 5 0",
    ],
    ids=["pipe", "pipe with a reader", "device", "terminal"],
)
def test_writing_what_is_no_regular_file(
    agent: Client, nodes: tuple[Namespaces, Namespaces], put: str
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, f"({put}) > /dev/null 2>&1")
    before = run(agent, h1.pid, "stat -c '%a %u %g' /etc/there")
    with pytest.raises(AgentError, match=r"cannot write /etc/there .*no regular file") as caught:
        writing(agent, h1, "/etc/there")
    assert caught.value.errno == errno.EINVAL
    assert run(agent, h1.pid, "stat -c '%a %u %g' /etc/there") == before


@needs_root
def test_what_is_written_replaces_all_that_a_file_held(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    run(agent, h1.pid, "echo much more than one letter > /etc/there")
    writing(agent, h1, "/etc/there")
    assert run(agent, h1.pid, "cat /etc/there") == "x"


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
    shorter = "from playground.agent import accounts; accounts.PASSWORD_LOCK_LIMIT_S = 0.1"
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


@needs_root
def test_hostnames(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    machine = socket.gethostname()
    names = ["alpha", "beta"]
    entries = [{"pid": h.pid, "hostname": name} for h, name in zip(nodes, names, strict=True)]
    agent.call("hostname", nodes=entries)
    assert [run(agent, h.pid, "hostname").strip() for h in nodes] == names
    assert socket.gethostname() == machine


# -- Services ----------------------------------------------------------------

SERVER = """
import socket, sys, ssl
kind, port, answer = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
if kind == "udp":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    print("up", flush=True)
    while True:
        data, peer = server.recvfrom(1000)
        server.sendto(answer + data, peer)
server = socket.create_server(("127.0.0.1", port))
if kind == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server = context.wrap_socket(server, server_side=True)
print("up", flush=True)
while True:
    try:
        connection, _ = server.accept()
        connection.sendall(answer)
        connection.sendall(connection.recv(1000))
        connection.close()
    except OSError:
        pass
"""


def serve(agent: Client, pid: int, *words: str) -> None:
    process = agent.spawn(pid, [sys.executable, "-c", SERVER, *words])
    assert process.read_stdout(20) == b"up\n"


def check(pid: int, port: int, expect: str | None, **more: Any) -> dict[str, Any]:
    return {
        "pid": pid,
        "node": "h1",
        "service": "test",
        "port": port,
        "protocol": "tcp",
        "tls": False,
        "send": None,
        "expect": expect,
        **more,
    }


@needs_root
def test_services_that_answer(
    agent: Client, nodes: tuple[Namespaces, Namespaces], tmp_path: Path
) -> None:
    h1, _ = nodes
    agent.call("network", nodes=[{"pid": h1.pid}])
    pem = _self_signed(tmp_path)
    serve(agent, h1.pid, "tcp", "1", "220 ready\r\n")
    serve(agent, h1.pid, "udp", "2", "\xffgot ")
    serve(agent, h1.pid, "tls", "3", "* OK\r\n", str(pem))
    checks = [
        check(h1.pid, 1, "^220 "),
        check(h1.pid, 1, "ping$", send=content(b"ping")),
        check(h1.pid, 1, None),
        check(h1.pid, 2, "got ping$", protocol="udp", send=content(b"ping")),
        check(h1.pid, 3, r"\* OK", tls=True),
    ]
    assert agent.call("wait_ready", checks=checks, timeout_s=20) == []


def _self_signed(folder: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    path = folder / "test.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@needs_root
def test_services_that_do_not_answer(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("network", nodes=[{"pid": h1.pid}])
    serve(agent, h1.pid, "tcp", "1", "500 broken\r\n")
    h2.kill()
    checks = [
        check(h1.pid, 1, "^220 ", send=content(b".")),
        check(h1.pid, 4, "^220 "),
        check(h1.pid, 5, "x", protocol="udp", send=content(b"?")),
        check(h2.pid, 1, "^220 "),
        check(h1.pid, 1, "(", service="odd"),
    ]
    failures = agent.call("wait_ready", checks=checks, timeout_s=0.5)
    by_port = {(row["service"], row["port"]): row for row in failures}
    messages = sorted(row["message"] for row in failures)
    assert len(failures) == 5
    assert by_port["test", 4]["message"] == "Connection refused"
    assert "it answered '500 broken\\r\\n.', which is not what was expected" in messages
    assert any("is gone" in message for message in messages)
    assert "unterminated" in by_port["odd", 1]["message"]


@needs_root
def test_waiting_does_not_hold_up_others(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    waiting = agent._request("wait_ready", {"checks": [check(pair[0].pid, 9, "x")], "timeout_s": 2})
    assert run(agent, pair[0].pid, "echo on") == "on\n"
    assert len(waiting.wait(20)) == 1


RUNSV = """#!/bin/sh
mkdir -p $1/supervise
exec 9>>$1/supervise/lock
flock -n 9 || exit 1
echo "$1 as $(id -u) in $(pwd)" >> /run/started
grep CapBnd /proc/self/status >> /run/started
echo oops >&2
exec sleep 1234
"""


@needs_root
def test_boot(tmp_path: Path) -> None:
    runsv = tmp_path / "runsv"
    runsv.write_text(RUNSV)
    runsv.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    prefix = ["setpriv", "--bounding-set=-sys_module", "--inh-caps=-all"]
    with Namespaces("h1", env=env, prefix=prefix) as h1, connect() as agent:
        run(agent, h1.pid, "mkdir -p /etc/sv/one /etc/sv/two")

        def boot(*programs: str) -> None:
            agent.call("boot", nodes=[{"pid": h1.pid, "programs": list(programs)}])

        def started() -> list[str]:
            return run(agent, h1.pid, "cat /run/started 2>/dev/null || true").splitlines()

        boot("one")
        wait_for(lambda: len(started()) == 2)
        boot("one", "two")
        wait_for(lambda: len(started()) == 4)
        bounding = Path(f"/proc/{h1.pid}/status").read_text().partition("CapBnd:")[2].split()[0]
        assert [" ".join(line.split()) for line in started()] == [
            "/run/service/one as 0 in /",
            f"CapBnd: {bounding}",
            "/run/service/two as 0 in /",
            f"CapBnd: {bounding}",
        ]
        assert run(agent, h1.pid, "cat /run/playground/boot.log") == "oops\noops\n"
        with pytest.raises(AgentError, match="no program 'three' on the node"):
            boot("three")
        agent.close()
        # They outlive the agent that started them.
        with connect() as later:
            wait_for(lambda: run(later, h1.pid, _COMMANDS).count("sleep 1234") == 2)


@needs_root
def test_boot_of_a_node_without_a_supervisor(tmp_path: Path) -> None:
    with Namespaces("h1", env={"PATH": "/nowhere:/usr/bin:/bin"}) as h1, connect() as agent:
        run(agent, h1.pid, "mkdir -p /etc/sv/one")
        with pytest.raises(AgentError, match="no program 'runsv' on the node"):
            agent.call("boot", nodes=[{"pid": h1.pid, "programs": ["one"]}])


# -- Containers --------------------------------------------------------------


def test_command_is_as_the_engine_would_run_it(docker_engine: DockerEngine) -> None:
    """In the real helper: all that the engine's own exec gives, but its filter."""
    image = helper_image()
    docker_engine.ensure_images([image])
    lab = LabLabels(f"agent-{secrets.token_hex(3)}", "agent", "test@here:1")
    script = (
        "pwd; id; umask; grep -E '^(Cap|NoNew|Groups|Uid|Gid|Sig(Blk|Ign))' /proc/self/status; "
        "cat /proc/self/oom_score_adj "
        "/proc/self/limits /proc/self/cgroup; ls -l /proc/self/ns | sed 's/.*-> //' | sort; "
        "ls -l /proc/self/fd | wc -l; env | grep -vE '^(USER|LOGNAME|SHELL)=' | sort"
    )
    try:
        with Client(docker_engine.start_helper(lab)) as client:
            pids = docker_engine.start_nodes(lab, [NodeContainer("h1", "h1", image.tag)])
            client.call("own", pids=list(pids.values()))
            for user in (None, "root", "daemon"):
                wanted = _engine_exec(docker_engine, f"{lab.id}.h1", ["sh", "-c", script], user)
                assert run(client, pids["h1"], script, user=user).splitlines() == wanted
    finally:
        docker_engine.stop(lab.id)


def _engine_exec(
    engine: DockerEngine, container: str, argv: Sequence[str], user: str | None
) -> list[str]:
    import docker

    client = docker.from_env()
    try:
        result = client.containers.get(container).exec_run(list(argv), user=user or "")
    finally:
        client.close()
    assert result.exit_code == 0
    return str(result.output.decode()).splitlines()
