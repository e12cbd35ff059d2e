"""The Debian that the images stand on, made with mmdebstrap where none can be pulled."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from playground.errors import ImageError

# Debian's names for what the engine calls architectures (Go's GOARCH).
_DEBIAN_ARCHITECTURES = {"386": "i386", "arm": "armhf", "ppc64le": "ppc64el"}
_SUITE = "trixie"


def mmdebstrap_command(engine_architecture: str) -> list[str]:
    """The command that writes a small Debian for the engine to its standard output."""
    command = ["mmdebstrap", "--variant=minbase", "--format=tar"]
    if engine_architecture and engine_architecture != _own_architecture():
        debian = _DEBIAN_ARCHITECTURES.get(engine_architecture, engine_architecture)
        command.append(f"--architectures={debian}")
    # Without a mirror mmdebstrap takes Debian's own, with updates and security.
    return [*command, _SUITE, "-", *_mirror_lines()]


def _own_architecture() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _mirror_lines(etc: Path = Path("/etc")) -> list[str]:
    """The machine's own Debian mirror as sources.list(5) lines for `_SUITE`.

    Nothing on a machine that is no Debian, or that uses Debian's own servers.

    """
    release = _read(etc / "os-release")
    codename = re.search(r"^VERSION_CODENAME=(\w+)", release, re.M)
    if codename is None or not re.search(r"^ID=debian$", release, re.M):
        return []
    apt = etc / "apt"
    sources = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
    lines = []
    for uri, suite in _sources("\n\n".join(map(_read, sources))):
        if suite.removesuffix("/").startswith(codename[1]):
            lines.append(f"deb {uri} {suite.replace(codename[1], _SUITE, 1)} main")
    usual = ("deb.debian.org", "security.debian.org")
    return [] if all(any(host in line for host in usual) for line in lines) else lines


def _sources(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of mirror and suite, of both forms that sources.list(5) describes."""
    yield from re.findall(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s.*\bmain\b", text, re.M)
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(Types|URIs|Suites|Components):\s*(.*)$", paragraph, re.M))
        if "deb" in fields.get("Types", "").split() and "main" in fields.get("Components", ""):
            for uri in fields.get("URIs", "").split():
                for suite in fields.get("Suites", "").split():
                    yield uri, suite


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""


@contextmanager
def bootstrap(command: list[str], note: Callable[[str], None]) -> Iterator[Iterator[bytes]]:
    """Run mmdebstrap; the block gets its archive, in pieces.

    Raises `ImageError` with its words if it fails, whatever the block made of
    the half archive.

    """
    log: list[str] = []

    def collect(lines: IO[bytes]) -> None:
        for line in lines:
            log.append(line.decode(errors="replace"))
            note(log[-1].strip())

    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        archive = process.stdout
        reader = threading.Thread(target=collect, args=(process.stderr,))
        reader.start()
        try:
            yield iter(lambda: archive.read(1 << 20), b"")
        except Exception:
            # An archive that broke off is refused by the engine; mmdebstrap's
            # own reason says more.
            archive.close()
            process.terminate()
            if process.wait() in (0, -signal.SIGTERM):
                raise
        except BaseException:
            archive.close()
            process.terminate()
            raise
        finally:
            status = process.wait()
            reader.join()
    if status:
        raise ImageError(
            f"mmdebstrap could not make a Debian base (exit status {status}): its words are below; "
            "it needs a Debian mirror; on other systems than Debian the package "
            "debian-archive-keyring; and where you are not root the package uidmap",
            "".join(log),
        )
