"""Speech and noise in WHAM!'s layout under real recordings, through the commands that score explanations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.models import cnn, folder
from otoscope.store import tables

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def wham(tmp_path_factory) -> Path:
    """Return a folder in WHAM!'s layout: stereo noises of tr, cv and tt at 16 kHz, some shorter than a clip."""
    root = tmp_path_factory.mktemp("wham") / "wham_noise"
    rng = np.random.default_rng(0)
    for part, seconds in (("tr", 6.0), ("tr", 0.4), ("cv", 1.0), ("tt", 1.0)):
        (root / part).mkdir(parents=True, exist_ok=True)
        noise = 0.1 * rng.standard_normal((round(16000 * seconds), 2))
        soundfile.write(root / part / f"{seconds:g}.wav", noise.astype(np.float32), 16000)
    return root


@pytest.fixture(scope="module")
def esc10(test_data) -> str:
    return f"esc50:{test_data / 'esc10'}"


@pytest.fixture(scope="module")
def model(esc10, tmp_path_factory) -> str:
    where = tmp_path_factory.mktemp("model")
    folder.save(cnn.build(open_data(esc10).label_set().classes, width=4, n_mels=32, clip_s=5.0), where)
    return str(where)


@pytest.fixture(params=["speech", "noise"])
def contaminant(request, test_data, wham) -> tuple[str, str, float]:
    """Return kind, DATA and SNR, as the recipes have them."""
    speech = ("speech", f"fsdd:{test_data / 'fsdd'}", 12.04)
    return speech if request.param == "speech" else ("noise", f"folder:{wham / 'tr'}", 0.0)


def test_explanations_are_scored_under_it(contaminant, esc10, model, tmp_path) -> None:
    kind, drawn, snr = contaminant
    asked = (
        f"score-explanations {model} --data {esc10} --folds 5 --limit 4 --method amt --target label --quiet"
    )
    added = f"--contamination {kind} --contaminants {drawn} --snr {snr} --out {tmp_path}"
    few = "--set controls=all-pass --set curves=false --set sanity_clips=0"
    assert call(f"{asked} {added} {few}".split()) == 0
    about, table = (
        json.loads((tmp_path / "scores.json").read_text()),
        tables.read(tmp_path / "scores.parquet"),
    )
    assert about["n_clips"] == 4 and about["parts_known"] and about["contamination"]["kind"] == kind
    assert set(table["added"]) <= set(open_data(drawn).table["id"]) and table["added"].n_unique() > 1
    everything = table.filter(control="all-pass")["target_share"].to_numpy()
    share = 1 / (
        1 + 10 ** (-snr / 10)
    )  # of the energy of two sounds that have nothing to do with one another
    assert everything == pytest.approx(np.full(4, share), abs=0.03)


def test_the_recipes_tables_are_made_under_it(contaminant, esc10, model, tmp_path) -> None:
    kind, drawn, snr = contaminant
    settings = {
        "contamination": kind,
        "contaminants": drawn,
        "snr_db": snr,
        "methods": "amt",
        "controls": "loudest",
        "curves": "false",
        "clips": 2,
        "located": 0,
        "replicates": 10,
    }
    words = " ".join(f"--set {name}={value}" for name, value in settings.items())
    asked = f"reproduce posthoc --model {model} --data {esc10} --out {tmp_path} --quiet"
    assert call(f"{asked} {words}".split()) == 0
    page = (tmp_path / "reproduction.md").read_text()
    assert f"--contamination {kind} --snr {snr:g} --contaminants {drawn}" in page
    assert f"2 clips of folds 5, each with {kind} under it at {snr:g} dB" in page
    table = tables.read(tmp_path / "table-contaminated.parquet").filter(pl.col("reason").is_null())
    assert table["row"].to_list() == ["amt_cnn"] and "target_share" in table.columns
