"""The seam between a lab and what runs its machines.

An engine makes images, starts the machines of a lab, gives their process ids
and a line to the agent beside them, and takes all of it away again.  `Lab`
needs no more than `Engine` says.  There are two: `docker.engine`, and
`namespaces.engine`, which needs no Docker; `WHAT_ONE_CANNOT` says in what
they differ.

"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from playground.display.progress import Progress
from playground.engines import owners
from playground.engines.images import Image
from playground.errors import EngineError
from playground.model.containers.capabilities import OF_EVERY_HOST
from playground.model.containers.container import PLAIN_CONTAINER, ContainerSettings
from playground.model.containers.image_sources import ImageSource
from playground.model.containers.limits import NO_LIMITS, Limits
from playground.model.records import dataclass
from playground.planning.program_plans import ImageConfig

if TYPE_CHECKING:
    from playground.planning.plan import Plan

# The labels of every container, whatever it is for.
LAB, NAME, NODE = "playground.lab", "playground.name", "playground.node"
OWNER, KEEP, ROLE = "playground.owner", "playground.keep", "playground.role"
MARK = "playground.mark"


@dataclass(frozen=True)
class LabLabels:
    """The labels of every container of a lab.

    ``owner`` and ``mark`` say which process it belongs to: `engines.owners`.

    """

    id: str
    name: str
    owner: str
    keep: bool = False
    mark: str = ""
    # Of a swarm, those that its nodes are on: no label, for each node has its own.
    machines: tuple[str, ...] = ()

    def as_labels(self, role: str, node: str = "") -> dict[str, str]:
        labels = {
            LAB: self.id,
            NAME: self.name,
            OWNER: self.owner,
            KEEP: str(int(self.keep)),
            ROLE: role,
            **({MARK: self.mark} if self.mark else {}),
        }
        return labels | ({NODE: node} if node else {})


@dataclass(frozen=True)
class WantedImage:
    """An image of the user's, and the layers of services and packages that are to stand on it."""

    source: ImageSource
    services: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnImage:
    """An image of the user's as an engine makes nodes of it, and what the image itself says.

    Of its user, directory and environment the engine makes those of the node's first
    process; its program is started later, by the agent.

    """

    tag: str
    config: ImageConfig


@dataclass(frozen=True)
class NodeContainer:
    """One host or router as an engine makes it.

    ``image`` is a tag; None where `Engine.image_for` wants none.  ``own_image`` is what stands
    in its place where the user named an image.

    ``machine`` is that of a swarm on which it is to run.

    An engine that cannot hold its ``limits``, or do what its ``settings`` say, refuses it
    before anything is made.

    """

    name: str
    hostname: str
    image: str | None
    cap_add: tuple[str, ...] = tuple(OF_EVERY_HOST)
    limits: Limits = NO_LIMITS
    settings: ContainerSettings = PLAIN_CONTAINER
    own_image: OwnImage | None = None
    machine: str | None = None


@dataclass(frozen=True)
class LabRecord:
    """A lab that the engine has containers of.

    ``created`` is the time of its oldest container in seconds since 1970,
    ``nodes`` are full names; a lab that is just starting may lack some.

    """

    id: str
    name: str
    owner: str
    nodes: tuple[str, ...]
    created: float
    keep: bool
    mark: str = ""
    # Whose processes it is made of, where the kernel says that; None where the engine
    # keeps its labels, and whoever may write them may do all else there too.
    uid: int | None = None
    # The machine of each node by its name, where the engine has several.
    places: tuple[tuple[str, str], ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is this user's; what other users' labels say is no matter."""
        return owners.is_own(self.owner) if self.uid is None else self.uid == os.geteuid()

    @property
    def is_strange(self) -> bool:
        """Whether it is another user's for certain: its name and id take no name and id here."""
        return self.uid is not None and self.uid != os.geteuid()

    @property
    def is_stale(self) -> bool:
        """Whether its program has ended, and it should have ended with it."""
        return not self.keep and owners.is_gone(self.owner, self.mark)


# Of what a container is told, what a lab does by itself, whatever its engine is.
_DONE_BY_LABS = frozenset(
    {
        *("command", "entrypoint", "healthcheck", "restart", "init", "stop_signal"),
        "stop_timeout_s",
        *("health_interval_s", "health_timeout_s", "health_start_period_s", "health_retries"),
        *("read_only", "hostname", "aliases", "dns", "extra_hosts", "publish", "programs"),
        *("files", "after", "after_end"),
    }
)


def refuse_settings(plan: Plan, engine: str, able: frozenset[str]) -> None:
    """Raise `EngineError` where a node was told what an engine cannot do.

    ``able`` are the fields of `ContainerSettings` that it does as they say.

    """
    for node in plan.nodes:
        for name, value in node.container.said().items():
            if name not in able | _DONE_BY_LABS:
                word = value.kind if name == "source" else name
                raise EngineError(
                    f"{node.name}: {engine} cannot do what {word} says; leave it out, or choose "
                    "another engine"
                )


class Channel(Protocol):
    """A line to an agent's standard input and output; blocking."""

    def read(self, size: int) -> bytes:
        """Return what comes next, at most `size` bytes; b"" when the line is closed."""

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises `OSError` when the line is closed."""

    def close(self) -> None:
        """Close the line; a `read` waiting in another thread returns b""."""

    def stderr_tail(self) -> str:
        """Return the last that the agent printed to its standard error."""


class Guard(Protocol):
    """It ends a lab whose owner is killed before an agent watches over it."""

    def release(self) -> None:
        """Stand down: the lab was stopped, or is to outlive its owner.  May be repeated."""

    def abandon(self) -> None:
        """End the lab now; returns at once."""


class Engine(Protocol):
    """An engine, as a lab needs it.

    `guard` comes first of a new lab, then `start_helper` and `start_nodes`, which
    may be called at once from two threads.

    """

    # Whether its nodes come as any container does: with interfaces, which are taken away before
    # anything is wired, and with all of /proc/sys read-only.
    nodes_are_plain: bool

    # Whether its nodes see what the agent's `share_files` has put down.
    has_common_files: bool

    @property
    def url(self) -> str | None: ...

    @property
    def has_our_files(self) -> bool:
        """Whether it can show files of this machine in hosts."""

    def check(self) -> None: ...

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what cannot be made here of a plan; makes nothing."""

    def image_for(
        self, services: frozenset[str], packages: tuple[str, ...] = ()
    ) -> Image | None: ...

    def ensure_images(self, images: Sequence[Image], progress: Progress) -> None: ...

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Get an image of the user's; ``here`` is the node that wants it, for `ImageError`."""

    def guard(self, lab: LabLabels, users: Sequence[Mapping[str, Any]] = ()) -> Guard:
        """Watch over a new lab.

        ``users`` are the accounts of all its nodes, {"name", "password", "uid", "groups",
        "shell"}, for an engine that makes roots with them; nodes are given them in any case.

        """

    def start_helper(self, lab: LabLabels) -> Channel: ...

    def connect(self, lab_id: str) -> Channel: ...

    def start_nodes(
        self, lab: LabLabels, nodes: Sequence[NodeContainer], progress: Progress
    ) -> dict[str, int]: ...

    def refuse_dead(self, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None: ...

    def pids(self, lab_id: str) -> dict[str, int]: ...

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None: ...

    def labs(self) -> list[LabRecord]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Difference:
    """Something that one of the engines cannot do.

    Each of the others is a sentence that says why, or "" for an engine that can.
    ``rootless`` is about bare namespaces made by an ordinary user; what the engine
    cannot do as root, it cannot do so either.

    """

    what: str
    docker: str = ""
    namespaces: str = ""
    rootless: str = ""
    swarm: str = ""

    def reason(self, engine: str) -> str:
        """Return why this engine ("docker", "namespaces", "rootless", "swarm") cannot, or ""."""
        reason: str = getattr(self, engine)
        return reason or (self.namespaces if engine == "rootless" else "")


# docs/engines.md has the same table, and tests skip by it alone.
WHAT_ONE_CANNOT = (
    Difference(
        "run without a daemon",
        docker="A host is a container: Docker's daemon has to run, here or elsewhere, and to let "
        "this user in.",
        swarm="Each machine of a swarm is a Docker engine, and one of them a manager.",
    ),
    Difference(
        "make hosts without an image",
        docker="Every container has an image, which is built or pulled before the first lab.",
        swarm="Every task has an image, from a registry or from the manager.",
    ),
    Difference(
        "run on another machine, or on no Linux",
        namespaces="It makes hosts of this machine's own kernel: DOCKER_HOST is Docker's alone.",
    ),
    Difference(
        "give hosts without services the programs of an image",
        namespaces="They have this machine's programs: what is not installed here (nc, tcpdump, "
        'sudo) they lack. A service, as in services=["ssh"], brings an image, and so does '
        'NamespacesEngine(plain_root="image").',
    ),
    Difference(
        "let ssh in to hosts without services",
        namespaces='They have no server of an image: declare them with services=["ssh"].',
    ),
    Difference(
        "keep on disk what a host writes",
        namespaces="It lies in memory, at most 1 GiB a host, and is gone with the lab.",
    ),
    Difference(
        "hold hosts by AppArmor or SELinux",
        namespaces="It holds them by namespaces, capabilities and a seccomp filter.",
    ),
    Difference(
        "keep a hostile host out of other networks",
        docker="All containers are in one user namespace, so root of a host may change each "
        "network that a link joins it to: its neighbours', and over `lab.machine` or `lab.uplink`, "
        "which ask for `trust_hosts=True`, the machine's.",
        swarm="All hosts of a machine are in one user namespace, as on Docker.",
    ),
    Difference(
        "count what hosts take of the kernel apart from root's",
        docker="To the kernel root of a container is the machine's root: one host may take all "
        "inotify instances that root has.",
        rootless="All hosts are this user's, and share what the kernel gives a user.",
        swarm="To the kernel root of a host is root of its machine, as on Docker.",
    ),
    Difference(
        "give a host the capabilities IPC_LOCK, IPC_OWNER, LEASE and SYS_NICE",
        namespaces="The kernel asks for them in the machine's own user namespace, and each host "
        "has one of its own.",
    ),
    Difference(
        "tell what a machine that died had printed",
        namespaces="Its first process prints nowhere.",
        swarm="Its log is on the machine that it ran on, and goes with it.",
    ),
    Difference(
        "offer services",
        rootless="Only where newuidmap is installed and /etc/subuid gives the user a range: they "
        "need an image, whose files have several owners.",
    ),
    Difference(
        "make hosts of images of your own",
        rootless="Only where newuidmap is installed and /etc/subuid gives the user a range: an "
        "image's files have several owners.",
    ),
    Difference(
        "run commands as another user than root",
        rootless="Only where newuidmap is installed and /etc/subuid gives the user a range.",
    ),
    Difference(
        "limit memory, processors and processes of a host",
        rootless="Control groups are root's.",
    ),
    Difference(
        "tell VLANs apart on a kernel without 8021q or VLAN filtering",
        rootless="The programs that stand in for them (eBPF) only root may load.",
    ),
    Difference(
        "let hosts change files of the system",
        rootless="They are root's, who is not in the lab's user namespace. /root, /home, /tmp, "
        "/run and what a lab writes can be changed.",
    ),
    Difference(
        "open sockets of hosts in this program",
        swarm="A socket cannot leave the kernel that it is of, and hosts run on other machines. "
        "`host.call` and `host.python` run code there.",
    ),
    Difference(
        "show files of this machine in hosts",
        swarm="They are copied: hosts run on other machines.",
    ),
    Difference(
        "give hosts devices of the machine",
        swarm="A service cannot be told of devices: NAT64, and WireGuard on a kernel without it, "
        "need /dev/net/tun and do not run there.",
    ),
    Difference(
        "plug a lab into this machine",
        swarm="`lab.machine`, `lab.uplink` and `plug` work in the engine's own machine, and a "
        "swarm has several.",
    ),
)


def table_of_differences() -> str:
    """Return `WHAT_ONE_CANNOT` as docs/engines.md has it: "yes", or why not."""
    lines = [
        "| can it ... | `docker` | `namespaces` | `namespaces`, without root | `swarm` |",
        "|---|---|---|---|---|",
    ]
    for row in WHAT_ONE_CANNOT:
        cells = [row.reason(name) for name in ("docker", "namespaces", "rootless", "swarm")]
        for number, other in ((2, 1), (3, 0)):
            if cells[number] == cells[other]:
                cells[number] = "no" if cells[other] else ""
        lines.append("| " + " | ".join([row.what, *(cell or "yes" for cell in cells)]) + " |")
    return "\n".join(lines)
