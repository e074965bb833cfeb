#!/usr/bin/env python3
"""Build the book's pages into _build/html, from nothing, with every warning an error.

    tools/build.py [--execute]

Without `--execute` the pages show the outputs that the chapters carry. With it every chapter is run
first, and its fresh outputs are shown; no file outside _build is touched either way.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import vendor
import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
STATIC = BUILD / "static"


def write_config(execute: bool, served: bool) -> Path:
    """_config.yml, told whether to run the chapters and where scripts come from."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = "force" if execute else "off"
    sphinx = config["sphinx"]["config"]
    sphinx["nb_ipywidgets_js"] = vendor.widget_scripts(served)
    if served:
        sphinx["html_static_path"] = [*sphinx["html_static_path"], str(STATIC)]
    path = BUILD / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", action="store_true", help="run every chapter first")
    execute = parser.parse_args().execute
    # An incremental build passes where a clean one warns.
    for stale in ("html", ".doctrees", "jupyter_execute", "reports"):
        shutil.rmtree(BUILD / stale, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    trouble = vendor.fetch(STATIC / "vendor")
    if trouble:
        print(f"The pages will load the scripts of their widgets from {vendor.CDN}: {trouble}")
    config = write_config(execute, served=trouble is None)
    print(
        "Executing the chapters, then building the pages …" if execute else "Building the pages …"
    )
    sys.stdout.flush()
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)]
    command += ["--config", str(config), "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(command, cwd=ROOT)
    if done.returncode:
        sys.exit("the book was not built: the warnings and errors are above")
    print(f"Open {(BUILD / 'html' / 'index.html').relative_to(ROOT)} in a browser.")


if __name__ == "__main__":
    main()
