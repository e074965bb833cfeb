#!/usr/bin/env python3
"""Build the book's pages into _build/html, from nothing, with every warning an error.

    tools/build.py [--execute] [--jobs 2]

Without `--execute` the pages show the outputs that the chapters carry. With it every chapter is run
first, in a copy of the book, and its fresh outputs are shown; no file outside _build is touched
either way.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import models
import vendor
import yaml
from execute import execute, set_environment
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
STATIC = BUILD / "static"


def executed_copy(jobs: int) -> Path:
    """A copy of the book whose chapters were run, several at a time.

    A chapter waits for one core much of its time: two at a time take little more than half as long.
    """
    place = BUILD / "source"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(ROOT / "book", place / "book", ignore=shutil.ignore_patterns(".*"))
    shutil.copy(ROOT / "_toc.yml", place)
    shutil.copytree(ROOT / "tests" / "data", place / "tests" / "data")  # numbers that chapters read
    chapters = sorted((place / "book").glob("*.ipynb"))
    with ProcessPoolExecutor(jobs, initializer=set_environment) as pool:
        running = {pool.submit(timed, path): path.stem for path in chapters}
        for done, future in enumerate(as_completed(running), start=1):
            seconds, problem = future.result()
            if problem:
                pool.shutdown(cancel_futures=True)
                sys.exit(f"{running[future]} failed\n{problem}")
            print(f"  {running[future]}: {seconds:.0f} s  [{done}/{len(chapters)}]", flush=True)
    return place


def timed(path: Path) -> tuple[float, str]:
    """Run a chapter in place: the seconds it took, and what went wrong."""
    begun = time.perf_counter()
    try:
        execute(path, timeout=600)
    except CellExecutionError as error:
        return 0.0, str(error)
    return time.perf_counter() - begun, ""


def write_config(served: bool) -> Path:
    """_config.yml, told where scripts come from, what static files were made, and our extension."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    local = config["sphinx"]["local_extensions"]  # relative to the folder of the file
    config["sphinx"]["local_extensions"] = {name: str(ROOT / path) for name, path in local.items()}
    sphinx = config["sphinx"]["config"]
    sphinx["nb_ipywidgets_js"] = vendor.widget_scripts(served)
    sphinx["html_static_path"] = [*sphinx["html_static_path"], str(STATIC)]
    path = BUILD / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", action="store_true", help="run every chapter first")
    parser.add_argument("--jobs", type=int, default=2, help="chapters to run at a time")
    arguments = parser.parse_args()
    # An incremental build passes where a clean one warns.
    for stale in ("html", ".doctrees", "jupyter_execute", "reports"):
        shutil.rmtree(BUILD / stale, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    trouble = vendor.fetch(STATIC / "vendor")
    if trouble:
        print(f"The pages will load the scripts of others from {vendor.CDN}: {trouble}")
    print("Preparing the page that fills holes …", flush=True)
    models.write(STATIC / "fill", served=trouble is None)
    source = ROOT
    if arguments.execute:
        print("Executing the chapters …", flush=True)
        source = executed_copy(arguments.jobs)
    config = write_config(served=trouble is None)
    print("Building the pages …", flush=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(source)]
    command += ["--config", str(config), "--path-output", str(ROOT)]
    done = subprocess.run([*command, "-n", "-W", "--keep-going", "-q"], cwd=ROOT)
    if done.returncode:
        sys.exit("the book was not built: the warnings and errors are above")
    print(f"Open {(BUILD / 'html' / 'index.html').relative_to(ROOT)} in a browser.")


if __name__ == "__main__":
    main()
