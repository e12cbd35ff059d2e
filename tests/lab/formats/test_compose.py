"""Labs of compose files."""

from __future__ import annotations

import os
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground import Host, Lab, LabWarning, Switch, from_compose
from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.model.containers.container import ContainerSettings
from tests.lab.formats.test_compose_file import Write, write
from tests.test_own_images import write as write_image

__all__ = ["write"]


def lab_of(path: Path, **said: Any) -> Lab:
    return from_compose(path, environment={}, engine="namespaces", quiet=True, **said)


def container(path: Path) -> ContainerSettings:
    """Return what the service "a" of a file becomes, which nothing is left out of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return lab_of(path)["a"].container


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ("command: sh -c 'echo hi'", "command=\"sh -c 'echo hi'\""),
        ("entrypoint: [/bin/sh, -c]", "entrypoint='/bin/sh -c'"),
        ("entrypoint: []", "entrypoint=''"),
        ("entrypoint: ''", "entrypoint=''"),
        ("command: []", "command=''"),
        ("environment: {A: 1, B: 'x y'}", "env={'A': '1', 'B': 'x y'}"),
        ("environment: [A=1, NOT_SET]", "env={'A': '1'}"),
        ("working_dir: /srv", "workdir='/srv'"),
        ("user: '70:80'", "user='70:80'"),
        ("hostname: other", "hostname='other'"),
        ("ports: ['8080:80', 9000]", "publish=['8080:80', 9000]"),
        ("ports: ['127.0.0.1:5353:53/udp']", "publish=['127.0.0.1:5353:53/udp']"),
        ("ports: ['3000-3001:4000-4001']", "publish=['3000:4000', '3001:4001']"),
        (
            "ports: [{target: 443, published: '8443', host_ip: '::1'}]",
            "publish=['[::1]:8443:443']",
        ),
        ("ports: [{target: 53, protocol: udp}]", "publish=['53/udp']"),
        ("healthcheck: {test: curl localhost}", "healthcheck='curl localhost'"),
        ("healthcheck: {test: [CMD, 'true', x]}", "healthcheck=['true', 'x']"),
        ("healthcheck: {disable: true}", "healthcheck=[]"),
        ("healthcheck: {test: x, interval: 1m30s}", "health_interval_s=90.0"),
        ("healthcheck: {start_period: 10s}", "health_start_period_s=10.0"),
        ("healthcheck: {timeout: 500ms}", "health_timeout_s=0.5"),
        ("healthcheck: {retries: 5}", "health_retries=5"),
        ("command: echo $$HOME > x", "command=\"echo '$HOME' '>' x\""),
        ("container_name: other_name", "aliases=['other_name']"),
        ("networks: {default: {aliases: [www, a]}}", "aliases=['www']"),
        ("sysctls: [net.ipv4.ip_default_ttl=9]", None),
        ("volumes: [data:/var/lib/x]", "volumes={Volume('data'): '/var/lib/x'}"),
        (
            "volumes: [data:/x:ro, 'data:/y']\nvolumes: {data: }",
            "volumes={Volume('data'): ['/x:ro', '/y']}",
        ),
        ("volumes: [/srv]", "volumes={Volume('a.own1'): '/srv'}"),
        ("tmpfs: /tmp", "volumes={Volume('a.own1'): '/tmp'}"),
        ("extra_hosts: ['db:192.0.2.1']", "extra_hosts={'db': ['192.0.2.1']}"),
        ("dns: 192.0.2.1", "dns=['192.0.2.1']"),
        ("cap_add: [NET_ADMIN]", None),
        ("shm_size: 64m", "shm_mb=64"),
        ("stop_grace_period: 1m30s", "stop_timeout_s=90.0"),
        ("stop_signal: SIGUSR1", "stop_signal='SIGUSR1'"),
        ("ulimits: {nofile: 64, nproc: {soft: 1, hard: 2}}", "ulimits="),
        ("labels: {course: networks}", "labels={'course': 'networks'}"),
        ("restart: on-failure:3", "restart='on-failure:3'"),
        ("init: true", "init=True"),
        ("read_only: true", "read_only=True"),
    ],
)
def test_a_field_of_a_service_is_one_of_a_host(
    write: Write, fields: str, option: str | None
) -> None:
    options = container(write(f"services:\n  a:\n    image: x\n    {fields}\n")).options()
    assert options[0] == "image='x'"
    if option is not None:
        assert any(found.startswith(option) for found in options[1:]), options


def test_variables_that_nobody_has_set_are_none(write: Write) -> None:
    assert container(write("services: {a: {image: x, environment: [A]}}")).env == ()


def test_a_folder_that_is_not_there_is_one_of_the_lab(write: Write) -> None:
    path = write("services:\n  a:\n    image: x\n    volumes: [./none:/x, ./none/docker.sock:/y]")
    with pytest.warns(LabWarning) as told:
        volumes = lab_of(path)["a"].container.volumes
    assert [(item.target, item.shared) for item in volumes] == [("/x", True)]
    assert ":4: services.a.volumes.0 is not there: a folder" in str(told[0].message)
    assert ":4: services.a.volumes.1 is not shown: who has the engine's" in str(told[0].message)


def test_volumes_from_elsewhere_are_new_ones_and_told(write: Write) -> None:
    path = write(
        """
        services: {a: {image: x, volumes: [data:/x]}}
        volumes:
          data: {external: true}
          far: {driver: nfs}
          near: {driver: local}
        """
    )
    with pytest.warns(LabWarning) as told:
        lab_of(path)
    lines = str(told[0].message).splitlines()[1:]
    assert [line.split(":", 1)[1] for line in lines] == [
        "4: volumes.data is a new folder of this lab, and empty",
        "5: volumes.far.driver is not done: it is a folder of the lab",
    ]


def test_what_is_built_and_how(write: Write, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    write("FROM scratch AS one", "app/Dockerfile.dev")
    path = write(
        """
        services:
          a:
            build: {context: app, dockerfile: Dockerfile.dev, target: one, args: [A=1, B, NONE]}
          b: {build: {context: ., dockerfile_inline: "FROM scratch"}}
        """
    )
    lab = from_compose(path, environment={"B": "2"}, engine="namespaces", quiet=True)
    source = lab["a"].container.source
    assert source is not None
    assert source.dockerfile_path == tmp_path / "app" / "Dockerfile.dev"
    assert (source.target, source.args) == ("one", (("A", "1"), ("B", "2")))
    assert lab["b"].container.source.dockerfile_text == "FROM scratch\n"


def test_who_waits_for_the_end_of_another(write: Write) -> None:
    path = write(
        """
        services:
          a:
            image: x
            depends_on:
              b: {condition: service_completed_successfully}
              c: {condition: service_started}
          b: {image: x}
          c: {image: x}
        """
    )
    said = container(path)
    assert (said.after, said.after_end) == (("c",), ("b",))


def test_a_name_stands_for_one_host_alone(write: Write) -> None:
    path = write(
        """
        services:
          a: {image: x, container_name: b}
          b: {image: x, links: ["a:first"]}
        """
    )
    with pytest.warns(LabWarning, match=r":3: services\.a\.container_name is not done: b is b"):
        lab = lab_of(path)
    assert lab["a"].container.aliases == ("first",)


def test_limits_are_the_hosts(write: Write) -> None:
    text = "{image: x, mem_limit: 1g, deploy: {resources: {limits: {cpus: '0.5', pids: 99}}}}"
    limits = lab_of(write(f"services: {{a: {text}}}"))["a"].limits
    assert (limits.memory_mb, limits.cpus, limits.processes) == (1024, 0.5, 99)


def test_what_an_env_file_says_counts_less(write: Write) -> None:
    write("A=file\nB='from file'\n", "a.env")
    path = write("services: {a: {image: x, env_file: a.env, environment: {A: own}}}")
    assert dict(container(path).env) == {"A": "own", "B": "from file"}
    with pytest.raises(TopologyError, match=r":1: there is no file .*b\.env"):
        lab_of(write("services: {a: {image: x, env_file: b.env}}"))


def test_folders_are_volumes_and_configs_are_files(write: Write, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    write("secret", "key")
    write("FROM scratch", "Dockerfile")
    path = write(
        """
        services:
          a:
            build: .
            image: name-of-the-result
            volumes: ["./site:/srv/site:ro", {type: bind, source: ./site, target: /srv/other}]
            secrets: [key]
            configs: [{source: conf, target: /etc/conf}]
        secrets: {key: {file: ./key}}
        configs: {conf: {content: "text"}}
        """
    )
    found = container(path)
    site = str(tmp_path / "site")
    assert [(item.source, item.target, item.read_only) for item in found.volumes] == [
        (site, "/srv/site", True),
        (site, "/srv/other", False),
    ]
    assert dict(found.files) == {"/run/secrets/key": tmp_path / "key", "/etc/conf": b"text"}
    assert found.source is not None and found.source.kind == "directory"


def test_networks_are_switches(write: Write) -> None:
    lab = lab_of(
        write(
            """
            services:
              a: {image: x, networks: {back: {ipv4_address: 10.9.0.7}, front: }}
              b: {image: x, networks: [back], depends_on: [a]}
              c: {image: x}
              alone: {image: x, network_mode: none}
            networks:
              front:
              back: {internal: true, ipam: {config: [{subnet: 10.9.0.0/24}]}}
            """
        ),
        name="own",
    )
    assert lab.name == "own"
    linked = {
        node.name: sorted(link.peer(node).node.name for link in node.links)
        for node in lab.nodes
        if isinstance(node, Host)
    }
    assert linked == {"a": ["back", "front"], "b": ["back"], "c": ["default"], "alone": []}
    addresses = [
        str(address)
        for interface in lab.plan().node("a").interfaces
        for address in interface.addresses
    ]
    assert "10.9.0.7/24" in addresses
    assert lab["b"].container.after == ("a",)


def test_names_that_hosts_cannot_have_are_changed_and_told(write: Write) -> None:
    services = "services: {my_db: {image: x}, net: {image: x, networks: [net]}}"
    path = write(f"{services}\nnetworks: {{net: }}")
    with pytest.warns(LabWarning, match=r":1: services.my_db is the host my-db.* either name"):
        lab = lab_of(path)
    assert lab["my_db"] is lab["my-db"]
    assert lab["my-db"].container.aliases == ("my_db",)
    assert {node.name: type(node) for node in lab.nodes} == {
        "my-db": Host,
        "net": Host,
        "net-net": Switch,
        "default": Switch,
    }


def test_only_profiles_that_are_asked_for_count(write: Write) -> None:
    path = write("services: {a: {image: x, depends_on: [b]}, b: {image: x, profiles: [debug]}}")
    assert "b" not in lab_of(path)
    assert "b" in lab_of(path, profiles=["debug"])


def test_nothing_is_dropped_in_silence(write: Write) -> None:
    path = write(
        """
        services:
          a:
            image: x
            pid: host
            logging: {driver: none}
            ports: ["80:80/sctp"]
            volumes: [data:/data]
            healthcheck:
              test: "true"
              start_interval: 5s
            networks: {net: {link_local_ips: [169.254.7.7]}}
            deploy: {replicas: 3}
            extra_hosts: ["up:host-gateway"]
            x-own: anything
        networks:
          net:
            driver: overlay
        volumes: {data: }
        """
    )
    with pytest.warns(LabWarning) as told:
        lab_of(path)
    (said,) = told
    lines = str(said.message).splitlines()[1:]
    found = {line.partition(": ")[2].split(" ")[0]: line.split(":")[1] for line in lines}
    assert found == {
        "services.a.pid": "5",
        "services.a.logging": "6",
        "services.a.ports.0": "7",
        "services.a.healthcheck.start_interval": "11",
        "services.a.networks.net.link_local_ips": "12",
        "services.a.deploy.replicas": "13",
        "services.a.extra_hosts.up": "14",
        "networks.net.driver": "18",
    }
    assert said.filename == __file__


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("{image: x, network_mode: host}", ":1: network_mode host is not done"),
        ("{build: {context: ., dockerfile: Other}}", ":1: a: dockerfile='Other': there is no file"),
        ("{build: 'https://example.com/a.git'}", ":1: https://example.com/a.git is not fetched"),
        ("{image: x, command: a 'b}", ":1: .*close the quotes"),
        ("{}", ":1: a has neither an image nor a build"),
        ("{image: x, depends_on: [zz]}", ":1: a depends on zz, which is no service"),
        ("{image: x, privileged: true}", ":1: privileged is not done"),
        ("{image: x, cap_add: [SYS_ADMIN]}", ":1: a: cap_add"),
        (
            "{image: x, volumes: [{type: bind, source: ./none, target: /x}]}",
            ":1: a: volumes: there is no",
        ),
    ],
)
def test_what_would_become_another_thing_is_refused(write: Write, service: str, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        lab_of(write(f"services: {{a: {service}}}"))


# -- it runs -------------------------------------------------------------------

SHOP = """
services:
  web:
    build: ./image
    command: httpd -f -p 80 -h /srv
    volumes: ["./site:/srv:ro"]
    ports: ["80"]
    depends_on: {db: {condition: service_healthy}}
    networks: [front, back]
  db:
    build: ./image
    entrypoint: [/bin/busybox, sh, -c]
    command: ["/bin/busybox sleep 0.3; /bin/busybox touch /tmp/well; /bin/busybox sleep 9999"]
    environment: {KIND: "${KIND:-database}"}
    healthcheck: {test: [CMD, /bin/busybox, test, -e, /tmp/well]}
    networks: [back]
networks:
  front:
  back: {ipam: {config: [{subnet: 10.9.0.0/24}]}}
"""

IMAGE = """
FROM scratch
COPY busybox /bin/busybox
WORKDIR /tmp
ENTRYPOINT ["/bin/busybox"]
"""


@pytest.fixture(scope="module")
def shop(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, keep_lab: Callable[[str], None]
) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("shop")
    folder.chmod(0o755)
    write_image(folder / "image", IMAGE)
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("open\n")
    (folder / "compose.yaml").write_text(SHOP)
    with from_compose(folder, name=f"shop-{os.getpid()}", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def test_its_services_answer_each_other_and_this_machine(shop: Lab) -> None:
    (page,) = shop.published
    assert urllib.request.urlopen(page, timeout=20).read() == b"open\n"
    addresses = [one.ip for end in shop.plan().node("web").interfaces for one in end.addresses]
    (address,) = (one for one in addresses if str(one).startswith("10.9.0."))
    fetch = ["/bin/busybox", "wget", "-qO-", f"http://{address}/"]
    assert shop.node("db").run(fetch).stdout == "open\n"
    assert "KIND=database" in shop.node("db").run(["/bin/busybox", "env"]).stdout


WHOLE = """\
name: shop
services:
  web:
    image: nginx:1.27
    ports: ["8080:80", {target: 443, published: 8443}]
    environment: {A: "${B:-c}"}
    env_file: web.env
    depends_on: {db: {condition: service_healthy}}
    volumes: ["data:/srv", "./site:/www:ro"]
    networks: {front: {ipv4_address: 10.5.0.7}}
    healthcheck: {test: [CMD, curl, localhost], interval: 5s}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64M}}}
  db: &db
    image: postgres
networks:
  front: {ipam: {config: [{subnet: 10.5.0.0/24}]}}
volumes: {data: }
"""
_PIECES = ["", " ", "\n", ":", "[", "]", "{", "}", '"', "- ", "null", "7", "true", "${A", "$", "\0"]
_PIECES += [
    "image",
    "ports",
    "*db",
    "&a ",
    "!reset ",
    "<<: *db",
    "é",
    "1e999",
    "10.0.0.0/99",
    "9" * 99,
]


@pytest.fixture(scope="module")
def spoiled_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("spoiled")
    (folder / "web.env").write_text("C=1\n")
    (folder / "site").mkdir()
    yield folder / "compose.yaml"


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
    spoiled_file: Path, spoiled: list[tuple[int, int, str]]
) -> None:
    text = WHOLE
    for place, length, piece in spoiled:
        place %= len(text) + 1
        text = text[:place] + piece + text[place + length :]
    spoiled_file.write_text(text)
    try:
        lab_of(spoiled_file)
    except TopologyError as error:
        assert str(error).startswith(f"{spoiled_file}:"), error
