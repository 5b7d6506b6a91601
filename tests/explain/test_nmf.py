"""Factorisation, dictionaries on disk, official files, component sounds, the amortised encoder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.errors import EmptyDataError, FormatError, InputError
from otoscope.explain.amortised import AmortisedEncoder, loss, reconstruction
from otoscope.explain.components import component_sounds, selected
from otoscope.explain.dictionary import Dictionary, from_npy, learn
from otoscope.explain.nmf import (
    NmfConfig,
    activations_of,
    factorise,
    objective,
    unit,
    updated_activations,
    updated_spectra,
)
from otoscope.explain.spectrogram import Spectrogram

ON = Spectrogram(StftSettings(64, 16), 16000)
GENERATOR = torch.Generator().manual_seed(2)
TRUE_W = unit(torch.rand(33, 3, generator=GENERATOR) ** 4)
TRUE_H = torch.rand(3, 200, generator=GENERATOR) ** 6
V = TRUE_W @ TRUE_H


def dictionary(k: int = 3, on: Spectrogram = ON) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    return Dictionary(unit(torch.rand(on.settings.n_frequencies, k, generator=generator)), on)


class TestFactorise:
    """Sparse multiplicative updates."""

    @pytest.mark.parametrize("sparsity", [0.0, 0.3])
    def test_the_objective_never_rises(self, sparsity) -> None:
        found = factorise(V, NmfConfig(n_components=4, sparsity=sparsity, iterations=100, tolerance=0))
        assert all(
            later <= before * (1 + 1e-5) for before, later in zip(found.objective, found.objective[1:])
        )
        assert torch.allclose(found.spectra.norm(dim=0), torch.ones(4), atol=1e-5)
        assert found.spectra.min() >= 0 and found.activations.min() >= 0

    def test_planted_spectra_come_back(self) -> None:
        found = factorise(V, NmfConfig(n_components=3, sparsity=0.01, iterations=2000, tolerance=0))
        assert float((V - found.spectra @ found.activations).norm() / V.norm()) < 0.05
        assert float((TRUE_W.T @ found.spectra).amax(1).min()) > 0.95

    def test_the_penalty_makes_activations_sparser(self) -> None:
        dense, sparse = (
            factorise(V, NmfConfig(n_components=6, sparsity=mu, iterations=300, tolerance=0))
            for mu in (0.0, 0.5)
        )
        assert (sparse.activations < 1e-3).float().mean() > (dense.activations < 1e-3).float().mean()

    def test_one_update_in_plain_numpy(self) -> None:
        w, h = TRUE_W.double().numpy() + 0.1, TRUE_H.double().numpy() + 0.1
        w, v = w / np.linalg.norm(w, axis=0), V.double().numpy()
        new_h = h * (w.T @ v) / (w.T @ w @ h + 0.3)
        new_w = np.empty_like(w)
        for f in range(w.shape[0]):
            for k in range(w.shape[1]):
                pull, push = v @ new_h.T, w @ new_h @ new_h.T
                up = pull[f, k] + w[f, k] * (push[:, k] * w[:, k]).sum()
                down = push[f, k] + w[f, k] * (pull[:, k] * w[:, k]).sum()
                new_w[f, k] = w[f, k] * up / down
        found_h = updated_activations(*(torch.from_numpy(x) for x in (v, w, h)), 0.3)
        found_w = updated_spectra(torch.from_numpy(v), torch.from_numpy(w), found_h)
        assert found_h.numpy() == pytest.approx(new_h)
        assert found_w.numpy() == pytest.approx(new_w / np.linalg.norm(new_w, axis=0))

    def test_scikit_learn_serves_without_penalty(self) -> None:
        how = NmfConfig(n_components=3, sparsity=0, iterations=500, tolerance=1e-6, solver="sklearn")
        found = factorise(V, how)
        ours = factorise(V, NmfConfig(n_components=3, sparsity=0, iterations=2000, tolerance=0))
        scale = float(V.square().sum())
        assert (
            found.objective[-1] / scale < 1e-3
            and abs(ours.objective[-1] - found.objective[-1]) / scale < 1e-2
        )
        with pytest.raises(InputError, match="has no penalty with unit columns"):
            factorise(V, NmfConfig(solver="sklearn"))

    def test_activations_of_known_spectra(self) -> None:
        found = activations_of(V[None], TRUE_W, iterations=500)
        assert torch.allclose(found[0], TRUE_H, atol=0.05)
        assert objective(V, TRUE_W, found[0], 0) < 1e-3 * float(V.square().sum())
        assert activations_of(torch.zeros(1, 33, 4), TRUE_W).abs().max() == 0

    def test_errors(self) -> None:
        with pytest.raises(EmptyDataError, match="silence"):
            factorise(torch.zeros(3, 4))
        with pytest.raises(InputError, match="not negative"):
            factorise(-V)
        with pytest.raises(InputError, match="n_components"):
            NmfConfig(n_components=0)


class TestDictionary:
    """On disk and on its own spectrogram."""

    def test_round_trip(self, tmp_path) -> None:
        made = Dictionary(TRUE_W, ON, "linear", ("a", "b", "b"), {"note": 1})
        made.save(tmp_path / "d")
        back = Dictionary.load(tmp_path / "d", ON)
        assert torch.equal(back.spectra, made.spectra) and back.labels == made.labels
        assert (back.domain, back.origin, back.names[1]) == ("linear", {"note": 1}, "component 1 of b")
        before = {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()}
        back.save(tmp_path / "d")
        assert before == {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()}

    def test_another_rate_is_refused_at_load(self, tmp_path) -> None:
        dictionary().save(tmp_path)
        with pytest.raises(
            InputError, match=r"sample_rate = 16000, and is used with 44100.*Learn it at the rate"
        ):
            Dictionary.load(tmp_path, Spectrogram(ON.settings, 44100))
        with pytest.raises(InputError, match="hop_length = 16, and is used with 32"):
            Dictionary.load(tmp_path, Spectrogram(StftSettings(64, 32), 16000))

    def test_damaged_and_newer_files(self, tmp_path) -> None:
        dictionary().save(tmp_path)
        content = json.loads((tmp_path / "dictionary.json").read_text())
        for change, message in (
            ({"format_version": 2}, "reads up to 1"),
            ({"weights_hash": "0" * 64}, "is not the file"),
            ({"kind": "audio-model"}, "does not describe a dictionary"),
        ):
            (tmp_path / "dictionary.json").write_text(json.dumps(content | change))
            with pytest.raises(FormatError, match=message):
                Dictionary.load(tmp_path)

    def test_learnt_per_class_and_joint(self, sounds) -> None:
        tones = torch.stack([sounds[0], sounds[0].flip(-1)])
        how = NmfConfig(n_components=2, sparsity=0.1, iterations=20)
        apart = learn(tones, ON, how, labels=["x", "y"])
        joint = learn(tones, ON, how)
        assert apart.labels == ("x", "x", "y", "y") and joint.labels is None and joint.n_components == 2
        few = learn(tones, ON, how, n_frames=50)
        assert torch.allclose(few.spectra.norm(dim=0), torch.ones(2), atol=1e-5)
        with pytest.raises(EmptyDataError, match="silence"):
            learn(torch.zeros(1, 1, 4000), ON, how)
        with pytest.raises(InputError, match="2 clips and 1 labels"):
            learn(tones, ON, how, labels=["x"])

    def test_masks_by_loop_and_by_one_array(self) -> None:
        made, h = dictionary(), torch.rand(2, 3, 20, generator=GENERATOR)
        chosen = torch.tensor([[True, False, True], [False, True, False]])
        alone = [made.component_mask(h, k) for k in range(3)]
        assert torch.allclose(sum(alone), made.mask(h), atol=1e-6)
        expected = sum(one * chosen[:, k, None, None] for k, one in enumerate(alone))
        assert torch.allclose(made.mask(h, chosen), expected, atol=1e-6)
        assert made.mask(0 * h).abs().max() == 0

    def test_the_reference_masks_of_l2i(self, parity) -> None:
        given = parity("l2i")
        spectra, h = torch.from_numpy(given["nmf/W_norm"]), torch.from_numpy(given["mask/H"])
        made = Dictionary(unit(torch.from_numpy(given["nmf/W_raw"]).clamp_min(0)), ON)
        assert made.spectra.numpy() == pytest.approx(spectra.numpy(), abs=1e-6)
        ratio = np.stack([made.component_mask(h[None], k)[0].numpy() for k in range(16)])
        assert ratio == pytest.approx(given["mask/ratio"], abs=1e-5)
        assert ratio * given["mask/logspec"] == pytest.approx(given["mask/comp"], abs=1e-5)
        assert np.expm1(ratio * given["mask/logspec"]) == pytest.approx(
            given["mask/comp_ms"], rel=1e-4, abs=1e-5
        )
        cosines = (made.spectra.T @ made.spectra).numpy()
        assert cosines == pytest.approx(given["mask/component_similarity"], abs=1e-5)

    def test_the_reference_masks_of_the_recipe(self, parity) -> None:
        given = parity("posthoc")
        w, h = torch.from_numpy(given["l2i/W"]), torch.from_numpy(given["l2i/H"])
        lengths = w.norm(dim=0)
        made = Dictionary(w / lengths, Spectrogram(StftSettings(1024, 186, 372, window="hamming"), 16000))
        mask = made.mask(h * lengths[:, None], torch.from_numpy(given["l2i/selected"]), eps=1e-10)
        assert mask.numpy() == pytest.approx(given["l2i/mask_BFT"], abs=1e-5)

    def test_official_files(self, tmp_path) -> None:
        raw = np.abs(np.random.default_rng(0).standard_normal((513, 4)))
        raw[0, 0] = -1
        np.save(tmp_path / "w.npy", raw)
        found = from_npy(tmp_path / "w.npy")
        assert found.spectrogram.sample_rate == 44100 and found.n_components == 4
        assert found.origin == {"file": "w.npy", "n_negative": 1} and found.spectra[0, 0] == 0
        np.save(tmp_path / "o.npy", np.array([{"a": 1}]), allow_pickle=True)
        with pytest.raises(FormatError, match="cannot be read as an array"):
            from_npy(tmp_path / "o.npy")
        np.save(tmp_path / "dead.npy", np.pad(raw, ((0, 0), (0, 1))))
        with pytest.raises(FormatError, match="without any positive value"):
            from_npy(tmp_path / "dead.npy")

    def test_an_encoder_stands_in(self) -> None:
        encoder = AmortisedEncoder(33, 3, (8,))
        made = Dictionary(TRUE_W, ON, encoder=encoder)
        magnitude = torch.rand(2, 33, 11)
        with torch.no_grad():
            assert torch.equal(made.activations(magnitude), encoder(magnitude.log1p()))
        wrong = Dictionary(TRUE_W, ON, encoder=lambda x: x)
        with pytest.raises(InputError, match=r"the encoder gave \(2, 33, 11\), expected \(2, 3, 11\)"):
            wrong.activations(magnitude)

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="columns have unit length"):
            Dictionary(2 * TRUE_W, ON)
        with pytest.raises(InputError, match="expected spectra"):
            Dictionary(TRUE_W[:5], ON)
        with pytest.raises(InputError, match="3 components and 1 labels"):
            Dictionary(TRUE_W, ON, labels=("a",))


class TestComponents:
    """Sounds of components."""

    def test_they_add_up_to_the_input(self, sounds) -> None:
        found = dict(component_sounds(dictionary(), sounds))
        assert list(found) == ["component 0", "component 1", "component 2", "rest"]
        assert torch.allclose(sum(found.values()), sounds, atol=1e-5)

    def test_the_rest_is_what_the_dictionary_leaves(self, sounds) -> None:
        made = dictionary()
        h = made.activations(ON.spectrum(sounds.mean(1)).abs())
        *_, (_, rest) = component_sounds(made, sounds, h)
        expected = ON.sound(ON.spectrum(sounds) * (1 - made.mask(h))[:, None], sounds.shape[-1])
        assert torch.allclose(rest, expected, atol=1e-5)

    def test_silence(self) -> None:
        found = dict(component_sounds(dictionary(), torch.zeros(1, 1, 800)))
        assert all(one.abs().max() == 0 for one in found.values())

    def test_selection_by_hand(self) -> None:
        relevance = torch.tensor([[1.0, 0.2, 0.5, -2.0], [-1.0, -0.1, 0.0, -3.0]])
        assert selected(relevance, 0.2, None).tolist() == [[True, False, True, False], [False] * 4]
        assert selected(relevance, 0.1, 1).tolist()[0] == [True, False, False, False]


def test_the_reference_encoder(parity) -> None:
    given = parity("posthoc")
    encoder = AmortisedEncoder(9, 6)
    state = {}
    for place in range(3):
        for kind in ("weight", "bias"):
            state[f"layers.{place}.{kind}"] = torch.from_numpy(given[f"nmf/enc.convenc.{2 * place}.{kind}"])
    encoder.load_state_dict(state)
    features = torch.from_numpy(given["nmf/X"])
    with torch.no_grad():
        h = encoder(features)
        rebuilt = reconstruction(torch.from_numpy(given["nmf/W"]), h)
    assert h.numpy() == pytest.approx(given["nmf/H"], rel=1e-4, abs=1e-5)
    assert rebuilt.numpy() == pytest.approx(given["nmf/Xhat"], rel=1e-4, abs=1e-5)
    assert float(loss(features, rebuilt)) == pytest.approx(float(given["nmf/loss"]), rel=1e-5)
