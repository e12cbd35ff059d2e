"""Containers as declared: what may be said of them, and how it is refused."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

from playground import Host, Lab, Link, Router, WrongCall
from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import load, save
from playground.model.containers.container import (
    PLAIN_CONTAINER,
    ContainerSettings,
    PublishedPort,
    RestartPolicy,
    Ulimit,
    Volume,
    VolumeMount,
)
from playground.model.containers.image_sources import ImageSource
from playground.planning.difference import refuse_other_containers
from playground.planning.host_files import hosts_text, resolver_text
from playground.planning.program_plans import Healthcheck, ImageConfig, main_program


def container(**said: Any) -> ContainerSettings:
    return Host("h1", **said).container


def test_nothing_said_is_a_plain_container() -> None:
    assert container() == container(image=None, env=None) == PLAIN_CONTAINER
    assert not PLAIN_CONTAINER
    assert Router("r", image="alpine:3").container.source == ImageSource("reference", "alpine:3")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"command": "sh -c 'a b'"}, {"command": ("sh", "-c", "a b")}),
        ({"command": ["a b"], "entrypoint": "x"}, {"command": ("a b",), "entrypoint": ("x",)}),
        ({"env": {"A": "b", "N": 1}}, {"env": (("A", "b"), ("N", "1"))}),
        ({"user": 70}, {"user": "70"}),
        ({"user": "app:app"}, {"user": "app:app"}),
        ({"workdir": "/srv//web/"}, {"workdir": "/srv/web"}),
        ({"healthcheck": False}, {"healthcheck": ("NONE",)}),
        ({"healthcheck": "curl -f x"}, {"healthcheck": ("CMD-SHELL", "curl -f x")}),
        ({"healthcheck": ["true"]}, {"healthcheck": ("CMD", "true")}),
        ({"restart": "on-failure:3"}, {"restart": RestartPolicy("on-failure", 3)}),
        ({"dns": "10.1.1.1"}, {"dns": ("10.1.1.1",)}),
        ({"extra_hosts": {"p": ["10.0.0.9"]}}, {"extra_hosts": (("p", "10.0.0.9"),)}),
        ({"packages": ["redis-server", "redis-server"]}, {"packages": ("redis-server",)}),
        ({"programs": {"api": "api -v"}}, {"programs": (("api", ("api", "-v")),)}),
        ({"cap_add": ["cap_sys_nice", "NET_ADMIN"]}, {"cap_add": ("SYS_NICE",)}),
        ({"devices": "/dev/net/tun"}, {"devices": ("/dev/net/tun",)}),
        ({"ulimits": {"nofile": (10, -1)}}, {"ulimits": (Ulimit("nofile", 10, -1),)}),
        ({"ulimits": {"core": 0}}, {"ulimits": (Ulimit("core", 0, 0),)}),
        ({"publish": 80}, {"publish": (PublishedPort(80),)}),
        ({"publish": [80, "53/udp"]}, {"publish": (PublishedPort(80), PublishedPort(53, "udp"))}),
        ({"publish": {8080: 80}}, {"publish": (PublishedPort(80, "tcp", 8080),)}),
        ({"publish": "[::1]:81:80"}, {"publish": (PublishedPort(80, "tcp", 81, "::1"),)}),
        ({"publish": "0.0.0.0::80"}, {"publish": (PublishedPort(80, "tcp", None, "0.0.0.0"),)}),
        ({"files": {"/a": "text"}}, {"files": (("/a", b"text"),)}),
        (
            {"shm_mb": 64, "init": True, "stop_timeout_s": 3, "read_only": True, "hostname": "x.y"},
            {"shm_mb": 64, "init": True, "stop_timeout_s": 3, "read_only": True, "hostname": "x.y"},
        ),
        ({"labels": {"course": "nets"}}, {"labels": (("course", "nets"),)}),
    ],
    ids=lambda item: str(next(iter(item), "")) if isinstance(item, dict) else "",
)
def test_what_is_said_is_kept(said: dict[str, Any], kept: dict[str, Any]) -> None:
    assert container(**said).said() == {name: value for name, value in kept.items() if value != ()}


@pytest.mark.parametrize(
    "reference",
    ["postgres", "postgres:17", "a/b_c/d:x", "localhost:5000/web", f"web@sha256:{'0' * 64}"],
)
def test_names_of_images(reference: str) -> None:
    assert container(image=reference).source == ImageSource("reference", reference)


def test_images_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, server = tmp_path / "web.tar", tmp_path / "server"
    with tarfile.open(archive, "w"):
        server.mkdir()
    (server / "Dockerfile").write_text("FROM scratch")
    assert container(image=archive).source == ImageSource("archive", str(archive))
    text = "FROM scratch\nCOPY web /web\n"
    assert container(build=text).source == ImageSource("dockerfile", text)
    monkeypatch.chdir(tmp_path)
    assert container(build="server/").source == ImageSource("directory", str(server))
    assert repr(Host("h1", build=text)) == "Host('h1', build=<2 lines>)"


def test_volumes_are_read_only_unless_said(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert container(volumes={tmp_path / "link": "/a", tmp_path: "/b:rw"}).volumes == (
        VolumeMount(str(tmp_path), "/a"),
        VolumeMount(str(tmp_path), "/b", read_only=False),
    )


def test_a_volume_that_hosts_share_may_be_written_unless_said(tmp_path: Path) -> None:
    said = container(volumes={Volume("data"): ["/a", "/b:ro"], tmp_path: ["/c", "/d:rw"]})
    assert said.volumes == (
        VolumeMount("data", "/a", read_only=False, shared=True),
        VolumeMount("data", "/b", shared=True),
        VolumeMount(str(tmp_path), "/c"),
        VolumeMount(str(tmp_path), "/d", read_only=False),
    )
    places = f"{{Volume('data'): ['/a', '/b:ro'], {str(tmp_path)!r}: ['/c', '/d:rw']}}"
    assert said.options() == [f"volumes={places}"]
    for name in ("", "a/b", ".", "-a", "a" * 65, 5):
        with pytest.raises(TopologyError, match="cannot be a volume's name"):
            Volume(name)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match=r"two would stand at /a"):
        container(volumes={Volume("data"): "/a", Volume("other"): "/a"})
    with pytest.raises(TopologyError, match=r"that ends with the lab is Volume\('nodata'\)"):
        container(volumes={"nodata": "/a"})
    with pytest.raises(TopologyError, match="would be written into the volume data"):
        container(volumes={Volume("data"): "/srv"}, files={"/srv/a": "text"})


def test_further_names_of_a_host_are_known_to_its_neighbours() -> None:
    h1, h2 = Host("h1", aliases=["my_db", "db.internal"]), Host("h2")
    Link(h1, h2, subnet="10.5.0.0/24")
    lines = hosts_text(Lab(h1).plan().node("h2")).splitlines()
    assert "10.5.0.1 h1 my_db db.internal" in lines
    for name in ("a b", "-x", "1.2.3.4", ""):
        with pytest.raises(TopologyError, match="aliases"):
            Host("h3", aliases=[name])
    Link(h2, Host("h3", aliases="H1"))
    with pytest.raises(TopologyError, match="h3: aliases: h1 answers to 'H1' already"):
        Lab(h1).plan()


def test_patience_of_a_healthcheck_stands_in_place_of_the_image_s() -> None:
    image = ImageConfig(command=("serve",), healthcheck=Healthcheck(("check",), interval_s=9.0))
    plan = main_program(container(image="x", health_retries=2, health_timeout_s=1), image)
    assert plan is not None
    assert plan.healthcheck == Healthcheck(("check",), interval_s=9.0, timeout_s=1.0, retries=2)
    said = container(image="x", healthcheck=["ask"], health_interval_s=0.5, health_start_period_s=4)
    plan = main_program(said, image)
    assert plan is not None
    assert plan.healthcheck == Healthcheck(("ask",), interval_s=0.5, start_period_s=4.0)


def test_a_signal_of_one_s_own_stands_in_place_of_the_image_s() -> None:
    image = ImageConfig(command=("serve",), stop_signal="SIGQUIT")
    for said, number in (("int", 2), (15, 15), ("SIGRTMIN+3", 37), (None, 3)):
        plan = main_program(container(image="x", stop_signal=said), image)
        assert plan is not None
        assert plan.request(1)["stop_signal"] == number


def test_a_host_of_ours_has_a_shell_for_lines_that_need_one() -> None:
    line = "python3 app.py > log"
    assert container(command=line).command == ("/bin/sh", "-c", line)
    assert container(command="sleep 9").command == ("sleep", "9")
    assert container(image="x", command="sh -c 'app > log'").command == ("sh", "-c", "app > log")
    assert container(image="x", command="nginx -g 'daemon off;'").command is not None


def test_links_on_the_way_to_a_volume_are_followed_and_kept(tmp_path: Path) -> None:
    real = tmp_path / "a" / "real"
    real.mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "far").symlink_to(tmp_path / "near")
    (tmp_path / "near").symlink_to("b/../a")
    (volume,) = container(volumes={tmp_path / "b" / "far" / "real": "/v"}).volumes
    assert volume.source == str(real)
    assert volume.links_in == (str(tmp_path / "b"), str(tmp_path))


@pytest.mark.parametrize("target", ["/etc", "../other"])
def test_no_volume_goes_by_a_link_that_a_host_may_have_made(tmp_path: Path, target: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "data" / "conf").mkdir(parents=True)
    (tmp_path / "data" / "here").symlink_to("conf")
    (tmp_path / "data" / "away").symlink_to(target)

    def plan(mode: str, shown: str) -> Any:
        h1 = Host("h1", volumes={tmp_path / "data": f"/data{mode}"})
        h2 = Host("h2", volumes={tmp_path / "data" / shown: "/conf"})
        Link(h1, h2)
        return Lab(h1).plan()

    plan(":rw", "conf")
    plan(":rw", "here")
    plan("", "away")
    with pytest.raises(TopologyError, match=r"^h2: volumes: .* link in .*/data, where h1 may"):
        plan(":rw", "away")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"image": "Postgres"}, "is no image's name; write one such as"),
        ({"image": "a b"}, "is no image's name"),
        ({"image": 5}, "is no image's name"),
        ({"image": Path("/nowhere.tar")}, "there is no archive /nowhere.tar"),
        (
            {"image": Path("/proc")},
            r"image: /proc is a folder without an image in it .* build=",
        ),
        ({"image": "a", "build": "FROM scratch"}, "both say where its image comes from"),
        ({"build": "/nowhere"}, "is no directory; give one that has a Dockerfile"),
        ({"build": "/proc"}, "has no Dockerfile; write /proc/Dockerfile"),
        ({"build": "RUN true\nRUN false"}, "without a FROM"),
        ({"build": 5}, "is no path"),
        ({"command": " "}, "is no command; write a line"),
        ({"image": "x", "command": "a 'b"}, "close the quotes"),
        ({"image": "x", "command": "a b && c"}, r"no shell reads this line.* && would be part"),
        ({"image": "x", "command": "a b >log"}, r"no shell reads this line.* > would be part"),
        ({"image": "x", "command": "a $HOME"}, r"no shell reads this line.* \$ would be part"),
        ({"image": "x", "command": "A=1 b"}, r"no shell reads this line.* A= would be part"),
        ({"image": "x", "entrypoint": "a | b"}, r"no shell reads this line.* \| would be part"),
        ({"build_args": {"A": "1"}}, "build_args= says how an image is built, and there is no"),
        ({"after": {"db": "soon"}}, "'db': 'soon' is neither"),
        ({"stop_signal": "SIGNONE"}, "is no signal; write one such as"),
        ({"stop_signal": 65}, "is no signal; write one such as"),
        ({"health_retries": 0}, "is no number of failures in a row"),
        ({"health_interval_s": "5s"}, "is no number of seconds up to 3600"),
        ({"command": [1]}, "is no command"),
        ({"command": {"a"}}, "is no command"),
        ({"env": ["A=b"]}, "maps nothing to anything; write for example"),
        ({"env": {"A=": "b"}}, "is no name of a variable"),
        ({"env": {"A\nB": "b"}}, "is no name of a variable"),
        ({"env": {"A": ["b"]}}, "A=.* is no text"),
        ({"user": "a b"}, "is no user; write a name or a number"),
        ({"user": -1}, "is no user"),
        ({"user": True}, "is no user"),
        ({"workdir": "srv"}, "is no path in the host"),
        ({"workdir": "/srv/../etc"}, "leads back by .."),
        ({"workdir": "/srv\n"}, "has a line break or another control character"),
        ({"healthcheck": True}, "that of the image holds already"),
        ({"restart": "never"}, "is none of"),
        ({"restart": "always:3"}, "is none of"),
        ({"init": False}, "the first process of every host is a small init"),
        ({"stop_timeout_s": -1}, "is no number of seconds"),
        ({"hostname": "a_b"}, "that is no host name"),
        ({"dns": "ns"}, "'ns' is no address"),
        ({"extra_hosts": {"printer": "x"}}, "printer: 'x' is no address"),
        ({"volumes": {"/nowhere": "/a"}}, "there is no /nowhere; make it first"),
        ({"volumes": {"/proc": "a"}}, "'a' is no path in the host"),
        ({"volumes": {"/proc": 5}}, "5 is no path in the host"),
        ({"volumes": {"/proc": "/a:x"}}, "ends with 'x'; write \":rw\""),
        ({"volumes": {"/proc": "/"}}, "whole root"),
        ({"volumes": {"/proc": "/a", "/sys": "/a/"}}, "two would stand at /a"),
        ({"volumes": {"/sys": "/a\nb"}}, "has a line break or another control character"),
        ({"volumes": {"/sys": "/proc"}}, "/sys cannot stand at /proc, where a host finds"),
        ({"volumes": {"/sys": "/proc/sys/kernel:rw"}}, "cannot stand at /proc/sys/kernel"),
        ({"volumes": {"/sys": "/run/playground"}}, "cannot stand at /run/playground"),
        ({"volumes": {"/sys": "/etc/hosts"}}, "/sys cannot stand at /etc/hosts, which the lab "),
        ({"volumes": {Volume("v"): "/etc/resolv.conf:rw"}}, "lab writes, .*; write dns="),
        ({"volumes": {"/sys": "/etc/"}}, "cannot stand at /etc, for it would hide"),
        ({"volumes": {"/sys": "/usr/bin:ro"}}, "cannot stand at /usr/bin, for it would hide"),
        ({"volumes": {"/": "/host"}}, "volumes: / is the whole of this machine"),
        ({"volumes": {"/proc/self/root": "/host"}}, "root is the whole of this machine"),
        ({"files": {"/etc": "x"}}, "files: /etc is the system's own, and no place for a file"),
        ({"files": {"/proc/x": "x"}}, "files: /proc/x is the system's own"),
        ({"files": {"/a": Path("/proc")}}, "/proc for /a is a folder, and files= takes files"),
        ({"publish": ["8080:80", "8080:81"]}, "tcp port 8080 of this machine cannot be both port"),
        ({"port": 80}, "port= makes no sense in a lab: .*write publish="),
        ({"files": {"a": "b"}}, "'a' is no path in the host"),
        ({"files": {"/a\x1b": "b"}}, "has a line break or another control character"),
        ({"files": {"/a": 5}}, "5 is no content of /a"),
        ({"files": {"/a/": "b"}}, "'/a/' names a folder; write the name of a file, as \"/a/NAME\""),
        ({"files": {"/a": "b", "//a": "c"}}, "two would stand at /a"),
        ({"files": {"/a": "b", "/a/b": "c"}}, "/a cannot be a file and the folder of /a/b"),
        ({"files": {"/a/b": "b", "/a": "c"}}, "/a cannot be a file and the folder of /a/b"),
        ({"files": {"/etc/hosts": "b"}}, "is written by the lab, .* extra_hosts="),
        ({"files": {"/etc/resolv.conf": "b"}}, "is written by the lab, .* write dns="),
        ({"files": {"/a": Path("/nowhere")}}, "there is no file /nowhere for /a"),
        ({"packages": "redis; rm"}, "is no name of a Debian package"),
        ({"packages": "-o"}, "is no name of a Debian package"),
        ({"programs": {"a b": "x"}}, "is no program's name"),
        ({"programs": {"main": "x"}}, "is the program of command= or of the image"),
        ({"publish": 0}, "0.* is no port"),
        ({"publish": "80/icmp"}, "is no port"),
        ({"publish": []}, "is empty"),
        ({"publish": "x:80:80"}, "is no port"),
        ({"cap_add": "SYS_ADMIN"}, "the machine would be its own"),
        ({"cap_add": 5}, "is neither a string nor a list of them"),
        ({"devices": "/dev/sda"}, "could reach what is the machine's"),
        ({"devices": "/etc/passwd"}, "is no device of the machine"),
        ({"shm_mb": 0}, "is no whole number of megabytes"),
        ({"ulimits": {"files": 5}}, "there is no limit 'files'"),
        ({"ulimits": {"nofile": (5, 4)}}, "a soft limit above its hard one"),
        ({"labels": {"playground.lab": "x"}}, "would be taken for one of playground's own"),
        ({"read_only": 1}, "is neither True nor False"),
        ({"privileged": True}, "privileged= makes no sense in a lab: whoever has all rights"),
        ({"network": "host"}, "networks are made of links"),
        ({"ports": {80: 80}}, "write publish="),
        ({"environment": {}}, "write env="),
    ],
    ids=lambda item: "-".join(item) if isinstance(item, dict) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TopologyError, match=f"h1: .*{sentence}"):
        container(**said)


def test_a_keyword_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(WrongCall, match=r"Host\(\) has no imagine=; did you mean image="):
        container(imagine="x")


def test_a_host_that_waits_for_itself_is_refused() -> None:
    with pytest.raises(TopologyError, match="h1 itself"):
        container(after=["b", "H1"])


def test_it_shows_what_was_said() -> None:
    host = Host("db", image="postgres:17", env={"A": "b"}, command="a 'b c'", publish={8080: 80})
    assert repr(host) == (
        "Host('db', image='postgres:17', command=\"a 'b c'\", env={'A': 'b'}, publish=['8080:80'])"
    )


def test_what_was_said_comes_back_through_pickle_and_saving(tmp_path: Path) -> None:
    (tmp_path / "api.py").write_text("print()")
    host = Host(
        "api",
        image="web:1",
        restart="on-failure:3",
        ulimits={"nofile": 5},
        publish=80,
        programs={"api": "api -v"},
        files={"/srv/api.py": tmp_path / "api.py"},
        volumes={tmp_path: "/data"},
        stop_timeout_s=3,
    )
    router = Router("r", command="x", workdir="/")
    Link(host, router)
    lab = Lab(host)
    plan = lab.plan()
    assert pickle.loads(pickle.dumps(host.container)) == host.container
    credentials = Credentials.make({"ann": "secret"})
    text = save(lab.nodes, plan, credentials)
    # The files that it names need not be there any more when somebody attaches to the lab.
    (tmp_path / "api.py").unlink()
    again = load(text)
    kept = again.plan.node("api").container
    assert kept.files == (("/srv/api.py", b"print()"),)
    for name, value in host.container.said().items():
        assert name == "files" or getattr(kept, name) == value
    assert [node.container for node in again.nodes if isinstance(node, Host)] == [kept]
    assert again.plan.node("r").container == router.container


def test_names_and_name_servers_of_a_host_are_in_its_plan() -> None:
    h1 = Host("h1", hostname="mail", dns="10.9.9.9", extra_hosts={"printer": "192.168.1.50"})
    h2 = Host("h2")
    Link(h1, h2, subnet="10.5.0.0/24")
    plan = Lab(h1).plan()
    node = plan.node("h1")
    assert node.hostname == "mail"
    assert resolver_text(node).splitlines()[0] == "nameserver 10.9.9.9"
    assert {"192.168.1.50 printer", "127.0.1.1 mail", "10.5.0.2 h2"} <= set(
        hosts_text(node).splitlines()
    )
    assert "printer" not in hosts_text(plan.node("h2"))
    assert "# Nor is its container, of which was said: hostname='mail'" in plan.as_shell()


def test_what_runs_keeps_its_container() -> None:
    def plan(**said: Any) -> Any:
        h1, h2 = Host("h1", **said), Host("h2")
        Link(h1, h2)
        return Lab(h1).plan()

    refuse_other_containers(None, plan(image="a"))
    refuse_other_containers(plan(image="a"), plan(image="a"))
    with pytest.raises(TopologyError, match="h1 runs already, and its source cannot change"):
        refuse_other_containers(plan(image="a"), plan(image="b"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"command": ["/" + "a" * 200_000]}, "h1: command has a word of 200,001 bytes"),
        ({"entrypoint": ["x" * 100_000] * 11}, "h1: entrypoint has 1,100,000 bytes in all"),
        ({"healthcheck": "x" * 200_000}, "h1: healthcheck has a word of"),
        ({"env": {"A": "x" * 131_070}}, "h1: env has a word of 131,072 bytes"),
        ({"user": "u" * 257}, "is no user"),
        ({"workdir": "/a" * 20_000}, "is longer than a path can be"),
    ],
    ids=range(6),
)
def test_what_is_longer_than_the_kernel_takes_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(TopologyError, match=why) as refusal:
        Host("h1", **said)
    assert len(str(refusal.value)) < 300
