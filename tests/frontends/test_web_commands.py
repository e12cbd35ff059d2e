"""`playground web` says its addresses, or in a sentence why there are none."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys

import pytest

from playground import Host, Lab, PlaygroundError
from playground.frontends import web_commands
from tests.frontends.web.socket_client import visiting
from tests.support_agent import needs_root


def test_without_nicegui_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlaygroundError, match="pip install nicegui"):
        web_commands.check_installed()


@needs_root
def test_it_serves_labs_of_other_programs_until_ctrl_c(namespaces_engine) -> None:
    command = [sys.executable, "-m", "playground", "--engine", "namespaces", "web"]
    with Lab(Host("a"), name="web-command", engine=namespaces_engine, quiet=True):
        missing = subprocess.run(
            [*command, "web-none"], capture_output=True, text=True, timeout=60, check=False
        )
        assert missing.returncode == 1 and "no lab named 'web-none'" in missing.stderr
        with subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            work, look = (process.stdout.readline() for _ in range(2))
            address = re.search(r"http://\S+", work)[0]
            with visiting(address) as (_, seen):
                assert "web-command" in seen.text
            assert "look only" in look
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert "Traceback" not in process.stderr.read()
