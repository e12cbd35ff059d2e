"""Container configs: what the Docker API is told of nodes and helpers.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.engines import owners
from playground.engines.seam import MARK, OWNER, LabLabels, NodeContainer
from playground.model.containers.capabilities import NOT_BESIDE_WRITABLE_VOLUMES
from playground.model.containers.container import ContainerSettings, VolumeMount
from playground.model.containers.limits import DEFAULT_PROCESSES, Limits
from playground.planning.program_plans import ImageConfig

# -I: nothing of the helper's environment or directories gets in the way.
AGENT_COMMAND = (
    "python3",
    "-I",
    "-c",
    "import sys; sys.path.insert(0, '/usr/local/lib/playground'); "
    "from playground.agent import operations; operations.main()",
)

# Where containers of a user's image have their first program: `engines.pause`.
FIRST_PROGRAM = "/.playground/pause"

# The agent needs these beyond Docker's default capabilities: namespaces, netlink
# and nft, other processes' /proc, signals to all.  Not --privileged, which
# fails on machines that lack any capability at all.
_HELPER_CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "NET_RAW", "KILL")

# Docker's default list with /proc/sys replaced by what may stand in it except
# /proc/sys/net: the network's sysctls belong to the node's own namespace, and
# students may write them.  A path that a kernel lacks is passed over by runc.
# See daemon/pkg/oci/defaults.go of moby, and sysctl directories in the kernel's
# Documentation/admin-guide/sysctl/index.rst.
_READ_ONLY = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sysrq-trigger",
    # Not in moby's list; for these the kernel asks for root's number only.
    *("/proc/dynamic_debug", "/proc/mtrr", "/proc/pressure"),
    *(
        f"/proc/sys/{name}"
        for name in ("abi", "crypto", "debug", "dev", "fs", "fscache", "kernel", "sunrpc")
    ),
    *(f"/proc/sys/{name}" for name in ("user", "vm", "xen")),
    # Of all that is in net, this one is no network's own.
    "/proc/sys/net/netfilter/nf_hooks_lwtunnel",
)

# A lab's nodes print nothing: their daemons log into files.  "none" also keeps
# a machine's own choice, a remote log server perhaps, out of a lab's start.
_HOST_CONFIG = {
    "NetworkMode": "none",
    "AutoRemove": True,
    "LogConfig": {"Type": "none"},
}

# The label of a helper container that belongs to no lab.
MACHINE_ACCESS = "playground.machine-access"


def node_config(lab: LabLabels, node: NodeContainer, shows_files: bool = True) -> dict[str, Any]:
    """Return what the engine is told of a node; without ``shows_files`` of no folders."""
    said = node.settings
    volumes = [item for item in said.volumes if shows_files or item.shared]
    shm_kb = said.shm_mb << 10 if said.shm_mb else _share_kb(node.limits, 64 << 10)
    return {
        "Image": node.own_image.tag if node.own_image else node.image,
        "Hostname": node.hostname,
        # Ours last: no other may take their place.
        "Labels": dict(said.labels) | lab.as_labels("node", node.name),
        **(_own_image_config(node.own_image.config) if node.own_image else _staying(said)),
        **_process_config(said),
        "HostConfig": {
            **_HOST_CONFIG,
            "CapAdd": [*node.cap_add, *said.cap_add],
            "CapDrop": _dropped(volumes),
            **_limits_config(node.limits),
            "ReadonlyPaths": list(_READ_ONLY),
            # For what a lab makes for its nodes: see playground.lab.provision.
            "Tmpfs": {"/run/playground": f"mode=755,size={_share_kb(node.limits, 16 << 10)}k"},
            "ShmSize": shm_kb << 10,
            **_resources_config(said),
            "Mounts": [_mount(lab, item) for item in volumes],
        },
    }


def _own_image_config(image: ImageConfig) -> dict[str, Any]:
    """Return what makes a container wait: our first program in place of the image's own."""
    return {
        "Entrypoint": [FIRST_PROGRAM],
        "Cmd": [],
        # Those of layers upon it are others.
        "User": image.user,
        "WorkingDir": image.workdir,
        # `operations.programs` asks; the engine would ask what has not begun yet.
        "Healthcheck": {"Test": ["NONE"]},
    }


def _staying(said: ContainerSettings) -> dict[str, Any]:
    """Return a first process that stays in its working directory, as catatonit does not.

    SIGCHLD stays ignored over an exec: the kernel reaps what has no parent.

    """
    stays = ["sh", "-c", "trap '' CHLD; exec sleep infinity"]
    return {"Entrypoint": stays, "Cmd": []} if said.workdir else {}


def _process_config(said: ContainerSettings) -> dict[str, Any]:
    """Return what the first process gets, and from it all that runs there."""
    return {
        **({"Env": [f"{name}={value}" for name, value in said.env]} if said.env else {}),
        **({"User": said.user} if said.user else {}),
        **({"WorkingDir": said.workdir} if said.workdir else {}),
    }


def _resources_config(said: ContainerSettings) -> dict[str, Any]:
    ulimits = [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in said.ulimits]
    devices = [
        {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}
        for path in said.devices
    ]
    return {
        **({"Ulimits": ulimits} if ulimits else {}),
        **({"Devices": devices} if devices else {}),
    }


def _dropped(volumes: Sequence[VolumeMount]) -> list[str]:
    """Return what a container has less than others: a device file that it leaves is the machine's.

    >>> _dropped([VolumeMount("/srv", "/srv", read_only=False)])
    ['MKNOD']

    """
    return [] if all(volume.read_only for volume in volumes) else [*NOT_BESIDE_WRITABLE_VOLUMES]


def _mount(lab: LabLabels, volume: VolumeMount) -> dict[str, Any]:
    """Return a volume as the engine binds it, and of file systems below it none.

    Those would be writable whatever is said: docker run --mount, "bind-nonrecursive".  One that
    hosts share the engine makes for the first of them.

    """
    common = {"Target": volume.target, "ReadOnly": volume.read_only}
    if volume.shared:
        return {
            "Type": "volume",
            "Source": container_name(lab.id, volume.source),
            **common,
            "VolumeOptions": {"Labels": lab.as_labels("volume")},
        }
    return {
        "Type": "bind",
        "Source": volume.source,
        **common,
        "BindOptions": {"NonRecursive": True},
    }


def _share_kb(limits: Limits, size_kb: int) -> int:
    """Return how large a file system in memory is in a host with such limits.

    An eighth of all its memory at most: what is full there must not be the end of all
    that starts in the host.

    """
    return size_kb if limits.memory_mb is None else min(size_kb, limits.memory_mb << 7)


def _limits_config(limits: Limits) -> dict[str, int]:
    """Return limits as the engine's host config has them.

    >>> _limits_config(Limits(memory_mb=64, cpus=0.5))
    {'PidsLimit': 4096, 'Memory': 67108864, 'MemorySwap': 67108864, 'NanoCpus': 500000000}

    """
    config = {"PidsLimit": limits.processes or DEFAULT_PROCESSES}
    if limits.memory_mb is not None:
        # MemorySwap is memory and swap together: swap is no way out.
        config["Memory"] = config["MemorySwap"] = limits.memory_mb << 20
    if limits.cpus is not None:
        config["NanoCpus"] = round(limits.cpus * 1e9)
    return config


def helper_config(lab: LabLabels, image: str) -> dict[str, Any]:
    agent = {
        "Entrypoint": list(AGENT_COMMAND),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        # End of file when the attached client is gone, however it went.
        "StdinOnce": True,
    }
    return {
        **({} if lab.keep else agent),
        "Image": image,
        "Hostname": "helper",
        "Labels": lab.as_labels("helper"),
        "HostConfig": {
            **_HOST_CONFIG,
            "PidMode": "host",
            # Where the engine remaps users, the helper stays outside of that.
            "UsernsMode": "host",
            "CgroupnsMode": "host",
            "CapAdd": list(_HELPER_CAPABILITIES),
            # A host's root can reach the file that a command's parent runs from, for a
            # moment before the command begins (CVE-2019-5736): it is not to be changed.
            "ReadonlyRootfs": True,
            "Tmpfs": {"/run": "mode=755", "/tmp": ""},
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
            # As `systempaths=unconfined`, which only Docker's own client knows.
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "Binds": ["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
        },
    }


def machine_access_config(
    image: str, command: Sequence[str], machine_network: bool
) -> dict[str, Any]:
    """The configuration of a helper for one command, without a lab."""
    config = helper_config(LabLabels("", "", "", keep=True), image)
    network = {"NetworkMode": "host"} if machine_network else {}
    return config | {
        "Entrypoint": list(command),
        # Its end says that whoever asked is gone.
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdout": True,
        "AttachStderr": True,
        # No lab's, but found when its program is gone: `DockerEngine.sweep`.
        "Labels": {
            MACHINE_ACCESS: "1",
            OWNER: owners.own_name(),
            MARK: owners.own_mark(),
        },
        "HostConfig": config["HostConfig"] | network,
    }


def container_name(lab_id: str, node: str = "_helper") -> str:
    """The name of a node's container; no node is called _helper (RFC 1123)."""
    return f"{lab_id}.{node}"
