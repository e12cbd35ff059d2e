"""Programs of an image and of declarations: whose words hold, as `docker run` has it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from playground import Host
from playground.model.containers.container import RestartPolicy
from playground.planning.program_plans import (
    Healthcheck,
    ImageConfig,
    ProgramPlan,
    main_program,
    make_healthcheck,
    signal_number,
)

IMAGE = ImageConfig(
    entrypoint=("/entry",),
    command=("serve", "-v"),
    healthcheck=Healthcheck(("/check",)),
    stop_signal="SIGQUIT",
    shell=("/bin/ash", "-c"),
)


@pytest.mark.parametrize(
    ("said", "argv"),
    [
        ({}, "/entry serve -v"),
        ({"command": "other"}, "/entry other"),
        ({"entrypoint": "sh"}, "sh"),
        ({"entrypoint": [], "command": "sh x"}, "sh x"),
        ({"command": []}, "/entry"),
        ({"entrypoint": "sh -c", "command": "x"}, "sh -c x"),
    ],
    ids=["image", "command", "entrypoint", "no-entrypoint", "no-command", "both"],
)
def test_which_words_make_the_main_program(said: dict[str, Any], argv: str) -> None:
    program = main_program(Host("h1", **said).container, IMAGE)
    assert program is not None
    assert (program.name, " ".join(program.argv)) == ("main", argv)
    assert program.stop_signal == "SIGQUIT"


def test_a_host_has_no_main_program_unless_somebody_names_one() -> None:
    assert main_program(Host("h1").container, None) is None
    assert main_program(Host("h1").container, ImageConfig()) is None
    assert main_program(Host("h1", command="sleep 9").container, ImageConfig()) is not None


@pytest.mark.parametrize(
    ("said", "argv"),
    [
        (None, ("/check",)),
        (False, None),
        ("a b", ("/bin/ash", "-c", "a b")),
        (["a b"], ("a b",)),
    ],
    ids=repr,
)
def test_which_healthcheck_holds(said: Any, argv: tuple[str, ...] | None) -> None:
    program = main_program(Host("h1", healthcheck=said).container, IMAGE)
    assert program is not None
    assert (program.healthcheck and program.healthcheck.argv) == argv


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ({}, (80,)),
        ({"command": "other"}, ()),
        ({"command": "other", "publish": {8080: 81}}, (81,)),
        ({"publish": [443, "8443:443", "53/udp"]}, (443,)),
        ({"publish": "53/udp"}, (80,)),
    ],
    ids=repr,
)
def test_ports_are_those_of_the_image_s_own_program(
    said: dict[str, Any], ports: tuple[int, ...]
) -> None:
    image = ImageConfig(command=("serve",), ports=("53/udp", "80/tcp"))
    program = main_program(Host("h1", **said).container, image)
    assert program is not None
    assert program.ports == ports


def test_a_healthcheck_says_how_long_it_may_fail() -> None:
    check = make_healthcheck(("CMD", "x"), interval_s=2, timeout_s=1, start_period_s=5, retries=4)
    assert check is not None
    assert check.limit_s == 5 + 4 * (2 + 1)


def test_a_program_comes_back_from_its_request() -> None:
    program = ProgramPlan(
        "main",
        ("a",),
        restart=RestartPolicy("always"),
        healthcheck=Healthcheck(("b",)),
        ports=(80,),
    )
    assert ProgramPlan.from_request(program.request(7)) == program


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGQUIT", signal.SIGQUIT),
        ("int", signal.SIGINT),
        ("3", 3),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("", None),
        ("NOSUCH", None),
        ("999", None),
        ("RTMIN+x", None),
        ("SIGRTMAX-1", signal.SIGRTMAX - 1),
        ("SIGRTMIN-1", None),
        ("SIGRTMIN+99", None),
        ("SIGRTMIN+99999", None),
        ("9" * 5000, None),
        ("65", None),
        ("\u0663", None),
    ],
    ids=repr,
)
def test_signals_by_the_names_that_images_use(name: str, number: int | None) -> None:
    assert signal_number(name) == number


def test_ports_that_are_none_are_not_waited_for() -> None:
    exposed = ("9" * 5000 + "/tcp", "0/tcp", "65536", "\u0663/tcp", "80-90/tcp", "443/tcp")
    program = main_program(Host("h1").container, ImageConfig(("/entry",), ports=exposed))
    assert program is not None
    assert program.ports == (443,)


def test_no_image_holds_a_start_up_for_longer_than_ten_minutes() -> None:
    assert Healthcheck(("/check",), interval_s=5, timeout_s=3, retries=10).limit_s == 80
    assert Healthcheck(("/check",), start_period_s=1e9).limit_s == 600
    assert Healthcheck(("/check",), retries=10**9).limit_s == 600
