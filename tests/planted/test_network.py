"""Planted neurons follow their plan in proportion to their strength; the model keeps the contract of all models."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.audio import read, resample
from otoscope.audio.synthesis import onsets_s, render
from otoscope.models import open_model
from otoscope.models.planted import PlantedNeuron, PlantedOptions, assemble, build, calibration
from otoscope.models.planted.rules import RULES
from otoscope.models.weights import hash_weights

RATE = 16000
SUSTAINED = {"pure_tone", "harmonic_tone", "vowel", "band_noise", "broadband_noise"}
TONES = {"pure_tone", "harmonic_tone", "vowel", "siren", "fm_tone", "am_tone", "alarm"}
NOISES = {"band_noise", "broadband_noise", "am_noise", "rain", "wind"}


def known(rule, spec):
    """Return what the sound's parameters say about the rule, or None where they say nothing."""
    kind, params = spec.kind, spec.params
    centre = {"pure_tone": "pitch_hz", "band_noise": "centre_hz", "am_tone": "carrier_hz"}.get(kind)
    pitch = params.get("pitch_hz") if kind in ("pure_tone", "harmonic_tone", "vowel") else None
    pitch = 0.0 if kind in NOISES else pitch
    rate = params.get("rate_hz") if kind in ("am_tone", "am_noise") else 0.0 if kind in SUSTAINED else None
    onsets = onsets_s(spec) if kind != "silence" else None
    return {
        "low_band": None if centre is None else params[centre] < 300,
        "high_band": None if centre is None else params[centre] > 3500,
        "onset": None if onsets is None else len(onsets) * ("onset_s" in params),
        "slow_modulation": None if rate is None else 1.5 < rate < 6,
        "fast_modulation": None if rate is None else rate > 8,
        "noisy": kind in NOISES if kind in NOISES | TONES else None,
        "tonal": kind in TONES if kind in NOISES | TONES else None,
        "low_pitch": None if pitch is None else 55 < pitch < 220,
        "high_pitch": None if pitch is None else pitch > 1500,
        "loud": spec.level_db if kind in SUSTAINED else None,
        "quiet": kind == "silence" if kind in SUSTAINED | {"silence"} else None,
        "steady": kind in SUSTAINED if kind in SUSTAINED | {"am_tone", "alarm", "birds", "siren"} else None,
    }[rule]


def neuron_of(listening, rule, strength):
    rows = listening.truth.filter((pl.col("kind") == "single") & (pl.col("strength") == strength))
    return rows.filter(pl.col("rules").list.first() == rule)["index"].item()


def correlations(listening, rule):
    """Return the correlation with what the parameters say, by strength 1, 0.6, 0.3."""
    stated = [known(rule, spec) for spec in listening.specs]
    told = np.array([value is not None for value in stated])
    parameter = np.array([float(value) for value in stated if value is not None])
    return [
        np.corrcoef(listening.pooled[told, neuron_of(listening, rule, strength)], parameter)[0, 1]
        for strength in (1.0, 0.6, 0.3)
    ]


@pytest.mark.parametrize("rule", RULES)
def test_full_strength_follows_the_known_parameter_best(listening, rule):
    full, weaker, weakest = correlations(listening, rule)
    assert full > 0.6
    assert full > max(weaker, weakest) + 0.05


def test_strength_orders_the_correlation_with_the_known_parameters(listening):
    full, weaker, weakest = np.mean([correlations(listening, rule) for rule in RULES], axis=0)
    assert full > weaker + 0.2 and weaker > weakest + 0.15 and weakest > 0.1


@pytest.mark.parametrize("kind", ["single", "signed", "polysemantic", "conjunctive"])
@pytest.mark.parametrize("strength, low, high", [(1.0, 0.99, 1.0), (0.6, 0.5, 0.76), (0.3, 0.13, 0.5)])
def test_strength_is_the_correlation_with_the_drive(listening, kind, strength, low, high):
    rows = listening.truth.filter((pl.col("kind") == kind) & (pl.col("strength") == strength))["index"]
    found = [np.corrcoef(listening.pooled[:, row], listening.drive[:, row])[0, 1] for row in rows]
    assert len(found) >= 4
    assert min(found) > low and max(found) <= high + 1e-6


def test_drives_are_standardised(listening):
    planted = listening.truth.filter(pl.col("kind") != "distractor")["index"].to_numpy()
    assert np.abs(listening.drive[:, planted].mean(axis=0)).max() < 0.25
    assert np.abs(listening.drive[:, planted].std(axis=0) - 1).max() < 0.25


def test_polysemantic_neurons_follow_both_rules_and_conjunctive_ones_their_product(listening):
    place = {rule: at for at, rule in enumerate(RULES)}
    full = listening.truth.filter(pl.col("strength") == 1.0)
    for row in full.filter(pl.col("kind").is_in(["polysemantic", "conjunctive"])).iter_rows(named=True):
        first, second = (listening.rules[:, place[rule]] for rule in row["rules"])
        response = listening.pooled[:, row["index"]]
        both = (first > np.quantile(first, 0.6)) & (second > np.quantile(second, 0.6))
        neither = (first <= np.median(first)) & (second <= np.median(second))
        if row["kind"] == "polysemantic":
            for one, other in ((first, second), (second, first)):
                alone = (one > np.quantile(one, 0.85)) & (other <= np.median(other))
                assert response[alone].mean() > response[neither].mean() + 0.5
        else:
            assert response[both].mean() > response[~both].mean() + 0.5


def test_only_signed_neurons_go_below_zero(listening):
    lowest = listening.pooled.min(axis=0)
    signed = listening.truth["signed"].to_numpy()
    assert lowest[signed].max() < -0.5
    assert lowest[~signed].min() >= 0.0


def test_signed_neurons_have_their_rules_at_their_poles(listening):
    place = {rule: at for at, rule in enumerate(RULES)}
    rows = listening.truth.filter((pl.col("kind") == "signed") & (pl.col("strength") == 1.0))
    for row in rows.iter_rows(named=True):
        response = listening.pooled[:, row["index"]]
        high, low = (listening.rules[:, place[row[f"{pole}_rules"][0]]] for pole in ("high", "low"))
        assert np.corrcoef(response, high)[0, 1] > 0.5 and np.corrcoef(response, low)[0, 1] < -0.5


def test_noise_distractors_follow_no_rule_but_copy_its_distribution(listening):
    rows = listening.truth.filter(pl.col("rules").list.first() == "noise")["index"].to_numpy()
    audible = np.array([spec.kind != "silence" for spec in listening.specs])  # equal clips have equal noise
    both = np.hstack([listening.pooled[:, rows], listening.rules])[audible]
    correlation = np.abs(np.corrcoef(both.T)[: rows.size, rows.size :])
    assert np.mean(correlation > 1.96 / np.sqrt(audible.sum())) < 0.09
    for row in rows:
        marginal = listening.model.config["neurons"][row]["marginal"]
        if marginal is not None:
            copied = np.quantile(listening.pooled[:, row], np.linspace(0.1, 0.9, 9))
            original = np.quantile(
                listening.pooled[:, neuron_of(listening, marginal, 1.0)], np.linspace(0.1, 0.9, 9)
            )
            assert np.abs(copied - original).mean() < 0.35


def test_calibration_file_is_what_the_sounds_give():
    stored, measured = calibration.read(), calibration.measure(n_sounds=120, seed=5)
    assert stored.rules == tuple(RULES)
    np.testing.assert_allclose(stored.mean, measured.mean, atol=0.04)
    np.testing.assert_allclose(stored.std, measured.std, atol=0.05)
    assert np.abs(stored.correlation - measured.correlation).mean() < 0.08
    assert np.abs(stored.product_mean - measured.product_mean).mean() < 0.02


def test_geometry_and_contract(listening):
    model = listening.model
    assert model.declared_layers == ("neurons",) and not model.has_logits and model.sample_rate == RATE
    geometry = model.geometry("neurons", (4, 107, 201), 2 * RATE)
    assert geometry.axes == "BCT" and geometry.n_time == 201
    assert geometry.times_s()[[0, 100]] == pytest.approx([0.0, 1.0])
    assert model.geometry("neurons.rule", (4, 107, 201), 2 * RATE) == geometry
    assert model.geometry("bank", (4, 12, 201), 2 * RATE) is None


def test_layer_neurons_rule_is_the_neuron_without_noise(listening, listen):
    neurons = [PlantedNeuron("signed", ("loud", "quiet"), strength, signed=True) for strength in (1.0, 0.4)]
    sound = render(listening.specs[0], RATE)[None]
    activation, drive, _ = listen(assemble(neurons), sound)
    np.testing.assert_allclose(activation[0, 0], drive[0, 0], atol=1e-5)
    np.testing.assert_allclose(drive[0, 0], drive[0, 1], atol=1e-5)
    assert np.abs(activation[0, 1] - drive[0, 1]).max() > 0.1


@pytest.mark.real
def test_strength_orders_the_correlation_on_real_recordings_too(listening, listen, test_data):
    paths = sorted((test_data / "esc10").rglob("*.ogg"))[::8]
    found = []
    for path in paths:
        waveform, rate = read.read(path)
        sound = resample.resample(waveform, rate, RATE)[None, :, : 3 * RATE]
        found.append([one.mean(axis=-1)[0] for one in listen(listening.model, sound)[:2]])
    pooled, drive = (np.stack(parts) for parts in zip(*found, strict=True))
    assert np.isfinite(pooled).all()
    mean = {}
    for strength in (1.0, 0.6, 0.3):
        rows = listening.truth.filter(pl.col("strength") == strength)["index"]
        mean[strength] = np.mean([np.corrcoef(pooled[:, row], drive[:, row])[0, 1] for row in rows])
    assert mean[1.0] > 0.98 and 0.2 < mean[0.6] < 0.8 and 0.02 < mean[0.3] < mean[0.6] - 0.1


def test_a_clip_is_heard_alike_alone_and_in_a_batch_and_in_stereo(listening):
    sounds = torch.as_tensor(np.stack([render(spec, RATE) for spec in listening.specs[:5]]))
    with torch.no_grad():
        together = listening.model(sounds)
        alone = torch.cat([listening.model(sound[None]) for sound in sounds])
        stereo = listening.model(sounds.expand(-1, 2, -1))
    torch.testing.assert_close(together, alone, rtol=0, atol=0.02)
    torch.testing.assert_close(together, stereo, rtol=0, atol=0.02)
    np.testing.assert_allclose(together.numpy(), listening.pooled[:5], atol=0.02)


@pytest.mark.parametrize("n_samples", [1, 100, 700, 1025])
def test_very_short_clips_are_heard(listening, n_samples):
    waveform = torch.sin(torch.arange(n_samples) * 0.3)[None, None]
    with torch.no_grad():
        output = listening.model(waveform)
    assert output.shape == (1, len(listening.truth)) and torch.isfinite(output).all()


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_gradients_reach_the_waveform(listening, level):
    noise = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))
    waveform = (level * noise).requires_grad_()
    listening.model(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()
    assert level == 0.0 or waveform.grad.abs().max() > 0


def test_no_tensor_stays_behind_on_another_device():
    model = build(PlantedOptions(strengths=(1.0,), pairs=1, distractors=4, projections=1)).to("meta")
    assert model(torch.zeros(2, 1, RATE, device="meta")).device.type == "meta"


def test_autocast_does_not_change_the_answer(listening):
    sounds = torch.as_tensor(np.stack([render(spec, RATE) for spec in listening.specs[:3]]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        cast = listening.model(sounds)
    np.testing.assert_allclose(cast.float().numpy(), listening.pooled[:3], atol=0.02)


def test_hash_follows_the_seed():
    first, again, other = (hash_weights(open_model(f"planted:seed={seed}")) for seed in (0, 0, 1))
    assert first == again != other


def test_a_list_of_neurons_is_planted_as_given():
    neurons = [
        PlantedNeuron("single", ("onset",), 1.0),
        PlantedNeuron("distractor", ("noise",), 0.0, signed=True),
    ]
    model = assemble(neurons, seed=3)
    assert model(torch.zeros(1, 1, RATE)).shape == (1, 2)
