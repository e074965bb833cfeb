"""Downloads over lines that break, and archives that were made in bad faith."""

from __future__ import annotations

import hashlib
import http.server
import io
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.cli import main
from labkit.cli.download import NAMES
from labkit.data import download as catalogue
from labkit.data import remote, unpack
from labkit.data.download import DATA, PublicData, download
from labkit.data.remote import Remote, fetch
from labkit.errors import InputError

BODY = bytes(range(256)) * 4000  # 1 MB
HASH = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY in ways that the path names, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.body = BODY

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        way = self.path.strip("/")
        wanted = self.headers.get("Range")
        self.server.asked.append((way, wanted))
        body, times = self.server.body, sum(path == way for path, _ in self.server.asked)
        if way == "gone":
            return self.answer(404)
        if way == "busy" and times < 3:
            return self.answer(503)
        if way == "moved":
            return self.answer(302, Location="/whole")
        if way == "page":
            return self.answer(200, b"<html>agree first</html>", **{"Content-Type": "text/html"})
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and way != "deaf" else 0
        if begin >= len(body) and wanted:
            return self.answer(416, **{"Content-Range": f"bytes */{len(body)}"})
        rest, status = body[begin:], 206 if wanted and way != "deaf" else 200
        if way == "dies":
            return self.answer(status, rest, cut=len(rest) if times > 8 else 150_000)
        if way == "slow":
            return self.answer(status, rest, pieces=20)
        if way == "silent" or (way == "once" and times == 1):
            return self.answer(status, rest, cut=0)
        self.answer(status, rest)

    def answer(self, status, body=b"", cut=None, pieces=1, **headers) -> None:
        self.send_response(status)
        headers.setdefault("Content-Type", "application/zip")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body if cut is None else body[:cut]
        for start in range(0, len(body), -(-len(body) // pieces)) if body else ():
            self.wfile.write(body[start : start + -(-len(body) // pieces)])
            if pieces > 1:
                time.sleep(0.01)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def get(server: Server, tmp_path: Path, *ways: str, known: str | None = HASH) -> Path:
    urls = tuple(server.url(way) for way in ways)
    return fetch(Remote("thing.zip", urls, known), tmp_path, progress=False)


@pytest.mark.parametrize("way", ["whole", "slow", "busy", "moved", "dies", "deaf", "once"])
def test_arrives_whole_whatever_the_line_does(server, tmp_path, way):
    path = get(server, tmp_path, way)
    assert path.read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["thing.zip"]


def test_goes_on_where_it_stopped(server, tmp_path):
    get(server, tmp_path, "dies")
    ranges = [wanted for _, wanted in server.asked]
    assert ranges[0] is None
    begins = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert begins == sorted(begins) and begins[0] == 2 * 65_536 and len(begins) >= 6


def test_goes_on_after_a_kill(server, tmp_path):
    (tmp_path / "thing.zip.part").write_bytes(BODY[:400_000])
    assert get(server, tmp_path, "whole").read_bytes() == BODY
    assert server.asked == [("whole", "bytes=400000-")]


def test_a_part_that_is_complete_is_not_fetched_again(server, tmp_path):
    (tmp_path / "thing.zip.part").write_bytes(BODY)
    assert get(server, tmp_path, "whole").read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "thing.zip.part").write_bytes(BODY + b"more")
    assert get(server, tmp_path, "whole").read_bytes() == BODY


def test_a_mirror_stands_in(server, tmp_path):
    assert get(server, tmp_path, "gone", "page", "whole").read_bytes() == BODY
    assert [way for way, _ in server.asked] == ["gone", "page", "whole"]


def test_what_is_there_is_not_fetched(server, tmp_path):
    get(server, tmp_path, "whole")
    get(server, tmp_path, "whole")
    assert len(server.asked) == 1


def test_a_wrong_hash_is_refused_and_nothing_of_it_kept(server, tmp_path):
    server.body = BODY[:-1] + b"x"
    with pytest.raises(InputError, match="another hash than published"):
        get(server, tmp_path, "whole")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "thing.zip").write_bytes(b"older")
    with pytest.raises(InputError, match=r"not the published file.*delete it"):
        get(server, tmp_path, "whole")


@pytest.mark.parametrize(
    ("way", "why"),
    [("gone", "answered 404"), ("page", "a page instead of the file"), ("silent", "5 times")],
)
def test_failures_say_why_and_what_to_do(server, tmp_path, way, why):
    with pytest.raises(InputError, match=f"{why}.*by hand and name it by --file"):
        get(server, tmp_path, way)


def test_what_arrived_is_kept_for_the_next_call(server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "TRIES", 1)
    (tmp_path / "thing.zip.part").write_bytes(BODY[:1000])
    with pytest.raises(InputError):
        get(server, tmp_path, "silent")
    assert (tmp_path / "thing.zip.part").read_bytes() == BODY[:1000]


# --- archives ------------------------------------------------------------------------------------


def zipped(path: Path, files: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def test_pictures_are_unpacked_and_nothing_else(tmp_path):
    files = {"a/1.PNG": b"one", "a/b/2.jpg": b"two", "readme.txt": b"no", "__MACOSX/a/1.png": b"no"}
    archive = zipped(tmp_path / "x.zip", files)
    assert unpack.unpack(archive, tmp_path / "out", [".png", ".jpg"], progress=False) == 2
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"a/1.PNG", "a/b/2.jpg"}
    assert (tmp_path / "out" / "a" / "b" / "2.jpg").read_bytes() == b"two"
    tar = tarred(tmp_path / "x.tar", tarfile.TarInfo("c/3.png"))
    assert unpack.unpack(tar, tmp_path / "three", [".png"], progress=False) == 1


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def zip_with_link(path: Path) -> Path:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def twice(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", b"1")
        archive.writestr("a.png", b"2")
    return path


BAD = {
    "../out.png": lambda p: zipped(p, {"../out.png": b"x"}),
    "absolute": lambda p: zipped(p, {"/tmp/out.png": b"x"}),
    "backslash": lambda p: zipped(p, {"..\\out.png": b"x"}),
    "drive": lambda p: tarred(p, tarfile.TarInfo("C:/out.png")),
    "symbolic link": lambda p: tarred(p, link("a.png", tarfile.SYMTYPE)),
    "hard link": lambda p: tarred(p, link("a.png", tarfile.LNKTYPE)),
    "device": lambda p: tarred(p, link("a.png", tarfile.CHRTYPE)),
    "link in a zip": zip_with_link,
    "a name twice": twice,
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_faith_is_refused(tmp_path, kind):
    archive = BAD[kind](tmp_path / "bad.zip")
    with pytest.raises(InputError, match="cannot be trusted"):
        unpack.unpack(archive, tmp_path / "in" / "out", [".png"], progress=False)
    left = {p.name for p in tmp_path.rglob("*")}
    assert left <= {"bad.zip", "in"}


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "ALLOWANCE", 1000)
    archive = zipped(
        tmp_path / "bomb.zip", {"a.png": bytes(5_000_000)}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(InputError, match="would unpack to"):
        unpack.unpack(archive, tmp_path / "out", [".png"], progress=False)
    assert not (tmp_path / "out").exists()


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    archive = zipped(tmp_path / "lie.zip", {"a.png": b"x" * 1000})
    data = archive.read_bytes()
    size = (1000).to_bytes(4, "little")
    at = data.rindex(b"PK\x01\x02") + 24
    assert data[at : at + 4] == size
    archive.write_bytes(data[:at] + (10).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(InputError):
        unpack.unpack(archive, tmp_path / "out", [".png"], progress=False)
    assert not (tmp_path / "out").exists()


def test_damage_and_lack_of_room(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "x.zip", {"a.png": b"x" * 1000})
    broken = tmp_path / "broken.zip"
    data = bytearray(archive.read_bytes())
    data[60] ^= 255
    broken.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged or encrypted"):
        unpack.unpack(broken, tmp_path / "out", [".png"], progress=False)
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(InputError, match="neither a zip nor a tar"):
        unpack.unpack(tmp_path / "page.zip", tmp_path / "out", [".png"])
    with pytest.raises(InputError, match=r"holds no \.gif"):
        unpack.unpack(archive, tmp_path / "out", [".gif"])
    with pytest.raises(InputError, match="no such file"):
        unpack.unpack(tmp_path / "none.zip", tmp_path / "out", [".png"])
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        unpack.unpack(archive, tmp_path / "there", [".png"])
    usage = unpack.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(InputError, match="do not fit"):
        unpack.unpack(archive, tmp_path / "out", [".png"])
    assert not (tmp_path / "out").exists()


# --- data sets -----------------------------------------------------------------------------------


@pytest.fixture
def offered(server, tmp_path, monkeypatch) -> PublicData:
    """A data set of two parts on the local server."""
    archive = zipped(tmp_path / "made.zip", {"m/1.png": b"one", "m/2.png": b"two"})
    server.body = archive.read_bytes()
    known = "md5:" + hashlib.md5(server.body).hexdigest()
    data = PublicData(
        title="Two masks",
        terms="Look, do not touch.",
        page="https://example.org",
        parts={
            "train": Remote("train.zip", (server.url("whole"),), known),
            "test": Remote("test.zip", (server.url("slow"),)),
        },
        use="labkit train --masks {to}/test",
    )
    monkeypatch.setitem(catalogue.DATA, "nvidia-masks", data)
    return data


def test_a_data_set_is_fetched_unpacked_and_not_fetched_twice(offered, server, tmp_path):
    to = tmp_path / "masks"
    assert download(offered, to, progress=False) == {"train": 2, "test": 2}
    assert (to / "train" / "m" / "1.png").read_bytes() == b"one"
    assert sorted(p.name for p in to.iterdir()) == ["test", "train"]
    asked = len(server.asked)
    assert download(offered, to, progress=False) == {}
    assert len(server.asked) == asked


def test_a_file_of_one_s_own_is_used_and_kept(offered, server, tmp_path):
    own = tmp_path / "train.zip"
    own.write_bytes(server.body)
    download(offered, tmp_path / "masks", files=[own], progress=False)
    assert own.exists() and [way for way, _ in server.asked] == ["slow"]
    with pytest.raises(InputError, match=r"none of the files.*train\.zip, test\.zip"):
        download(offered, tmp_path / "more", files=[tmp_path / "other.zip"])
    own.write_bytes(b"another")
    with pytest.raises(InputError, match="its hash differs; name the right file, or leave --file"):
        download(offered, tmp_path / "more", files=[own])
    for to in ("more", "masks"):  # the second holds all parts already
        with pytest.raises(InputError, match=r"train\.zip: no such file"):
            download(offered, tmp_path / to, files=[tmp_path / "gone" / "train.zip"])


def test_a_folder_that_cannot_be_made(offered, server, tmp_path):
    own = tmp_path / "train.zip"
    own.write_bytes(server.body)
    for files in ([own], []):
        with pytest.raises(InputError, match=r"cannot be made.*; name another folder"):
            download(offered, own / "masks", files=files)
    assert server.asked == []


def test_terms_come_first(offered, server, tmp_path, capsys, monkeypatch):
    to = tmp_path / "masks"
    assert main(["download", "nvidia-masks", "--to", str(to)]) == 2
    captured = capsys.readouterr()
    assert "Look, do not touch." in captured.out and "add --yes" in captured.err
    assert "no hash of test.zip" in captured.out
    assert server.asked == [] and not to.exists()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda _: False)
    assert main(["download", "nvidia-masks", "--to", str(to)]) == 2
    assert server.asked == []
    assert main(["download", "nvidia-masks", "--to", str(to), "--yes"]) == 0
    out = capsys.readouterr().out
    assert f"{to / 'train'}: 2 files" in out and f"ready: labkit train --masks {to}/test" in out
    for options in (["--to", str(to)], ["--file", "vgg19.pth"], ["--yes"]):
        assert main(["download", "features", *options]) == 2
        problem = f"{' '.join(options)} means nothing to labkit download features"
        assert problem in capsys.readouterr().err
    assert main(["download", "imagenet"]) == 2
    assert "'imagenet' is unknown; one of celeba-hq" in capsys.readouterr().err


def test_the_catalogue_is_well_formed():
    assert {*DATA, "features"} == set(NAMES)
    for data in DATA.values():
        assert "{to}" in data.use and data.page.startswith("https://") and data.terms
        for part in data.parts.values():
            assert all(url.startswith("https://") for url in part.urls)
            assert replace(part).name.endswith(".zip")
