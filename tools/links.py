"""Derive every mention of the book's address from repository.url in _config.yml.

In each chapter the Colab badge, the cell that installs the package and clone commands in the prose;
in the README the clone command, the test badge and the table of chapters (made from _toc.yml); in
CITATION.cff the address. `make links` rewrites them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
COLAB = "https://colab.research.google.com/github"
BADGE = "[![Open in Colab]({picture})]({address})"
BADGE_FOUND = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")
TABLE_FOUND = re.compile(r"(?<=<!-- chapters -->\n).*?(?=<!-- end of chapters -->)", re.DOTALL)


@dataclass(frozen=True)
class Repository:
    """Where the book lives."""

    url: str
    branch: str

    @property
    def path(self) -> str:
        """owner/name."""
        return self.url.removeprefix("https://github.com/")

    @property
    def name(self) -> str:
        return self.path.split("/")[1]

    def colab(self, notebook: str) -> str:
        """The address that opens a chapter in Colab."""
        return f"{COLAB}/{self.path}/blob/{self.branch}/book/{notebook}"

    def page(self, file: str) -> str:
        """The address at which the repository shows a file of the book."""
        return f"{self.url}/blob/{self.branch}/book/{file}"


def read_repository(root: Path) -> Repository:
    settings = yaml.safe_load(read(root / "_config.yml"))["repository"]
    url = settings["url"].rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        sys.exit(f"repository.url is {url!r}; Colab opens https://github.com/OWNER/NAME only")
    return Repository(url, settings["branch"])


def listed_files(root: Path) -> list[str]:
    """Every page in the order of the table of contents, without suffixes."""

    def below(entry: dict[str, Any]) -> list[str]:
        inner = [each for key in ("parts", "chapters", "sections") for each in entry.get(key, [])]
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [file for each in inner for file in below(each)]

    return below(yaml.safe_load(read(root / "_toc.yml")))


def chapter_paths(root: Path) -> list[Path]:
    """Notebooks in the order of the table of contents."""
    return [path for file in listed_files(root) if (path := root / f"{file}.ipynb").is_file()]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def install_lines(text: str, repository: Repository) -> str:
    """The lines of the install cell that hold an address, or the name of the folder."""
    text = re.sub(r"(!git clone --quiet --depth 1 )\S+", rf"\1{repository.url}", text)
    text = re.sub(r'(Path\(")[^/"]+(/book"\))', rf"\g<1>{repository.name}\2", text)
    return re.sub(r"(%cd )[^/\s]+(/book)", rf"\g<1>{repository.name}\2", text)


def clone_lines(text: str, repository: Repository) -> str:
    """The two lines of a shell block in prose that fetch the book and step into it."""
    text = re.sub(r"(?m)^(git clone )\S+$", rf"\1{repository.url}", text)
    return re.sub(r"(?m)^(cd )\S+$", rf"\g<1>{repository.name}", text)


def link_chapter(text: str, name: str, repository: Repository) -> str:
    """A notebook's JSON with its badge and install cell in step; other bytes as they were."""
    badge = BADGE.format(picture="_static/colab.svg", address=repository.colab(name))
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        old = source(cell)
        if cell["cell_type"] == "markdown":
            new = clone_lines(BADGE_FOUND.sub(lambda _: badge, old), repository)
        else:
            new = install_lines(old, repository)
        if new != old:
            cell["source"] = new.splitlines(keepends=True)
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def chapter_table(root: Path, repository: Repository) -> str:
    """Markdown: each chapter, the question it answers, its badge."""
    rows = ["", "| chapter | question | |", "|---|---|---|"]
    for path in chapter_paths(root):
        opening = source(json.loads(read(path))["cells"][0])
        title = re.search(r"^# (.+)$", opening, re.MULTILINE)
        question = re.search(r"^\*\*(.+?)\*\*$", opening, re.MULTILINE)
        if not title or not question:
            sys.exit(f"{path.name}: the first cell has no title, or no question in bold")
        badge = BADGE.format(picture="book/_static/colab.svg", address=repository.colab(path.name))
        rows.append(f"| [{title[1]}](book/{path.name}) | {question[1]} | {badge} |")
    return "\n".join([*rows, "", ""])


def link_readme(text: str, root: Path, repository: Repository) -> str:
    workflows = r"https://github\.com/[^/\s]+/[^/\s]+(/actions/workflows/)"
    text = re.sub(workflows, rf"{repository.url}\1", clone_lines(text, repository))
    return TABLE_FOUND.sub(lambda _: chapter_table(root, repository), text)


def link_citation(text: str, repository: Repository) -> str:
    return re.sub(r"(?m)^(repository-code: ).*$", rf'\1"{repository.url}"', text)


def rewrites(root: Path) -> dict[Path, Callable[[str], str]]:
    """Each file that holds a derived address, and the function that puts it in step."""
    repository = read_repository(root)
    work: dict[Path, Callable[[str], str]] = {
        root / "README.md": lambda text: link_readme(text, root, repository),
        root / "CITATION.cff": lambda text: link_citation(text, repository),
    }
    for path in sorted((root / "book").glob("*.ipynb")):
        work[path] = lambda text, name=path.name: link_chapter(text, name, repository)
    return work


def out_of_step(root: Path) -> dict[Path, str]:
    """Files whose text would change, and what it would become."""
    return changed({path: rewrite(read(path)) for path, rewrite in rewrites(root).items()})


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def changed(texts: dict[Path, str]) -> dict[Path, str]:
    """Those that are not what the file holds."""
    return {path: text for path, text in texts.items() if not path.is_file() or read(path) != text}
