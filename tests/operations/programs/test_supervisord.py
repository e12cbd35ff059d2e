"""Which supervisord runs on a node, and what asks it; more in tests/test_supervisor_image.py."""

from __future__ import annotations

import pytest

from playground.operations.programs.supervisord import control_of


@pytest.mark.parametrize(
    ("command", "control"),
    [
        ("/usr/bin/python3 /usr/bin/supervisord", ("/usr/bin/supervisorctl",)),
        ("supervisord -n", ("supervisorctl",)),
        ("python3 supervisord -n -c /s.conf", ("supervisorctl", "-c", "/s.conf")),
        ("/v/bin/supervisord --configuration=/s", ("/v/bin/supervisorctl", "-c", "/s")),
        ("less /etc/supervisor/supervisord.conf", None),
        ("supervisorctl status", None),
    ],
)
def test_who_asks_a_supervisord_asks_the_one_that_runs(
    command: str, control: tuple[str, ...] | None
) -> None:
    assert control_of(command) == control
