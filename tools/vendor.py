"""Scripts that the pages need, from npm, so that the built book works without any other site.

The widgets of a page are drawn by the Jupyter widget manager, which RequireJS loads. Each package
is pinned by version and by the hash that npm publishes for it; nothing of it is committed. Where
npm is missing or out of reach the pages load the same versions from their CDNs.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

CDN = "https://cdn.jsdelivr.net/npm/"


@dataclass(frozen=True)
class Script:
    """One file of an npm package.

    Attributes:
        package, version: on npm.
        integrity: of the package's archive, as npm has it ("sha512-" and base64).
        path: of the file within the package.
        name: under which the book serves it.
    """

    package: str
    version: str
    integrity: str
    path: str
    name: str

    @property
    def address(self) -> str:
        """The same file on the CDN."""
        return f"{CDN}{self.package}@{self.version}/{self.path}"


REQUIRE = Script(
    "requirejs",
    "2.3.7",
    "sha512-DouTG8T1WanGok6Qjg2SXuCMzszOo0eHeH9hDZ5Y4x8Je+9JB38HdTLT4/VA8OaUhBa0JPVHJ0pyBkM1z+pDsw==",
    "require.js",
    "require.js",
)
MANAGER = Script(
    "@jupyter-widgets/html-manager",
    "1.0.14",
    "sha512-wglgQQ+VMj+MBKkTttdeoMtOah/H2A1w5GU1OAVXmDQqZYTK6C+oHZjQMxcNezIpiqUjC1YHKOo5XdP3ENvBng==",
    "dist/embed-amd.js",
    "embed-amd.js",
)
ANYWIDGET = Script(
    "anywidget",
    "0.11.0",
    "sha512-LHZgW2j5UjyerZSZcO+BtZPXGMSORQV2bUT480hOR5x/BXS8sOradi/71amJfMueSEnKX0dqPwTfsOGHTsyZpQ==",
    "dist/index.js",
    "anywidget.js",
)
SCRIPTS = (REQUIRE, MANAGER, ANYWIDGET)
# Where RequireJS finds anywidget: beside this very file.
PATHS = """\
requirejs.config({ paths: { anywidget: new URL("anywidget", document.currentScript.src).href } });
"""


def fetch(folder: Path) -> str | None:
    """Put all scripts into `folder`; files that are there already are kept.

    Returns:
        None, or why they could not be had; the folder is then left as it was.
    """
    if all((folder / script.name).is_file() for script in SCRIPTS):
        return None
    if shutil.which("npm") is None:
        return "npm is not installed"
    found = {}
    for script in SCRIPTS:
        try:
            found[script.name] = download(script)
        except (OSError, ValueError, KeyError, tarfile.TarError) as error:
            return f"{script.package}: {error}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in found.items():
        (folder / name).write_bytes(data)
    (folder / "paths.js").write_text(PATHS, encoding="utf-8")
    return None


def download(script: Script) -> bytes:
    """The file, from an archive whose hash is the pinned one.

    Raises:
        OSError: npm failed.
        ValueError: another hash.
        KeyError: the archive lacks the file.
    """
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", f"{script.package}@{script.version}"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise OSError(f"npm pack failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        data = archives[0].read_bytes()
    return unpack(script, data)


def unpack(script: Script, archive: bytes) -> bytes:
    """The script's file from its package's archive; see `download`."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != script.integrity:
        raise ValueError(f"version {script.version} has the hash {found}, not the pinned one")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile(f"package/{script.path}")
        if member is None:
            raise KeyError(script.path)
        return member.read()


def widget_scripts(served: bool) -> dict[str, dict[str, str]]:
    """What a page with widgets loads, in order, for Sphinx: address → attributes.

    Args:
        served: from the book itself; otherwise from the CDN.
    """
    cdn = {"data-jupyter-widgets-cdn": CDN}
    if served:
        names = (REQUIRE.name, "paths.js", MANAGER.name)
        return {f"vendor/{name}": cdn if name == MANAGER.name else {} for name in names}
    anonymous = {"crossorigin": "anonymous"}
    return {REQUIRE.address: anonymous, MANAGER.address: cdn | anonymous}
