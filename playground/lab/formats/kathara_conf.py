"""The file lab.conf of a Kathara lab, as data: devices, their interfaces and options.

https://github.com/KatharaFramework/Kathara/wiki, "Network scenario": a line is a comment, LAB_NAME
and its like, or DEVICE[OPTION]=VALUE, where a number for an option is an interface.

"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.formats.foreign.text_files import lines_of
from playground.model.arguments import shown
from playground.model.records import dataclass

_LINE = re.compile(
    r"""(?P<device>\w{1,30})\[(?P<option>\w+)\]\s*=\s*
        (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'\#]+))\s*(?:\#.*)?""",
    re.VERBOSE | re.ASCII,
)
_ABOUT = re.compile(r"LAB_(?P<word>[A-Z_]+)\s*=\s*(?P<value>.*)")
_DOMAIN = re.compile(r"(?P<domain>\w+)(?:/(?P<mac>[0-9A-Fa-f:]{17}))?", re.ASCII)


@dataclass(frozen=True)
class ConfValue:
    """A value, and where it stands."""

    value: str
    place: FilePlace


@dataclass(frozen=True)
class DomainPort:
    """An interface of a device, by its number: the collision domain that it is in."""

    number: int
    domain: str
    mac: str | None
    place: FilePlace


@dataclass
class Device:
    """A device: its interfaces by number, and each option with all its values."""

    name: str
    place: FilePlace
    sockets: dict[int, DomainPort] = field(default_factory=dict)
    options: dict[str, list[ConfValue]] = field(default_factory=dict)


@dataclass
class LabConf:
    """What a lab.conf says; ``about`` holds LAB_NAME, LAB_AUTHOR and so on."""

    devices: dict[str, Device] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


def read_lab_conf(path: Path) -> LabConf:
    """Read a lab.conf; raises `TopologyError`, with the line, for what none is."""
    found = LabConf()
    for place, line in lines_of(path):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if match := _ABOUT.fullmatch(text):
            found.about[match["word"]] = match["value"].strip().strip("\"'")
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise TopologyError(
                f"{place}: {shown(text)} is no line of a lab.conf; it says DEVICE[NUMBER]=DOMAIN, "
                "DEVICE[OPTION]=VALUE or LAB_NAME=NAME"
            )
        value = next(match[one] for one in ("double", "single", "bare") if match[one] is not None)
        device = found.devices.setdefault(match["device"], Device(match["device"], place))
        _take(device, match["option"], ConfValue(value.strip(), place))
    if not found.devices:
        raise TopologyError(f"{path}:1: this lab.conf names no device; write one, as pc1[0]=A")
    return found


def _take(device: Device, option: str, said: ConfValue) -> None:
    if not option.isdecimal():
        device.options.setdefault(option, []).append(said)
        return
    match = _DOMAIN.fullmatch(said.value)
    if match is None:
        raise TopologyError(
            f"{said.place}: {shown(said.value)} is no collision domain; write letters and digits, "
            "and behind a stroke a MAC address if there is to be one: A/02:00:00:00:00:01"
        )
    # Python makes no number of some thousands of digits.
    if len(option) > 9 or int(option) > 1000:
        raise TopologyError(f"{said.place}: no device has an interface {option[:20]}")
    number = int(option)
    if number in device.sockets:
        raise TopologyError(
            f"{said.place}: {device.name}[{number}] stands in line "
            f"{device.sockets[number].place.line} already; leave one out"
        )
    device.sockets[number] = DomainPort(number, match["domain"], match["mac"], said.place)


def read_lab_dep(path: Path, conf: LabConf) -> dict[str, list[ConfValue]]:
    """Read a lab.dep: for each device those that are to be up before it."""
    found: dict[str, list[ConfValue]] = {}
    for place, line in lines_of(path):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        name, colon, others = text.partition(":")
        if not colon or not name.strip():
            raise TopologyError(f"{place}: {shown(text)} says nothing; write pc1: r1 r2")
        for one in (name.strip(), *others.split()):
            if one not in conf.devices:
                raise TopologyError(
                    f"{place}: there is no device {shown(one)}; lab.conf has "
                    f"{', '.join(conf.devices)}"
                )
        found.setdefault(name.strip(), []).extend(ConfValue(one, place) for one in others.split())
    return found
