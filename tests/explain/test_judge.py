"""What masks keep and leave is heard as sound, however many masks and clips are heard at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.explain.curve import areas, insertion_deletion, places_of, ranks
from otoscope.explain.explanation import Explanation, explainer
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import Judge
from otoscope.explain.removal import filling
from otoscope.explain.score import ScoreConfig, cases, explained, heard, lenders, probabilities
from otoscope.explain.score_rows import table_of
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram

WAVES = 0.1 * torch.randn(3, 1, 16000, generator=torch.Generator().manual_seed(2))


def masks(on: Spectrogram, n: int) -> np.ndarray:
    shape = (n, on.settings.n_frequencies, on.n_frames(16000))
    return np.random.default_rng(5).random(shape, np.float32)


@pytest.mark.parametrize("removal", ["zero", "noise-floor"])
@pytest.mark.parametrize("domain", ["linear", "log1p"])
@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_both_sides_are_the_masks_and_the_complements(model, removal, domain, at_once) -> None:
    on = Spectrogram.of(model)
    judge = Judge(model, on, domain, batch_size=at_once)
    spectrum = on.spectrum(WAVES)
    fill = torch.cat([filling(removal, one[None], None, 3) for one in spectrum])
    stack, owners = masks(on, 5), np.array([0, 0, 2, 1, 2])
    kept, left = judge.pairs(spectrum, stack, owners, fill, 16000)
    for place, owner in enumerate(owners):
        one, rest = spectrum[owner][None], fill[owner][None]
        sides = torch.from_numpy(np.stack([stack[place], 1 - stack[place]]))
        direct = judge.heard(one, sides, rest, 16000)  # two resyntheses
        assert kept[place] == pytest.approx(direct[0], abs=1e-5)
        assert left[place] == pytest.approx(direct[1], abs=1e-5)
    assert judge.both(spectrum[:1], stack[:2], fill[:1], 16000)[1] == pytest.approx(left[:2], abs=1e-5)


def test_the_rest_is_what_is_given_less_what_is_kept(model) -> None:
    on = Spectrogram.of(model)
    judge, spectrum = Judge(model, on, "linear"), on.spectrum(WAVES[:1])
    nothing = np.zeros((1, *spectrum.shape[2:]), np.float32)
    _, left = judge.pairs(spectrum, nothing, np.zeros(1, np.int64), 0 * spectrum, 16000, WAVES[1:2])
    assert left[0] == pytest.approx(outputs(model, WAVES[1:2])[0].detach().numpy(), abs=1e-6)


def test_samples_that_no_window_covers_are_not_in_the_rest(model) -> None:
    """The last samples lie behind the last frame: a listener does not hear them, and neither does the network."""
    on = Spectrogram(StftSettings(512, 512, center=False), 16000)
    waves = WAVES[:1].numpy().copy()
    waves[..., -100:] = 5.0
    sounds = Sounds(waves, ["a"])
    how = ScoreConfig(controls=(), removals=("zero",))
    p = probabilities(heard(model, sounds, 4), "softmax")
    chosen = cases(model, p, "predicted", None)

    class Nothing:
        def __call__(self, model, waveform, target=None) -> Explanation:
            return Explanation(torch.zeros(1, on.settings.n_frequencies, on.n_frames(16000)), on)

    found = explained(model, sounds, Nothing(), chosen, 4)
    row = table_of(model, sounds, chosen, lenders(chosen, ["a"], how), "nothing", found, how)
    with torch.no_grad():
        p_out = outputs(model, on.sound(on.spectrum(torch.from_numpy(waves)), 16000)).softmax(1).numpy()
    target = chosen.targets[0]
    assert row["faithfulness"][0] == pytest.approx(float(p[0, target] - p_out[0, target]), abs=1e-6)


def test_cases_heard_together_score_as_they_do_alone(model, monkeypatch) -> None:
    sounds = Sounds(WAVES.numpy(), ["a", "b", "c"])
    how = ScoreConfig(controls=("loudest",), curves=True, batch_size=8)
    chosen = cases(model, probabilities(heard(model, sounds, 4), "softmax"), "predicted", None)
    found = explained(model, sounds, explainer("amt"), chosen, 4, ranking=True)
    given = (model, sounds, chosen, lenders(chosen, sounds.groups, how), "amt", found, how)
    alone = table_of(*given)
    monkeypatch.setattr("otoscope.explain.score_rows._at_once", lambda model, how: 2)
    together = table_of(*given)
    assert alone.columns == together.columns and alone.height == 3 * 2 * 3
    for name in alone.columns:
        if alone[name].dtype.is_float():
            assert alone[name].to_numpy() == pytest.approx(together[name].to_numpy(), abs=1e-5, nan_ok=True)
        else:
            assert alone[name].equals(together[name])


class TestAreas:
    """Insertion and deletion of rankings."""

    def test_they_are_those_of_the_explanation(self, model) -> None:
        on = Spectrogram.of(model)
        relevance = torch.from_numpy(masks(on, 1))
        found = Explanation((relevance > 0.5).float(), on, "log1p", ranking=relevance)
        with torch.no_grad():
            target = int(outputs(model, WAVES[:1]).argmax())
        for removal in ("zero", "noise-floor"):
            expected, _ = insertion_deletion(model, WAVES[:1], found, removal=removal, seed=4)
            ranking = (1 - ranks(relevance)).float().numpy()
            judge = Judge(model, on, "log1p", batch_size=5)
            given = areas(
                judge,
                WAVES[:1],
                np.concatenate([ranking, relevance.numpy()]),
                target,
                removal=removal,
                seed=4,
            )
            for name, values in expected.items():
                assert given[name] == pytest.approx(np.repeat(values, 2), abs=1e-5)

    def test_ends_alone(self, model) -> None:
        on = Spectrogram.of(model)
        found = areas(Judge(model, on, "linear"), WAVES[:1], masks(on, 2), 0, shares=(0.0, 1.0))
        assert found["insertion_area"] == pytest.approx(found["deletion_area"])

    def test_a_ranking_is_not_sorted_again(self) -> None:
        order = np.random.default_rng(1).permutation(12).reshape(3, 4)
        ranking = (1 - order / 12).astype(np.float32)
        assert np.array_equal(places_of(ranking), order / 12)
        tied = np.array([[0.5, 0.5, 1.0, 0.0]], np.float32)
        assert places_of(tied).tolist() == [[0.25, 0.5, 0.0, 0.75]]
