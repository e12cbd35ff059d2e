"""`playground web` says its addresses, or in a sentence why there are none."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
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


def test_what_others_reach_is_encrypted_though_nobody_gave_a_certificate(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "playground", "--engine", "namespaces", "web"]
    bare = subprocess.run(
        [*command, "--host", "127.0.0.2"], capture_output=True, text=True, timeout=60, check=False
    )
    assert bare.returncode == 1 and "add --password" in bare.stderr
    own = {"PLAYGROUND_WEB_PASSWORD": "correct horse", "XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen(
        [*command, "--host", "127.0.0.2", "--port", "0", "--password"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | own,
    ) as process:
        assert process.stdout is not None
        work, _, said = (process.stdout.readline() for _ in range(3))
        address = re.search(r"https://127.0.0.2:(\d+)/\S+", work)
        assert address is not None
        served = ssl.get_server_certificate(("127.0.0.2", int(address[1])))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).digest()
        assert digest.hex(":").upper() in said
        plain = address[0].partition("?")[0]
        # Who looks may compare the fingerprint; what is asked here is whether it is encrypted.
        asked = httpx.get(plain, verify=False)
        assert asked.status_code == 401 and 'type="password"' in asked.text
        with pytest.raises(httpx.HTTPError):
            httpx.get(plain.replace("https:", "http:"))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
