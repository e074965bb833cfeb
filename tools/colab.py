#!/usr/bin/env python3
"""Run chapters as Colab would: nothing but a notebook, in an environment without the package.

    tools/colab.py [CHAPTER …]

A fresh virtual environment gets what Colab has of what the book needs: PyTorch, torchvision, NumPy,
matplotlib and Jupyter. Each chapter is copied alone into an empty folder and executed from top to
bottom; its first cell clones the book and installs the package. git is told to clone this checkout
where the cell names the book's public address, so that what is tested is what is here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from execute import ROOT, chapters

COLAB = ("torch", "torchvision", "numpy", "matplotlib", "ipykernel", "nbclient", "nbconvert")


def environment(address: str) -> dict[str, str]:
    """The shell's own, in which git takes this checkout for the public one."""
    return {
        **os.environ,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def run(chapter: Path, python: Path, variables: dict[str, str]) -> str | None:
    """What went wrong in a chapter, or None."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(chapter, place)
        command = [str(python), "-m", "jupyter", "execute", "--timeout=900", chapter.name]
        path = f"{python.parent}{os.pathsep}{variables['PATH']}"  # for %pip and !git
        done = subprocess.run(
            command, cwd=place, env={**variables, "PATH": path}, capture_output=True, text=True
        )
    return None if done.returncode == 0 else done.stderr[-3000:]


def main() -> None:
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    variables = environment(settings["repository"]["url"])
    failed = []
    for chapter in chapters(sys.argv[1:]):
        # An environment each: the first cell of the first would install the package for all.
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            python = Path(place) / "bin" / "python"
            subprocess.run([python, "-m", "pip", "install", "--quiet", *COLAB], check=True)
            trouble = run(chapter, python, variables)
        print(f"{chapter.stem}: {'failed' if trouble else 'ran'}", flush=True)
        if trouble:
            print(trouble)
            failed.append(chapter.stem)
    if failed:
        sys.exit(f"failed as in Colab: {', '.join(failed)}")


if __name__ == "__main__":
    main()
