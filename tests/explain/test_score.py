"""The table of scores: hand checks, controls that must be exact, absent controls, intervals, curves, randomisation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, REMOVALS
from otoscope.explain.curve import SHARES, insertion_deletion, ranks
from otoscope.explain.explanation import Explanation, explainer
from otoscope.explain.hearing import Reentry, outputs, phase_of
from otoscope.explain.lending import donors
from otoscope.explain.listen import listen
from otoscope.explain.randomise import cascade, rank_correlation
from otoscope.explain.score import MEASURES, OF_MASK, ScoreConfig, score
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.summary import summarise
from otoscope.metrics import faithfulness


@pytest.fixture(scope="module")
def clips() -> Sounds:
    rng = np.random.default_rng(0)
    tones = np.sin(2 * np.pi * np.array([300, 1000, 4000, 6000])[:, None] * np.arange(16000) / 16000)
    waveforms = (0.3 * tones + 0.02 * rng.standard_normal((4, 16000))).astype(np.float32)
    return Sounds(waveforms[:, None], ["a", "a", "b", "c"])


@pytest.fixture(scope="module")
def table(model, clips) -> pl.DataFrame:
    return score(model, clips, {"amt": explainer("amt"), "cam": explainer("grad-cam")})


def test_one_row_per_clip_method_control_and_removal(table) -> None:
    assert table.height == 4 * 2 * (1 + len(CONTROLS)) * len(REMOVALS)
    assert table.select("clip", "method", "control", "removal").is_unique().all()
    assert set(table.columns) == {"clip", "target", "method", "control", "removal", *MEASURES, *OF_MASK}


def test_all_pass_loses_nothing_under_any_removal(table) -> None:
    rows = table.filter(pl.col("control") == "all-pass")
    assert (
        rows["average_drop"].max() < 1e-2
        and rows["average_increase"].max() == 0
        and rows["input_fidelity"].min() == 1
    )
    assert rows["mask_size"].min() == 1 and rows["energy_share"].to_numpy() == pytest.approx(1)


def test_a_score_is_what_one_hears(table, model, clips) -> None:
    waveform = torch.from_numpy(clips.waveforms[2:3])
    with torch.no_grad():
        p = faithfulness.softmax(outputs(model, waveform).numpy())
        found = explainer("amt")(model, waveform)
        heard = listen(found, waveform)
        p_in, p_out = (
            faithfulness.softmax(outputs(model, x).numpy()) for x in (heard.explanation, heard.remainder)
        )
    expected = faithfulness.evaluate(p, p_in, p_out)
    row = table.filter(pl.col("control").is_null(), clip=2, method="amt", removal="zero")
    for name, values in expected.items():
        assert row[name][0] == pytest.approx(float(values[0]), abs=1e-3)


def test_random_controls_have_the_masks_size_and_energy(table) -> None:
    own = table.filter(pl.col("control").is_null(), removal="zero").sort("method", "clip")
    matched = table.filter(control="random-matched", removal="zero").sort("method", "clip")
    assert matched["mask_size"].to_numpy() == pytest.approx(own["mask_size"].to_numpy())
    assert np.median(np.abs(matched["energy_share"] - own["energy_share"])) < 0.05


def test_a_control_that_does_not_exist_is_null_and_counted(model, clips) -> None:
    alone = Sounds(clips.waveforms[:1], ["a"])
    found = score(model, alone, {"amt": explainer("amt")}, ScoreConfig(removals=("zero", "background")))
    assert found.filter(control="other-same")["faithfulness"].null_count() == 2
    assert found.filter(removal="background")["faithfulness"].is_nan().sum() + 2 == 1 + len(CONTROLS)
    summary = summarise(found, alone.groups, replicates=20)
    dropped = summary.filter(control="other-same", removal="zero", measure="faithfulness")
    assert dropped["n_dropped"][0] == 1 and np.isnan(dropped["mean"][0])


def test_the_same_seed_gives_the_same_table(model, clips, table) -> None:
    again = score(model, clips, {"cam": explainer("grad-cam")})
    assert again.equals(table.filter(method="cam"), null_equal=True)


def test_silence_scores(model) -> None:
    silent = Sounds(np.zeros((2, 1, 16000), np.float32), ["a", "b"])
    found = score(model, silent, {"amt": explainer("amt")})
    zero = found.filter(pl.col("control").is_null(), removal="zero")
    assert np.abs(zero["faithfulness"].to_numpy()).max() < 1e-6 and zero["energy_share"].is_nan().all()


def test_summary_by_hand(table, clips) -> None:
    summary = summarise(table, clips.groups, replicates=200)
    cell = {"method": "amt", "removal": "noise-floor", "measure": "faithfulness"}
    own = table.filter(pl.col("control").is_null(), method="amt", removal="noise-floor").sort("clip")
    rolled = table.filter(method="amt", control="rolled", removal="noise-floor").sort("clip")
    row = summary.filter(control="rolled", **cell)
    assert row["mean"][0] == pytest.approx(rolled["faithfulness"].mean())
    gaps = (own["faithfulness"] - rolled["faithfulness"]).to_numpy()
    assert row["difference"][0] == pytest.approx(gaps.mean())
    assert row["difference_low"][0] <= gaps.mean() <= row["difference_high"][0]
    assert summary.filter(pl.col("control").is_null(), **cell)["difference"][0] is None
    assert summary["n"].max() == 4


def test_donors_are_of_other_groups() -> None:
    pairs = donors(np.array([0, 0, 1, 0]), ["a", "a", "b", "c"], 0)
    assert pairs[0].tolist() == [3, 2] and pairs[1].tolist() == [3, 2]
    assert pairs[2][0] == -1 and pairs[2][1] in (0, 1, 3) and pairs[3][0] in (0, 1)


def test_by_magnitude_equals_the_front_end(model, clips) -> None:
    waveform, on = torch.from_numpy(clips.waveforms), Spectrogram.of(model)
    spectrum = on.spectrum(waveform.mean(1))
    with torch.no_grad():
        direct = Reentry(model, on, "magnitude", 16000).output(spectrum.abs(), phase_of(spectrum))
        by_sound = Reentry(model, on, "sound", 16000).output(spectrum.abs(), phase_of(spectrum))
        whole = outputs(model, waveform)
    assert torch.allclose(direct, whole, atol=1e-5) and torch.allclose(by_sound, whole, atol=1e-3)


def test_scoring_by_magnitude(model, clips) -> None:
    how = ScoreConfig(entry="magnitude", removals=("zero",), controls=("all-pass",))
    found = score(model, clips, {"amt": explainer("amt")}, how)
    assert found.filter(control="all-pass")["average_drop"].max() < 1e-3


def test_any_length_is_heard_in_windows(model) -> None:
    sound = 0.1 * torch.randn(1, 1, 40000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = outputs(model, sound)
        starts, keep = (0, 8000, 16000, 24000), (12000, 8000, 8000, 12000)
        expected = sum(model(sound[..., a : a + 16000]) * k for a, k in zip(starts, keep)) / 40000
    assert torch.allclose(found, expected, atol=1e-5)


class TestCurves:
    """Insertion and deletion through a network."""

    def test_ends_are_silence_and_the_whole(self, model, clips) -> None:
        waveform = torch.from_numpy(clips.waveforms)
        found = explainer("grad-cam")(model, waveform)
        areas, curves = insertion_deletion(model, waveform, found)
        with torch.no_grad():
            p = faithfulness.softmax(outputs(model, waveform).numpy())
            target = p.argmax(1)
            silent = faithfulness.softmax(outputs(model, 0 * waveform).numpy())
        every = np.arange(4)
        assert curves.shape == (2, 4, len(SHARES))
        assert curves[0, :, -1] == pytest.approx(p[every, target], abs=1e-4)
        assert curves[0, :, 0] == pytest.approx(silent[every, target], abs=1e-5)
        assert np.allclose(curves[1][:, [0, -1]], curves[0][:, [-1, 0]], atol=1e-5)
        assert areas["area_difference"] == pytest.approx(areas["insertion_area"] - areas["deletion_area"])

    def test_ranks_by_hand(self) -> None:
        assert ranks(torch.tensor([[[3.0, 9.0], [1.0, 3.0]]])).tolist() == [[[0.25, 0.0], [0.75, 0.5]]]

    def test_a_function_is_no_class(self, model, clips) -> None:
        waveform = torch.from_numpy(clips.waveforms)
        with pytest.raises(InputError, match="name a class"):
            insertion_deletion(
                model, waveform, explainer("amt")(model, waveform), lambda output: output[:, 0]
            )


class TestRandomisation:
    """The explanation changes when weights do."""

    def test_cascade_forgets_and_leaves_the_network_alone(self, model, clips) -> None:
        before = {key: value.clone() for key, value in model.state_dict().items()}
        waveform = torch.from_numpy(clips.waveforms)
        found = cascade(explainer("saliency"), model, waveform)
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert next(iter(found)) == "head" and list(found)[-1] == "blocks.0.conv"
        assert np.mean(found["blocks.0.conv"]) < 0.9
        again = cascade(explainer("saliency"), model, waveform)
        assert all(np.array_equal(found[name], again[name]) for name in found)

    def test_a_method_that_draws_the_sound_is_caught(self, model, clips) -> None:
        def louder(network, waveform, target=None):
            on = Spectrogram.of(network)
            magnitude = on.spectrum(waveform.mean(1)).abs()
            return Explanation(magnitude / magnitude.amax(), on)

        found = cascade(louder, model, torch.from_numpy(clips.waveforms))
        assert min(values.min() for values in found.values()) == pytest.approx(1)

    def test_rank_correlation_by_hand(self) -> None:
        one = torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]]])
        other = torch.tensor([[[9.0, 5.0, 1.0]], [[1.0, 2.0, 3.0]]])
        found = rank_correlation(one, other)
        assert found[0] == pytest.approx(-1) and np.isnan(found[1])


def test_errors(model, clips) -> None:
    with pytest.raises(UnknownNameError, match="unknown control 'randm'"):
        ScoreConfig(controls=("randm",))
    with pytest.raises(UnknownNameError, match="unknown removal 'mean'"):
        ScoreConfig(removals=("mean",))
    with pytest.raises(InputError, match="carries no phase"):
        ScoreConfig(entry="magnitude")
    with pytest.raises(InputError, match="at least one removal"):
        ScoreConfig(removals=())
    with pytest.raises(InputError, match="at least one explainer"):
        score(model, clips, {})
    with pytest.raises(InputError, match="a group a clip"):
        Sounds(clips.waveforms, ["a"])
