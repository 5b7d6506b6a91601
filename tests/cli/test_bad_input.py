"""A folder of everything that can be wrong with sounds, dissected: what the user sees, and that nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.cli.main import run

RATE = 16_000
HOSTILE = '<script>alert(1)</script> & "x"\'.wav'


def noise(seed: int, seconds: float = 0.5, channels: int = 1, rate: int = RATE) -> np.ndarray:
    return (
        np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * rate), channels)).astype(np.float32)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    sounds = root / "a class"
    sounds.mkdir()
    for i in range(4):
        soundfile.write(sounds / f"good{i}.wav", noise(i), RATE)
    soundfile.write(sounds / "silent.wav", np.zeros((RATE // 2, 1)), RATE)
    soundfile.write(sounds / "one-sample.wav", noise(5)[:1], RATE)
    soundfile.write(sounds / "eight-channels.wav", noise(6, channels=8), RATE)
    soundfile.write(sounds / "192k.wav", noise(7, rate=192_000), 192_000)
    soundfile.write(sounds / HOSTILE.replace("/", "_"), noise(8), RATE)
    soundfile.write(sounds / "zero-length.wav", noise(9)[:0], RATE)
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        wave = noise(10)
        wave[100] = value
        soundfile.write(sounds / f"{name}.wav", wave, RATE, subtype="FLOAT")
    (sounds / "text.wav").write_text("I am not a sound")
    whole = (sounds / "good0.wav").read_bytes()
    (sounds / "corrupt.wav").write_bytes(whole[:20] + b"\xff" * 400)
    (sounds / "dangling.wav").symlink_to(root / "nowhere.wav")
    return root


GOOD = {"good0", "good1", "good2", "good3", "silent", "one-sample", "eight-channels", "192k"}
BAD = {
    "zero-length": "no sample",
    "nan": "NaN",
    "inf": "",
    "text": "text.wav",
    "corrupt": "corrupt.wav",
    "dangling": "",
}


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "run"
    assert (
        run(["dissect", "demo:", "--data", f"folder:{folder}", "--layers", "blocks.0", "--out", str(target)])
        == 0
    )
    return target


def test_every_bad_clip_is_a_counted_failure_with_its_reason_and_every_good_one_is_used(out: Path) -> None:
    clips = pl.read_parquet(out / "clips.parquet")
    by_name = {Path(row["id"]).stem: row for row in clips.iter_rows(named=True)}
    assert clips.height == len(GOOD) + len(BAD) + 1
    for name in GOOD:
        assert by_name[name]["status"] == "ok", (name, by_name[name]["reason"])
    for name, word in BAD.items():
        assert by_name[name]["status"] == "failed"
        assert by_name[name]["reason"].startswith("decode: ")
        assert word in by_name[name]["reason"], by_name[name]["reason"]
    neurons = pl.read_parquet(out / "neurons.parquet")
    assert neurons["n_clips"].unique().to_list() == [len(GOOD) + 1]
    assert neurons["mean"].is_finite().all()


def test_file_names_with_html_are_harmless_on_the_page(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "alert(1)" in page, "the clip is listed, escaped"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_a_failure(folder: Path, tmp_path: Path) -> None:
    locked = folder / "a class" / "good3.wav"
    locked.chmod(0)
    try:
        assert run(["record", "demo:", "--data", f"folder:{folder}", "--out", str(tmp_path / "r")]) == 0
    finally:
        locked.chmod(0o644)
    clips = pl.read_parquet(tmp_path / "r" / "clips.parquet")
    assert "ermission" in clips.filter(pl.col("id").str.contains("good3"))["reason"][0]


def test_duplicate_ids_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "x.wav", noise(1), RATE)
    (tmp_path / "clips.csv").write_text("path,label\nx.wav,a\nx.wav,b\n")
    assert (
        run(["record", "demo:", "--data", f"csv:{tmp_path / 'clips.csv'}", "--out", str(tmp_path / "r")]) == 2
    )
    assert "x.wav" in capsys.readouterr().err


def test_a_run_of_a_newer_version_is_refused(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (out / "run.json").read_text().replace('"format_version": 1', '"format_version": 2')
    (tmp_path / "run.json").write_text(text)
    for command in ("report", "caption", "describe"):
        assert run([command, str(tmp_path)]) == 1
        assert "update Otoscope" in capsys.readouterr().err


def test_nothing_but_damage_says_what_was_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        (tmp_path / f"{i}.wav").write_text("text")
    assert (
        run(["record", "demo:", "--data", f"folder:{tmp_path}?levels=-", "--out", str(tmp_path / "r")]) == 2
    )
    assert "all 3 failed" in capsys.readouterr().err


def test_an_empty_folder_says_what_was_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["record", "demo:", "--data", f"folder:{tmp_path}", "--out", str(tmp_path / "r")]) == 2
    message = capsys.readouterr().err
    assert str(tmp_path) in message and "xpected" in message
