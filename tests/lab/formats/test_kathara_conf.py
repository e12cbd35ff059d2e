"""lab.conf and lab.dep, as data."""

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.kathara_conf import read_lab_conf, read_lab_dep

CONF = """\
LAB_NAME="two hosts"
LAB_AUTHOR=somebody

# a comment
pc1[0]="A"
pc1[1]='B/02:00:00:00:00:01'  # the second
pc1[image]=kathara/base
pc1[sysctl]="net.ipv4.ip_forward=1"
pc1[sysctl]="net.ipv4.ip_default_ttl=1"
r_1[0]=A
"""


def conf(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lab.conf"
    path.write_text(text)
    return path


def test_devices_have_interfaces_and_options(tmp_path: Path) -> None:
    found = read_lab_conf(conf(tmp_path, CONF))
    assert found.about["NAME"] == "two hosts"
    pc1 = found.devices["pc1"]
    assert [(one.number, one.domain, one.mac) for one in pc1.sockets.values()] == [
        (0, "A", None),
        (1, "B", "02:00:00:00:00:01"),
    ]
    assert [one.value for one in pc1.options["sysctl"]] == [
        "net.ipv4.ip_forward=1",
        "net.ipv4.ip_default_ttl=1",
    ]
    assert str(pc1.sockets[1].place).endswith("lab.conf:6")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: this lab.conf names no device"),
        ("pc1[0]=A\npc1 = B\n", ":2: 'pc1 = B' is no line of a lab.conf"),
        ("pc1[0]=A\npc1[0]=B\n", ":2: pc1[0] stands in line 1 already"),
        ('pc1[0]="A B"\n', ":1: 'A B' is no collision domain"),
        ("pc1[99999999]=A\n", ":1: no device has an interface 99999999"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = conf(tmp_path, text)
    with pytest.raises(TopologyError) as error:
        read_lab_conf(path)
    assert str(error.value).startswith(f"{path}{told}")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lab.conf"
    path.write_bytes(b"pc1[0]=A\n\xff\n")
    with pytest.raises(TopologyError, match=r"lab\.conf:2: this is no text"):
        read_lab_conf(path)


def test_lab_dep_names_devices_of_lab_conf(tmp_path: Path) -> None:
    read = read_lab_conf(conf(tmp_path, CONF))
    dep = tmp_path / "lab.dep"
    dep.write_text("# order\npc1: r_1\n")
    assert [said.value for said in read_lab_dep(dep, read)["pc1"]] == ["r_1"]
    dep.write_text("pc1: r9\n")
    with pytest.raises(TopologyError, match=r"lab\.dep:1: there is no device 'r9'"):
        read_lab_dep(dep, read)
    dep.write_text("pc1\n")
    with pytest.raises(TopologyError, match=r"lab\.dep:1: 'pc1' says nothing"):
        read_lab_dep(dep, read)
