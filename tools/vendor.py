"""Scripts that the pages need, from npm, so that the built book works without any other site.

The widgets of a page are drawn by the Jupyter widget manager, which RequireJS loads; its networks
are run by ONNX Runtime Web. Each package is pinned by version and by the hash that npm publishes
for it; nothing of it is committed. Where npm is missing or out of reach the pages load the same
versions from their CDNs.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CDN = "https://cdn.jsdelivr.net/npm/"


@dataclass(frozen=True)
class Package:
    """One npm package; `integrity` is its archive's, as npm has it ("sha512-" and base64)."""

    name: str
    version: str
    integrity: str


@dataclass(frozen=True)
class Script:
    """One file of a package, at `path` within it, and the name under which the book serves it."""

    package: Package
    path: str
    name: str

    @property
    def address(self) -> str:
        """The same file on the CDN."""
        return f"{CDN}{self.package.name}@{self.package.version}/{self.path}"


_REQUIRE = Package(
    "requirejs",
    "2.3.7",
    "sha512-DouTG8T1WanGok6Qjg2SXuCMzszOo0eHeH9hDZ5Y4x8Je+9JB38HdTLT4/VA8OaUhBa0JPVHJ0pyBkM1z+pDsw==",
)
_MANAGER = Package(
    "@jupyter-widgets/html-manager",
    "1.0.14",
    "sha512-wglgQQ+VMj+MBKkTttdeoMtOah/H2A1w5GU1OAVXmDQqZYTK6C+oHZjQMxcNezIpiqUjC1YHKOo5XdP3ENvBng==",
)
_ANYWIDGET = Package(
    "anywidget",
    "0.11.0",
    "sha512-LHZgW2j5UjyerZSZcO+BtZPXGMSORQV2bUT480hOR5x/BXS8sOradi/71amJfMueSEnKX0dqPwTfsOGHTsyZpQ==",
)
ONNX_RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)
REQUIRE = Script(_REQUIRE, "require.js", "require.js")
MANAGER = Script(_MANAGER, "dist/embed-amd.js", "embed-amd.js")
ANYWIDGET = Script(_ANYWIDGET, "dist/index.js", "anywidget.js")
# Without WebGPU, and with the code that starts WebAssembly inside: two files, and no third to find.
RUNTIME = Script(ONNX_RUNTIME, "dist/ort.wasm.bundle.min.mjs", "ort.mjs")
RUNTIME_BINARY = Script(ONNX_RUNTIME, "dist/ort-wasm-simd-threaded.wasm", "ort.wasm")
# The size and hash of the second, for a page's progress bar and check.
RUNTIME_BYTES = 14_239_897
RUNTIME_SHA256 = "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
SCRIPTS = (REQUIRE, MANAGER, ANYWIDGET, RUNTIME, RUNTIME_BINARY)
# Where RequireJS finds anywidget: beside this very file.
PATHS = """\
requirejs.config({ paths: { anywidget: new URL("anywidget", document.currentScript.src).href } });
"""


def fetch(folder: Path) -> str | None:
    """Put all scripts into `folder`, unless files of the pinned versions are there.

    Returns:
        None, or why they could not be had; the folder is then left as it was.
    """
    pins = {script.name: script.package.integrity for script in SCRIPTS}
    record = folder / "pins.json"
    present = all(map(Path.is_file, [record, *(folder / name for name in pins)]))
    if present and json.loads(record.read_text(encoding="utf-8")) == pins:
        return None
    if shutil.which("npm") is None:
        return "npm is not installed"
    found = {"paths.js": PATHS.encode(), record.name: json.dumps(pins).encode()}
    for package in dict.fromkeys(script.package for script in SCRIPTS):
        try:
            archive = download(package)
            for script in SCRIPTS:
                if script.package == package:
                    found[script.name] = unpack(script, archive)
        except (OSError, ValueError, KeyError, tarfile.TarError) as error:
            return f"{package.name}: {error}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in found.items():
        (folder / name).write_bytes(data)
    return None


def download(package: Package) -> bytes:
    """The package's archive, as npm hands it out; OSError where npm fails."""
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise OSError(f"npm pack failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return archives[0].read_bytes()


def unpack(script: Script, archive: bytes) -> bytes:
    """The script's file from its package's archive.

    Raises:
        ValueError: the archive has another hash than the pinned one.
        KeyError: it lacks the file.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != script.package.integrity:
        raise ValueError(
            f"version {script.package.version} has the hash {found}, not the pinned one"
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(f"package/{script.path}").read()


def widget_scripts(served: bool) -> dict[str, dict[str, str]]:
    """What a page with widgets loads, from the book itself or from the CDN: address → attributes
    for Sphinx, in order."""
    cdn = {"data-jupyter-widgets-cdn": CDN}
    if served:
        return {f"vendor/{REQUIRE.name}": {}, "vendor/paths.js": {}, f"vendor/{MANAGER.name}": cdn}
    anonymous = {"crossorigin": "anonymous"}
    return {REQUIRE.address: anonymous, MANAGER.address: cdn | anonymous}


def runtime(served: bool) -> dict[str, Any]:
    """Where a page finds ONNX Runtime Web: its version, the address of its script, and the address,
    size and hash of its larger file. Those in the book are relative to static files' "fill"."""
    script, binary = (
        f"../vendor/{file.name}" if served else file.address for file in (RUNTIME, RUNTIME_BINARY)
    )
    return {
        "version": ONNX_RUNTIME.version,
        "script": script,
        "binary": {"file": binary, "bytes": RUNTIME_BYTES, "sha256": RUNTIME_SHA256},
    }
