"""Downloads over lines that break and from servers that err, and data sets unpacked."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_unpack import files_of_at_most, zipped
from torchvision import models

from labkit.cli import download as command
from labkit.cli import main
from labkit.cli.download import NAMES
from labkit.data import download as catalogue
from labkit.data import remote
from labkit.data.download import DATA, PublicData, download
from labkit.data.remote import Remote, fetch
from labkit.errors import InputError

BODY = bytes(range(256)) * 4000  # 1 MB
HASH = "sha256:" + hashlib.sha256(BODY).hexdigest()
SHIFTS = {"too-early": -1000, "too-late": 1000, "from-the-start": -len(BODY)}


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
        if way == "gzip-always" or (way == "gzip" and "gzip" in self.headers["Accept-Encoding"]):
            packed = gzip.compress(body)
            encoding = {"Content-Encoding": "gzip"}
            return self.answer(200, packed, cut=len(packed) // 2, **encoding)
        if way.startswith("deaf"):
            wanted = None
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if begin >= len(body) and wanted:
            return self.answer(416, **{"Content-Range": f"bytes */{len(body)}"})
        if wanted:
            begin = max(0, begin + SHIFTS.get(way, 0))
        end = min(len(body), begin + 300_000) if way == "portions" else len(body)
        rest, status = body[begin:end], 206 if wanted else 200
        headers = {"Content-Range": f"bytes {begin}-{end - 1}/{len(body)}"} if wanted else {}
        if way.endswith("lengthless"):
            return self.answer(
                status, rest, 400_000 if times == 1 else None, sized=False, **headers
            )
        if way == "dies":
            return self.answer(status, rest, len(rest) if times > 8 else 150_000, **headers)
        if way == "slow":
            return self.answer(status, rest, pieces=20, **headers)
        if way == "silent" or (way == "once" and times == 1):
            return self.answer(status, rest, cut=0, **headers)
        self.answer(status, rest, **headers)

    def answer(self, status, body=b"", cut=None, pieces=1, sized=True, **headers) -> None:
        self.send_response(status)
        headers.setdefault("Content-Type", "application/zip")
        for name, value in headers.items():
            self.send_header(name, value)
        if sized:
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


@pytest.mark.parametrize("known", [HASH, None])
def test_a_cut_is_noticed_where_the_length_is_not_said(server, tmp_path, known):
    assert get(server, tmp_path, "lengthless", known=known).read_bytes() == BODY
    assert [wanted for _, wanted in server.asked[:2]] == [None, "bytes=400000-"]


@pytest.mark.parametrize(("known", "asked"), [(HASH, 2), (None, 3)])
def test_a_server_that_says_nothing_is_believed_when_hash_or_second_answer_agree(
    server, tmp_path, known, asked
):
    assert get(server, tmp_path, "deaf-and-lengthless", known=known).read_bytes() == BODY
    assert len(server.asked) == asked  # cut, whole, and whole again where no hash is known


def test_a_wrong_file_of_a_length_that_is_not_said_is_refused(server, tmp_path):
    server.body = BODY[:-1] + b"x"
    with pytest.raises(InputError, match="another hash than published"):
        get(server, tmp_path, "lengthless")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", SHIFTS)
def test_a_piece_that_begins_elsewhere_is_not_appended(server, tmp_path, way):
    (tmp_path / "thing.zip.part").write_bytes(BODY[:400_000])
    assert get(server, tmp_path, way, known=None).read_bytes() == BODY
    assert server.asked[0] == (way, "bytes=400000-")


def test_a_piece_that_ends_before_the_file_is_not_the_end(server, tmp_path):
    (tmp_path / "thing.zip.part").write_bytes(BODY[:1000])
    assert get(server, tmp_path, "portions", known=None).read_bytes() == BODY
    assert [int(r.removeprefix("bytes=").rstrip("-")) for _, r in server.asked] == [
        1000, 301_000, 601_000, 901_000,
    ]  # fmt: skip


def test_the_file_is_asked_for_as_it_is_not_compressed(server, tmp_path):
    assert get(server, tmp_path, "gzip").read_bytes() == BODY
    with pytest.raises(InputError, match="sends the file compressed"):
        fetch(Remote("other.zip", (server.url("gzip-always"),)), tmp_path)


def test_the_first_digits_of_a_hash_are_compared(server, tmp_path):
    get(server, tmp_path, "whole", known=HASH[:15])
    (tmp_path / "thing.zip").unlink()
    with pytest.raises(InputError, match="another hash than published"):
        get(server, tmp_path, "whole", known="sha256:00000000")


def test_a_full_disk_keeps_what_arrived_and_says_what_to_do(server, tmp_path):
    with (
        files_of_at_most(200_000),
        pytest.raises(InputError, match=r"part: cannot be written \(.*\); make room and try again"),
    ):
        get(server, tmp_path, "whole")
    kept = (tmp_path / "thing.zip.part").stat().st_size
    assert 100_000 < kept <= 200_000
    assert get(server, tmp_path, "whole").read_bytes() == BODY
    assert server.asked[1:] == [("whole", f"bytes={kept}-")]


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


@pytest.mark.parametrize("damaged", [b"PK not at all", b"cut short"])
def test_a_damaged_archive_is_fetched_anew(offered, server, tmp_path, damaged):
    to, whole = tmp_path / "masks", server.body
    parts = {"test": offered.parts["test"]}  # whose hash nobody states
    data = replace(offered, parts=parts)
    server.body = whole[:-30] if damaged == b"cut short" else damaged
    with pytest.raises(InputError, match=r"test\.zip: .*; it was deleted; try again"):
        download(data, to, progress=False)
    assert list(to.iterdir()) == []
    server.body = whole
    assert download(data, to, progress=False) == {"test": 2}
    assert len(server.asked) == 2
    own = tmp_path / "test.zip"
    own.write_bytes(damaged)
    with pytest.raises(InputError, match="neither a zip nor a tar"):
        download(data, tmp_path / "more", files=[own], progress=False)
    assert own.read_bytes() == damaged


def test_an_empty_folder_is_not_ready(offered, tmp_path):
    (tmp_path / "masks" / "train").mkdir(parents=True)
    assert download(offered, tmp_path / "masks", progress=False) == {"train": 2, "test": 2}
    assert (tmp_path / "masks" / "train" / "m" / "1.png").read_bytes() == b"one"


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
    for options in (["--to", str(to)], ["--yes"]):
        assert main(["download", "features", *options]) == 2
        problem = f"{' '.join(options)} means nothing to labkit download features"
        assert problem in capsys.readouterr().err
    assert main(["download", "imagenet"]) == 2
    assert "'imagenet' is unknown; one of celeba-hq" in capsys.readouterr().err


@pytest.fixture
def squeezenet(server, tmp_path, monkeypatch) -> Path:
    """Where torch.hub expects a file of random weights that the local server publishes."""
    weights = models.squeezenet1_1(weights=None).state_dict()
    file = io.BytesIO()
    torch.save(weights, file)
    server.body = file.getvalue()
    name = f"squeezenet1_1-{hashlib.sha256(server.body).hexdigest()[:8]}.pth"
    entry = models.SqueezeNet1_1_Weights.DEFAULT
    monkeypatch.setattr(entry, "_value_", replace(entry.value, url=server.url(name)))
    monkeypatch.setattr(command, "FEATURES", ("squeezenet1_1",))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints" / name


def test_feature_weights_go_on_where_they_stopped(server, squeezenet, capsys):
    squeezenet.parent.mkdir(parents=True)
    part = squeezenet.with_name(f"{squeezenet.name}.part")
    part.write_bytes(server.body[:100_000])
    assert main(["download", "features"]) == 0
    assert "squeezenet1_1: its weights are here" in capsys.readouterr().out
    assert server.asked == [(squeezenet.name, "bytes=100000-")]
    assert squeezenet.read_bytes() == server.body and not part.exists()
    squeezenet.write_bytes(server.body[:-1])
    assert main(["download", "features"]) == 2
    assert "its hash differs; delete it and try again" in capsys.readouterr().err


def test_feature_weights_of_one_s_own_are_used(server, squeezenet, tmp_path, capsys):
    own = tmp_path / squeezenet.name
    own.write_bytes(server.body)
    assert main(["download", "features", "--file", str(own)]) == 0
    assert squeezenet.read_bytes() == own.read_bytes() == server.body
    own.write_bytes(b"another")
    assert main(["download", "features", "--file", str(own)]) == 2
    assert "its hash differs; name the right file" in capsys.readouterr().err
    assert main(["download", "features", "--file", str(tmp_path / "vgg.pth")]) == 2
    problem = f"vgg.pth: is none of the files of the feature networks; one of {squeezenet.name}"
    assert problem in capsys.readouterr().err
    assert server.asked == []


def test_the_catalogue_is_well_formed():
    assert {*DATA, "features"} == set(NAMES)
    for data in DATA.values():
        assert "{to}" in data.use and data.page.startswith("https://") and data.terms
        for part in data.parts.values():
            assert all(url.startswith("https://") for url in part.urls)
            assert replace(part).name.endswith(".zip")
