"""Folders of Kathara as labs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import playground
from playground import Host, Lab, Router, Switch
from playground.errors import LabWarning, TopologyError
from tests.support_files import write_files

CONF = """\
LAB_NAME="static routes"
r1[0]=A
r1[1]=B
r2[0]="C"
r2[1]="B/02:00:00:00:00:02"
pc_1[0]=A
pc2[0]=C
pc2[mem]=128m
pc2[cpus]=0.5
pc2[port]="8080:80/tcp"
pc2[env]="LEVEL=3"
pc2[ulimit]="nofile=100:200"
"""

FILES = {
    "lab.conf": CONF,
    "r1.startup": "ifconfig eth0 195.11.14.1/24 up\nip addr add 100.0.0.9/30 dev eth1\n"
    "route add -net 200.1.1.0 netmask 255.255.255.0 gw 100.0.0.10 dev eth1\n",
    "r2.startup": "ip addr add 200.1.1.1/24 dev eth0\nip addr add 100.0.0.10/30 dev eth1\n"
    "ip route add 195.11.14.0/24 via 100.0.0.9\n",
    "pc_1.startup": "ip addr add 195.11.14.5/24 dev eth0\nip route add default via 195.11.14.1\n",
    "pc2.startup": "ip route add default via 200.1.1.1\necho ready > /tmp/ready\n",
    "pc2/etc/network/interfaces": "iface eth0 inet static\n address 200.1.1.7/24\n",
    "pc2/root/notes.txt": "nothing\n",
    "pc2/etc/resolv.conf": "nameserver 195.11.14.5\n",
    "lab.dep": "pc2: r1\n",
}


@pytest.fixture
def static_routes(tmp_path: Path) -> Lab:
    return playground.load(write_files(tmp_path, FILES), quiet=True, engine="namespaces")


def test_devices_are_hosts_and_domains_are_hubs(static_routes: Lab) -> None:
    lab = static_routes
    assert lab.name == "static-routes"
    kinds = {node.name: type(node) for node in lab}
    assert kinds == {
        **dict.fromkeys("ABC", Switch),
        **dict.fromkeys(("r1", "r2", "pc-1", "pc2"), Host),
    }
    assert lab["A"].settings.hub
    assert lab["pc-1"].container.aliases == ("pc_1",)


def test_what_startup_files_say_plainly_is_declared(static_routes: Lab) -> None:
    lab = static_routes
    assert [str(one) for link in lab["r1"].links for one in link.end(lab["r1"]).addresses] == [
        "195.11.14.1/24",
        "100.0.0.9/30",
    ]
    [route] = lab["pc2"].own_routes
    assert (str(route.destination), str(route.via[0])) == ("0.0.0.0/0", "200.1.1.1")
    assert lab["r2"].links[1].end(lab["r2"]).mac == "02:00:00:00:00:02"
    files = dict(lab["pc2"].container.files)
    assert files["/hostlab/startup"] == b"echo ready > /tmp/ready\n"
    assert "/root/notes.txt" in files and "/etc/resolv.conf" not in files


def test_options_are_arguments(static_routes: Lab) -> None:
    pc2 = static_routes["pc2"]
    assert (pc2.limits.memory_mb, pc2.limits.cpus) == (128, 0.5)
    assert pc2.container.dns == ("195.11.14.5",)
    assert [(one.local_port, one.port) for one in pc2.container.publish] == [(8080, 80)]
    assert dict(pc2.container.env) == {"LEVEL": "3"}


def test_frr_files_make_a_router(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        {
            "lab.conf": 'r1[0]=A\nr1[image]="kathara/frr"\n',
            "r1.startup": "systemctl start frr\n",
            "r1/etc/frr/daemons": "ospfd=yes\n",
            "r1/etc/frr/zebra.conf": "hostname r1\npassword x\ninterface eth0\n"
            " ip address 10.0.0.1/24\n",
            "r1/etc/frr/ospfd.conf": "router ospf\n network 10.0.0.0/24 area 0\n",
        },
    )
    r1 = playground.load(folder, quiet=True)["r1"]
    assert isinstance(r1, Router) and "router ospf" in str(r1.frr) and "hostname" not in str(r1.frr)
    assert [str(one) for one in r1.links[0].end(r1).addresses] == ["10.0.0.1/24"]
    assert r1.container.files == ()


def test_what_a_lab_does_not_do_is_told_with_its_line(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        {
            "lab.conf": "pc1[0]=A\npc1[bridged]=true\npc1[num_terms]=2\npc1[colour]=red\n",
            "pc1.startup": "systemctl start frr\nservice gopher start\n",
            "pc9.startup": "true\n",
            "pc1.shutdown": "true\n",
        },
    )
    told = (
        "lab.conf:2: pc1[bridged] is not done",
        "lab.conf:3: pc1[num_terms] is not heeded",
        "lab.conf:4: pc1[colour] is not done in a lab",
        "pc1.startup:1: frr is not started",
        "pc1.startup:2: the service gopher is not started",
        "pc9.startup: is for no device",
        "pc1.shutdown: is not run",
    )
    with pytest.warns(LabWarning) as warnings:
        playground.load(folder, quiet=True)
    assert [text for text in told if text not in str(warnings[0].message)] == []
    with pytest.raises(TopologyError, match=r"pc1\[bridged\]"):
        playground.load(folder, quiet=True, strict=True)


def test_further_options_are_arguments(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path,
        {
            "lab.conf": "pc1[0]=A\npc1[args]=-v\npc1[image]=nginx\npc1[entrypoint]=/run.sh\n"
            'pc1[args]="-x 1"\npc1[port]=80\npc1[ipv6]=true\npc1[volume]="data|/srv|ro"\n'
            'pc2[0]=A\npc2[entrypoint]=/run.sh\npc2[volume]="/etc|/x"\npc2[volume]=data\n',
            "data/x": "",
            "pc1.startup": "touch /tmp/done\n",
        },
    )
    with pytest.warns(LabWarning) as told:
        lab = playground.load(folder, quiet=True)
    pc1 = lab["pc1"].container
    assert (pc1.entrypoint, pc1.command) == (("/run.sh",), ("-v", "-x", "1"))
    assert [(one.local_port, one.port) for one in pc1.publish] == [(3000, 80)]
    assert pc1.volumes[0].target == "/srv" and pc1.volumes[0].read_only
    assert (
        dict(pc1.programs)["startup"]
        and lab["pc1"].own_sysctls["net.ipv6.conf.all.disable_ipv6"] == "0"
    )
    text = str(told[0].message)
    assert "lab.conf:10: pc2[entrypoint] is not run: the device has no image" in text
    assert "lab.conf:11: pc2[volume] '/etc' is nothing of the lab's folder" in text
    assert "lab.conf:12: pc2[volume] says no place" in text
    with pytest.warns(LabWarning, match=r"pc1\[args\] is not run"):
        plain = playground.load(folder, quiet=True, plain=True)["pc1"].container
    assert plain.source is None and plain.entrypoint is None


def test_netem_in_a_startup_file_impairs_the_link(tmp_path: Path) -> None:
    tc = "tc qdisc add dev eth0 root netem delay 100ms loss 50%\n"
    folder = write_files(tmp_path, {"lab.conf": "r1[0]=A\n", "r1.startup": tc + "tc qdisc show\n"})
    r1 = playground.load(folder, quiet=True)["r1"]
    [row] = r1.links[0].impairments
    assert (row.toward, row.impairment.delay_ms, row.impairment.loss_percent) == ("A", 100, 50)
    assert dict(r1.container.files)["/hostlab/startup"] == b"tc qdisc show\n"


def test_what_the_model_refuses_is_left_to_the_startup_file(tmp_path: Path) -> None:
    startup = "ip addr add 10.0.0.0/24 dev eth0\n"
    folder = write_files(tmp_path, {"lab.conf": "pc1[0]=A\n", "pc1.startup": startup})
    with pytest.warns(LabWarning, match="it is left to the startup files"):
        lab = playground.load(folder, quiet=True)
    assert dict(lab["pc1"].container.files)["/hostlab/startup"] == startup.encode()


def test_packets_find_their_way(static_routes: Lab) -> None:
    with static_routes as lab:
        pc1, pc2 = lab["pc-1"], lab["pc2"]
        assert isinstance(pc1, Host) and isinstance(pc2, Host)
        assert pc1.ping("200.1.1.7", count=1).received == 1
        assert pc1.traceroute("200.1.1.7").hops == ["195.11.14.1", "100.0.0.10", "200.1.1.7"]
        pc2.run("timeout 10 sh -c 'until [ -e /tmp/ready ]; do sleep 0.05; done'")


_PIECES = ["", "\n", "[", "]", "=", '"', "'", "#", "\x00", "é", "pc1[0]=B", "eth0", "dev", "999"]
_PIECES += ["/", "via", " ", "\t", "10.0.0.0/33", "2001:db8::1/200", "LAB_NAME=", "[image]=", "\\"]
_SPOILED = ("lab.conf", "r1.startup", "lab.dep", "pc2/etc/network/interfaces")


@pytest.fixture(scope="module")
def spoiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield write_files(tmp_path_factory.mktemp("spoiled"), FILES)


@pytest.mark.filterwarnings("ignore::playground.errors.LabWarning")
@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    st.sampled_from(_SPOILED),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 20), st.sampled_from(_PIECES)),
        min_size=1,
        max_size=4,
    ),
)
def test_300_spoiled_folders_are_told_in_a_sentence_with_a_line(
    spoiled_folder: Path, name: str, spoiled: list[tuple[int, int, str]]
) -> None:
    text = FILES[name]
    for place, length, piece in spoiled:
        place %= len(text) + 1
        text = text[:place] + piece + text[place + length :]
    (spoiled_folder / name).write_text(text)
    try:
        playground.load(spoiled_folder, quiet=True, engine="namespaces")
    except TopologyError as error:
        assert str(error).startswith(f"{spoiled_folder}/"), error
    finally:
        (spoiled_folder / name).write_text(FILES[name])


def test_nothing_of_a_folder_leads_out_of_it(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "home", {"secret": "x\n", "etc/frr/frr.conf": "router ospf\n"})
    folder = write_files(
        tmp_path / "lab",
        {"lab.conf": "pc1[0]=A\npc2[0]=A\npc3[0]=A\n", "pc3/root/own": "x\n"},
    )
    (folder / "shared").symlink_to(outside)
    (folder / "pc1").symlink_to(outside)
    (folder / "pc1.startup").symlink_to(outside / "secret")
    (folder / "pc2").mkdir()
    (folder / "pc2" / "etc").symlink_to(outside / "etc")
    (folder / "pc3" / "home").symlink_to(outside)
    with pytest.warns(LabWarning) as told:
        lab = playground.load(folder, quiet=True, engine="namespaces")
    text = str(told[0].message)
    for name in ("shared", "pc1", "pc1.startup", "pc2/etc/frr/frr.conf"):
        assert f"{folder}/{name}: leads out of the lab's folder, and is not taken" in text
    assert f"{folder}/pc3/home: is a symbolic link, and is not copied" in text
    for name in ("pc1", "pc2", "pc3"):
        assert type(lab[name]) is Host and not lab[name].container.volumes
    assert lab["pc1"].container.files == ()
    assert [*dict(lab["pc3"].container.files)] == ["/root/own"]


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path, {"lab.conf": "pc1[0]=A\n", "common/x": "", "all/root/own": "x\n"}
    )
    (folder / "shared").symlink_to("common")
    (folder / "pc1").symlink_to("all")
    lab = playground.load(folder, quiet=True, engine="namespaces")
    assert [*dict(lab["pc1"].container.files)] == ["/root/own"] and lab["pc1"].container.volumes


def test_a_walk_ends_where_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Path] = []

    def endless(path: Path, pattern: str) -> Iterator[Path]:
        for number in range(1_000_000):
            looked_at.append(path / f"{number}")
            yield looked_at[-1]

    write_files(tmp_path, {"lab.conf": "pc1[0]=A\n", "pc1/x": ""})
    monkeypatch.setattr(Path, "rglob", endless)
    with pytest.warns(LabWarning, match="more than 2,000 files, or 10,000 with its folders"):
        playground.load(tmp_path, quiet=True, engine="namespaces")
    assert len(looked_at) < 50_000
