"""Measures of filled clips, and the benchmark's clips with their exact flow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import video
import video_clips

from labkit.evaluation.metrics import PERFECT
from labkit.video.measures import flicker, score, warping_error


def test_a_perfect_fill_scores_perfectly() -> None:
    truth, flows = video_clips.photographed("chelsea", 3, np.random.default_rng(0))
    masks = video_clips.holes(3, False, np.random.default_rng(0))
    found = score(truth, truth, masks, flows)
    assert found["psnr"] == PERFECT
    assert found["ssim"] == 1.0
    assert found["flicker"] == 0.0
    assert 0.0 < found["warping_inside"] < 1.0  # interpolation alone


def test_a_moved_camera_has_the_flow_that_is_said() -> None:
    rng = np.random.default_rng(3)
    for name in ("astronaut", "coffee"):
        frames, flows = video_clips.photographed(name, 3, rng)
        everywhere = np.ones(frames.shape[:3], bool)
        right = warping_error(frames, flows, everywhere)
        assert right < 1.5
        assert right < 0.4 * warping_error(frames, np.zeros_like(flows), everywhere)
        assert np.linalg.norm(flows, axis=-1).max() > 1


def test_a_turning_face_has_the_flow_that_is_said() -> None:
    frames, flows = video_clips.rendered(5, 5, np.random.default_rng(1))
    known = np.isfinite(flows).all(axis=-1)
    assert known.mean() > 0.2
    everywhere = np.ones(frames.shape[:3], bool)
    right = warping_error(frames, flows, everywhere)
    still = np.where(known[..., None], np.float32(0), np.float32(np.nan))
    assert right < 1.5
    assert right < 0.6 * warping_error(frames, still, everywhere)


def test_what_has_no_flow_is_not_measured() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    flows = np.full((1, 8, 8, 2), np.nan, np.float32)
    everywhere = np.ones((2, 8, 8), bool)
    assert np.isnan(warping_error(frames, flows, everywhere))
    flows[0, 3, 4] = 0
    expected = np.abs(frames[0, 3, 4].astype(int) - frames[1, 3, 4]).mean() / 2.55
    assert warping_error(frames, flows, everywhere) == pytest.approx(expected)
    assert np.isnan(flicker(frames, frames, ~everywhere))


def test_the_benchmark_writes_its_rows(tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "video.json"
    monkeypatch.setattr(sys, "argv", ["video.py", "--quick", "--output", str(output)])
    monkeypatch.setattr(video, "clips", lambda: [_short("still"), _short("moving")])
    video.main()
    record = json.loads(output.read_text())
    assert record["command"] == "python benchmarks/video.py --quick"
    assert [row["method"] for row in record["rows"]] == list(record["clips"]["still"])
    carried = record["rows"][-1]
    assert carried["clips"] == 2
    assert carried["psnr"]["low"] <= carried["psnr"]["mean"] <= carried["psnr"]["high"]
    assert record["environment"]["cpu"]


def _short(name: str) -> video_clips.Known:
    rng = np.random.default_rng(0)
    truth, flows = video_clips.photographed("chelsea", 2, rng)
    return video_clips.Known(name, truth, video_clips.holes(2, name == "still", rng), flows)
