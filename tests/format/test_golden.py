"""The golden folder of format 1 is read by the current code, and holds what it has always held.

The numbers stand in the files: a change here means that a reader changed, or that the format did. The relations
between files (moments of activations, ranks of values, shares of counts) hold for every run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import otoscope
from otoscope.audio.read import read
from otoscope.cli.main import run as call
from otoscope.data.reopen import reopen
from otoscope.errors import FormatError, StageError
from otoscope.models.weights import hash_weights
from otoscope.store import manifest
from otoscope.store.run import Run, open_run, read_stage

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def pooled() -> Run:
    return open_run(GOLDEN / "pooled")


@pytest.fixture(scope="module")
def topk() -> Run:
    return open_run(GOLDEN / "topk")


def test_it_is_small_and_names_no_machine() -> None:
    files = [path for path in GOLDEN.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    for path in files:
        if path.suffix in {".json", ".jsonl", ".csv"}:
            assert "/tmp" not in path.read_text() and "/home" not in path.read_text()


def test_run_json(pooled: Run) -> None:
    assert pooled.manifest["format_version"] == 1
    assert pooled.manifest["model"]["classes"] == ["clicks", "rain", "siren"]
    assert pooled.manifest["data"]["source"] == {"kind": "files", "root": {"path": "../sounds"}}
    layers = [(one.name, one.n_neurons, one.first_neuron, one.pooling) for one in pooled.layers]
    assert layers == [("blocks.0", 2, 0, "mean"), ("logits", 3, 2, "mean")]
    geometry = pooled.layer("blocks.0").geometry
    assert geometry is not None
    assert (geometry["axes"], geometry["n_frequency"], geometry["n_time"]) == ("BCFT", 8, 13)
    assert (geometry["stride_s"], geometry["offset_s"]) == (0.04, 0.01)


def test_clips(pooled: Run) -> None:
    clips = pooled.clips()
    assert clips.height == 14 and clips["row"].to_list() == list(range(14))
    assert clips["id"][12] == "siren/0.flac#100-300" and clips["path"][12] == "siren/0.flac"
    assert clips["duration_s"][0] == 0.5 and abs(clips["duration_s"][12] - 0.2) < 1e-9
    assert clips["group"][0] == clips["group"][12] == "source 0"
    assert clips["fold"].to_list()[:6] == [1, 1, 1, 2, 2, 2] and clips["split"].null_count() == 14
    failed = clips.filter(pl.col("status") == "failed")
    assert failed["id"].to_list() == ["rain/broken.flac"]
    assert failed["reason"][0].startswith("decode: ") and "not a sound" in failed["reason"][0]
    assert failed["duration_s"][0] is None and failed["sample_rate"][0] is None
    assert pooled.usable_rows().tolist() == list(range(13))


def test_neurons_follow_from_activations(pooled: Run) -> None:
    neurons, rows = pooled.neurons(), pooled.usable_rows()
    assert neurons["neuron"].to_list() == [0, 1, 2, 3, 4]
    assert neurons["layer"].to_list() == ["blocks.0"] * 2 + ["logits"] * 3
    values = np.concatenate([pooled.activations(one.name, rows=rows) for one in pooled.layers], axis=1)
    exact = values.astype(np.float64)
    centred = exact - exact.mean(0)
    for name, wanted in {
        "n_clips": np.full(5, 13),
        "mean": exact.mean(0),
        "std": exact.std(0),
        "skewness": (centred**3).mean(0) / exact.std(0) ** 3,
        "kurtosis": (centred**4).mean(0) / exact.std(0) ** 4 - 3,
        "min": exact.min(0),
        "max": exact.max(0),
        "signed": exact.min(0) < 0,
        "dead": exact.std(0) == 0,
    }.items():
        np.testing.assert_allclose(neurons[name].to_numpy(), wanted, rtol=1e-6, err_msg=name)


def test_activations_hold_what_they_held(pooled: Run) -> None:
    logits = pooled.activations("logits")
    assert logits.shape == (14, 3) and logits.dtype == np.float32
    np.testing.assert_allclose(logits[0], [0.05116312, 0.09191928, -0.01259727], rtol=1e-6)
    assert np.isnan(logits[13]).all() and np.isfinite(logits[:13]).all()
    np.testing.assert_array_equal(pooled.activations("logits", slice(1, 2), rows=[3])[0, 0], logits[3, 1])


def test_counts_give_the_share_of_positive_positions(pooled: Run) -> None:
    counts, positions = pooled.counts("blocks.0"), pooled.positions("blocks.0")
    assert counts.shape == (14, 2) and counts.dtype == np.uint32
    assert counts[0].tolist() == [65, 49] and positions[0] == 8 * 13  # frequency rows x frames
    assert counts[13].tolist() == [0, 0] and positions[13] == 0
    assert positions[12] < positions[0]  # the padding of a shorter clip does not count
    shares = pooled.neurons().filter(layer="blocks.0")["share_positive"].to_numpy()
    np.testing.assert_allclose(shares, counts.sum(0) / positions.sum(), rtol=1e-9)
    assert pooled.positions("logits")[:13].tolist() == [1] * 13


@pytest.mark.parametrize("layer", ["blocks.0", "logits"])
def test_evidence_ranks_the_activations(pooled: Run, layer: str) -> None:
    found, values = pooled.evidence(layer), pooled.activations(layer)
    for prefix, sign in (("top", -1), ("bottom", 1)):
        rows = found[f"{prefix}_rows"]
        assert rows.dtype == np.int64 and rows.shape == (values.shape[1], 3)
        for neuron in range(values.shape[1]):
            order = np.argsort(sign * values[:13, neuron], kind="stable")[:3]
            np.testing.assert_array_equal(rows[neuron], order)
            np.testing.assert_array_equal(found[f"{prefix}_values"][neuron], values[order, neuron])
        assert found[f"{prefix}_traces"].dtype == np.float16
        if found[f"{prefix}_traces"].shape[2] > 1:  # a single position stands for the whole input
            assert (found[f"{prefix}_peak_s"] <= found[f"{prefix}_span_s"]).all()
    np.testing.assert_array_equal(found["histogram"].sum(1), 13)
    np.testing.assert_allclose(found["histogram_edges"][:, 0], np.nanmin(values, 0), rtol=1e-6)
    np.testing.assert_allclose(found["histogram_edges"][:, -1], np.nanmax(values, 0), rtol=1e-6)


def test_peaks_lie_where_traces_are_highest(pooled: Run) -> None:
    found = pooled.evidence("blocks.0")
    traces, spans = found["top_traces"].astype(np.float32), found["top_span_s"]
    points = traces.shape[2]
    place = (found["top_peak_s"] / spans * points).astype(int).clip(0, points - 1)
    near = np.take_along_axis(traces, np.stack([place - 1, place, place + 1], -1).clip(0, points - 1), 2)
    np.testing.assert_allclose(near.max(2), traces.max(2), rtol=1e-3)
    assert np.isin(found["top_peak_hz"].round(3), np.round(_frequencies(pooled), 3).astype(np.float32)).all()
    assert np.isnan(pooled.evidence("logits")["top_peak_hz"]).all()


def _frequencies(run: Run) -> np.ndarray:
    geometry = run.layer("blocks.0").geometry
    assert geometry is not None
    return np.array(geometry["frequency_hz"], dtype=np.float32)


def test_evidence_sounds_are_played_once_each(pooled: Run, topk: Run) -> None:
    ranked = {int(row) for one in pooled.layers for row in _rows(pooled, one.name)}
    assert {int(path.stem) for path in (pooled.root / "evidence" / "clips").glob("*.mp3")} == ranked
    waveform, rate = read(pooled.root / "evidence" / "clips" / f"{min(ranked)}.mp3")
    assert rate == 24_000 and waveform.shape == (1, 12_000)  # MP3's rate that holds 16 kHz
    assert len(list((topk.root / "evidence" / "clips").iterdir())) == 2  # evidence_clips


def _rows(run: Run, layer: str) -> np.ndarray:
    found = run.evidence(layer)
    return np.concatenate([found["top_rows"].ravel(), found["bottom_rows"].ravel()])


def test_topk_keeps_ranks_and_fixed_bins_only(topk: Run) -> None:
    with pytest.raises(StageError, match="was not recorded"):
        topk.activations("blocks.3")
    with pytest.raises(StageError, match="was not recorded"):
        topk.counts("blocks.3")
    assert topk.neurons()["share_positive"].is_nan().all()
    found = topk.evidence("blocks.3")
    assert found["top_rows"].shape == (16, 3)
    np.testing.assert_array_equal(found["histogram"].sum(1), 13)
    edges = found["histogram_edges"][0]
    assert np.isneginf(edges[0]) and np.isposinf(edges[-1]) and 1.0 in edges and 2.0**-10 in edges


def test_captions(pooled: Run) -> None:
    name, labels = pooled.table("captions", "labels")
    assert name == "labels-8169f3c6" and labels["text"].to_list()[:3] == ["siren", "rain", "clicks"]
    _, acoustic = pooled.table("captions", "acoustic")
    assert acoustic["status"].to_list() == ["ok"] * 13 + ["failed"]
    assert acoustic["text"][13] is None and "not a sound" in acoustic["reason"][13]
    assert acoustic["duration_s"][0] == 0.5 and acoustic["level_rms_dbfs"][13] is None
    marker = read_stage(pooled, f"caption-{name}")
    assert marker is not None and marker["notes"]["circular"] is True


def test_descriptions(pooled: Run) -> None:
    name, table = pooled.table("descriptions")
    marker = read_stage(pooled, "describe")
    assert marker is not None and marker["config"]["name"] == name
    assert table["neuron"].to_list() == [0, 1, 2, 3, 4, 4]
    assert table["pole"].to_list() == ["high"] * 5 + ["low"]  # neuron 4 is the signed one
    assert table["concept"].null_count() == 0
    for row in table.iter_rows(named=True):
        assert row["top_concepts"][0] == row["concept"] and len(row["top_concepts"]) == 5
        assert row["heldout_low"] <= row["heldout_pearson"] <= row["heldout_high"]
        assert 0 < row["p"] <= row["q"] <= 1
    assert set(table["n_describe"]) == {7} and set(table["n_score"]) == {6}
    assert set(table["flags"]) == {"circular-scorer"}


def test_events(pooled: Run) -> None:
    events = pl.read_parquet(pooled.root / "events.parquet")
    assert events.columns == ["row", "onset_s", "offset_s", "label"]
    assert events.filter(row=2).height == 12 and set(events.filter(row=2)["label"]) == {"clicks"}


def test_the_sounds_are_found_again_where_the_folder_is_now(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "moved")
    clips = reopen(open_run(tmp_path / "moved" / "pooled"))
    waveform, rate = clips.source.read(clips.record(12))
    assert rate == 16_000 and waveform.shape == (1, 3_200)
    assert clips.content_hash() == open_run(GOLDEN / "pooled").manifest["data"]["hash"]
    assert clips.group_declared and clips.label_set().classes == ("clicks", "rain", "siren")


def test_the_model_is_read_and_is_the_one_recorded(pooled: Run) -> None:
    model = otoscope.open_model(str(GOLDEN / "model"))
    assert hash_weights(model) == pooled.manifest["model"]["weights_hash"]
    assert model.classes == ("clicks", "rain", "siren") and model.sample_rate == 16_000
    account = manifest.read(GOLDEN / "model" / "training.json")
    assert account["parts"]["test"] == 3 and account["best_epoch"] == 1


@pytest.mark.parametrize("name", ["pooled", "topk"])
def test_a_report_and_an_export_of_an_older_run(name: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / name, tmp_path / name)
    assert call(["report", str(tmp_path / name), "--quiet"]) == 0
    assert (tmp_path / name / "report.html").stat().st_size > 10_000
    assert (
        call(["export", str(tmp_path / name), "--to", "csv", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    )
    assert pl.read_csv(tmp_path / "out" / "neurons.csv").height == open_run(GOLDEN / name).neurons().height


@pytest.mark.parametrize(
    "arguments",
    [["report"], ["describe"], ["caption"], ["export", "--out", "tables"], ["study", "planted"]],
    ids=lambda arguments: arguments[0],
)
def test_a_newer_run_is_refused_and_left_alone(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(GOLDEN / "pooled", tmp_path / "run")
    content = manifest.read(tmp_path / "run" / "run.json")
    manifest.write(tmp_path / "run" / "run.json", {**content, "format_version": 2})
    before = _files(tmp_path)
    name = 2 if arguments[0] == "study" else 1
    assert call([*arguments[:name], str(tmp_path / "run"), *arguments[name:]]) == 1
    said = capsys.readouterr().err
    assert "is a run of format 2" in said and "update Otoscope" in said and "Traceback" not in said
    assert _files(tmp_path) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_newer_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(GOLDEN / "model", tmp_path / "model")
    content = manifest.read(tmp_path / "model" / "model.json")
    manifest.write(tmp_path / "model" / "model.json", {**content, "format_version": 2})
    with pytest.raises(FormatError, match=r"is a model of format 2.*update Otoscope"):
        otoscope.open_model(str(tmp_path / "model"))
    assert call(["layers", str(tmp_path / "model")]) == 1
    assert "is a model of format 2" in capsys.readouterr().err


@pytest.mark.parametrize("version", [None, 0, "1", 1.5])
def test_a_run_without_a_version_is_refused(tmp_path: Path, version: object) -> None:
    manifest.write(tmp_path / "run.json", {"format_version": version} if version is not None else {})
    with pytest.raises(FormatError, match="names no format version"):
        open_run(tmp_path)
