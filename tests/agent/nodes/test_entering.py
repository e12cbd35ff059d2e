"""Processes that enter a node, and what they have there; as a container sees it, too."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from playground.agent.kernel import control_groups
from playground.agent.kernel.execvpe import DEFAULT_PATH
from playground.agent.nodes import entering
from playground.engines.docker.engine import DockerEngine
from playground.engines.images import helper_image
from playground.engines.namespaces import cgroups
from playground.engines.seam import LabLabels, NodeContainer
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, end, needs_root, run, wait_for


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
def test_a_container_is_entered_when_its_program_has_begun() -> None:
    """Until then its first process is runc's own, with runc's environment."""
    script = "sleep 0.2; exec env -i NODE=h1 sleep 1000"
    started = {**os.environ, "_LIBCONTAINER_INITPIPE": "3", "GOMAXPROCS": "2"}
    command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, env=started) as unshare:
        try:
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
            wait_for(lambda: children.read_text())
            assert entering.NodeEntry(int(children.read_text())).environ == {"NODE": "h1"}
        finally:
            unshare.kill()


@needs_root
def test_command_starts_clean(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    # 3 is the listing's own.
    assert run(agent, pair[0].pid, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]
    status = run(agent, pair[0].pid, "cat /proc/self/status").splitlines()
    signals = [line.split()[1] for line in status if line.startswith(("SigBlk", "SigIgn"))]
    assert signals == ["0" * 16] * 2
    assert run(agent, pair[0].pid, "umask; readlink /proc/self/fd/0") == "0022\n/dev/null\n"


@needs_root
def test_command_heeds_signals_that_its_program_ignores(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    # As of a program that nohup(1) or a script's `&` has started.
    ignored = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT]
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        with connect() as agent:
            status = run(agent, pair[0].pid, "cat /proc/self/status").splitlines()
    finally:
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
    assert [line.split()[1] for line in status if line.startswith("SigIgn")] == ["0" * 16]


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
