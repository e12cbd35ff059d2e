"""`playground.load` tells kinds of files apart."""

import os
from pathlib import Path

import pytest

import playground
from playground.errors import BadArgument, LabWarning, TopologyError

OWN = """\
playground: 1
nodes:
  home: {kind: switch, subnet: 192.168.1.0/24}
  h1:
links:
  - {nodes: [home, h1], address: 192.168.1.300}
"""


def test_a_file_of_our_own_is_known_by_its_first_key(tmp_path: Path) -> None:
    path = tmp_path / "cafe.yaml"
    path.write_text(OWN.replace("300", "30"))
    lab = playground.load(path, quiet=True)
    assert lab.name == "cafe" and str(lab["h1"].links[0].ends[1].addresses[0]) == "192.168.1.30"
    assert playground.load(path, name="other", quiet=True).name == "other"
    assert not lab.id


def test_what_the_api_refuses_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cafe.yaml"
    path.write_text(OWN)
    with pytest.raises(TopologyError, match=r"cafe\.yaml:6:5: link home - h1.*192.168.1.300"):
        playground.load(path)


def test_a_folder_stands_for_the_lab_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("playground: 1\nname: x\nnodes: {h1: }\n")
    assert playground.load(tmp_path, quiet=True).name == "x"


@pytest.mark.parametrize("name", ["lab.yaml", "x.clab.yml", "lab.conf", "compose.yaml"])
def test_no_code_is_run_of_a_folder_with_a_lab_file(tmp_path: Path, name: str) -> None:
    ran = tmp_path / "ran"
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    texts = {
        "lab.yaml": "playground: 1\nnodes: {h1: }\n",
        "x.clab.yml": "name: x\ntopology: {nodes: {h1: {kind: linux}}}\n",
        "lab.conf": "h1[0]=A\n",
        "compose.yaml": "services: {h1: {image: x}}\n",
    }
    (folder / name).write_text(texts[name])
    assert "h1" in playground.load(folder, quiet=True)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["lab.yaml", "x.clab.yml", "compose.json", "lab.conf"])
def test_what_is_called_as_a_lab_file_is_and_is_none_is_not_taken(
    tmp_path: Path, name: str
) -> None:
    ran = tmp_path / "ran"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    with pytest.raises(TopologyError, match="is called as a lab file is, and is none"):
        playground.load(tmp_path / name)
    with pytest.raises(TopologyError, match="no compose file"):
        playground.load(tmp_path)
    assert not ran.exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("lab.yaml", "lab.conf", "compose.yaml", "x.clab.yml"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(TopologyError, match="no compose file"):
        playground.load(tmp_path)
    with pytest.raises(TopologyError, match="is none"):
        playground.load(tmp_path / "lab.yaml")


def test_a_compose_file_is_read_and_strict_refuses_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {web: {image: x, cap_drop: [ALL]}}\n")
    with pytest.warns(LabWarning, match=r"compose\.yaml:1: services.web.cap_drop"):
        assert "web" in playground.load(path, quiet=True)
    with pytest.raises(TopologyError, match=r"compose\.yaml:1: services.web.cap_drop"):
        playground.load(path, strict=True)


def test_a_python_file_is_run(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text("from playground import *\nh1, h2 = Host('h1'), Host('h2')\nLink(h1, h2)\n")
    lab = playground.load(path, engine="namespaces", quiet=True)
    assert lab.name == "two" and len(lab.nodes) == 2


def test_what_is_no_lab_file_by_its_name_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "code.txt"
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    path.write_text(code)
    with pytest.raises(TopologyError, match=r"code.txt is no lab file by its name"):
        playground.load(path)
    assert not (tmp_path / "ran").exists()
    path.write_text(f"#!/usr/bin/env python3\nfrom playground import *\n{code}h1 = Host('h1')\n")
    assert "h1" in playground.load(path, quiet=True)
    assert (tmp_path / "ran").exists()


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  a: {image: x}\n  b: {image: x}\n  a: {image: y}\n")
    with pytest.raises(TopologyError, match=r"yaml:4: the key 'a' is there twice, first on line 2"):
        playground.from_compose(path)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{a: null}", "services.a: None is no service; write what it has"),
        ("{a: nginx}", "services.a: 'nginx' is no service; write what it has"),
        ("{}", "services is empty; write one"),
        (
            "{a: {image: '${NOPE_X}'}}",
            "completely empty; services.a.image names $NOPE_X, which is not set, and is empty",
        ),
    ],
)
def test_what_is_no_service_of_a_compose_file_is_told(
    tmp_path: Path, said: str, sentence: str
) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(f"services: {said}\n")
    with pytest.raises(TopologyError) as caught:
        playground.from_compose(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}:1: ")


def test_what_is_no_path_of_a_compose_file_is_refused() -> None:
    with pytest.raises(BadArgument, match=r'^5 is no path: write for example "compose.yaml"'):
        playground.from_compose(5)  # type: ignore[arg-type]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"there is no .*none.yaml"):
        playground.load(tmp_path / "none.yaml")


def test_a_compose_file_may_have_tags_of_compose(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {web: {image: x, ports: !reset [], dns: !override [10.0.0.1]}}\n")
    assert "web" in playground.load(path, quiet=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lab.yaml", "playground: 1\nnodes: {h1: }\n"),
        ("compose.yaml", "services: {a: {image: x}}\n"),
        ("net.py", "from mininet.topo import Topo\n"),
        ("lab.py", "from playground import Host\nh1 = Host('h1')\n"),
    ],
)
def test_hosts_are_plain_only_where_a_file_names_images(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TopologyError, match=r"neither a Kathara lab nor a topology of container"):
        playground.load(tmp_path / name, quiet=True, plain=True)
    if name == "lab.yaml":
        with pytest.raises(TopologyError, match="load: plain='yes' is neither True nor False"):
            playground.load(tmp_path / name, plain="yes")  # type: ignore[arg-type]
