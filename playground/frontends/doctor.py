"""The doctor: what this machine and its engine can do, and what will not work.

`examine` looks at everything that a lab depends on and says what it found, as
data; how that is shown is the command line's business.  It never raises for
what it finds, and leaves nothing behind.

"""

from __future__ import annotations

import dataclasses
import gzip
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.engines.choice import VARIABLE
from playground.engines.docker.engine import DockerEngine
from playground.engines.images import (
    LOCAL_BASE,
    PUBLIC_BASE,
    all_images,
    built_layers,
    helper_image,
)
from playground.errors import EngineError, ImageError
from playground.frontends import namespaces_doctor
from playground.frontends.doctor_finding import Finding
from playground.model.impairment import WITHOUT_NETEM
from playground.model.kernel.features import FEATURES
from playground.model.records import dataclass
from playground.model.vlans import WITHOUT_8021Q, WITHOUT_FILTERING


def examine_all() -> list[Finding]:
    """Look at this Python and at each engine that may be meant here.

    What keeps one engine from working is no failure where the other works.

    >>> [finding for finding in examine_all() if finding.status == "fail"]
    []

    """
    asked = os.environ.get(VARIABLE)
    python = [*_python(), *_packages()]
    if asked == "swarm":
        from playground.frontends import swarm_doctor

        return python + swarm_doctor.examine()
    namespaces = [*namespaces_doctor.examine()]
    if asked == "namespaces":
        return python + namespaces
    docker = examine()[len(python) :]
    if asked == "docker" or DockerEngine().was_asked_for():
        return python + docker
    healthy = [all(one.status != "fail" for one in found) for found in (docker, namespaces)]
    if any(healthy):
        docker, namespaces = (
            [
                dataclasses.replace(one, status="warn") if one.status == "fail" else one
                for one in found
            ]
            for found in (docker, namespaces)
        )
    return python + docker + namespaces


def examine(engine: DockerEngine | None = None) -> list[Finding]:
    """Look at a Docker engine, its kernel, the images and this Python.

    Where the helper's image exists, the kernel's features are really tried, in a
    container of their own; else they are looked up, if the engine is on this
    machine.

    >>> [finding for finding in examine() if finding.status != "ok"]
    []

    """
    found = [*_python(), *_packages()]
    engine = engine or DockerEngine()
    try:
        engine.check()
        described = engine.describe()
        engine.labs()  # one that hangs may still say what it is
    except EngineError as error:
        return [*found, Finding("engine", "fail", "no usable container engine", str(error))]
    found += _engine(described)
    images, missing = _images(engine)
    tried: dict[str, Any] = {}
    if "helper" not in missing:
        tried, trouble = _try(engine)
        found += trouble
    found += _kernel(tried, described)
    found += images
    found += _base(engine, missing)
    found += _disk(tried, described, missing)
    found += _limits(tried | _own_limits(described))
    return found


# -- this Python ---------------------------------------------------------------

_PACKAGES = (
    "cattrs",
    "click",
    "cryptography",
    "docker",
    "dpkt",
    "paramiko",
    "pyroute2",
    "rich",
)


def _python() -> Iterator[Finding]:
    # An older one could not have read this file.
    yield Finding("python", "ok", f"Python {platform.python_version()} at {sys.executable}")


def _packages() -> Iterator[Finding]:
    versions, missing = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        advice = f"pip install {' '.join(missing)}"
        yield Finding("packages", "fail", f"not installed: {', '.join(missing)}", advice)
    else:
        yield Finding("packages", "ok", ", ".join(versions))


# -- the engine ----------------------------------------------------------------


def _engine(described: Mapping[str, Any]) -> Iterator[Finding]:
    version, info = described["version"], described["info"]
    number, api = version.get("Version", "?"), version.get("ApiVersion", "?")
    kind = _kind(described, f"{number}, API {api}, at {described['url']}")
    yield kind
    if kind.status == "ok":
        yield from _age(number)
    machine = info.get("Architecture", "?")
    yield Finding("architecture", "ok", f"{machine}; images are built for it")
    yield _storage(info.get("Driver", "?"))
    yield _runtime(info.get("DefaultRuntime", "?"))
    yield _cgroup(info)


def _kind(described: Mapping[str, Any], where: str) -> Finding:
    version, info = described["version"], described["info"]
    components = " ".join(part.get("Name", "") for part in version.get("Components") or ())
    security = " ".join(info.get("SecurityOptions") or ())
    system = info.get("OperatingSystem", "")
    if "name=rootless" in security:
        return Finding(
            "engine",
            "fail",
            f"an engine without root {where}, which playground does not support: sysctls and "
            "control groups of hosts are not its to change",
            "use an engine that runs as root, in a virtual machine of your own perhaps",
        )
    if "name=userns" in security:
        return Finding(
            "engine",
            "fail",
            f"an engine {where} that maps root to another user (userns-remap): the agent does "
            "not enter hosts with a user namespace of their own",
            "switch userns-remap off in the engine, or use another engine",
        )
    if "podman" in components.lower():
        return Finding(
            "engine",
            "warn",
            f"Podman {where}, by its Docker-compatible socket",
            "playground is made for Docker; where a lab does not start, use Docker",
        )
    if "Docker Desktop" in system:
        return Finding("engine", "ok", f"Docker Desktop {where}: labs live in its virtual machine")
    return Finding("engine", "ok", f"Docker {where} on {system or 'Linux'}")


def _age(version: str) -> Iterator[Finding]:
    # https://github.com/moby/moby/pull/42545, in Docker 23.0: in older ones two threads of
    # libnetwork take the locks of the controller and of a network in opposite order.
    major = re.match(r"\d+", version)
    if major and int(major[0]) < 23:
        yield Finding(
            "engine's age",
            "warn",
            f"Docker {version} may hang for good where several programs start and stop labs at "
            "once: threads of its libnetwork can wait for each other",
            "update to Docker 23.0 or newer; where it hangs, systemctl restart docker",
        )


def _storage(driver: str) -> Finding:
    if driver == "vfs":
        return Finding(
            "storage",
            "warn",
            "storage driver vfs: every host of a lab is a whole copy of its image",
            "configure the engine for overlay2; small labs work, slowly",
        )
    return Finding("storage", "ok", f"storage driver {driver}")


def _runtime(name: str) -> Finding:
    # Those that run containers on another kernel than the engine's: there the
    # agent finds no processes to enter.
    if any(word in name for word in ("runsc", "kata", "gvisor")):
        return Finding(
            "runtime",
            "fail",
            f"the default runtime is {name}, whose containers cannot be wired from outside",
            "make runc or crun the engine's default runtime",
        )
    return Finding("runtime", "ok", name)


def _cgroup(info: Mapping[str, Any]) -> Finding:
    version, driver = str(info.get("CgroupVersion", "1")), info.get("CgroupDriver", "?")
    return Finding("cgroup", "ok", f"cgroup v{version}, driver {driver}")


# -- the kernel ----------------------------------------------------------------

# Tried in a helper container, with what the helper has: python3, nft, and the agent's modules.
# Prints a JSON object: for each feature null or the error, and some numbers.
_TRIAL = r'''
import ctypes, json, os, socket, struct, subprocess, sys

found = {}

def attempt(name, work):
    try:
        work()
    except Exception as error:
        found[name] = str(error) or type(error).__name__
    else:
        found[name] = None

# rtnetlink(7): messages of a family header and attributes.
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
NEWLINK, NEWQDISC = 16, 36
REQUEST_ACK_CREATE = 0x1 | 0x4 | 0x400 | 0x200

def attribute(kind, value):
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + bytes(-len(data) % 4)

def request(kind, payload):
    head = struct.pack("=IHHII", 16 + len(payload), kind, REQUEST_ACK_CREATE, 1, 0)
    netlink.send(head + payload)
    error = -struct.unpack_from("=i", netlink.recv(65536), 16)[0]
    if error:
        raise OSError(error, os.strerror(error))

def link(name, kind, data=b"", more=b""):
    info = attribute(1, kind.encode()) + (attribute(2, data) if data else b"")
    header = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
    request(NEWLINK, header + attribute(3, name.encode() + b"\0") + more + attribute(18, info))

def index(name):
    return struct.pack("=I", socket.if_nametoindex(name))

def veth():
    # VETH_INFO_PEER (1): a header and attributes of the other end.
    peer = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute(3, b"v1\0")
    link("v0", "veth", attribute(1, peer))

def vlan():
    # IFLA_LINK (5), IFLA_VLAN_ID (1)
    link("v0.5", "vlan", attribute(1, struct.pack("=H", 5)), attribute(5, index("v0")))

def filtering():
    # IFLA_BR_VLAN_FILTERING (7)
    link("b1", "bridge", attribute(7, bytes([1])))

def bpf():
    # bpf(2): a program of the hooks of tc that returns 0
    program = ctypes.create_string_buffer(struct.pack("=QQ", 0xB7, 0x95))
    license = ctypes.create_string_buffer(b"MIT")
    address = ctypes.addressof
    request = struct.pack("=IIQQ", 3, 2, address(program), address(license)) + bytes(100)
    number = 321 if os.uname().machine == "x86_64" else 280
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, 5, ctypes.create_string_buffer(request), len(request)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def netem():
    # struct tcmsg; TCA_KIND (1), TCA_OPTIONS (2): latency, limit, loss, gap, duplicate, jitter
    header = struct.pack("=BxxxiIII", 0, socket.if_nametoindex("v0"), 0x10000, 0xFFFFFFFF, 0)
    options = attribute(2, struct.pack("=6I", 1000, 1000, 0, 0, 0, 0))
    request(NEWQDISC, header + attribute(1, b"netem\0") + options)

def nft(rules):
    done = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True)
    if done.returncode:
        raise OSError(done.stderr.strip())

def ipv6():
    if not os.path.isdir("/proc/sys/net/ipv6"):
        raise OSError("the kernel has no IPv6")

def processes():
    if os.getpid() == 1:
        raise OSError("it is alone in its process namespace")

attempt("veth", veth)
attempt("bridge", lambda: link("b0", "bridge"))
attempt("8021q", vlan)
attempt("VLAN filtering", filtering)
attempt("eBPF", bpf)
attempt("netem", netem)
attempt("nat", lambda: nft("""
table ip a {
  chain b {
    type nat hook postrouting priority 100
    masquerade
  }
}
"""))
attempt("ftp", lambda: nft("""
table ip c {
  ct helper f {
    type "ftp" protocol tcp
  }
  chain d {
    type filter hook prerouting priority -150
    tcp dport 21 ct helper set "f"
  }
}
"""))
attempt("ipv6", ipv6)
attempt("processes", processes)

def number(path):
    try:
        with open(path) as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return None

disk = os.statvfs("/")
found["free_bytes"] = disk.f_bavail * disk.f_frsize
found["pid_max"] = number("/proc/sys/kernel/pid_max")
found["inotify"] = number("/proc/sys/fs/inotify/max_user_instances")

def features(trials):
    # Last, for this leaves the container's network.
    sys.path.insert(0, "/usr/local/lib/playground")
    from playground.agent.links.kernel_features import kernel_lacks
    return kernel_lacks(trials)

found["features"] = features(TRIALS)
print(json.dumps(found))
'''


@dataclass(frozen=True)
class _Feature:
    """Something the kernel must have; `option` is its name in the kernel's configuration."""

    name: str
    option: str
    needed: bool
    without: str


_FEATURES = (
    _Feature("veth", "CONFIG_VETH", True, "no link can be made"),
    _Feature("bridge", "CONFIG_BRIDGE", True, "no switch can be made"),
    _Feature("nat", "CONFIG_NFT_NAT", False, "masquerade and forward do not work"),
    _Feature("ftp", "CONFIG_NF_CONNTRACK_FTP", False, "active FTP does not pass a NAT"),
    _Feature("netem", "CONFIG_NET_SCH_NETEM", False, WITHOUT_NETEM),
    _Feature("8021q", "CONFIG_VLAN_8021Q", False, WITHOUT_8021Q),
    _Feature("VLAN filtering", "CONFIG_BRIDGE_VLAN_FILTERING", False, WITHOUT_FILTERING),
    _Feature("eBPF", "CONFIG_BPF_SYSCALL", False, "nothing stands in for 8021q where it lacks"),
    _Feature("ipv6", "CONFIG_IPV6", False, "Lab(ipv6=True) does not work"),
)


def _try(engine: DockerEngine) -> tuple[dict[str, Any], list[Finding]]:
    try:
        trials = json.dumps([row.trial for row in FEATURES.values()])
        code = _TRIAL.replace("TRIALS", trials)
        return json.loads(engine.try_in_helper(helper_image(), code)), []
    except (EngineError, ValueError) as error:
        advice = "look at the engine's own log; other containers of yours may start all the same"
        return {}, [
            Finding("helper", "fail", f"the helper container does not work: {error}", advice)
        ]


def _kernel(tried: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[Finding]:
    release = described["info"].get("KernelVersion", "?")
    if tried.get("processes"):
        yield Finding(
            "helper",
            "fail",
            f"the helper container does not see the hosts' processes: {tried['processes']}",
            "use an engine that allows --pid=host with all capabilities asked for",
        )
    lacking: dict[str, str] = {}
    known = {name: tried[name] for name in tried if name in {f.name for f in _FEATURES}}
    how = "tried"
    if not known:
        known, how = _looked_up(release), "looked up"
    for feature in _FEATURES:
        error = known.get(feature.name)
        if error:
            lacking[feature.name] = error
            yield Finding(
                f"kernel: {feature.name}",
                "fail" if feature.needed else "warn",
                f"kernel {release} lacks it ({_first_line(error)}): {feature.without}",
                f"load or install the module ({feature.option}), or use an engine in a virtual "
                "machine with an ordinary kernel",
            )
    if not known:
        yield Finding(
            "kernel",
            "warn",
            f"kernel {release}: what it can do is not known yet",
            "run `playground build`, then ask again",
        )
    elif present := [f.name for f in _FEATURES if f.name in known and f.name not in lacking]:
        yield Finding("kernel", "ok", f"kernel {release} has {', '.join(present)} ({how})")
    if "features" in tried:
        yield namespaces_doctor.features_finding(
            dict(zip(FEATURES, tried["features"], strict=True))
        )


def _looked_up(release: str) -> dict[str, str | None]:
    """The configuration of this machine's kernel; empty if the engine runs on another."""
    if release != platform.release():
        return {}
    text = _kernel_configuration(release)
    if not text:
        return {}
    options = dict(re.findall(r"^(CONFIG_\w+)=(\w+)", text, re.M))
    return {
        feature.name: None if options.get(feature.option) in ("y", "m") else "not configured"
        for feature in _FEATURES
    }


def _kernel_configuration(release: str) -> str:
    try:
        if (packed := Path("/proc/config.gz")).exists():
            return gzip.decompress(packed.read_bytes()).decode(errors="replace")
        return Path(f"/boot/config-{release}").read_text(errors="replace")
    except OSError:
        return ""


# -- images and room -----------------------------------------------------------


def _images(engine: DockerEngine) -> tuple[list[Finding], list[str]]:
    """Which layers of images are there, in whatever image; also those that are missing."""
    try:
        images = all_images()
        built = built_layers(engine.image_tags())
        missing = [image.layer for image in images if image.layer not in built]
    except (ImageError, EngineError) as error:
        return [Finding("images", "fail", "images cannot be looked at", str(error))], ["helper"]
    if not missing:
        return [Finding("images", "ok", f"all {len(images)} are built")], []
    detail = f"not built yet: {', '.join(missing)}; what a lab needs is built when it starts"
    return [Finding("images", "warn", detail, "run `playground build` to have it done")], missing


def _base(engine: DockerEngine, missing: list[str]) -> Iterator[Finding]:
    """How images could be built, where some are missing."""
    if not missing:
        return
    for tag in (PUBLIC_BASE, LOCAL_BASE):
        if engine.has_image(tag):
            yield Finding("base image", "ok", f"{tag} is there")
            return
    if program := shutil.which("mmdebstrap"):
        detail = f"no {PUBLIC_BASE} yet: it is pulled, or made by {program}"
        yield Finding("base image", "ok", detail)
    else:
        yield Finding(
            "base image",
            "warn",
            f"no {PUBLIC_BASE} yet, and no mmdebstrap: images can be built only if a registry "
            "gives it",
            "apt-get install mmdebstrap, or docker pull " + PUBLIC_BASE,
        )


# All images together take 1.5 GB, and building them some more for a while.
_BUILD_BYTES = 3_000_000_000
_RUN_BYTES = 500_000_000


def _disk(
    tried: Mapping[str, Any], described: Mapping[str, Any], missing: list[str]
) -> Iterator[Finding]:
    root = described["info"].get("DockerRootDir", "")
    free = tried.get("free_bytes")
    if free is None and described["url"].startswith("unix://"):
        free = _free_bytes(Path(root or "/"))
    if free is None:
        return
    needed = _BUILD_BYTES if missing else _RUN_BYTES
    detail = f"{free / 1e9:.1f} GB free in {root or 'the engine'}"
    if free < needed:
        yield Finding(
            "disk",
            "warn",
            f"{detail}, and about {needed / 1e9:.1f} GB are needed",
            "docker system df shows what takes the room, docker system prune frees some",
        )
    else:
        yield Finding("disk", "ok", detail)


def _free_bytes(path: Path) -> int | None:
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


# -- limits --------------------------------------------------------------------


@dataclass(frozen=True)
class _Limit:
    """A number of the engine's kernel, and what becomes of labs above it."""

    key: str
    sysctl: str
    enough: int
    meaning: Callable[[int], str]


_LIMITS = (
    # arp(7): beyond gc_thresh3 the kernel forgets neighbours, for all namespaces
    # together; 1024 is its default.
    _Limit(
        "neighbours",
        "net.ipv4.neigh.default.gc_thresh3",
        1024,
        lambda value: f"about {value} neighbours at a time, in all labs together",
    ),
    # A host with all services has some twenty processes.
    _Limit(
        "pid_max", "kernel.pid_max", 32768, lambda value: f"about {value // 20} hosts with services"
    ),
    # inotify(7): 128 is the default; a mail or DNS server takes one or two.
    _Limit(
        "inotify",
        "fs.inotify.max_user_instances",
        128,
        lambda value: f"about {value // 2} mail and DNS servers at a time",
    ),
)


def _limits(tried: Mapping[str, Any]) -> Iterator[Finding]:
    for limit in _LIMITS:
        value = tried.get(limit.key)
        if value is None:
            continue
        detail = f"{limit.sysctl} is {value}: {limit.meaning(value)}"
        if value < limit.enough:
            advice = (
                f"for larger labs: sysctl -w {limit.sysctl}={limit.enough} on the engine's machine"
            )
            yield Finding("limits", "warn", detail, advice)
        else:
            yield Finding("limits", "ok", detail)


def _own_limits(described: Mapping[str, Any]) -> dict[str, int]:
    """The facts that only the first network namespace shows, where that is this program's."""
    if described["info"].get("KernelVersion") != platform.release():
        return {}
    try:
        text = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3").read_text()
    except OSError:
        return {}
    return {"neighbours": int(text)}


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else text
