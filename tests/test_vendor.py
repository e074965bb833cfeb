"""Scripts from npm: only the pinned bytes are taken, and pages work without npm."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from dataclasses import replace

import pytest
import vendor


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def script(data: bytes) -> vendor.Script:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    package = vendor.Package("thing", "1.2.3", integrity)
    return vendor.Script(package, "dist/thing.js", "thing.js")


def test_the_file_comes_out_of_the_pinned_archive_alone():
    data = archive({"package/dist/thing.js": b"code", "package/other.js": b"more"})
    pinned = script(data)
    assert vendor.unpack(pinned, data) == b"code"
    other = archive({"package/dist/thing.js": b"evil"})
    with pytest.raises(ValueError, match="not the pinned one"):
        vendor.unpack(pinned, other)
    with pytest.raises(KeyError):
        vendor.unpack(replace(pinned, path="dist/none.js"), data)


def test_without_npm_the_pages_use_the_cdn(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor.shutil, "which", lambda _: None)
    folder = tmp_path / "vendor"
    assert vendor.fetch(folder) == "npm is not installed"
    assert not folder.exists()
    addresses = list(vendor.widget_scripts(served=False))
    assert addresses == [vendor.REQUIRE.address, vendor.MANAGER.address]
    assert all(address.startswith(vendor.CDN) for address in addresses)


def test_an_archive_that_is_not_the_pinned_one_leaves_nothing(tmp_path, monkeypatch):
    wrong = archive({f"package/{script.path}": b"x" for script in vendor.SCRIPTS})
    monkeypatch.setattr(vendor.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(vendor, "download", lambda _: wrong)
    folder = tmp_path / "vendor"
    assert "not the pinned one" in vendor.fetch(folder)
    assert not folder.exists()


def test_what_is_served_is_the_same_and_comes_in_order(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(vendor.shutil, "which", lambda _: "npm")
    monkeypatch.setattr(vendor, "download", lambda package: asked.append(package.name))
    monkeypatch.setattr(vendor, "unpack", lambda script, _: script.name.encode())
    assert vendor.fetch(tmp_path) is None
    assert sorted(asked) == sorted({script.package.name for script in vendor.SCRIPTS})
    for script in vendor.SCRIPTS:
        assert (tmp_path / script.name).read_text() == script.name
    served = [address.removeprefix("vendor/") for address in vendor.widget_scripts(served=True)]
    assert served == ["require.js", "paths.js", "embed-amd.js"]
    assert all((tmp_path / name).is_file() for name in served)
    # What is there already is not fetched again, unless other versions are pinned by now.
    monkeypatch.setattr(vendor.shutil, "which", lambda _: None)
    assert vendor.fetch(tmp_path) is None
    newer = replace(vendor.REQUIRE, package=replace(vendor.REQUIRE.package, integrity="other"))
    monkeypatch.setattr(vendor, "SCRIPTS", (newer, *vendor.SCRIPTS[1:]))
    assert vendor.fetch(tmp_path) == "npm is not installed"


def test_the_runtime_comes_from_the_book_or_from_the_same_version_on_the_cdn():
    names = {f"../vendor/{script.name}" for script in vendor.SCRIPTS}
    own, cdn = vendor.runtime(served=True), vendor.runtime(served=False)
    assert {own["script"], own["binary"]["file"]} <= names
    pinned = f"{vendor.CDN}onnxruntime-web@{vendor.ONNX_RUNTIME.version}/dist/"
    assert cdn["script"].startswith(pinned) and cdn["binary"]["file"].startswith(pinned)
    assert own["binary"]["sha256"] == cdn["binary"]["sha256"] == vendor.RUNTIME_SHA256
