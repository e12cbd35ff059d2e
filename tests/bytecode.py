"""Compiled modules (PEP 3147), which the programs of a run find instead of compiling them anew.

Tests start hundreds of programs that import the package, and several workers read all tests.
Where the environment forbids to write compiled modules, each of them would compile what it
imports.  They lie in the virtual environment, not beside the sources (PYTHONPYCACHEPREFIX), so
that no folder of a test or of a student gets one.

"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def keep_compiled(environment: Path = Path(sys.prefix)) -> None:
    """Keep compiled modules in this virtual environment, also of programs that are started.

    One that belongs to somebody else is left alone: root runs the tests of a user's clone.

    """
    if environment.stat().st_uid != os.geteuid():
        return
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(environment / "pycache")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
