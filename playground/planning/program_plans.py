"""Programs of the user's own on a node: what an image says, what was declared, what is run.

The main program of a node is that of its image, or of ``command``; which words of the two
hold is decided here, as `docker run` has it.

"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.model.containers.container import ContainerSettings, RestartPolicy
from playground.model.records import dataclass

MAIN = "main"

NEVER_AGAIN = RestartPolicy()
ALWAYS_AGAIN = RestartPolicy("always")

# Large databases ask for some 300 s.
MOST_HEALTH_S = 600.0


@dataclass(frozen=True)
class Healthcheck:
    """How a program says that it is well: a command whose status is 0 then.

    ``argv`` runs in the node.  Where it fails it is run again after ``interval_s``; what
    fails in the first ``start_period_s`` does not count, and after ``retries`` failures in
    a row the program is not well.  However long its words allow, `start` waits ten minutes at
    most: `limit_s`.

    """

    # Defaults are those of the Dockerfile's HEALTHCHECK.
    argv: tuple[str, ...]
    interval_s: float = 30.0
    timeout_s: float = 30.0
    start_period_s: float = 0.0
    retries: int = 3

    @property
    def limit_s(self) -> float:
        """How long after its start a program may still become well, by these words.

        At most `MOST_HEALTH_S`: whoever made an image must not hold up who tries it.

        """
        said = self.start_period_s + self.retries * (self.interval_s + self.timeout_s)
        return min(said, MOST_HEALTH_S)

    def failures_due(self, failing_s: float) -> int:
        """Return how many failures in a row these words count where it has failed for so long.

        ``failing_s`` is counted from the end of ``start_period_s``.  `start` asks more often
        than each ``interval_s``, to see at once what is well, and that must not count more.

        >>> Healthcheck(("/check",), interval_s=30.0).failures_due(65.0)
        2

        """
        return int(failing_s / max(self.interval_s, 0.001))


@dataclass(frozen=True)
class ImageConfig:
    """The settings of an image for its container: see the OCI image specification, config.md.

    ``shell`` is what a line is given to; ``ports`` are those that it exposes, as "80/tcp".

    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProgramPlan:
    """One program of a node; what is None is the container's own."""

    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    user: str | None = None
    restart: RestartPolicy = NEVER_AGAIN
    stop_signal: str = ""
    stop_timeout_s: float | None = None
    healthcheck: Healthcheck | None = None
    # TCP ports that are published, else those that its image exposes: it will listen on some.
    ports: tuple[int, ...] = ()

    def request(self, pid: int) -> dict[str, Any]:
        """Return the program as the agent's ``programs`` operation takes it."""
        return {
            "pid": pid,
            "name": self.name,
            "argv": list(self.argv),
            "env": dict(self.env) or None,
            "cwd": self.cwd,
            "user": self.user,
            "restart": vars(self.restart),
            "stop_signal": signal_number(self.stop_signal),
            "stop_timeout_s": self.stop_timeout_s,
            "healthcheck": vars(self.healthcheck) if self.healthcheck else None,
            "ports": list(self.ports),
        }

    @classmethod
    def from_request(cls, data: Mapping[str, Any]) -> ProgramPlan:
        """Return what a request was made of, as far as a client has to know it."""
        check = data["healthcheck"]
        return cls(
            data["name"],
            tuple(data["argv"]),
            restart=RestartPolicy(**data["restart"]),
            stop_timeout_s=data["stop_timeout_s"],
            healthcheck=check and Healthcheck(**check | {"argv": tuple(check["argv"])}),
            ports=tuple(data.get("ports", ())),
        )


def main_program(settings: ContainerSettings, image: ImageConfig | None) -> ProgramPlan | None:
    """Return the program of an image, or of ``command``; None where neither names one.

    As for `docker run`, an entrypoint that was declared takes the image's command away too.

    >>> main_program(Host("h1", command="sleep 9").container, None).argv
    ('sleep', '9')

    """
    said = image or ImageConfig()
    if settings.entrypoint is not None:
        argv = (*settings.entrypoint, *(settings.command or ()))
    else:
        command = said.command if settings.command is None else settings.command
        argv = (*said.entrypoint, *command)
    if not argv:
        return None
    # Another command may be another program.
    same = settings.command is None and settings.entrypoint is None
    exposed = _tcp_ports(said.ports) if same else ()
    return ProgramPlan(
        MAIN,
        argv,
        restart=settings.restart or NEVER_AGAIN,
        stop_signal=settings.stop_signal or said.stop_signal,
        stop_timeout_s=settings.stop_timeout_s,
        healthcheck=_healthcheck(settings, said),
        ports=published_tcp_ports(settings) or exposed,
    )


def published_tcp_ports(settings: ContainerSettings) -> tuple[int, ...]:
    """Return the TCP ports of a host that ``publish=`` offers to the user's machine.

    >>> published_tcp_ports(Host("h1", publish=[80, "53/udp"]).container)
    (80,)

    """
    return tuple(dict.fromkeys(one.port for one in settings.publish if one.protocol == "tcp"))


def _tcp_ports(exposed: tuple[str, ...]) -> tuple[int, ...]:
    """Return the TCP ports among those that an image exposes.

    >>> _tcp_ports(("53/udp", "80/tcp"))
    (80,)

    """
    pairs = (item.partition("/") for item in exposed)
    found = (_number(port) for port, _, kind in pairs if kind in ("", "tcp"))
    return tuple(port for port in found if port is not None and 0 < port < 1 << 16)


def _number(text: str) -> int | None:
    """Return a number of at most five digits, else None; int() refuses very long ones."""
    return int(text) if re.fullmatch("[0-9]{1,5}", text) else None


def _healthcheck(said: ContainerSettings, image: ImageConfig) -> Healthcheck | None:
    found = image.healthcheck
    if said.healthcheck is not None:
        found = make_healthcheck(said.healthcheck, image.shell)
    times = {
        "interval_s": said.health_interval_s,
        "timeout_s": said.health_timeout_s,
        "start_period_s": said.health_start_period_s,
        "retries": said.health_retries,
    }
    changed: dict[str, Any] = {name: value for name, value in times.items() if value is not None}
    return replace(found, **changed) if found and changed else found


def make_healthcheck(
    test: tuple[str, ...],
    shell: tuple[str, ...] = ("/bin/sh", "-c"),
    **times: Any,
) -> Healthcheck | None:
    """Return the check that an image's words mean: ("CMD", ...), ("CMD-SHELL", line), ("NONE",).

    >>> make_healthcheck(("CMD-SHELL", "curl -f localhost")).argv
    ('/bin/sh', '-c', 'curl -f localhost')

    """
    match test:
        case ("CMD", *argv) if argv:
            return Healthcheck(tuple(argv), **times)
        case ("CMD-SHELL", line):
            return Healthcheck((*shell, line), **times)
    return None


def signal_number(name: str) -> int | None:
    """Return the number of a signal that an image names: "SIGQUIT", "QUIT", "3", "SIGRTMIN+3".

    None for nothing, and for what is none; SIGTERM is sent then.

    """
    import signal

    text = name.upper().removeprefix("SIG")
    if (number := _number(text)) is not None:
        return number if 0 < number < signal.NSIG else None
    if beside := re.fullmatch(r"(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?", text):
        base, sign, offset = beside.groups()
        number = int(signal.Signals[f"SIG{base}"]) + int(f"{sign or '+'}{offset or 0}")
        return number if signal.SIGRTMIN <= number <= signal.SIGRTMAX else None
    try:
        return int(signal.Signals[f"SIG{text}"])
    except KeyError:
        return None
