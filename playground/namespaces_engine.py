"""An engine without Docker: hosts as bare Linux namespaces.

The library's end of `playground.keeper`: it starts one keeper a lab, gives out the
line to the agent in it, and has its makers make hosts.  Hosts without services
have the machine's own root below theirs, the others that of a playground image.

"""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground import cgroups, walls
from playground import labels as found_labels
from playground.engine import Channel, LabLabels, LabRecord, NodeContainer
from playground.errors import EngineError, NodeDied
from playground.images import Image, image_for
from playground.limits import DEFAULT_PROCESSES, Limits
from playground.plan import Plan
from playground.progress import Progress, Silent
from playground.remote import SubprocessChannel
from playground.roots import ImageRoots, RootFilesystem, machine_root

# A keeper that has not made its namespaces by then never will.
_READY_LIMIT_S = 30.0
_STOP_LIMIT_S = 30.0

# A host takes some 3 ms; a maker that was killed with one in its hands never answers.
_MAKE_LIMIT_S = 30.0

# When making was given up, what is under way is waited for, to be taken back.
_GIVEN_UP_S = 5.0

# Requests under way at once: enough for all makers, and fewer than a socket holds.
_UNDER_WAY = 16

# No site, no packages, and of ours without the package's own __init__, which
# imports all that users see: a lab's start waits for this.
_START = """
import sys, types
package = sys.modules["playground"] = types.ModuleType("playground")
package.__path__ = [sys.argv[1]]
from playground.keeper import main
main()
"""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

URL = "namespaces:"


class NamespacesEngine:
    """Hosts as bare namespaces of this machine's kernel.

    Needs Linux and nothing else; hosts with services need an image, which is made
    at the first use.  As an ordinary user, where the kernel lets those make user
    namespaces, it runs hosts without services.  With ``plain_root="image"`` hosts
    without services have the base image below them too, as they have on Docker,
    instead of the machine's own root.

    >>> Lab(h1, h2, engine="namespaces")

    """

    def __init__(self, plain_root: str = "machine") -> None:
        if plain_root not in ("machine", "image"):
            raise EngineError(
                f"plain_root={plain_root!r} is neither 'machine', for the machine's own root "
                "below hosts without services, nor 'image'"
            )
        self._plain_root = plain_root
        self._roots = ImageRoots()
        self._lock = threading.Lock()
        # Of a lab that is kept or attached more than one; the last has the makers.
        self._labs: dict[str, list[_Line]] = {}

    def __repr__(self) -> str:
        return "NamespacesEngine()"

    @property
    def url(self) -> str | None:
        return URL

    def check(self) -> None:
        """Make sure that this machine can do it; raises `EngineError` with what to do."""
        if sys.platform != "linux":
            raise EngineError("bare namespaces need Linux: use a Docker engine here")
        if reason := user_namespaces_refused():
            raise EngineError(reason)

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what this machine, or this user, cannot make of a plan."""
        self.check()
        if os.geteuid() != 0:
            _refuse_without_root(plan)
        for node in plan.nodes:
            if node.limits and (reason := cgroups.refusal(_as_dict(node.limits))):
                raise EngineError(f"{node.name}: {reason}")
        if any(node.ruleset for node in plan.nodes) and shutil.which("nft", path=_PATH) is None:
            raise EngineError(
                "a router of this lab translates addresses or filters, for which nft is needed: "
                "install nftables (apt-get install nftables)"
            )
        walls.check(plan)

    def close(self) -> None:
        """Close the lines to all labs: those without ``keep`` end by that."""
        with self._lock:
            lines = [line for lines in self._labs.values() for line in lines]
            self._labs.clear()
        for line in lines:
            line.close()

    # -- images --------------------------------------------------------------

    def image_for(self, services: frozenset[str]) -> Image | None:
        """Return the image below a host with these services; None: the machine's own root."""
        return None if not services and self._plain_root == "machine" else image_for(services)

    def ensure_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Make what is below the hosts, where it is missing.

        Hosts without services need nothing.  Raises `ImageError` if an image cannot
        be made.

        """
        if images:
            self._roots.ensure(images, progress or Silent())

    def _root(self, tag: str | None) -> RootFilesystem:
        return machine_root() if tag is None else self._roots.find(tag)

    # -- labs ----------------------------------------------------------------

    def guard(self, lab: LabLabels) -> Leash:
        """Make the lab's namespaces; the lab ends with what this returns."""
        _sweep_cgroups()
        line = _Line(lab.id, environ=lab.as_labels("keeper"), keep=lab.keep)
        self._add(line)
        return Leash(line)

    def _add(self, line: _Line) -> None:
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
        keeper = found_labels.find_keeper(lab_id, own=True)
        if keeper is None:
            whose = "another user's" if found_labels.find_keeper(lab_id) else "gone: it was stopped"
            raise EngineError(f"lab {lab_id} cannot be entered: it is {whose}")
        line = _Line(lab_id, environ={}, enter=keeper)
        try:
            line.ready()
        except BaseException:
            line.close()
            raise
        self._add(line)
        return line.hand_out()

    def _line(self, lab_id: str) -> _Line:
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
        roots = {tag: self._root(tag) for tag in {node.image for node in nodes}}
        line = self._line(lab.id)
        line.ready()
        requests = [self._request(node, roots[node.image]) for node in nodes]
        with show.step("starting the machines", total=len(nodes)) as step:
            try:
                pids = line.make(requests, step.advance)
            except BaseException:
                self.stop(lab.id, [node.name for node in nodes])
                raise
        return {node.name: pids[node.name] for node in nodes}

    def _request(self, node: NodeContainer, root: RootFilesystem) -> dict[str, Any]:
        environ = {"PATH": _PATH, "HOME": "/root", "HOSTNAME": node.hostname, **dict(root.environ)}
        return {
            "name": node.name,
            "hostname": node.hostname,
            "layers": None if node.image is None else list(root.layers),
            "environ": environ,
            "command": list(root.command) or ["sleep", "infinity"],
            "cwd": root.cwd,
            "capabilities": list(node.cap_add),
            "limits": _default_limits() | _as_dict(node.limits),
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
        return {name: pids[1] for name, pids in found_labels.find_nodes(lab_id).items()}

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """End a lab, or some of its hosts; when it returns they are gone.

        What is gone already is passed over.

        """
        if nodes is not None:
            hosts = found_labels.find_nodes(lab_id)
            _end([hosts[name][0] for name in nodes if name in hosts], signal.SIGKILL)
            for name in nodes:
                cgroups.remove_group(lab_id, name)
            return
        with self._lock:
            lines = self._labs.pop(lab_id, [])
        for line in reversed(lines):
            line.close()
        keeper = found_labels.find_keeper(lab_id)
        if keeper is not None:
            _end([keeper], signal.SIGTERM)
        cgroups.remove_lab(lab_id)  # a keeper that was killed has left them

    def labs(self) -> list[LabRecord]:
        """Return the labs that run on this machine, of those that this user may see."""
        return found_labels.find_labs()


class Leash:
    """What holds a lab to its owner: when it is let go of, the lab ends."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def release(self) -> None:
        """Let a lab with ``keep`` outlive this process.  One without has ended already."""
        self._line.keep()
        self._line.close()

    def abandon(self) -> None:
        """Let go, and so end the lab; returns at once."""
        self._line.let_go()


class _Line:
    """The lines to a keeper that was started: leash, makers, agent."""

    def __init__(
        self,
        lab_id: str,
        environ: Mapping[str, str],
        keep: bool = False,
        enter: int | None = None,
    ) -> None:
        self.lab_id = lab_id
        self._lock = threading.Lock()
        self._ready: dict[str, Any] | None = None
        self._has_reader = False
        self.closed = False
        # Hosts that were asked for and not answered yet.
        self._under_way = 0
        self._leash, leash = socket.socketpair()
        self._makers, makers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        owner = None
        try:
            if enter is None:
                with suppress(OSError):  # before Linux 5.3
                    owner = os.pidfd_open(os.getpid())
            settings = {
                "lab": lab_id,
                "keep": keep,
                "enter": enter,
                "leash": leash.fileno(),
                "maker": makers.fileno(),
                "owner": owner,
            }
            here = str(Path(__file__).resolve().parent)
            self.channel = SubprocessChannel(
                [sys.executable, "-I", "-S", "-c", _START, here, json.dumps(settings)],
                env={"PATH": _PATH, "LANG": "C.UTF-8", **environ},
                pass_fds=[fd for fd in (leash.fileno(), makers.fileno(), owner) if fd is not None],
            )
        except BaseException:
            self._leash.close()
            self._makers.close()
            raise
        finally:
            leash.close()
            makers.close()
            if owner is not None:
                os.close(owner)

    def ready(self) -> None:
        """Wait until the lab's namespaces are there; raises `EngineError` if they cannot be."""
        with self._lock:
            if self._ready is None:
                self._ready = self._hear()
        if "error" in self._ready:
            raise EngineError(_sentence(self._ready["error"]))

    def _hear(self) -> dict[str, Any]:
        heard = b""
        deadline = time.monotonic() + _READY_LIMIT_S
        while not heard.endswith(b"\n"):
            self._leash.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                more = self._leash.recv(1 << 16)
            except TimeoutError:
                words = f"nothing was heard of it for {_READY_LIMIT_S:g} s"
                return {"error": {"message": words, "errno": None}}
            if not more:
                words = self.channel.stderr_tail().strip() or "it ended at once"
                return {"error": {"message": words, "errno": None}}
            heard += more
        message: dict[str, Any] = json.loads(heard)
        return message

    def make(
        self, requests: Iterable[Mapping[str, Any]], advance: Callable[[], object]
    ) -> dict[str, int]:
        """Have hosts made; return their process ids by name.

        Raises `EngineError` if one cannot be made; then, and after an interrupt,
        others may be there, and none is still to come.

        """
        pids: dict[str, int] = {}
        errors: list[dict[str, Any]] = []

        def take() -> None:
            reply = self._hear_of_host(_MAKE_LIMIT_S)
            if "error" in reply:
                errors.append(reply["error"])
            else:
                pids[reply["name"]] = reply["pid"]
                advance()

        with self._lock:
            if self.closed:
                raise self._no_makers()
            if self._under_way:
                raise EngineError(
                    f"lab {self.lab_id} lost a machine while it was made: stop the lab and start "
                    "it again"
                )
            try:
                for request in requests:
                    if errors:
                        break
                    if self._under_way == _UNDER_WAY:
                        take()
                    self._makers.send(json.dumps(request).encode())
                    self._under_way += 1
                while self._under_way:
                    take()
            except TimeoutError:
                raise EngineError(
                    f"no machine of lab {self.lab_id} was made for {_MAKE_LIMIT_S:g} s: the "
                    "process that was to make it was killed, or this machine is overloaded; "
                    "stop the lab and start it again"
                ) from None
            except ConnectionError:
                raise self._no_makers() from None
            except OSError as error:
                raise EngineError(
                    f"lab {self.lab_id} ended while its machines were made: {error.strerror}"
                ) from error
            finally:
                with suppress(EngineError, OSError):
                    while self._under_way:
                        self._hear_of_host(_GIVEN_UP_S)
        if errors:
            raise EngineError(f"a machine could not be made: {_sentence(errors[0])}")
        return pids

    def _hear_of_host(self, limit_s: float) -> dict[str, Any]:
        self._makers.settimeout(limit_s)
        packet = self._makers.recv(1 << 20)
        if not packet:
            raise self._no_makers()
        self._under_way -= 1
        reply: dict[str, Any] = json.loads(packet)
        return reply

    def _no_makers(self) -> EngineError:
        return EngineError(f"the makers of lab {self.lab_id} were killed: start it again")

    def keep(self) -> None:
        with suppress(OSError):
            self._leash.send(b"keep")

    def let_go(self) -> None:
        """End the leash and the makers' line, also for forks and for threads that wait there."""
        lines = (self._leash, self._makers)
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        # Not under the hands of a thread that was woken by that.
        with self._lock:
            for line in lines:
                line.close()

    def hand_out(self) -> Channel:
        """Return the line to the agent, whose reader will see its end.

        To close it is to close all these lines.

        """
        self._has_reader = True
        return self

    # -- the line to the agent, as a channel

    def read(self, size: int) -> bytes:
        return self.channel.read(size)

    def write(self, data: bytes) -> None:
        self.channel.write(data)

    def stderr_tail(self) -> str:
        return self.channel.stderr_tail()

    def close(self) -> None:
        self.closed = True
        self.let_go()
        self.channel.close()
        if not self._has_reader:
            while self.channel.read(1 << 16):
                pass


def _refuse_without_root(plan: Plan) -> None:
    for node in plan.nodes:
        if node.services:
            names = ", ".join(settings.service for settings in node.services)
            raise EngineError(
                f"{node.name} offers {names}, for which it needs an image, and an ordinary user "
                "can run hosts without services only: run this as root, take the services away, "
                'or use a Docker engine, Lab(engine="docker")'
            )
        if node.limits:
            raise EngineError(
                f"{node.name} has limits, and an ordinary user cannot have the kernel hold them: "
                "run this as root, or take memory_mb, cpus and processes away"
            )


@functools.cache
def _default_limits() -> dict[str, Any]:
    """What holds for every host: a fork bomb is to end in it, where it can be held there."""
    limits = {"processes": DEFAULT_PROCESSES}
    return limits if os.geteuid() == 0 and cgroups.refusal(limits) is None else {}


def _as_dict(limits: Limits) -> dict[str, Any]:
    return {name: value for name, value in vars(limits).items() if value is not None}


def _sweep_cgroups() -> None:
    """Remove the control groups of labs whose keepers were killed."""
    if cgroups.lab_ids():
        cgroups.sweep({record.id for record in found_labels.find_labs()})


def _end(pids: Iterable[int], signum: int) -> None:
    """End processes that are no children of ours, and wait for their end."""
    poll = select.poll()
    handles = []
    for pid in pids:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            handles.append(handle)
            poll.register(handle, select.POLLIN)
            signal.pidfd_send_signal(handle, signum)
    deadline = time.monotonic() + _STOP_LIMIT_S
    left = set(handles)
    while left and (time_left_s := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(time_left_s * 1000):
            poll.unregister(fd)
            left.discard(fd)
    for handle in handles:
        os.close(handle)
    if left:
        raise EngineError(
            f"{len(left)} processes of the lab are still there after {_STOP_LIMIT_S:g} s"
        )


def _sentence(error: Mapping[str, Any]) -> str:
    message = str(error["message"])
    if "user namespaces are refused" in message:
        return user_namespaces_refused() or message
    return message


def user_namespaces_refused() -> str:
    """Return why this user cannot make namespaces here, with what to do; "" if it can."""
    if os.geteuid() == 0:
        return ""
    sentence = (
        "an ordinary user may not make user namespaces on this machine: let root run "
        "`sysctl -w {setting}={value}`, run this as root, or use a Docker engine"
    )
    for setting, bad, value in _SETTINGS:
        with suppress(OSError):
            if Path("/proc/sys", setting.replace(".", "/")).read_text().strip() == bad:
                return sentence.format(setting=setting, value=value)
    return ""


# Debian's switch; Ubuntu's since 23.10; the kernel's own number of them.
_SETTINGS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "15000"),
)
