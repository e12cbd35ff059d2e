"""Hosts made of namespaces, and what their roots can and cannot do."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import re
import socket
import stat
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground import CommandFailed, Host, Lab, Link
from playground.agent.kernel import seccomp
from playground.engines.namespaces import host_maker, labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems import disk_limits
from tests.facts import assert_can_ping
from tests.planted import LAB, SHOWN, plant

# Docker's default capabilities and NET_ADMIN, as capabilities(7) numbers them.
CAPABILITIES = 0xA80435FB

NAMESPACES = ("net", "mnt", "uts", "pid", "ipc", "cgroup", "user")

# Where the root of a host may make files, device files among them.
FOLDERS = ("/", "/dev", "/dev/shm", "/tmp", "/run", "/run/playground", "/var/lib", "/root")


# -- no filter of system calls --------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [("riscv64", "no filter of system calls for riscv64"), ("x86_64", "CONFIG_SECCOMP_FILTER")],
    ids=["machine without a table", "kernel without filters"],
)
def test_without_a_filter_no_host_is_made(
    monkeypatch: pytest.MonkeyPatch, machine: str, sentence: str
) -> None:
    """Open to all system calls it would run as well, and nobody would see it."""

    def prctl(option: int, argument: int = 0, second: int = 0) -> int:
        ctypes.set_errno(errno.EINVAL)  # what a kernel without filters says
        return -1

    monkeypatch.setattr(seccomp, "prctl", prctl)
    monkeypatch.setattr(host_maker.os, "uname", lambda: types.SimpleNamespace(machine=machine))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        for name in ("h1", "h2"):
            here.send(json.dumps({"name": name}).encode())
        here.shutdown(socket.SHUT_WR)
        host_maker.serve(there, "lab")
        for name in ("h1", "h2"):
            reply = json.loads(here.recv(1 << 16))
            assert reply["name"] == name
            assert sentence in reply["error"]["message"]
            assert "Docker" in reply["error"]["message"]


# -- two plain hosts ------------------------------------------------------------------


@pytest.fixture(scope="module", params=["machine", "image"])
def lab(
    request: pytest.FixtureRequest,
    namespaces_engine: NamespacesEngine,
    keep_lab: Callable[[str], None],
) -> Iterator[Lab]:
    """h1 and h2, linked, with the machine's own root below them or that of an image."""
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    engine = NamespacesEngine(plain_root=request.param)
    with Lab(h1, name="hosts", engine=engine, quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


@pytest.fixture
def h1(lab: Lab) -> Host:
    return host(lab, "h1")


@pytest.fixture
def h2(lab: Lab) -> Host:
    return host(lab, "h2")


def host(lab: Lab, name: str) -> Host:
    found = lab[name]
    assert isinstance(found, Host)
    return found


def output(node: Host, command: str) -> str:
    return node.run(command).stdout.strip()


def python(node: Host, program: str) -> str:
    return node.run(["python3", "-c", program]).stdout.strip()


def refused(node: Host, command: str) -> str:
    """Return what a command says that must fail."""
    result = node.run(command, check=False)
    assert result.returncode != 0, f"a host may do this: {command}"
    return result.stdout + result.stderr


def test_each_host_has_namespaces_of_its_own(h1: Host, h2: Host) -> None:
    machines = [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES]
    of_hosts = [
        output(node, f"cd /proc/1/ns && readlink {' '.join(NAMESPACES)}").split()
        for node in (h1, h2)
    ]
    assert len({*machines, *of_hosts[0], *of_hosts[1]}) == 3 * len(NAMESPACES)


def test_a_command_is_in_all_namespaces_of_its_host(h1: Host) -> None:
    first, own = (
        output(h1, f"cd /proc/{pid}/ns && readlink {' '.join(NAMESPACES)}") for pid in ("1", "self")
    )
    assert own == first


def test_a_host_changes_its_own_name_only(h1: Host, h2: Host) -> None:
    before = os.uname().nodename
    assert output(h1, "hostname") == "h1"
    h1.hostname = "elsewhere"
    try:
        assert [output(node, "hostname") for node in (h1, h2)] == ["elsewhere", "h2"]
        assert os.uname().nodename == before
    finally:
        h1.hostname = "h1"


# -- files ----------------------------------------------------------------------------


def test_what_a_host_writes_is_there_and_nowhere_else(h1: Host, h2: Host) -> None:
    for folder in ("/", "/etc", "/usr/bin", "/var/lib", "/root", "/home", "/tmp", "/run"):
        path = os.path.join(folder, "playground-was-here")
        h1.write(path, "h1")
        assert h1.read(path) == "h1"
        assert not Path(path).exists()
        refused(h2, f"ls {path}")


def test_what_a_host_changes_and_removes_stays_on_the_machine(h1: Host, h2: Host) -> None:
    def seen() -> tuple[bytes, os.stat_result, set[str]]:
        return Path("/etc/passwd").read_bytes(), os.stat("/usr/bin/env"), set(os.listdir("/etc"))

    before = seen()
    output(h1, "echo changed >> /etc/passwd")
    output(h1, "chmod 600 /usr/bin/env; chown 7:7 /usr/bin/env; echo changed >> /usr/bin/env")
    output(h1, "rm -r /etc/ssl /etc/alternatives")
    output(h1, "mv /etc/services /etc/moved 2>&1 || true")
    assert output(h1, "tail -1 /etc/passwd") == "changed"
    assert output(h1, "stat -c '%a %u %g' /usr/bin/env") == "600 7 7"
    after = seen()
    assert after[0] == before[0]
    # Read, perhaps; nothing else of it is another.
    assert [getattr(after[1], f"st_{name}") for name in ("mode", "uid", "size", "ctime_ns")] == [
        getattr(before[1], f"st_{name}") for name in ("mode", "uid", "size", "ctime_ns")
    ]
    assert after[2] == before[2]
    assert "changed" not in h2.read("/etc/passwd")


def test_what_a_host_wrote_is_gone_with_its_lab(namespaces_engine: NamespacesEngine) -> None:
    lab = Lab(Host("h1"), engine=namespaces_engine, quiet=True)
    for _ in range(2):
        with lab:
            refused(host(lab, "h1"), "cat /root/note /etc/note")
            output(host(lab, "h1"), "touch /root/note /etc/note")


def test_a_host_has_nothing_of_the_machines_people(h2: Host) -> None:
    assert output(h2, "ls /home") == "student"
    names = {os.path.basename(path) for path in output(h2, "find /root /home -type f").split()}
    assert names <= {".bashrc", ".profile", ".bash_logout"}
    people = {
        name
        for name, _, uid, *_ in (line.split(":") for line in h2.read("/etc/passwd").splitlines())
        if uid.isdigit() and 1000 <= int(uid) < 60000
    }
    assert people == {"student"}


def test_a_host_has_no_password_and_no_key_of_the_machine(h2: Host, lab: Lab) -> None:
    hashes = {
        fields[0]: fields[1]
        for fields in (line.split(":") for line in output(h2, "cat /etc/shadow*").splitlines())
        if not fields[1].startswith(("!", "*"))
    }
    assert hashes.keys() == {"root", *lab.users}
    machines = {
        line.split(":")[1]
        for line in Path("/etc/shadow").read_text().splitlines()
        if line.count(":") > 1
    }
    assert not machines.intersection(hashes.values())
    assert output(h2, "find /etc/ssh /etc/ssl/private -name '*key*' -type f") == ""
    identity = Path("/etc/machine-id")
    if identity.exists() and (text := identity.read_text().strip()):
        assert text not in output(h2, "cat /etc/machine-id || :")


def test_of_the_machine_a_host_has_programs_and_settings_only(
    namespaces_engine: NamespacesEngine,
) -> None:
    h1 = Host("h1")
    with Lab(h1, engine=namespaces_engine, quiet=True):
        top = set(output(h1, "ls -A /").split())
        top -= {name for name in top if name.startswith("lib")} | {"nix", "gnu"}
        assert top <= {
            *("bin", "sbin", "usr", "etc", "var", "opt"),
            *("dev", "proc", "sys", "run", "tmp", "home", "root", "srv", "mnt", "media"),
        }
        assert output(h1, "find /home /srv /mnt /media /var/tmp /var/log /var/mail -type f") == (
            output(h1, "find /home/student -type f")
        )
        closed = output(h1, "find /etc ! -type l ! -perm -o=r").split()
        assert set(closed) <= {
            *("/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock", "/etc/ssl/private"),
            *("/etc/sudoers", "/etc/sudoers.d"),
        }


def test_what_the_machine_keeps_to_itself_no_host_sees() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount what is not to be seen")
    done = subprocess.run(
        [sys.executable, "-c", LAB], capture_output=True, text=True, preexec_fn=plant, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*SHOWN, "passwd:", "root:x:0:0:root:/root:/bin/bash"]


# -- /proc, /sys and /dev -------------------------------------------------------------


def test_a_host_sees_its_own_processes_only(h1: Host) -> None:
    seen = python(h1, "import os; print(*[name for name in os.listdir('/proc') if name.isdigit()])")
    # Its first process, the python3 that looks, and what was just started or is ending.
    assert {"1"} < set(seen.split())
    assert len(seen.split()) <= 4
    commands = output(h1, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "keeper" not in commands
    assert "pytest" not in commands


def test_a_command_has_no_parent_and_no_descriptors_of_others(h1: Host) -> None:
    program = """
import os
print(os.getppid(), len(os.listdir("/proc/self/fd")))
print(*{os.readlink(f"/proc/1/fd/{name}") for name in os.listdir("/proc/1/fd")})
"""
    first, second = python(h1, program).splitlines()
    assert first == "0 4"  # three, and the one that lists them
    # The first program of an image has a signalfd(2) of its own.
    assert set(second.split()) <= {"/dev/null", "anon_inode:[signalfd]"}


def test_a_host_makes_no_device_file(h1: Host) -> None:
    """Only in the machine's own user namespace anybody makes one."""
    for folder in FOLDERS:
        path = os.path.join(folder, "disk")
        for kind, major, minor in (("b", *disk()), ("c", 1, 1)):  # a disk; /dev/mem
            assert "not permitted" in refused(h1, f"mknod {path} {kind} {major} {minor}")
        output(h1, f"mknod {path} p && rm {path}")


def disk() -> tuple[int, int]:
    """Return the numbers of a disk of this machine."""
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor, *_ = map(int, line.split()[:2])
        return major, minor
    return 7, 0  # a loop device


def test_a_host_has_harmless_devices_and_no_others(h1: Host) -> None:
    named = output(h1, "cd /dev && for f in $(find . ! -type l); do [ -c $f ] && echo $f; done; :")
    assert {os.path.normpath(name) for name in named.split()} == {
        *("null", "zero", "full", "random", "urandom", "tty", "pts/ptmx")
    }
    assert output(h1, "echo lost > /dev/null; head -c 3 /dev/zero | wc -c") == "3"
    assert "No space left" in refused(h1, "cp /etc/passwd /dev/full")
    assert output(h1, "script -qc tty /dev/null 2>&1 || echo /dev/pts/0").startswith("/dev/pts/")


def test_the_machines_device_files_cannot_be_changed(h1: Host) -> None:
    before = os.stat("/dev/full")
    try:
        for change in ("chmod 600", "chown 7", "touch", "rm"):
            refused(h1, f"{change} /dev/full")
        after = os.stat("/dev/full")
        for what in ("st_mode", "st_uid", "st_mtime"):
            assert getattr(after, what) == getattr(before, what)
    finally:
        os.chmod("/dev/full", stat.S_IMODE(before.st_mode))
        os.chown("/dev/full", before.st_uid, before.st_gid)


def test_what_tells_of_the_machine_is_empty(h1: Host) -> None:
    files = "/proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/vmallocinfo"
    assert output(h1, f"cat {files} 2> /dev/null | wc -c") == "0"
    heat = "cat /sys/devices/system/cpu/cpu*/thermal_throttle/*"
    assert output(h1, f"{heat} 2> /dev/null | wc -c") == "0"
    assert output(h1, "ls /sys/firmware /proc/scsi /proc/acpi 2> /dev/null | grep -v :") == ""
    roots_alone = "/sys/devices/virtual/dmi /sys/kernel/slab /sys/kernel/mm/damon"
    assert output(h1, f"ls -A {roots_alone} 2> /dev/null | grep -v :$") == ""
    refused(h1, "dmesg | grep . || exit 1")
    assert output(h1, "head -c 1 /proc/kmsg") == ""


def test_of_proc_a_host_reads_and_writes_what_a_stranger_may(h1: Host) -> None:
    """To the kernel its root is the machine's, where no capability is asked for."""
    look = """
import os, stat
for name in os.listdir("/proc"):
    path = f"/proc/{name}"
    if name.isdigit() or os.path.islink(path) or name == "sys":
        continue
    for file in [f"{path}/{x}" for x in os.listdir(path)] if os.path.isdir(path) else [path]:
        mode = os.stat(file).st_mode
        if not stat.S_ISREG(mode):
            continue
        if mode & 0o444 and not mode & stat.S_IROTH:
            print("closed", file)
        if mode & 0o222 and not os.statvfs(file).f_flag & os.ST_RDONLY:
            print("writable", file)
"""
    assert h1.python(look).stdout == ""
    assert (
        output(h1, "head -c 8 /proc/kpageflags /proc/kpagecount 2> /dev/null | grep -a -v =") == ""
    )


SETTINGS = (
    "/sys/kernel/uevent_helper",
    "/sys/class/net/lo/mtu",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/file-max",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
)


def test_what_would_change_the_machine_cannot_be_written(h1: Host) -> None:
    for path in SETTINGS:
        # Opened for writing only, and nothing written: a failure of this test harms nobody.
        said = refused(h1, f": >> {path}")
        assert re.search("Read-only file system|nonexistent|Permission denied", said), said


def test_the_networks_settings_are_the_hosts_own(h1: Host, h2: Host) -> None:
    path = Path("/proc/sys/net/ipv4/ip_default_ttl")
    before = path.read_text()
    output(h1, f"echo 77 > {path}")
    try:
        assert output(h1, f"cat {path}") == "77"
        assert path.read_text() == before
        assert output(h2, f"cat {path}") == "64"
    finally:
        output(h1, f"echo 64 > {path}")


# -- powers ---------------------------------------------------------------------------


def test_a_host_has_dockers_capabilities_exactly(h1: Host) -> None:
    for process in ("1", "self"):
        lines = output(h1, f"grep -E '^(Cap|Seccomp:)' /proc/{process}/status").splitlines()
        assert dict(line.split(":\t") for line in lines) == {
            "CapInh": f"{0:016x}",
            "CapPrm": f"{CAPABILITIES:016x}",
            "CapEff": f"{CAPABILITIES:016x}",
            "CapBnd": f"{CAPABILITIES:016x}",
            "CapAmb": f"{0:016x}",
            "Seccomp": "2",  # a filter: proc(5)
        }


def test_a_user_has_none_of_them(h1: Host) -> None:
    result = h1.run("grep -E 'Cap(Eff|Prm)' /proc/self/status", user="student")
    assert result.stdout.split() == ["CapPrm:", f"{0:016x}", "CapEff:", f"{0:016x}"]


# Without effect where they are let: a failure of these tests must not stop the machine.
CALLS = {
    "mount a file system": 'libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)',
    "make a mount writable": 'libc.mount(None, b"/sys", None, 32, None)',  # MS_REMOUNT
    "bind a folder": 'libc.mount(b"/", b"/mnt", None, 4096, None)',
    "take a mount away": 'libc.umount2(b"/proc/sys", 2)',
    "make namespaces": "libc.unshare(0x20000)",
    "make a user namespace": "libc.unshare(0x10000000)",
    "enter its own namespace": 'libc.setns(os.open("/proc/1/ns/net", 0), 0)',
    "restart the machine": "libc.reboot(0)",  # only what Ctrl-Alt-Del does
    "set the clock": "libc.clock_settime(0, (ctypes.c_long * 2)(*divmod(time.time_ns(), 10**9)))",
    "name the machine": 'libc.sethostname(b"", -1)',
    "take swap away": 'libc.swapoff(b"/dev/null")',
    "keep accounts": "libc.acct(None)",
    "open by handle": "libc.open_by_handle_at(0, bytes(64), 0)",
    "load a module": "libc.syscall(FINIT_MODULE, -1, b'', 0)",
    "remove a module": "libc.syscall(DELETE_MODULE, b'no-such-module', 0)",
    "run faster than others": "libc.nice(-5)",
    "trace the first process of the machine": "libc.ptrace(16, 4000000, 0, 0)",
}

# asm/unistd.h: FINIT_MODULE, DELETE_MODULE.
NUMBERS = {"x86_64": (313, 176)}.get(platform.machine(), (273, 106))


def test_what_hosts_are_not_let_do(h1: Host) -> None:
    program = f"""
import ctypes, errno, json, os, time
FINIT_MODULE, DELETE_MODULE = {NUMBERS}
libc = ctypes.CDLL(None, use_errno=True)
said = {{}}
for what, call in {CALLS}.items():
    result = eval(call)
    said[what] = "done" if result != -1 else errno.errorcode.get(ctypes.get_errno())
print(json.dumps(said))
"""
    said = json.loads(python(h1, program))
    # Not allowed; or not there to be asked for, for want of swap, modules, processes.
    refusals = ("EPERM", "EACCES", "ENOSYS", "ESRCH")
    assert {what: result for what, result in said.items() if result not in refusals} == {}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file of the machine that no host sees, in a folder that all have."""
    path = tmp_path / "mark"
    path.write_text("the machine's")
    return path


def test_no_path_leads_to_the_machines_files(h1: Host, mark: Path) -> None:
    for way in ("", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/dev/fd/0"):
        refused(h1, f"cat {way}{mark}")
        refused(h1, f"cat {way}{'/..' * 32}{mark}")


def test_a_root_changed_twice_leads_nowhere(h1: Host, mark: Path) -> None:
    # chroot(2), "This call does not change the current working directory".
    program = f"""
import os
os.makedirs("/tmp/jail", exist_ok=True)
out = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail")
os.fchdir(out)
for _ in range(64):
    os.chdir("..")
os.chroot(".")
print(os.path.exists("/etc/passwd"), os.path.exists({str(mark)!r}))
"""
    assert python(h1, program) == "True False"


# A program that looks into all processes that it sees, for as long as it may.
SPY = """
import os
own = {os.statvfs(path).f_fsid for path in ("/", "/run/playground")}
seen, foreign, looks = 0, set(), 0
while not os.path.exists("/tmp/enough"):
    looks += 1
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("exe", "root", "cwd"):
            try:
                found = os.statvfs(f"/proc/{pid}/{name}").f_fsid
            except OSError:
                continue
            seen += 1
            if found not in own:
                foreign.add(name)
    if looks == 1:
        print("looking", flush=True)
print(seen > 0, sorted(foreign))
"""


def test_a_host_catches_nothing_of_what_enters_it(h1: Host) -> None:
    # As runc was left by its own /proc/PID/exe: CVE-2019-5736.
    with h1.start(["python3", "-c", SPY]) as spy:
        assert spy.stdout.readline() == "looking"
        for number in range(25):
            h1.run("true")
            h1.write("/tmp/file", str(number))
            h1.read("/tmp/file")
        h1.run("touch /tmp/enough")
        assert spy.stdout.readline() == "True []"


# A script that is run by what its parent runs from, and would keep it for later.
THIEF = """#!/proc/self/exe
import os
print(os.readlink("/proc/self/exe"))
try:
    os.chmod("/proc/self/exe", 0o4777)
    print("changed")
except OSError as error:
    print(error.strerror)
try:
    open("/proc/self/exe", "ab")
except OSError as error:
    print(error.strerror)
"""


def test_a_host_gets_no_file_of_the_machine_by_what_its_commands_are_started_from(
    h1: Host, lab: Lab
) -> None:
    before = os.stat(os.path.realpath(sys.executable))
    h1.write("/usr/local/bin/thief", THIEF, mode=0o755)
    for user in (None, "student"):
        place = h1.run(["thief"], check=False, user=user).stdout.splitlines()
        # In an image this Python may find no library, and say nothing.
        assert place == [] or place[0].startswith("/memfd:python"), place
    after = os.stat(os.path.realpath(sys.executable))
    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert h1.run("hostname").stdout == "h1\n"
    # Whatever mode it has given to that, its lab is found, and all of this program's.
    assert "h1" in labels.find_nodes(lab.id)


@pytest.mark.parametrize("family", [38, 40, 44])  # AF_ALG, AF_VSOCK, AF_XDP
def test_a_host_opens_no_socket_that_leads_past_its_network(h1: Host, family: int) -> None:
    program = f"import socket; socket.socket({family}, socket.SOCK_DGRAM)"
    failed = h1.run(["python3", "-c", program], check=False)
    assert "PermissionError" in failed.stderr


def test_no_process_of_the_lab_can_be_reached(h1: Host, lab: Lab) -> None:
    pids = [pid for pids in labels.find_nodes(lab.id).values() for pid in pids]
    program = f"""
import os
for pid in {[pid for pid in pids if pid > 100]}:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    print(pid, "is there")
"""
    assert python(h1, program) == ""


# -- the machine's network ------------------------------------------------------------


def test_a_host_has_interfaces_of_the_lab_only(h1: Host) -> None:
    # Beside them, what the kernel puts into every network: tunnels, all of them down.
    up = [line.split()[0] for line in output(h1, "ip -br link show up").splitlines()]
    assert [name.partition("@")[0] for name in up] == ["lo", "eth0"]
    assert output(h1, "ip -4 route").startswith("10.0.1.0/24 dev eth0")


def test_a_host_cannot_reach_the_machine(h1: Host) -> None:
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"\0playground-{os.getpid()}"  # abstract: unix(7)
        unix.bind(name)
        unix.listen()
        program = f"""
import socket
for family, address in (
    (socket.AF_INET, {tcp.getsockname()!r}),
    (socket.AF_UNIX, {name!r}),
):
    with socket.socket(family) as line:
        print(line.connect_ex(address))
"""
        assert python(h1, program).split() == ["111", "111"]  # ECONNREFUSED


# -- a full disk ----------------------------------------------------------------------

# Where a host can make no files of any size.
WITHOUT_FILES = {"proc", "sysfs", "devpts", "mqueue"}

SEEN = """
import json, os
rows = []
for line in open("/proc/self/mountinfo"):
    first, second = line.split(" - ")
    device, root, place, flags = first.split()[2:6]
    kind, _, options = second.split()
    if os.path.isdir(place) and not {"ro"} & {*flags.split(","), *options.split(",")}:
        found = os.statvfs(place)
        size = found.f_blocks * found.f_frsize
        rows.append([place, kind, device, size, found.f_files, options.split(",")])
print(json.dumps(rows))
"""


def test_all_that_a_host_can_write_has_a_limit_and_the_sum_is_what_is_said(h1: Host) -> None:
    """Each file system that is mounted in a host, whatever it is for; in MiB."""
    sizes = {}
    places = set()
    for place, kind, device, size, files, options in json.loads(python(h1, SEEN)):
        if kind in WITHOUT_FILES:
            continue
        assert kind in ("overlay", "tmpfs"), f"{place} is a {kind}: what limits it?"
        # The size of an overlay is that of the place to which changes go.
        assert 0 < size <= disk_limits.DISK_LIMIT_MB << 20, f"{place} has no limit"
        assert 0 < files <= 1 << 17, f"{place} may have any number of files"
        if kind == "tmpfs":
            assert any(option.startswith("size=") for option in options), place
            assert any(option.startswith("nr_inodes=") for option in options), place
        places.add(place)
        # The overlay, /tmp and /run write into one memory, and have one size.
        sizes["disk" if size > 500 << 20 else device] = size >> 20
    assert {"/", "/dev", "/dev/shm", "/run/playground"} <= places
    assert len(sizes) == 4
    assert sum(sizes.values()) <= disk_limits.DISK_LIMIT_MB


def test_a_disk_is_full_wherever_it_is_filled(h1: Host) -> None:
    try:
        h1.run("fallocate -l 600M /tmp/one")
        refused(h1, "fallocate -l 600M /var/lib/two")
        refused(h1, "fallocate -l 600M /run/three")
    finally:
        h1.run("rm -f /tmp/one /var/lib/two /run/three")


def test_memory_that_is_shared_by_number_has_a_limit(h1: Host) -> None:
    """In no file system, and there until somebody removes it: shmget(2)."""
    program = """
import ctypes
libc = ctypes.CDLL(None)
ids = [libc.shmget(0, megabytes << 20, 0o1600) for megabytes in (40, 40, 10)]
print([number >= 0 for number in ids])
for number in ids:
    libc.shmctl(number, 0, None)  # IPC_RMID
"""
    assert python(h1, program) == "[True, False, True]"


def test_what_a_lab_makes_for_a_host_has_room_on_a_full_disk(h1: Host) -> None:
    refused(h1, "fallocate -l 17M /run/playground/all; s=$?; rm /run/playground/all; exit $s")
    h1.run("fallocate -l 15M /run/playground/all; s=$?; rm /run/playground/all; exit $s")


def test_a_host_has_terminals_but_not_all_of_the_machines(h1: Host) -> None:
    options = output(h1, "grep ' /dev/pts ' /proc/self/mountinfo")
    assert "max=256" in options


def test_a_full_disk_is_one_hosts_own_trouble(namespaces_engine: NamespacesEngine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, engine=namespaces_engine, quiet=True):
        with pytest.raises(CommandFailed, match="No space left on device"):
            h1.run("fallocate -l 920M /most && dd if=/dev/zero of=/all bs=1M")
        refused(h1, "cp /etc/passwd /etc/more")
        h1.run("cp /etc/passwd /dev/shm/more")
        h2.run("dd if=/dev/zero of=/some bs=1M count=8")
        assert_can_ping(h1, h2)
        h1.run("rm /all && cp /etc/passwd /etc/more")


# -- with services --------------------------------------------------------------------


def test_users_log_in_and_become_others(namespaces_engine: NamespacesEngine) -> None:
    h1, h2 = Host("h1", services=["ssh"]), Host("h2", services=["ssh"])
    Link(h1, h2)
    with Lab(h1, users={"ada": "secret"}, engine=namespaces_engine, quiet=True):
        assert h1.run("su ada -c 'id -un'").stdout == "ada\n"
        sudo = h1.run("sudo -S -p '' id -un", user="ada", input="secret\n")
        assert sudo.stdout == "root\n"
        refused(h1, "su ada -c 'echo wrong | sudo -S id'")
        with h1.ssh(to=h2, user="ada") as client:
            _, stdout, _ = client.exec_command("id -un; grep CapBnd /proc/self/status")
            assert stdout.read().decode().split() == ["ada", "CapBnd:", f"{CAPABILITIES:016x}"]
        assert h1.run("ssh root@h2 id -un").stdout == "root\n"


def test_a_host_that_was_listed_is_as_one_that_was_forked(
    namespaces_engine: NamespacesEngine,
) -> None:
    """Another working directory is looked for in the root, by a forked Python."""
    listed, forked = Host("listed"), Host("forked", workdir="/tmp")
    Link(listed, forked)
    looks = (
        "sed 's/.* - //; s/^[0-9 :]*//' /proc/1/mountinfo; cut -d' ' -f4-6 /proc/1/mountinfo",
        "grep -E '^(Cap|NoNew|Seccomp|Sig|Uid|Gid|Groups|NSpid|Umask)' /proc/1/status",
        "cat /proc/1/limits /proc/1/cmdline /proc/self/cgroup; ls -l /proc/1/fd | cut -c 50-",
        "ls -lR --time-style=+ / --ignore=proc --ignore=sys --ignore=usr --ignore=lib | head -500",
    )
    with Lab(listed, engine=namespaces_engine):
        for look in looks:
            found = [host.run(["sh", "-c", f"cd /; {look}"]).stdout for host in (listed, forked)]
            assert found[0]
            assert found[0] == found[1].replace("forked", "listed")


def test_accounts_of_the_lab_are_below_all_hosts(namespaces_engine: NamespacesEngine) -> None:
    """No host has copies of its own; and who changes them changes no other host's."""
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    files = ["/etc/passwd", "/etc/group", "/etc/shadow", "/home/student/.bashrc"]
    # What a host was given itself is younger than its first program.
    look = ["find", *files, "/etc/hosts", "-newer", "/run/playground/pause"]
    with Lab(h1, engine=namespaces_engine) as lab:
        assert [host.run(look).stdout for host in (h1, h2)] == ["/etc/hosts\n"] * 2
        assert h1.run("stat -c %U /home/student/.bashrc").stdout == "student\n"
        assert h1.run("whoami", user="student").stdout == "student\n"
        assert "student" in lab.users
        h1.run("useradd -m bob && echo student:another | chpasswd && rm /home/student/.bashrc")
        assert "bob" in h1.run("cat /etc/passwd").stdout
        assert "bob" not in h2.run("cat /etc/passwd").stdout
        shadow = [host.run("grep student /etc/shadow").stdout for host in (h1, h2)]
        assert shadow[0] != shadow[1]
        assert h2.run(look).stdout == "/etc/hosts\n"
