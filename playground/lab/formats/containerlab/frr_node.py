"""FRR as a node of a topology: its configuration, from files, from exec, and its daemons.

Images of FRR hold nothing else, so ours stands in their place with the same words:
https://containerlab.dev/manual/kinds/frr/, https://docs.frrouting.org, "Starting FRR".

"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from playground.lab.formats.containerlab.topology_file import NodeFile
from playground.lab.formats.foreign.frr_file import frr_lines
from playground.lab.formats.foreign.startup_script import ScriptLine
from playground.lab.formats.foreign.text_files import lines_of
from playground.model.records import dataclass
from playground.model.services.frr import ROUTING

_IMAGE = re.compile(r"(^|/)(frrouting/frr|frrouting/frr-debian|frr|frrouting)(:[\w.-]+)?(@.*)?$")
_FOLDER = "/etc/frr"
# Kinds that are FRR and nothing else.
KINDS = ("frr", "frrouting")

# What sets FRR's files up in a container, and starts it: here the lab has done it.
_PREPARES = re.compile(
    r"(touch|chown|chmod|mkdir|cp|sed|rm)\s.*(/etc/frr|/var/log/frr|/run/frr|/var/run/frr)"
    r"|(\S*/)?(frrinit\.sh|docker-start|watchfrr)\b"
    r"|(service|/etc/init\.d/frr|systemctl)\s+(\w+\s+)?(frr|start|restart|reload)\b.*"
)
_TURNED_ON = re.compile(r"\b(\w+d)=yes\b")
_DAEMONS = {program: name for name, row in ROUTING.items() for program in row.programs}


@dataclass(frozen=True)
class FrrSaid:
    """What a node says of FRR: its lines, None for none, and services of daemons that run."""

    lines: str | None
    services: tuple[str, ...]
    left: tuple[ScriptLine, ...]


def is_frr(node: NodeFile) -> bool:
    """Whether a node is FRR: by its kind, its image, or by a file that only FRR reads."""
    if node.said["kind"] in KINDS:
        return True
    return node.said["kind"] == "linux" and (is_frr_image(node) or bool(_configurations(node)))


def is_frr_image(node: NodeFile) -> bool:
    """Whether a node's image holds FRR and nothing else, as far as its name tells."""
    return bool(_IMAGE.search(node.text("image") or ""))


def understand_frr(node: NodeFile, commands: Iterable[ScriptLine]) -> FrrSaid:
    """Return what a node's files and commands say of FRR, and the commands that are left."""
    texts = []
    if (said := _text_of(node)) is not None:
        texts.append(said)
    turned_on = [*_extra_daemons(node), *_of_daemons_file(node)]
    left = []
    for line in commands:
        if (told := _told_by_vtysh(line.text)) is not None:
            texts += [told] if told else []
        elif _PREPARES.match(line.text.strip()):
            turned_on += _TURNED_ON.findall(line.text) if "/daemons" in line.text else []
        else:
            left.append(line)
    lines = frr_lines(line for text in texts for line in text.split("\n"))
    services = dict.fromkeys(_DAEMONS[one] for one in turned_on if one in _DAEMONS)
    services.pop("frr", None)
    return FrrSaid(lines, tuple(services), tuple(left))


def _text_of(node: NodeFile) -> str | None:
    """Return the configuration that a node names, or has written in the topology itself."""
    said = node.text("startup-config")
    if said is not None and "\n" in said:
        return said
    paths = [] if said is None else [("startup-config", node.path(said))]
    for key, path in [*paths, *(("binds", path) for path in _configurations(node))]:
        if path is not None and (found := node.own_file(key, path)) is not None:
            return "\n".join(line for _, line in lines_of(found))
    return None


def _configurations(node: NodeFile) -> list[Path]:
    """Return the files that are shown where FRR looks for its configuration."""
    found = []
    for bind in node.texts("binds"):
        source, _, target = bind.partition(":")
        target = target.partition(":")[0].rstrip("/")
        path = node.path(source)
        if path is not None and target == f"{_FOLDER}/frr.conf":
            found.append(path)
        elif path is not None and target == _FOLDER:
            found.append(path / "frr.conf")
    return found


def _of_daemons_file(node: NodeFile) -> list[str]:
    """Return the daemons that a file /etc/frr/daemons turns on."""
    for bind in node.texts("binds"):
        source, _, target = bind.partition(":")
        path = node.path(source)
        target = target.partition(":")[0].rstrip("/")
        if path is None or target not in (f"{_FOLDER}/daemons", _FOLDER):
            continue
        path = path / "daemons" if target == _FOLDER else path
        if (found := node.own_file("binds", path)) is not None:
            lines = (line.partition("#")[0] for _, line in lines_of(found))
            return [name for line in lines for name in _TURNED_ON.findall(line)]
    return []


def _extra_daemons(node: NodeFile) -> list[str]:
    frr = node.pairs("extras").get("frr")
    daemons = frr.get("daemons") if isinstance(frr, dict) else None
    return [str(one) for one in daemons] if isinstance(daemons, list) else []


def _told_by_vtysh(text: str) -> str | None:
    """Return the lines that a command of vtysh(1) configures; None for any other command.

    >>> _told_by_vtysh("vtysh -c 'conf t' -c 'router ospf' -c 'network 10.0.0.0/8 area 0'")
    'router ospf\\nnetwork 10.0.0.0/8 area 0'

    """
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if not words or words[0].rpartition("/")[2] != "vtysh" or len(words) % 2 == 0:
        return None
    said = [word for flag, word in zip(words[1::2], words[2::2], strict=True) if flag == "-c"]
    if 2 * len(said) + 1 != len(words) or not said:
        return None
    first = said[0].split()
    if not ("configure".startswith(first[0][:9]) and first[0].startswith("conf")):
        return None
    # "write" and "end" leave the configuration; what is told stays told.
    lines = [line for part in said[1:] for line in part.split("\n")]
    return "\n".join(line for line in lines if line.split()[:1] not in (["end"], ["write"], ["wr"]))
