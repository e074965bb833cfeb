"""A Sphinx extension: what the pages lack when the theme has made them.

Each chapter offers its exercise version (tools/exercises.py) under the heading of its exercises,
and the HTML of the theme and of Sphinx is mended where a screen reader would stumble over it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import exercises
import links
import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

FOLDER = "_static/exercises"
OFFER = """\
<p class="exercise-version">Work in a notebook of your own:
<a href="{address}" download>this chapter without its solutions</a>, with a cell for each of
yours.</p>"""

# Where it stumbles, and what stands there instead.
REPAIRS = [
    # The arrow that unfolds a part of the contents has no name.
    (r'<summary>(?=<span class="toctree-toggle")', '<summary aria-label="Pages below">'),
    # A name that hides the words that are seen on the button.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(search-button-field[^>]*) title="Search" aria-label="Search"', r"\1"),
    (r'(<i class="theme-switch[^>]*?) +title="[^"]*"', r"\1"),
    # A list whose children are no list items.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    # The mark and the title, outside every landmark.
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)',
        '<div class="sidebar-primary-item" role="navigation" aria-label="Home">',
    ),
    # A head without a word, over a column that needs none.
    (r'<th class="head[^"]*">(?:<p></p>)?</th>', "<td></td>"),
]
# The map of the method, whose links work only where the drawing is part of the page.
MAP = re.compile(r'<img alt="([^"]*)" src="[^"]*/method\.svg" ?/?>')
# The parameters of a long signature are definitions without terms: a list of plain items.
PARAMETERS = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*</dd>\n)+)</dl>')
PARAMETER, ITEM = re.compile(r"<dd>(.*)</dd>\n"), r"<li>\1</li>\n"
# Lines of a table's cell that are points of a list: where one wraps, they run together.
POINTS = re.compile(r"<td><p>((?:(?!</p>).)*?<br>(?:(?!</p>).)*)</p></td>", re.DOTALL)
LIST = '<td><ul class="points"><li>{}</li></ul></td>'
# What a no-break space has no place in, and the text between.
CODE_OR_TAG = re.compile(r"(<(pre|code|script|style)\b.*?</\2>|<[^>]*>)", re.DOTALL)
PERCENT = re.compile(r"(?<=\d) %")


def mend(html: str) -> str:
    """A page that a screen reader can read, and that breaks its lines where it may."""
    for found, better in REPAIRS:
        html = re.sub(found, better, html)
    html = MAP.sub(lambda image: drawing(image[1]), html)
    html = POINTS.sub(lambda cell: LIST.format(cell[1].replace("<br>", "</li><li>")), html)
    parts = CODE_OR_TAG.split(html)  # text, code or tag, its name or None, text, …
    parts[::3] = [PERCENT.sub("\N{NO-BREAK SPACE}%", text) for text in parts[::3]]
    del parts[2::3]
    return PARAMETERS.sub(
        lambda listed: f'<ul class="sig-parameters">\n{PARAMETER.sub(ITEM, listed[1])}</ul>',
        "".join(parts),
    )


def drawing(described: str) -> str:
    """The map as a part of the page."""
    text = (links.ROOT / "book/_static/method.svg").read_text(encoding="utf-8")
    return text.replace("<svg ", f'<svg class="map" role="group" aria-label="{described}" ', 1)


def offer_exercises(app: Sphinx, document: nodes.document) -> None:
    """Link the exercise version under the heading "Exercises" of a chapter."""
    name = app.env.docname
    path = Path(app.srcdir) / f"{name}.ipynb"
    if not path.is_file() or not exercises.has_exercises(nbformat.read(path, as_version=4)):
        return
    for section in document.findall(nodes.section):
        if section["ids"][0] == "exercises":
            up = "../" * name.count("/")
            link = OFFER.format(address=f"{up}{FOLDER}/{path.name}")
            section.insert(1, nodes.raw("", link, format="html"))


def number_by_chapter(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Figures and exercises of chapter 3 are 3.1, 3.2, …; Sphinx counts through the whole book."""
    for name, kinds in env.toc_fignumbers.items():
        chapter = re.match(r"book/(\d+)-", name)
        for numbered in kinds.values() if chapter else ():
            for place, label in enumerate(numbered, start=1):
                numbered[label] = (int(chapter[1]), place)
    return []


def finish(app: Sphinx, problem: Exception | None) -> None:
    """Write the exercise versions and mend the pages."""
    if problem or app.builder.name != "html":
        return
    chapters = sorted((Path(app.srcdir) / "book").glob("*.ipynb"))
    repository = links.read_repository(links.ROOT)
    exercises.write_all(chapters, Path(app.outdir) / FOLDER, repository)
    for page in Path(app.outdir).rglob("*.html"):
        page.write_text(mend(links.read(page)), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", offer_exercises)
    app.connect("env-get-updated", number_by_chapter, priority=900)  # after Sphinx has counted
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
