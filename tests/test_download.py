"""Downloads from servers that err, and data sets unpacked."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pooch
import pytest
import torch
from test_unpack import files_of_at_most, zipped
from torchvision import models

from labkit.cli import download as command
from labkit.cli import main
from labkit.cli.download import NAMES
from labkit.data import download as catalogue
from labkit.data.download import DATA, PublicData, Remote, download, fetch
from labkit.errors import InputError

BODY = bytes(range(256)) * 4000  # 1 MB
HASH = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY in ways that the path names, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.body = BODY

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        way = self.path.strip("/")
        self.server.asked.append(way)
        body, times = self.server.body, self.server.asked.count(way)
        if way == "gone":
            return self.answer(404)
        if way == "busy" and times < 3:
            return self.answer(503)
        if way == "moved":
            return self.answer(302, Location="/whole")
        if way == "page":
            body = b"<html>agree first</html>"
        self.answer(200, body, cut=1000 if way == "breaks" and times == 1 else None)

    def answer(self, status: int, body: bytes = b"", cut: int | None = None, **headers) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def get(server: Server, tmp_path: Path, way: str, known: str | None = HASH) -> Path:
    return fetch(Remote("thing.zip", server.url(way), known), tmp_path)


@pytest.mark.parametrize("way", ["whole", "busy", "moved", "breaks"])
def test_arrives_whole_whatever_the_line_does(server, tmp_path, way):
    path = get(server, tmp_path, way)
    assert path.read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["thing.zip"]


@pytest.mark.parametrize("known", [HASH, None])
def test_what_is_there_is_not_fetched(server, tmp_path, known):
    get(server, tmp_path, "whole", known)
    get(server, tmp_path, "whole", known)
    assert server.asked == ["whole"]


def test_a_wrong_hash_is_refused_and_nothing_of_it_kept(server, tmp_path):
    server.body = BODY[:-1] + b"x"
    with pytest.raises(InputError, match="does not match the known hash"):
        get(server, tmp_path, "whole")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "thing.zip").write_bytes(b"older")
    server.body = BODY
    assert get(server, tmp_path, "whole").read_bytes() == BODY


@pytest.mark.parametrize(("way", "why"), [("gone", "404"), ("page", "not match the known hash")])
def test_failures_say_why_and_what_to_do(server, tmp_path, way, why):
    with pytest.raises(InputError, match=f"{way}.*{why}.*by hand and name it by --file"):
        get(server, tmp_path, way)
    assert len(server.asked) == 1 + catalogue.RETRIES and list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_says_what_to_do(server, tmp_path):
    with (
        files_of_at_most(200_000),
        pytest.raises(InputError, match=r"cannot be written to \(.*\); make room and try again"),
    ):
        get(server, tmp_path, "whole")
    assert list(tmp_path.iterdir()) == []


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
            "train": Remote("train.zip", server.url("whole"), known),
            "test": Remote("test.zip", server.url("other")),
        },
        use="labkit train --masks {to}/test",
    )
    monkeypatch.setitem(catalogue.DATA, "nvidia-masks", data)
    return data


def test_a_data_set_is_fetched_unpacked_and_not_fetched_twice(offered, server, tmp_path):
    to = tmp_path / "masks"
    assert download(offered, to) == {"train": 2, "test": 2}
    assert (to / "train" / "m" / "1.png").read_bytes() == b"one"
    assert sorted(p.name for p in to.iterdir()) == ["test", "train"]
    asked = len(server.asked)
    assert download(offered, to) == {}
    assert len(server.asked) == asked


def test_a_file_of_one_s_own_is_used_and_kept(offered, server, tmp_path):
    own = tmp_path / "train.zip"
    own.write_bytes(server.body)
    download(offered, tmp_path / "masks", files=[own])
    assert own.exists() and server.asked == ["other"]
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
        download(data, to)
    assert list(to.iterdir()) == []
    server.body = whole
    assert download(data, to) == {"test": 2}
    assert len(server.asked) == 2
    own = tmp_path / "test.zip"
    own.write_bytes(damaged)
    with pytest.raises(InputError, match="is no zip file"):
        download(data, tmp_path / "more", files=[own])
    assert own.read_bytes() == damaged


def test_an_empty_folder_is_not_ready(offered, tmp_path):
    (tmp_path / "masks" / "train").mkdir(parents=True)
    assert download(offered, tmp_path / "masks") == {"train": 2, "test": 2}
    assert (tmp_path / "masks" / "train" / "m" / "1.png").read_bytes() == b"one"


def test_a_folder_that_cannot_be_made(offered, server, tmp_path):
    own = tmp_path / "train.zip"
    own.write_bytes(server.body)
    for files in ([own], []):
        with pytest.raises(InputError, match=r"cannot be .*; .* name (another|a) folder"):
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


def test_feature_weights_are_fetched_once(server, squeezenet, capsys):
    for _ in range(2):
        assert main(["download", "features"]) == 0
        assert "squeezenet1_1: its weights are here" in capsys.readouterr().out
    assert server.asked == [squeezenet.name]
    assert squeezenet.read_bytes() == server.body


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
            assert part.url.startswith("https://") and part.name.endswith(".zip")
