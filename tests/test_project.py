"""The files around the package agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import links
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# conda-forge's name for what PyPI calls otherwise.
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
# A machine's own folders, in any text that is kept.
MACHINE_PATH = re.compile(r"""(?<![\w.$}~/])/(?:root|home/\w+|Users/\w+|work/\w+|opt/pypi)\b""")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements() -> dict[str, SpecifierSet]:
    """Every direct dependency of the package and its extras, name → bounds."""
    extras = project()["optional-dependencies"].values()
    texts = project()["dependencies"] + [text for extra in extras for text in extra]
    found = [Requirement(text) for text in texts]
    return {canonicalize_name(r.name): r.specifier for r in found if r.name != "labkit"}


def environment(path: Path) -> tuple[dict[str, SpecifierSet], list[str]]:
    """Of a conda environment: name → bounds under PyPI's names; entries that are no requirement."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    entries = [entry for entry in listed if isinstance(entry, str)]
    entries += next(entry["pip"] for entry in listed if isinstance(entry, dict))
    bounds, others = {}, []
    for entry in entries:
        match = re.fullmatch(r"([\w.-]+?)\s*([<>=!~].*)?", entry)
        if match is None or entry.startswith("-"):
            others.append(entry)
        else:
            name = CONDA_NAMES.get(match[1], match[1])
            wanted = re.sub(r"^=(?!=)(.+)", r"==\1.*", match[2] or "")  # as conda writes it
            bounds[canonicalize_name(name)] = SpecifierSet(wanted)
    return bounds, others


def tracked() -> list[Path]:
    """Text files under version control."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    texts = {".cff", ".cfg", ".css", ".ipynb", ".json", ".md", ".mjs", ".py", ".svg", ".toml"}
    texts |= {".txt", ".yml", ".bib", ""}
    paths = [ROOT / name for name in names if name and Path(name).suffix in texts]
    return [path for path in paths if path.is_file()]


def test_conda_environment_has_the_names_and_bounds_of_the_package() -> None:
    bounds, others = environment(ROOT / "environment.yml")
    assert bounds.pop("python") == SpecifierSet(project()["requires-python"])
    bounds.pop("pip")
    assert bounds == requirements()
    assert others == ["-e ."]


def test_binder_installs_what_chapters_import() -> None:
    """And the package without asking for more."""
    path = ROOT / ".binder" / "environment.yml"
    bounds, others = environment(path)
    assert bounds.pop("python")
    bounds.pop("pip")
    texts = project()["dependencies"] + project()["optional-dependencies"]["notebook"]
    asked = [Requirement(text) for text in texts]
    assert bounds == {canonicalize_name(each.name): each.specifier for each in asked}
    assert others == []
    assert os.access(path.with_name("postBuild"), os.X_OK)


@pytest.mark.skipif(not HTML.is_dir(), reason="there are no pages: run make html")
def test_pages_launch_their_chapter() -> None:
    repository = links.read_repository(ROOT)
    binder = f"https://mybinder.org/v2/gh/{repository.path}/{repository.branch}?urlpath=lab/tree/"
    for path in links.chapter_paths(ROOT):
        page = (HTML / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
        for address in (f"{binder}book/{path.name}", repository.colab(path.name)):
            assert f'href="{address}"' in page, (path.stem, address)


def test_no_version_of_torch_is_held_fast() -> None:
    assert not any(s.operator in ("==", "===") for s in requirements()["torch"])
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"^(torch|torchvision|triton|nvidia|cuda)\S*==", pinned, re.MULTILINE)
    assert re.search(r"^# .*torch \d+\.\d+", pinned, re.MULTILINE)


def test_constraints_keep_the_bounds_and_cover_what_is_asked_for() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins)
    for name, bounds in requirements().items():
        if name not in ("torch", "torchvision"):
            assert bounds.contains(versions[name], prereleases=True), name


def test_links_are_in_step() -> None:
    assert [path.name for path in links.out_of_step(ROOT)] == [], "run `make links`"


def test_another_address_reaches_every_place(tmp_path: Path) -> None:
    """On a copy: after a change in _config.yml and a rewrite, the old address is nowhere."""
    old = links.read_repository(ROOT)
    names = ["_config.yml", "_toc.yml", "README.md", "CITATION.cff"]
    names += [f"book/{path.name}" for path in (ROOT / "book").glob("*.ipynb")]
    (tmp_path / "book").mkdir()
    for name in names:
        shutil.copy(ROOT / name, tmp_path / name)
    config = (tmp_path / "_config.yml").read_text(encoding="utf-8")
    assert config.count(old.url) == 1
    config = config.replace(old.url, "https://github.com/new-owner/new-name")
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    for path, text in links.out_of_step(tmp_path).items():
        path.write_text(text, encoding="utf-8")
    assert links.out_of_step(tmp_path) == {}
    for name in names:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert old.path not in text, name
        assert f"cd {old.name}" not in text, name


def test_the_address_stands_nowhere_else() -> None:
    old = links.read_repository(ROOT)
    derived = {ROOT / "_config.yml", *links.rewrites(ROOT)}
    found = [path for path in tracked() if old.path in path.read_text(encoding="utf-8")]
    assert [path for path in found if path not in derived] == []


def test_no_path_of_one_machine() -> None:
    found = {}
    for path in tracked():
        if path == Path(__file__).resolve() or path.name in (
            "notebook_guard.py",
            "test_notebooks.py",
        ):
            continue  # they hold the pattern, or what it must find
        if match := MACHINE_PATH.search(path.read_text(encoding="utf-8")):
            found[str(path.relative_to(ROOT))] = match[0]
    assert found == {}


def test_commands_named_in_the_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert {"book", "html", "test", "lab", "lint", "bench", "links"} <= targets
    documents = [ROOT / "README.md", ROOT / ".ci" / "run", *(ROOT / "book").glob("*.ipynb")]
    documents += [ROOT / "_config.yml", *WORKFLOWS]
    for path in documents:
        text = path.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^|run: )make ([a-z]+)", text, re.MULTILINE))
        assert named <= targets, (path.name, named - targets)


def test_options_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named: dict[str, set[str]] = {}
    commands = r"^\S*labkit (export \w+|[\w-]+)([^#\n]*)"
    for command, rest in re.findall(commands, text, re.MULTILINE):
        named.setdefault(command, set()).update(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest))
    assert {"inpaint", "train", "evaluate"} <= set(named)
    code = "from labkit.cli import main; main()"
    for command, options in named.items():
        done = subprocess.run(
            [sys.executable, "-c", code, *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        )
        assert options <= set(re.findall(r"--?[a-z][\w-]*", done.stdout)), command


def test_workflows_are_valid() -> None:
    assert {path.stem for path in WORKFLOWS} == {"tests", "pages", "weekly", "release"}
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_files_linked_from_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_alone_lists_the_targets() -> None:
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory"],
        capture_output=True,
        text=True,
        check=True,
    )
    for target in ("book", "test", "html", "lab", "links"):
        assert re.search(rf"^  make {target}\s", done.stdout, re.MULTILINE)
