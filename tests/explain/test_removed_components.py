"""What a network loses when components are removed, against the numbers of L2I's authors: masks, sound, drops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.explanation import Explanation
from otoscope.explain.listen import Listening, listen
from otoscope.explain.nmf import unit
from otoscope.explain.spectrogram import Spectrogram
from otoscope.metrics.faithfulness import removal_drops, top_k_fidelity

ON = Spectrogram(StftSettings(1024, 512), 44100)


class Case:
    """The reference's one-second sound, its stand-in for a network, and its components."""

    def __init__(self, given) -> None:
        self.given = given
        self.wave = torch.from_numpy(given["ff/wave"]).double()[None, None]
        self.dictionary = Dictionary(unit(torch.from_numpy(given["ff/W_raw"]).clamp_min(0)), ON)

    def log_mel(self, sound: torch.Tensor) -> np.ndarray:
        librosa = pytest.importorskip("librosa")
        magnitude = ON.spectrum(sound[:, 0]).abs()[0].numpy()
        bands = librosa.feature.melspectrogram(S=magnitude, sr=44100, n_mels=128)
        return librosa.power_to_db(bands)

    def logits(self, sound: torch.Tensor) -> np.ndarray:
        return (self.log_mel(sound).mean(1) @ self.given["ff/A"] + self.given["ff/b"])[None]

    def explanation(self, kept: np.ndarray) -> Explanation:
        h = torch.from_numpy(self.given["ff/embed"]).double()
        mask = self.dictionary.mask(h, torch.from_numpy(kept)[None])
        return Explanation(mask.clamp(0, 1), ON, "log1p")

    def without(self, kept: np.ndarray) -> torch.Tensor:
        """Return the remainder at the length that the reference's inverse transform gives."""
        return listen(self.explanation(kept), self.wave).remainder[..., : 86 * 512]


@pytest.fixture
def case(parity) -> Case:
    return Case(parity("l2i"))


def test_the_stand_in_is_the_references(case) -> None:
    assert pytest.approx(case.given["ff/logmel"], abs=2e-3) == case.log_mel(case.wave).T
    assert case.logits(case.wave) == pytest.approx(case.given["ff/f_logits"], abs=1e-3)


@pytest.mark.parametrize("threshold", ["0.1", "0.2", "0.3", "0.9", "0.95", "0.999"])
def test_drops_of_one_class(case, threshold) -> None:
    expected = case.given[f"ff/multiclass_thresh{threshold}"]
    f = case.logits(case.wave)
    chosen = int(f.argmax())
    kept = case.given["ff/relevance_max_all_classes"][chosen] > float(threshold)
    found = removal_drops(f, case.logits(case.without(kept)))
    drops = [found[name][0] for name in ("logit", "probability", "relative")]
    assert drops == pytest.approx(expected[:3], abs=1e-3)
    assert (chosen, kept.sum()) == (expected[3], expected[7])
    for place, k in ((4, 1), (5, 3), (6, 5)):
        assert top_k_fidelity(f, case.given["ff/h_logits"], k)[0] == expected[place]


def test_drops_of_random_components(case) -> None:
    """With seven of eight removed, the reference's bins lie at the rounding of its single precision; ours do not."""
    kept = np.isin(np.arange(8), case.given["ff/multiclass_random_components"])
    found = removal_drops(case.logits(case.wave), case.logits(case.without(kept)))
    expected = case.given["ff/multiclass_random_seed108"]
    assert found["logit"][0] == pytest.approx(expected[0], abs=0.1)
    assert found["probability"][0] == pytest.approx(expected[1], abs=0.01)


@pytest.mark.parametrize("threshold", ["0.1", "0.2"])
def test_drops_of_several_classes(case, threshold) -> None:
    for row in case.given[f"ff/multilabel_thresh{threshold}"]:
        chosen = int(row[3])
        kept = case.given["ff/relevance_att_all_classes"][chosen] > float(threshold)
        bias = case.given["ff/ml_bias"]
        before, after = (0.2 * case.logits(x) + bias for x in (case.wave, case.without(kept)))
        found = removal_drops(before, after, chosen, activation="sigmoid")
        drops = [found[name][0] for name in ("logit", "probability", "relative")]
        assert drops == pytest.approx(row[:3], abs=1e-3) and kept.sum() == row[4]


def test_the_explanation_that_one_hears(case) -> None:
    relevance = case.given["ff/relevance_att_all_classes"][int(case.logits(case.wave).argmax())]
    best = np.argsort(-relevance)[:5]
    kept = np.isin(np.arange(8), best) & (relevance > 0.2)
    heard = listen(case.explanation(kept), case.wave, Listening()).explanation[0, 0, : 86 * 512]
    inner = slice(600, -600)  # at the ends our inverse transform is told the true length
    assert heard[inner].numpy() == pytest.approx(case.given["ff/wav_Expl_0"][inner], abs=1e-5)
    whole = listen(case.explanation(np.ones(8, bool)), case.wave).original[0, 0, : 86 * 512]
    assert whole[inner].numpy() == pytest.approx(case.given["ff/wav_original_0"][inner], abs=1e-5)
