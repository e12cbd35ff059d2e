"""An engine without Docker: hosts as bare Linux namespaces.

The library's end of `namespaces.keeper`: it starts one keeper a lab, gives out the
line to the agent in it, and has its makers make hosts.  Hosts without services
have the machine's own root below theirs, the others that of a playground image.

"""

from __future__ import annotations

import errno
import functools
import os
import resource
import select
import shutil
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from playground.agent.kernel import syscalls
from playground.display.progress import Progress, Silent
from playground.engines import kernel_limits
from playground.engines.images import Image, image_for
from playground.engines.namespaces import cgroups
from playground.engines.namespaces.filesystems.root_filesystem import (
    DEFAULT_PATH,
    RootFilesystem,
    machine_root,
)
from playground.engines.namespaces.images.image_roots import NO_IDS, ImageRoots, may_make_images
from playground.engines.namespaces.keeper_line import KeeperLine, Leash
from playground.engines.namespaces.labels import find_keeper, find_labs, find_nodes
from playground.engines.namespaces.privileges import (
    filter_refused,
    is_root,
    kernel_refused,
    run_as_root,
    user_namespaces_refused,
)
from playground.engines.seam import (
    Channel,
    LabLabels,
    LabRecord,
    NodeContainer,
    OwnImage,
    WantedImage,
    refuse_settings,
)
from playground.errors import EngineError, NodeDied
from playground.model.containers.capabilities import OF_THE_MACHINE
from playground.model.containers.container import ContainerSettings
from playground.model.containers.limits import DEFAULT_PROCESSES, Limits
from playground.planning.program_plans import ImageConfig

if TYPE_CHECKING:
    from playground.planning.plan import NodePlan, Plan

# How long processes may take to end that were told to.
_STOP_LIMIT_S = 30.0

URL = "namespaces:"


# Of what a container is told (`ContainerSettings`), what is done here as it says.
_ABLE = frozenset(
    {
        *("source", "packages", "env", "user", "workdir", "volumes"),
        *("cap_add", "devices", "shm_mb", "ulimits", "labels"),
    }
)


class NamespacesEngine:
    """Hosts as bare namespaces of this machine's kernel.

    Needs Linux and nothing else; hosts with services need an image, which is made
    at the first use.  As an ordinary user, where the kernel lets those make user
    namespaces, it runs hosts without services.  With ``plain_root="image"`` hosts
    without services have the base image below them too, as they have on Docker,
    instead of the machine's own root.

    >>> Lab(h1, h2, engine="namespaces")

    """

    nodes_are_plain = False
    has_common_files = True

    def __init__(self, plain_root: str = "machine") -> None:
        if plain_root not in ("machine", "image"):
            raise EngineError(
                f"plain_root={plain_root!r} is neither 'machine', for the machine's own root "
                "below hosts without services, nor 'image'"
            )
        self._plain_root = plain_root
        self._roots = ImageRoots()
        self._lock = threading.Lock()
        # A lab that is kept or attached has several lines; the last one has the makers.
        self._labs: dict[str, list[KeeperLine]] = {}

    def __repr__(self) -> str:
        return "NamespacesEngine()"

    @property
    def url(self) -> str | None:
        return URL

    def check(self) -> None:
        """Make sure that this machine can do it; raises `EngineError` with what to do."""
        if sys.platform != "linux":
            raise EngineError("bare namespaces need Linux: use a Docker engine here")
        system = os.uname()
        reason = (
            kernel_refused(system.release, is_root())
            or filter_refused(system.machine, struct.calcsize("P"))
            or user_namespaces_refused()
        )
        if reason:
            raise EngineError(reason)

    has_our_files = True

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what this machine, or this user, cannot make of a plan."""
        self.check()
        refuse_settings(plan, "the engine of bare namespaces", _ABLE)
        if not is_root():
            _refuse_without_root(plan)
        for node in plan.nodes:
            _refuse_powers(node.name, node.container)
            if node.limits and (reason := cgroups.refusal(_as_dict(node.limits))):
                raise EngineError(f"{node.name}: {reason}")
        filtering = [node.name for node in plan.nodes if node.rules]
        if filtering and shutil.which("nft", path=DEFAULT_PATH) is None:
            raise EngineError(
                f"{filtering[0]} translates addresses or filters packets, for which nft is needed: "
                "install nftables (apt-get install nftables)"
            )
        kernel_limits.check(plan)

    def close(self) -> None:
        """Close the lines to all labs: those without ``keep`` end by that."""
        with self._lock:
            lines = [line for lines in self._labs.values() for line in lines]
            self._labs.clear()
        for line in lines:
            line.close()

    # -- images --------------------------------------------------------------

    def image_for(self, services: frozenset[str], packages: tuple[str, ...] = ()) -> Image | None:
        """Return the image below a host with these services; None: the machine's own root."""
        if not services and not packages and self._plain_root == "machine":
            return None
        return image_for(services, packages)

    def ensure_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Make what is below the hosts, where it is missing.

        Hosts without services need nothing.  Raises `ImageError` if an image cannot
        be made.

        """
        if images:
            self._roots.ensure(images, progress or Silent())

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image of the user's, pulled, loaded or built if it is not there.

        By a Docker engine of this machine if one answers, else by buildah.  ``here`` is the
        node that wants it, for what is raised: `ImageError`.

        """
        return self._roots.own_image(here, wanted, progress)

    def _root(self, tag: str | None) -> RootFilesystem:
        return machine_root() if tag is None else self._roots.find(tag)

    # -- labs ----------------------------------------------------------------

    def guard(self, lab: LabLabels, users: Sequence[Mapping[str, Any]] = ()) -> Leash:
        """Make the lab's namespaces; the lab ends with what this returns."""
        with _errors(f"making the namespaces of lab {lab.name}"):
            _sweep_cgroups()
            labels = lab.as_labels("keeper")
            line = KeeperLine(lab.id, environ=labels, keep=lab.keep, users=users)
        self._add(line)
        return Leash(line)

    def _add(self, line: KeeperLine) -> None:
        """Remember a line to a lab, and no longer those that were closed."""
        with self._lock:
            lines = [old for old in self._labs.get(line.lab_id, []) if not old.closed]
            self._labs[line.lab_id] = [*lines, line]

    def start_helper(self, lab: LabLabels) -> Channel:
        """Return the line to the lab's first agent."""
        if lab.keep:
            self._line(lab.id).ready()
            return self.connect(lab.id)
        line = self._line(lab.id)
        line.ready()
        return line.hand_out()

    def connect(self, lab_id: str) -> Channel:
        """Start one more agent in the lab, and return the line to it."""
        keeper = find_keeper(lab_id, own=True)
        if keeper is None:
            whose = "another user's" if find_keeper(lab_id) else "gone: it was stopped"
            raise EngineError(f"lab {lab_id} cannot be entered: it is {whose}")
        with _errors(f"entering lab {lab_id}"):
            line = KeeperLine(lab_id, environ={}, enter=keeper)
        try:
            line.ready()
        except BaseException:
            line.close()
            raise
        self._add(line)
        return line.hand_out()

    def _line(self, lab_id: str) -> KeeperLine:
        with self._lock:
            if lab_id not in self._labs:
                raise EngineError(f"lab {lab_id} was not started, nor attached, by this program")
            return self._labs[lab_id][-1]

    def start_nodes(
        self,
        lab: LabLabels,
        nodes: Sequence[NodeContainer],
        progress: Progress | None = None,
    ) -> dict[str, int]:
        """Make the hosts; return the process ids of their first processes by name.

        As the lab's agents count.  Raises `EngineError`; then none of them is left.

        """
        show: Progress = progress or Silent()
        tags = {node.name: node.own_image.tag if node.own_image else node.image for node in nodes}
        roots = {tag: self._root(tag) for tag in set(tags.values())}
        line = self._line(lab.id)
        line.ready()
        requests = [self._request(node, roots[tags[node.name]]) for node in nodes]
        with show.step("starting the machines", total=len(nodes)) as step:
            try:
                pids = line.make(requests, step.advance)
            except BaseException:
                with suppress(EngineError):  # the first cause is the one to tell
                    self.stop(lab.id, [node.name for node in nodes])
                raise
        return {node.name: pids[node.name] for node in nodes}

    def _request(self, node: NodeContainer, root: RootFilesystem) -> dict[str, Any]:
        said = node.settings
        image = node.own_image.config if node.own_image else ImageConfig()
        user = said.user or image.user
        cwd = said.workdir or image.workdir
        environ = {
            "PATH": DEFAULT_PATH,
            # Of others the agent knows where that is.
            **({} if user or node.own_image else {"HOME": "/root"}),
            "HOSTNAME": node.hostname,
            **dict(image.env if node.own_image else root.environ),
            **dict(said.env),
            **{f"playground.label.{name}": value for name, value in said.labels},
        }
        # catatonit, which is the first program of our images, leaves the working directory;
        # and that of a user's image waits for its network.
        waits = cwd or node.own_image
        return {
            "name": node.name,
            "hostname": node.hostname,
            "layers": list(root.layers) if node.image or node.own_image else None,
            "environ": environ,
            "command": [] if waits else list(root.command),
            "cwd": cwd or root.cwd,
            "capabilities": [*node.cap_add, *said.cap_add],
            "written": list(image.volumes) if said.read_only else [],
            "volumes": [vars(volume) for volume in said.volumes],
            "limits": _default_limits() | _as_dict(node.limits),
            "user": user,
            "shm_mb": said.shm_mb,
            "devices": list(said.devices),
            "ulimits": [(_limit_number(item.name), item.soft, item.hard) for item in said.ulimits],
        }

    def refuse_dead(self, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
        """Raise `NodeDied` if one of these hosts has ended."""
        running = self.pids(lab.id)
        for node in nodes:
            if node.name not in running:
                raise NodeDied(
                    f"{node.name} ended while it was started: its first process was killed, by "
                    "hand or for want of memory (see dmesg)"
                )

    def pids(self, lab_id: str) -> dict[str, int]:
        """Return the process ids of a lab's hosts by name, as its agents count."""
        return {name: pids[1] for name, pids in find_nodes(lab_id).items()}

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """End a lab, or some of its hosts; when it returns they are gone.

        What is gone already is passed over.

        """
        if nodes is not None:
            with _errors(f"ending machines of lab {lab_id}"):
                _end(lab_id, lambda: _first_processes(lab_id, nodes), signal.SIGKILL)
                for name in nodes:
                    cgroups.remove_group(lab_id, name)
            return
        with self._lock:
            lines = self._labs.pop(lab_id, [])
        for line in reversed(lines):
            line.close()
        with _errors(f"ending lab {lab_id}"):
            try:
                _end(lab_id, lambda: _keepers(lab_id), signal.SIGTERM)
            finally:
                cgroups.remove_lab(lab_id)  # a keeper that was killed has left them

    def labs(self) -> list[LabRecord]:
        """Return the labs that run on this machine, of those that this user may see."""
        return find_labs()


# The one of Linux that Python's module does not name: asm-generic/resource.h.
_RLIMIT_LOCKS = 10

# linux/capability.h
_CAP_SYS_RESOURCE = 24


def _limit_number(name: str) -> int:
    number: int = getattr(resource, f"RLIMIT_{name.upper()}", _RLIMIT_LOCKS)
    return number


def _refuse_powers(name: str, said: ContainerSettings) -> None:
    """Raise `EngineError` for a capability that would be none here, a device that is not here."""
    if powerless := sorted(OF_THE_MACHINE.intersection(said.cap_add)):
        raise EngineError(
            f"{name}: cap_add={powerless[0]!r} gives a host of bare namespaces nothing, for the "
            "kernel asks for it in the machine's own user namespace: leave it out, or use a Docker "
            'engine, Lab(engine="docker")'
        )
    for item in said.ulimits:
        usual = resource.getrlimit(_limit_number(item.name))[1]
        more = usual != -1 and (item.hard == -1 or item.hard > usual)
        if more and not syscalls.permitted_capabilities() >> _CAP_SYS_RESOURCE & 1:
            raise EngineError(
                f"{name}: ulimits={{{item.name!r}: {item.hard}}} is more than this program may "
                f"give: its own limit is {usual} (`ulimit -H`), and it has no CAP_SYS_RESOURCE"
            )
    for device in said.devices:
        if not os.path.exists(device):
            raise EngineError(f"{name}: devices={device!r} is not on this machine: leave it out")


def _refuse_without_root(plan: Plan) -> None:
    has_ids = may_make_images()
    for node in plan.nodes:
        if not has_ids:
            _refuse_image(node)
        if node.limits:
            raise EngineError(
                f"{node.name} has limits, and an ordinary user cannot have the kernel hold them: "
                f"{run_as_root()}, or take memory_mb, cpus and processes away"
            )


def _refuse_image(node: NodePlan) -> None:
    """Raise `EngineError` for a node with an image, whose files are of several users."""
    if node.container.source:
        what = f"{node.name}: {node.container.source.title}"
    elif node.daemons:
        what = f"{node.name} offers {', '.join(sorted(node.daemons))}, and the image for that"
    elif node.packages:
        what = f"{node.name} has packages of Debian, and the image for that"
    else:
        return
    raise EngineError(f"{what} {NO_IDS}".replace("run this as root", run_as_root(), 1))


@functools.cache
def _default_limits() -> dict[str, Any]:
    """The limits of every host: a fork bomb is to end in it, where it can be held there."""
    limits = {"processes": DEFAULT_PROCESSES}
    return limits if is_root() and cgroups.refusal(limits) is None else {}


def _as_dict(limits: Limits) -> dict[str, Any]:
    return {name: value for name, value in vars(limits).items() if value is not None}


def _sweep_cgroups() -> None:
    """Remove the control groups of labs whose keepers were killed."""
    # In this order: a lab that has groups has had its labels before.
    if left := cgroups.lab_ids():
        # None but this user makes groups here, and none but this user's labs have any.
        running = {record.id for record in find_labs() if record.is_own}
        cgroups.sweep([lab for lab in left if lab not in running])


def _first_processes(lab_id: str, names: Iterable[str]) -> set[int]:
    hosts = find_nodes(lab_id)
    return {hosts[name][0] for name in names if name in hosts}


def _keepers(lab_id: str) -> set[int]:
    keeper = find_keeper(lab_id)
    return set() if keeper is None else {keeper}


def _end(lab_id: str, find: Callable[[], set[int]], signum: int) -> None:
    """End processes of a lab that are no children of ours, and wait for their end."""
    poll = select.poll()
    with ExitStack() as handles:
        left = set()
        opened = {}
        for pid in find():
            with suppress(ProcessLookupError):
                opened[pid] = os.pidfd_open(pid)
                handles.callback(os.close, opened[pid])
        # A number may have come to mean another process since it was found.
        for pid in find() if opened else ():
            if pid in opened:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(opened[pid], signum)
                    poll.register(opened[pid], select.POLLIN)
                    left.add(opened[pid])
        deadline = time.monotonic() + _STOP_LIMIT_S
        while left and (time_left_s := deadline - time.monotonic()) > 0:
            for fd, _ in poll.poll(time_left_s * 1000):
                poll.unregister(fd)
                left.discard(fd)
    if left:
        raise EngineError(
            f"{len(left)} processes of lab {lab_id} are still there after {_STOP_LIMIT_S:g} s"
        )


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Turn what the system refuses into an `EngineError` with a sentence."""
    try:
        yield
    except OSError as error:
        advice = ""
        if error.errno in (errno.EMFILE, errno.ENFILE):
            advice = ": this program has too many files open; close some, or raise `ulimit -n`"
        raise EngineError(f"{doing} failed: {error.strerror or error}{advice}") from error
