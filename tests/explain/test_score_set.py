"""Scoring a set: contamination with known parts, known onsets, several targets, fidelity over classes, overlaps."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.contaminate import Contaminator
from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.explain.explanation import Explanation, explainer
from otoscope.explain.fidelity import auprc_fidelity, head_fidelity
from otoscope.explain.mixed import OTHER, contaminated
from otoscope.explain.overlap import PUBLISHED, OverlapConfig, overlap
from otoscope.explain.score import ScoreConfig, score
from otoscope.explain.score_set import ScoreSetConfig, score_explanations
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.stage import explain
from otoscope.explain.summary import summarise
from otoscope.metrics import label_fidelity
from otoscope.models import cnn
from otoscope.models.audio_model import AudioModel
from otoscope.report.explained.scores import score_tables
from otoscope.store.run import open_run


class Half:
    """Keeps every bin of the first half of the clip, whatever is explained."""

    def __call__(self, model: AudioModel, waveform: torch.Tensor, target=None) -> Explanation:
        on = Spectrogram.of(model)
        mask = torch.zeros(len(waveform), on.settings.n_frequencies, on.n_frames(waveform.shape[-1]))
        mask[..., : mask.shape[2] // 2] = 1
        return Explanation(mask, on)

    def copied(self, model: AudioModel, waveform: torch.Tensor) -> torch.Tensor:
        """Return the network's own output: a perfect copy."""
        return model(waveform)


@pytest.fixture(scope="module")
def clips():
    return open_data("sounds:?n=8&kinds=rain,siren&duration_s=1")


@pytest.fixture(scope="module")
def network():
    return cnn.build(("rain", "siren"), width=4, clip_s=1.0, n_mels=32).eval()


def halves() -> Sounds:
    """Return two clips: a tone in the first half and noise in the second, and the other way round."""
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 900 * np.arange(16000) / 16000)
    noise = 0.2 * rng.standard_normal(16000)
    early, late = np.arange(16000) < 8000, np.arange(16000) >= 8000
    parts = [
        {"siren": (tone * one)[None].astype(np.float32), "rain": (noise * other)[None].astype(np.float32)}
        for one, other in ((early, late), (late, early))
    ]
    waves = np.stack([sum(one.values()) for one in parts])
    events = (((0.0, 0.5, "siren"), (0.5, 1.0, "rain")), ((0.5, 1.0, "siren"), (0.0, 0.5, "rain")))
    return Sounds(waves, ["a", "b"], events=events, parts=tuple(parts))


def test_where_the_truth_is_known_it_is_measured(network) -> None:
    how = ScoreConfig(target="siren", controls=("all-pass",), removals=("zero",))
    table = score(network, halves(), {"half": Half()}, how).filter(pl.col("control").is_null()).sort("clip")
    assert table["target_share"].to_numpy() == pytest.approx([1, 0], abs=0.02)
    assert table["localisation_auroc"].to_numpy() == pytest.approx([1, 0], abs=0.02)
    assert table["energy_in_events"].to_numpy() == pytest.approx([1, 0], abs=0.02)
    assert table["target_kept"][0] == pytest.approx(1, abs=0.05)  # frames at the border are shared


def test_each_class_above_a_level_is_a_case_of_its_clip(network) -> None:
    how = ScoreConfig(
        target="all-above:0.0", activation="sigmoid", controls=("random-size",), removals=("zero",)
    )
    table = score(network, halves(), {"half": Half()}, how)
    own = table.filter(pl.col("control").is_null()).sort("clip", "target")
    assert list(zip(own["clip"], own["target"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    summary = summarise(table, ["a", "b"], replicates=20)
    row = summary.filter(pl.col("control").is_null(), measure="mask_size").row(0, named=True)
    assert row["n"] == 4 and row["low"] == row["high"] == pytest.approx(row["mean"])


def test_curves_stand_beside_controls_that_rank(network) -> None:
    how = ScoreConfig(
        controls=("loudest", "all-pass"), removals=("zero",), curves=True, shares=(0.0, 0.5, 1.0)
    )
    table = score(network, halves(), {"saliency": explainer("saliency")}, how)
    assert table.filter(control="all-pass")["insertion_area"].null_count() == 2
    rest = table.filter(pl.col("control").fill_null("") != "all-pass")
    assert rest["area_difference"].to_numpy() == pytest.approx(
        (rest["insertion_area"] - rest["deletion_area"]).to_numpy()
    )


def test_contaminated_clips_know_their_parts_and_are_the_same_again(network, clips) -> None:
    sounds = Sounds.of(clips, network)
    add = Contaminator("clip", 16000, clips, seed=3)
    dirty, added = contaminated(sounds, clips, add, 6.0)
    again, _ = contaminated(sounds, clips, add, 6.0)
    assert np.array_equal(dirty.waveforms, again.waveforms) and dirty.parts is not None
    for place, parts in enumerate(dirty.parts):
        (own,) = dirty.labels[place]
        (other,) = set(parts) - {own}
        assert np.allclose(parts[own] + parts[other], dirty.waveforms[place], atol=1e-6)
        ratio = 10 * np.log10(np.square(parts[own]).sum() / np.square(parts[other]).sum())
        assert ratio == pytest.approx(6.0, abs=1e-3) and added[place].snr_db == 6.0
    white, _ = contaminated(sounds, clips, Contaminator("white", 16000, seed=3), 0.0)
    assert OTHER in white.parts[0]


def test_a_silent_clip_cannot_be_contaminated_and_is_counted(clips, network) -> None:
    sounds = Sounds.of(clips, network)
    waves = sounds.waveforms.copy()
    waves[1] = 0
    silent = Sounds(waves, sounds.groups, sounds.rows, (), sounds.labels)
    dirty, _ = contaminated(silent, clips, Contaminator("white", 16000), 0.0)
    assert len(dirty) == 7 and [one.row for one in dirty.failures] == [1]
    nothing = Sounds(0 * waves, sounds.groups, sounds.rows, (), sounds.labels)
    with pytest.raises(EmptyDataError, match="none of the 8 clips can be contaminated"):
        contaminated(nothing, clips, Contaminator("white", 16000), 0.0)


def test_a_perfect_head_copies_every_class_and_masks_are_scored_beside_it(network) -> None:
    sounds = halves()
    how = ScoreConfig(activation="sigmoid", removals=("zero",))
    with torch.no_grad():
        p = 1 / (1 + np.exp(-network(torch.from_numpy(sounds.waveforms)).double().numpy()))
    found = auprc_fidelity(network, sounds, {"half": Half()}, how, threshold=float(np.median(p)))
    rows = {row["stand_in"]: row for row in found.iter_rows(named=True)}
    truth = p > np.median(p)
    assert set(rows) == {"explanation", "head", "random-size", "random-matched", "all-pass"}
    expected = label_fidelity.evaluate(truth, p)
    assert rows["head"]["macro_average_precision"] == pytest.approx(expected["macro_average_precision"])
    assert rows["all-pass"]["micro_auprc"] == pytest.approx(expected["micro_auprc"], abs=1e-6)
    assert head_fidelity(Half(), network, sounds, np.log(p), 2)["head_top_1"].tolist() == [1, 1]
    assert head_fidelity(explainer("amt"), network, sounds, p, 2) == {}
    with pytest.raises(EmptyDataError, match="names no class above"):
        auprc_fidelity(network, sounds, {"half": Half()}, how, threshold=1.0)


def test_scores_go_into_a_run_and_onto_its_page(network, clips, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    explain(network, clips, out, {"methods": ("amt",), "controls": ()}, which=[0])
    how = {
        "methods": ("amt",),
        "controls": ("random-size",),
        "curves": False,
        "sanity_clips": 1,
        "replicates": 20,
    }
    found = score_explanations(network, clips, out, how, rows=[0, 1, 2], to="csv")
    assert found.folder.parent == out / "explanation_scores" and (found.folder / "summary.csv").is_file()
    (table,) = score_tables(open_run(out))
    assert [row.control for row in table.groups[0].rows] == [None, "random-size"]
    assert "3 clips of 3 recordings" in table.note
    with pytest.raises(UnknownNameError, match="contamination 'dust'"):
        ScoreSetConfig(contamination="dust")
    with pytest.raises(InputError, match="give contaminants"):
        ScoreSetConfig(contamination="speech")


def test_scoring_on_the_command_line(tmp_path, capsys) -> None:
    data = "sounds:?n=4&duration_s=0.5"
    arguments = [
        "score-explanations",
        "demo:",
        "--data",
        data,
        "--method",
        "amt",
        "--out",
        str(tmp_path / "s"),
    ]
    few = ["--set", "controls=all-pass", "--set", "curves=false", "--set", "sanity_clips=0", "--quiet"]
    assert call([*arguments, *few, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["passes_per_case"] == 4 and not (tmp_path / "s").exists()
    assert call([*arguments, *few, "--contamination", "white", "--snr", "0"]) == 0
    said = capsys.readouterr().out
    assert "4 clips of 4 recordings, 0 left out" in said and "all-pass" in said


def test_both_sounds_of_an_overlap_are_explained(network, clips) -> None:
    config = OverlapConfig(
        methods=("amt",), pairs=3, snrs_db=(-6.0, 6.0), controls=("loudest",), replicates=20
    )
    found = overlap(network, clips, config)
    assert found.table.height == 3 * 2 * 2 * 2
    own = found.table.filter(mask="explanation")
    both = own.group_by("first", "second", "nominal_db").agg(pl.col("input_share").sum())
    assert both["input_share"].to_numpy() == pytest.approx(1)
    louder = own.filter(explained="first").sort("nominal_db")
    shares = 1 / (1 + 10 ** (-louder["nominal_db"].to_numpy() / 10))
    assert louder["input_share"].to_numpy() == pytest.approx(shares, abs=0.05)
    assert set(found.summary["named"].to_list()) <= {"explained", "other", "neither", None}
    with pytest.raises(EmptyDataError, match=r"crying_baby \(1-60997-A-20\) with dog"):
        overlap(network, clips, config.model_copy(update={"published": True}))
    assert len(PUBLISHED) == 4
