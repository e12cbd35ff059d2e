"""Programs of a run find compiled modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bytecode import keep_compiled


def test_a_program_that_is_started_leaves_compiled_modules_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "elsewhere")
    for name in ("dont_write_bytecode", "pycache_prefix"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    (tmp_path / "small.py").write_text("")
    keep_compiled(tmp_path)
    subprocess.run([sys.executable, "-c", "import small"], cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.glob("pycache/**/small.*.pyc")]
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_environment_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "elsewhere")
    os.chown(tmp_path, 65534, 65534)
    keep_compiled(tmp_path)
    assert os.environ["PYTHONPYCACHEPREFIX"] == "elsewhere"
