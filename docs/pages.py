"""Pages of the site that are made from code, and links between pages and the rest of the clone.

MkDocs calls the ``on_...`` functions while it builds (mkdocs.org, "Developing Plugins", hooks):
what is not written by hand in docs/ comes from the package and the notebooks, so that it cannot
be of another day.

"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import playground
from docs import course
from playground import examples
from playground.display import how_to
from playground.frontends.cli import main
from playground.lab import examples as themed
from playground.lab.files.schema import lab_file_schema

TOP = Path(__file__).resolve().parents[1]

# Pages that stand elsewhere in the clone, and where the site has them.
ELSEWHERE = {
    "SECURITY.md": "understanding/security.md",
    "benchmarks/README.md": "understanding/benchmarks.md",
    "CHANGELOG.md": "understanding/changes.md",
    "CONTRIBUTING.md": "understanding/contributing.md",
    "notebooks/README.md": "course/index.md",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder where the navigation names it: ``how-to/``."""
    config.nav = [_expanded(item) for item in config.nav or []]
    return config


def _expanded(item: Any) -> Any:
    if isinstance(item, dict):
        return {title: _expanded(value) for title, value in item.items()}
    if isinstance(item, list):
        return [
            page
            for value in item
            for page in (_folder(value) if str(value).endswith("/") else [_expanded(value)])
        ]
    return _folder(item) if item.endswith("/") else item


def _folder(name: str) -> list[Any]:
    if name == "how-to/":
        return _questions()
    names = {f"{name}{path.name}" for path in (TOP / "docs" / name).glob("*.md")}
    if name == "course/":
        names |= {f"course/{path.stem}.md" for path in course.notebooks()} | {"course/index.md"}
    return sorted(names, key=lambda page: (not page.endswith("/index.md"), page))


def _questions() -> list[Any]:
    """Return the how-to pages below the headings that their list has."""
    filled = _list_of_pages((TOP / "docs" / "how-to" / "index.md").read_text())
    groups: list[Any] = ["how-to/index.md"]
    for part in filled.split("\n## ")[1:]:
        pages = [f"how-to/{page}" for page in re.findall(r"\]\(([\w.-]+\.md)\)", part)]
        groups.append({part.partition("\n")[0]: pages})
    return groups


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    made = {
        "gallery.md": _gallery(),
        "reference/command-line.md": _command_line(),
        **{f"course/{path.stem}.md": course.as_page(path) for path in course.notebooks()},
    }
    for source, page in ELSEWHERE.items():
        made[page] = (TOP / source).read_text(encoding="utf-8")
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what a page asks for, and lead links of the clone to the site's pages."""
    where = page.file.src_uri
    for source, target in ELSEWHERE.items():
        if where == target:
            markdown = _links_from(markdown, posixpath.dirname(source), where)
    if where == "course/index.md":
        markdown = re.sub(r"`([\w-]+)\.ipynb`", r"[\1](\1.md)", markdown)
    if where.startswith("architecture/"):
        markdown = _links_from(markdown, "docs/architecture", where)
    if where.startswith("how-to/"):
        page.meta.setdefault("search", {"boost": 2})
    if where == "how-to/index.md":
        markdown = _list_of_pages(markdown)
    if where == "reference/index.md":
        markdown = markdown.replace("{{ names }}", _names())
    return re.sub(r"^::: (\w+)$", lambda match: f"::: {path_of(match[1])}", markdown, flags=re.M)


# -- links of the clone ------------------------------------------------------


def _links_from(markdown: str, folder: str, page: str) -> str:
    """Lead links that are right in a folder of the clone to pages of the site.

    What the site does not have is named, and not linked.

    """

    def lead(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        if re.match(r"\w+:|#", target):
            return match[0]
        file, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, file))
        site = ELSEWHERE.get(path) or ELSEWHERE.get(f"{path}/README.md")
        if path.startswith("docs/") and path.endswith(".md"):
            site = path.removeprefix("docs/")
        if path.startswith("notebooks/") and path.endswith(".ipynb"):
            site = f"course/{Path(path).stem}.md"
        if path == "README.md":
            site = "index.md"
        if site is None:
            return text
        relative = posixpath.relpath(site, posixpath.dirname(page))
        return f"[{text}]({relative}{'#' * bool(anchor)}{anchor})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", lead, markdown)


# -- how-to pages ------------------------------------------------------------


def _list_of_pages(markdown: str) -> str:
    """Replace each line ``{{ name name }}`` by links, and put pages that none names at the end."""
    left = {page.name: page for page in how_to.all_pages()}

    def links(match: re.Match[str]) -> str:
        wanted = match[1].split() or list(left)
        return "\n".join(_as_link(left.pop(name)) for name in wanted)

    try:
        filled = re.sub(r"^\{\{(.*)\}\}$", links, markdown, flags=re.M)
    except KeyError as error:
        raise PluginError(f"docs/how-to/index.md names a page that is not there: {error}") from None
    if not left:
        return filled
    return f"{filled}\n\n## And also\n\n" + "\n".join(map(_as_link, left.values()))


def _as_link(page: how_to.Page) -> str:
    return f"* [{page.question}]({page.name}.md)"


# -- the gallery -------------------------------------------------------------


def ready_labs() -> dict[str, Any]:
    """Return the functions of `playground.examples` that make a lab, by name."""
    return {
        name: function
        for name, function in vars(examples).items()
        if inspect.isfunction(function)
        and function.__module__.startswith((examples.__name__, themed.__name__))
        and not name.startswith("_")
        and inspect.signature(function).return_annotation in ("Lab", examples.Lab)
    }


def _gallery() -> str:
    parts = [
        "# Labs that are ready\n\nEach is a function of `playground.examples` that returns a lab, "
        "not yet started. Its code is below its picture: take it as a start for your own.\n"
    ]
    for name, make in ready_labs().items():
        title, _, text = inspect.getdoc(make).partition("\n")
        nodes = getattr(examples, f"{name}_nodes", make)
        parts.append(
            f"## {_as_heading(name)}\n\n"
            f"{_with_capital(title.removeprefix('Return '))}\n{_without_examples(text)}\n\n"
            f"![{name.replace('_', ' ')}](pictures/{name.replace('_', '-')}.svg)\n\n"
            f"```py\nfrom playground.examples import {name}\n\n"
            f"with {name}() as lab:\n    print(lab)\n```\n\n"
            f'??? example "Its code"\n\n'
            + _indented(f"```py\n{_without_docstring(nodes)}```")
            + "\n"
        )
    return "\n".join(parts)


def _as_heading(name: str) -> str:
    words = {"ospf": "OSPF", "bgp": "BGP", "vlans": "VLANs", "internet": "Internet"}
    return _with_capital(" ".join(words.get(word, word) for word in name.split("_")))


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _without_examples(text: str) -> str:
    return re.sub(r"(?m)^>>> .*(\n\S.*)*", "", text).strip()


def _without_docstring(function: Any) -> str:
    return re.sub(r'\n    """.*?"""\n', "\n", inspect.getsource(function), count=1, flags=re.S)


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


# -- the reference -----------------------------------------------------------


@cache
def classes() -> dict[str, str]:
    """Return where each public class and function of the package is defined, by its name.

    Of two with one name that is public from the top counts, else the first in order.

    """
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(playground.__path__, "playground."):
        if re.search(r"\._|\.agent\b", module.name):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, "__module__", None) == module.name and not name.startswith("_"):
                found.setdefault(name, f"{module.name}.{name}")
    for name in playground.__all__:
        value = getattr(playground, name)
        found[name] = f"{value.__module__}.{name}"
    return found


def path_of(name: str) -> str:
    """Return the full path of a class or function; the build fails where there is none."""
    try:
        return classes()[name]
    except KeyError:
        raise PluginError(f"the reference names {name}, and the package has none") from None


def documented() -> set[str]:
    """Return the names that pages of the reference ask for by a line ``::: Name``."""
    pages = (TOP / "docs" / "reference").glob("*.md")
    return {name for page in pages for name in re.findall(r"^::: (\w+)$", page.read_text(), re.M)}


def _names() -> str:
    rows = ["| name | what it is |", "|---|---|"]
    for name in sorted(playground.__all__, key=str.lower):
        value = getattr(playground, name)
        line = (inspect.getdoc(value) or "").partition("\n")[0].replace("|", "\\|")
        if inspect.isclass(value) and issubclass(value, BaseException):
            link = f"[`{name}`](errors.md#{name.lower()})"
        else:
            link = f"[`{name}`][{path_of(name)}]"
        rows.append(f"| {link} | {line} |")
    return "\n".join(rows)


def _command_line() -> str:
    parts = [
        "# The command line\n\nWhat `playground --help` and `playground COMMAND --help` print. "
        "`python -m playground` is the same program; the tab key completes words of it, once "
        "[your shell knows](../how-to/tab-completion.md).\n\n" + _help(main, "playground")
    ]
    for name, command in main.commands.items():
        if not command.hidden:
            parts.append(f"## playground {name}\n\n" + _help(command, f"playground {name}"))
    return "\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=100)
    context.terminal_width = 100
    return f"```text\n{command.get_help(context)}\n```\n"


def on_post_build(config: MkDocsConfig) -> None:
    """Publish the schema of lab files."""
    place = Path(config.site_dir) / "reference" / "lab-file.schema.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(lab_file_schema(), indent=1))


def version() -> str:
    """Return the version that setup.cfg names."""
    settings = (TOP / "setup.cfg").read_text()
    return re.findall(r"^version = (\S+)$", settings, re.M)[0]
