"""Topologies of containerlab as labs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import playground
from playground import Host, Lab, Router, Switch
from playground.engines.seam import Engine
from playground.errors import LabWarning, TopologyError
from tests.support_files import write_files

FILE = """\
name: frr pair
topology:
  kinds:
    frr: {image: quay.io/frrouting/frr:10}
  nodes:
    r1: {kind: frr, startup-config: r1.conf}
    r2: {kind: linux, image: "frrouting/frr:v8", binds: ["r2:/etc/frr"]}
    PC_1:
      exec:
        - ip addr add 10.0.1.2/24 dev eth1
        - ip route add default via 10.0.1.1
        - sh -c 'echo "ready" > /tmp/ready'
    web:
      image: nginx:1.27
      env: {LEVEL: 3}
      ports: ["8080:80"]
      binds: ["site:/usr/share/nginx/html:ro"]
      memory: 128mb
      cpu: 0.5
      wait-for: [db]
      healthcheck: {test: [CMD, curl, localhost], interval: 5}
      restart-policy: always
    db:
      image: postgres:17
    br: {kind: bridge}
  links:
    - endpoints: ["r1:eth1", "r2:eth1"]
    - endpoints: ["PC_1:eth1", "r1:eth2"]
      mtu: 1400
    - type: veth
      endpoints:
        - {node: web, interface: eth1, mac: "02:00:00:00:00:07"}
        - {node: br, interface: eth1}
    - endpoints: ["db:eth1", "br:eth2"]
      ipv4: ["10.7.0.2/24"]
"""

FILES = {
    "pair.clab.yml": FILE,
    "r1.conf": "hostname r1\ninterface eth1\n ip address 10.0.0.1/24\ninterface eth2\n"
    " ip address 10.0.1.1/24\nrouter ospf\n network 10.0.0.0/16 area 0\n",
    "r2/frr.conf": "interface eth1\n ip address 10.0.0.2/24\nrouter ospf\n"
    " network 10.0.0.0/16 area 0\n",
    "site/index.html": "hi\n",
}


@pytest.fixture
def pair(tmp_path: Path) -> Lab:
    return playground.load(write_files(tmp_path, FILES), quiet=True, engine="namespaces")


def test_nodes_are_hosts_routers_and_switches(pair: Lab) -> None:
    assert pair.name == "frr-pair"
    kinds = {node.name: type(node) for node in pair}
    assert (kinds["r1"], kinds["r2"], kinds["pc-1"]) == (Router, Router, Host)
    assert (kinds["web"], kinds["br"]) == (Host, Switch)
    assert pair["pc-1"].container.aliases == ("PC_1",)


def test_frr_is_ours_with_the_words_of_the_file(pair: Lab) -> None:
    r1, r2 = pair["r1"], pair["r2"]
    assert "router ospf" in r1.frr and "hostname" not in r1.frr
    assert r1.container.source is None and "router ospf" in r2.frr
    link = pair.link("r1", "r2")
    assert [str(end.addresses[0]) for end in link.ends] == ["10.0.0.1/24", "10.0.0.2/24"]
    assert [end.name for end in link.ends] == ["eth1", "eth1"]


def test_what_exec_says_plainly_is_declared(pair: Lab) -> None:
    pc = pair["pc-1"]
    assert [str(one.destination) for one in pc.own_routes] == ["0.0.0.0/0"]
    assert dict(pc.container.files)["/hostlab/startup"] == b"sh -c 'echo \"ready\" > /tmp/ready'\n"
    assert pc.links[0].mtu_bytes == 1400


def test_options_are_arguments(pair: Lab) -> None:
    web = pair["web"]
    assert (web.limits.memory_mb, web.limits.cpus) == (128, 0.5)
    assert web.container.after == ("db",)
    assert web.container.healthcheck == ("CMD", "curl", "localhost")
    assert web.container.volumes[0].read_only
    assert str(web.container.restart) == "always"
    assert web.links[0].end(web).mac == "02:00:00:00:00:07"
    assert str(pair["db"].links[0].end(pair["db"]).addresses[0]) == "10.7.0.2/24"


def test_what_a_lab_does_not_do_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.clab.yml"
    path.write_text("""\
mgmt: {network: clab}
topology:
  nodes:
    srl: {kind: nokia_srlinux, startup-config: a.cfg}
    a: {mgmt-ipv4: 172.20.20.2, colour: red, binds: ["/etc:/x", "none:/y"]}
    ext: {kind: ext-container}
  links:
    - endpoints: ["srl:ethernet-1/1", "a:eth1"]
    - endpoints: ["a:eth2", "host:veth0"]
    - {type: dummy, endpoint: {node: a, interface: dummy0}}
    - endpoints: ["a:eth3", "ext:eth1"]
      vars: {a: 1}
""")
    told = (
        "1:1: mgmt: is not heeded",
        ": srl: kind nokia_srlinux is a vendor's system",
        "5:9: a: mgmt-ipv4 is not heeded",
        "5:33: a: colour is not done in a lab",
        "5:46: a: binds /etc lies outside",
        "5:46: a: binds none is not there",
        "8:19: the interface ethernet-1/1 is called ethernet-1-1",
        "9:7: a link to host is not made: lab.machine()",
        "6:11: ext: kind ext-container is not made",
        "11:7: a link to ext-container is not made",
        "12:7: vars: of a link is not heeded",
    )
    with pytest.warns(LabWarning) as warnings:
        lab = playground.load(path, quiet=True)
    text = str(warnings[0].message)
    assert [one for one in told if one not in text] == []
    assert isinstance(lab["srl"], Router) and len(lab.links) == 2
    assert [end.name for end in lab["a"].links[1].ends] == ["dummy0", None]
    with pytest.raises(TopologyError, match="a vendor's system"):
        playground.load(path, quiet=True, strict=True)


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ("[7]", "3:11: 7 is no link"),
        ("7", "3:3: 7 is no list of links"),
        ('[{endpoints: ["a:eth1"]}]', "3:12: ['a:eth1'] are no two ends"),
        ('[{endpoints: ["a:eth1", "c:eth1"]}]', "3:34: there is no node 'c'"),
        ('[{endpoints: ["a", "b:eth1"]}]', "3:24: 'a' is no end of a link"),
        ('[{endpoints: ["a:eth1", "b:/"]}]', "3:34: '/' is no name of an interface"),
        ('[{type: [veth], endpoints: ["a:1", "b:1"]}]', "3:12: ['veth'] is no type of link"),
        ("[{endpoints: [{node: [a], interface: e}, 'b:1']}]", "3:24: ['a'] is no name of a node"),
        ('[{type: rope, endpoints: ["a:1", "b:1"]}]', "3:12: 'rope' is no type of link"),
        ('[{endpoints: ["a:eth1", "b:eth1"], mtu: big}]', "3:45: mtu: 'big' is no number"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, links: str, told: str) -> None:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology:\n  nodes: {{a: , b: }}\n  links: {links}\n")
    with pytest.raises(TopologyError) as error:
        playground.load(path, quiet=True)
    assert str(error.value).startswith(f"{path}:{told}")


def test_packets_find_their_way(tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "x.clab.yml"
    path.write_text("""\
topology:
  nodes:
    r: {exec: [ip addr add 10.0.1.1/24 dev eth1, ip addr add 10.0.2.1/24 dev eth2]}
    a: {exec: [ip addr add 10.0.1.2/24 dev eth1, ip route add default via 10.0.1.1]}
    b: {exec: [ip addr add 10.0.2.2/24 dev eth1, ip route add default via 10.0.2.1]}
  links:
    - endpoints: ["r:eth1", "a:eth1"]
    - endpoints: ["r:eth2", "b:eth1"]
""")
    with playground.load(path, quiet=True, engine=engine) as lab:
        assert lab["a"].traceroute("10.0.2.2").hops == ["10.0.1.1", "10.0.2.2"]


_PIECES = ["", " ", "\n", ":", "[", "]", "{", "}", '"', "- ", "null", "7", "true", "${A", "srl"]
_PIECES += ["endpoints", "kind", "eth1", "a:b", "&a ", "*a", "!x ", "é", "\x07", "host", "2001::"]


@pytest.fixture(scope="module")
def spoiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield write_files(tmp_path_factory.mktemp("spoiled"), FILES)


@pytest.mark.filterwarnings("ignore::playground.errors.LabWarning")
@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 20), st.sampled_from(_PIECES)),
        min_size=1,
        max_size=4,
    ),
)
def test_300_spoiled_files_are_told_in_a_sentence_with_a_line(
    spoiled_folder: Path, spoiled: list[tuple[int, int, str]]
) -> None:
    text = FILE
    for place, length, piece in spoiled:
        place %= len(text) + 1
        text = text[:place] + piece + text[place + length :]
    path = spoiled_folder / "pair.clab.yml"
    path.write_text(text)
    try:
        playground.load(path, quiet=True, engine="namespaces")
    except TopologyError as error:
        assert str(error).startswith(f"{path}:"), error


def test_no_file_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.conf").write_text("hostname secret\nrouter ospf\n")
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "r2.conf").symlink_to(tmp_path / "secret.conf")
    (folder / "x.clab.yml").write_text(
        "name: x\ntopology:\n  nodes:\n"
        "    r1: {kind: frr, startup-config: ../secret.conf}\n"
        "    r2: {kind: frr, binds: ['r2.conf:/etc/frr/frr.conf']}\n"
        "  links: [{endpoints: ['r1:eth1', 'r2:eth1']}]\n"
    )
    with pytest.warns(LabWarning) as told:
        lab = playground.load(folder, quiet=True)
    text = str(told[0].message)
    assert "r1: startup-config" in text and "r2: binds" in text
    assert text.count("lies outside of the lab's folder, and is not read") == 2
    assert "router ospf" not in "".join(str(lab[name].frr) for name in ("r1", "r2"))
