"""Run notebooks in a real JupyterLab, in a real browser without a window, and save pictures.

``scripts/notebooks`` calls `main`; tests use `JupyterLab` and `Browser` themselves.  The
notebooks that are run are copies.  It needs chromium, and playwright and jupyterlab
(``pip install -e '.[browser]'``).

"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

TOP = Path(__file__).resolve().parents[1]

# Of the pictures, in pixels: a page that can be read without scrolling.
WIDTH = 1200
PAGE_HEIGHT = 1500
# More than chromium paints at once.
MOST_HEIGHT = 16000
# So that no line is cut in two on both pages.
OVERLAP = 40

START_LIMIT_S = 60
RUN_LIMIT_S = 600

# --disable-gpu and the like: there is no screen, and nothing is to be fetched from outside.
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)

# Each of these asks something at the first start, or leaves cells out that are not in sight.
SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
}


class JupyterLab:
    """A JupyterLab server in a folder of its own, which holds copies of the notebooks."""

    def __init__(self, notebooks: Sequence[Path] = (), dark: bool = False) -> None:
        self._undo = contextlib.ExitStack()
        self.folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory()), "lab")
        self.folder.mkdir()
        for path in notebooks:
            shutil.copy(path, self.folder)
        own = self.folder.parent
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        settings = {**SETTINGS, "@jupyterlab/apputils-extension/themes": {"theme": theme}}
        for name, values in settings.items():
            file = own / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        self._runtime = own / "runtime"
        self._log = self._undo.enter_context((own / "log").open("w+"))
        self._env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(own / "config"),
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "IPYTHONDIR": str(own / "ipython"),
        }
        self.token = secrets.token_hex(16)
        self.url = ""

    def __enter__(self) -> Self:
        try:
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                    *("--ip=127.0.0.1", "--port=0", f"--IdentityProvider.token={self.token}"),
                    "--LabApp.expose_app_in_browser=True",
                ],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
            self._undo.callback(self._stop, server)
            self.url = self._found(server)
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo.close()

    def _found(self, server: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and server.poll() is None:
            for file in self._runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # half written
                    return str(json.loads(file.read_text())["url"])
            time.sleep(0.1)
        self._log.seek(0)
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read()[-3000:]}")

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        # It ends its kernels, and they their labs.
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


class Browser:
    """A page of chromium; ``page`` is playwright's."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            raise SystemExit("notebooks: chromium is needed: apt-get install chromium")
        with contextlib.ExitStack() as undo:
            playwright = undo.enter_context(sync_playwright())
            profile = undo.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=chromium,
                headless=True,
                args=list(CHROMIUM),
                viewport={"width": WIDTH, "height": PAGE_HEIGHT},
            )
            undo.callback(context.close)
            self.page = context.pages[0]
            self.page.set_default_timeout(START_LIMIT_S * 1000)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo.close()

    def open(self, lab: JupyterLab, name: str) -> None:
        """Open a notebook of a JupyterLab, and wait for its kernel."""
        self.page.goto(f"{lab.url}doc/tree/{name}?reset&token={lab.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")

    def execute(self, command: str) -> None:
        """Execute a command of JupyterLab's, and wait until it is done."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", command)

    def run_all(self) -> None:
        """Run all cells of the notebook that is open, and save it."""
        self.page.set_default_timeout(RUN_LIMIT_S * 1000)
        try:
            self.execute("notebook:run-all-cells")
        finally:
            self.page.set_default_timeout(START_LIMIT_S * 1000)
        self.execute("docmanager:save")

    def photograph(self, folder: Path, stem: str) -> list[Path]:
        """Save the whole notebook as pictures of a page each; return their paths."""
        notebook = ".jp-WindowedPanel-outer"
        wanted = self.page.evaluate(
            f"""() => {{
                const panel = document.querySelector('{notebook}');
                panel.scrollTop = 0;
                return window.innerHeight + panel.scrollHeight - panel.clientHeight;
            }}"""
        )
        height = min(MOST_HEIGHT, max(PAGE_HEIGHT, int(wanted)))
        if wanted > height:
            print(f"{stem}: the last {wanted - height} pixels are left out", flush=True)
        self.page.set_viewport_size({"width": WIDTH, "height": height})
        self.page.wait_for_timeout(500)  # until it is laid out and painted
        made = []
        for number, top in enumerate(range(0, height - OVERLAP, PAGE_HEIGHT - OVERLAP), 1):
            clip = {"x": 0, "y": top, "width": WIDTH, "height": min(PAGE_HEIGHT, height - top)}
            made.append(folder / f"{stem}-{number:02}.png")
            self.page.screenshot(path=made[-1], clip=clip)
        self.page.set_viewport_size({"width": WIDTH, "height": PAGE_HEIGHT})
        return made


def write_page(notebook: Path, folder: Path, dark: bool) -> Path:
    """Write a notebook that was run as a page that needs nothing else; return its path."""
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(theme="dark" if dark else "light").from_filename(str(notebook))
    # They draw formulas and diagrams of Mermaid, and would be fetched from elsewhere.
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    made = folder / f"{notebook.stem}.html"
    made.write_text(page)
    return made


def errors_of(notebook: Path) -> Iterator[str]:
    """Yield what went wrong in the cells of a notebook that was run and saved."""
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code" and cell["source"] and cell["execution_count"] is None:
            yield f"a cell was not run: {''.join(cell['source'])[:70]!r} ..."
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                yield f"{output['ename']}: {output['evalue']}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run notebooks, save pictures of them, and return 1 if a cell of one has failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/notebooks",
        description="Run notebooks in JupyterLab in a browser without a window; save pictures.",
    )
    parser.add_argument("notebook", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--to", type=Path, default=TOP / "screenshots", help="where pictures go")
    parser.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    parser.add_argument("--html", type=Path, metavar="FOLDER", help="where pages of HTML go")
    options = parser.parse_args(arguments)
    notebooks = options.notebook or sorted((TOP / "notebooks").glob("*.ipynb"))
    for folder in filter(None, (options.to, options.html)):
        folder.mkdir(parents=True, exist_ok=True)
    failed = False
    with JupyterLab(notebooks, options.dark) as lab, Browser() as browser:
        for path in notebooks:
            began = time.monotonic()
            browser.open(lab, path.name)
            browser.run_all()
            stem = f"{path.stem}-dark" if options.dark else path.stem
            made = browser.photograph(options.to, stem)
            browser.execute("kernelmenu:shutdown")
            if options.html:
                made.append(write_page(lab.folder / path.name, options.html, options.dark))
            took_s = time.monotonic() - began
            print(f"{path.name}: {took_s:.1f} s, {', '.join(map(str, made))}", flush=True)
            for error in errors_of(lab.folder / path.name):
                failed = True
                print(f"  {error}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
