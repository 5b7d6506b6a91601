"""Every explainer on one small network: contract, hand numbers, references, and that the network is given back."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from otoscope.errors import HookError, InputError, LayerError, MissingExtraError, ModelError, UnknownNameError
from otoscope.explain import EXPLAINERS
from otoscope.explain.amt import attention_weights, cls_map, norms
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.explanation import explainer
from otoscope.explain.hearing import outputs
from otoscope.explain.layer_map import LayerMap
from otoscope.explain.maps import mask_of, placed, quantile_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.windows import explain
from otoscope.models import transformer
from otoscope.models.geometry import Geometry

QUICK = {
    "integrated-gradients": {"steps": 4},
    "smooth-grad": {"draws": 2},
    "occlusion": {"patch_s": 0.25, "patch_hz": 2000, "step": 1},
}


def made(name: str, model):
    if name != "nmf-occlusion":
        return explainer(name, **QUICK.get(name, {}))
    on = Spectrogram.of(model)
    spectra = torch.rand(on.settings.n_frequencies, 6, generator=torch.Generator().manual_seed(0))
    return explainer(name, dictionary=Dictionary(spectra / spectra.norm(dim=0), on))


@pytest.mark.parametrize("name", EXPLAINERS)
class TestContract:
    """What every row of the table does."""

    def test_a_mask_on_the_spectrogram_and_the_same_again(self, name, model, sounds) -> None:
        method = made(name, model)
        found, again = (method(model, sounds, "rain") for _ in range(2))
        on = Spectrogram.of(model)
        assert found.spectrogram == on
        assert tuple(found.mask.shape) == (2, on.settings.n_frequencies, on.n_frames(16000))
        assert torch.equal(found.mask, again.mask) and found.ranks.shape == found.mask.shape
        assert not found.mask.requires_grad

    def test_the_network_is_given_back_as_it_was_lent(self, name, model, sounds) -> None:
        state = {key: value.clone() for key, value in model.state_dict().items()}
        wanted = [parameter.requires_grad for parameter in model.parameters()]
        model.train()
        try:
            made(name, model)(model, sounds, 0)
            assert all(module.training for module in model.modules())
        finally:
            model.eval()
        assert [parameter.requires_grad for parameter in model.parameters()] == wanted
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())

    def test_a_clip_does_not_depend_on_its_neighbour(self, name, model, sounds) -> None:
        method = made(name, model)
        both, alone = method(model, sounds, 1), method(model, sounds[1:], 1)
        assert (both.mask[1:] != alone.mask).float().mean() < (1.0 if name == "smooth-grad" else 0.01)

    def test_silence_has_an_answer(self, name, model) -> None:
        found = made(name, model)(model, torch.zeros(1, 1, 16000), 0)
        assert found.mask.isfinite().all() and (found.mask >= 0).all() and (found.mask <= 1).all()

    def test_any_scalar_can_be_the_target(self, name, model, sounds) -> None:
        by_index = made(name, model)(model, sounds, 2)
        by_function = made(name, model)(model, sounds, lambda output: output[:, 2])
        assert (by_index.mask != by_function.mask).float().mean() < 0.01


def test_integrated_gradients_add_up(model, sounds) -> None:
    found = explainer("integrated-gradients", steps=200)(model, sounds, 1)
    with torch.no_grad():
        gap = (outputs(model, sounds) - outputs(model, torch.zeros_like(sounds)))[:, 1]
    from otoscope.explain.features import Features
    from otoscope.explain.gradients import IntegratedGradients

    features = Features.of(model, sounds, 1, True, "auto")
    total = IntegratedGradients(steps=200).attributions(features).sum((1, 2))
    assert torch.allclose(total, gap, atol=0.05 * float(gap.abs().max()) + 1e-3)
    assert found.mask.mean() == pytest.approx(0.1, abs=0.01)


def test_saliency_is_the_gradient_by_differences(model, sounds) -> None:
    from otoscope.explain.features import Features
    from otoscope.explain.gradients import Saliency

    exact = model.double()
    try:
        features = Features.of(exact, sounds[:1].double(), 0, True, "magnitude")
        gradient = Saliency().attributions(features).detach()
        row, frame = divmod(int(gradient.abs().argmax()), gradient.shape[2])
        step = torch.zeros_like(gradient)
        step[0, row, frame] = 1e-5
        values = features.values.detach()
        with torch.no_grad():
            up, down = (features.number(values + s, features.phase, features.index) for s in (step, -step))
    finally:
        model.float()
    assert float((up - down) / 2e-5) == pytest.approx(float(gradient[0, row, frame]), rel=1e-3)


def test_occlusion_by_hand(model, sounds) -> None:
    from otoscope.explain.features import Features
    from otoscope.explain.occlusion import Occlusion

    method = Occlusion(patch_s=0.26, patch_hz=2000, step=1)
    with torch.no_grad():
        features = Features.of(model, sounds, 1, True, "auto")
        found = method.attributions(features)
        rows, columns = method.patch(features)
        assert (rows, columns) == (128, 13)
        gone = features.values.clone()
        gone[:, :128, :13] = 0
        whole, without = (features.number(one, *features.arguments()) for one in (features.values, gone))
    assert torch.allclose(found[:, 5, 5], whole - without, atol=1e-5)
    assert torch.allclose(found[:, :128, :13], found[:, :1, :1].expand(-1, 128, 13), atol=1e-6)


def test_grad_cam_is_captums(model, sounds) -> None:
    attr = pytest.importorskip("captum.attr")
    found = explainer("grad-cam", layer="blocks.2")(model, sounds, 1)
    reference = attr.LayerGradCam(model, model.net.blocks[2]).attribute(sounds, 1, relu_attributions=True)
    geometry = model.geometry("blocks.2", (2, 16, *reference.shape[2:]), 16000)
    expected = placed(reference[:, 0].detach(), geometry, found.spectrogram, found.mask.shape[2])
    assert torch.allclose(found.ranks, expected, atol=1e-6) and found.facts == {
        "layer": "blocks.2",
        "approximate_grid": False,
    }


def test_nmf_occlusion_finds_the_component_that_carries_the_number(model, sounds) -> None:
    on = Spectrogram.of(model)
    tone = (on.frequencies_hz() > 900) & (on.frequencies_hz() < 1100)
    spectra = torch.stack([tone.float(), (~tone).float()], 1)
    dictionary = Dictionary(spectra / spectra.norm(dim=0), on)
    found = explainer("nmf-occlusion", dictionary=dictionary)(
        model, sounds, lambda output: output[:, 0] * 0 + output.square().sum(1)
    )
    parts = found.parts
    assert parts.relevance.shape == (2, 2) and parts.names == ("component 0", "component 1")
    sum_of_parts = sum(parts.mask(k) * parts.chosen[:, k, None, None] for k in range(2))
    assert torch.allclose(found.mask, sum_of_parts, atol=1e-6)


class TestMaps:
    """Placing and thresholds."""

    def test_threshold_by_hand(self) -> None:
        values = torch.arange(10.0).reshape(1, 2, 5)
        assert mask_of(values, quantile=0.8).sum() == 2
        assert mask_of(values, "soft").flatten()[-2:].tolist() == pytest.approx([8 / 9, 1])
        assert quantile_of(values.flatten(1), 0.33).item() == pytest.approx(
            np.quantile(np.arange(10.0), 0.33)
        )

    def test_a_constant_map_keeps_nothing_and_as_published_everything(self) -> None:
        flat = torch.full((1, 3, 3), 2.0)
        assert mask_of(flat).sum() == 0 and mask_of(flat, "as-published").sum() == 9
        assert mask_of(0 * flat, "soft").sum() == 0

    def test_rows_come_to_their_frequencies(self) -> None:
        on = Spectrogram(
            Spectrogram.of_settings() if hasattr(Spectrogram, "of_settings") else _settings(), 16000
        )
        geometry = Geometry(
            "BCFT", n_frequency=3, n_time=2, stride_s=0.5, offset_s=0.25, frequency_hz=(100, 1000, 4000)
        )
        grid = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
        found = placed(grid, geometry, on, on.n_frames(16000))
        peak = float(on.frequencies_hz()[found[0, :, 10].argmax()])
        assert peak == pytest.approx(1000, abs=20)
        stretched = placed(grid, geometry, on, on.n_frames(16000), "stretch")
        assert float(on.frequencies_hz()[stretched[0, :, 10].argmax()]) == pytest.approx(4000, abs=100)

    def test_columns_come_to_their_moments(self) -> None:
        on = Spectrogram(_settings(), 16000)
        geometry = Geometry("BCT", n_time=4, stride_s=0.25, offset_s=0.125)
        found = placed(torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), geometry, on, on.n_frames(16000))
        peak = float(on.times_s(found.shape[2])[found[0, 7].argmax()])
        assert peak == pytest.approx(0.375, abs=0.01) and torch.equal(found[0, 0], found[0, -1])

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="holds NaN"):
            mask_of(torch.full((1, 2, 2), torch.nan))
        with pytest.raises(UnknownNameError, match="unknown threshold of a map 'top'"):
            mask_of(torch.ones(1, 2, 2), "top")

    def test_the_reference_resize(self, parity) -> None:
        given = parity("posthoc")
        on = Spectrogram(_settings(38), 16000)
        grid = torch.from_numpy(given["resize/up_7x7_src"])
        found = placed(grid, Geometry("BCFT", n_frequency=7, n_time=7), on, 31, "stretch")
        assert found.numpy() == pytest.approx(given["resize/up_to_20x31"], abs=1e-5)


def _settings(n_fft: int = 512):
    from otoscope.audio.stft import StftSettings

    return StftSettings(n_fft, max(1, n_fft // 4))


class TestActivationMaps:
    """AMT against the reference vectors and on networks with attention."""

    def test_the_reference_modulator(self, parity) -> None:
        given = parity("posthoc")
        modulator = torch.from_numpy(given["amt_focal/modulator_last"])
        found = LayerMap("modulation", modulator, Geometry("BCFT", n_frequency=4, n_time=4), modulator)
        saliency = norms(found)
        assert saliency.numpy() == pytest.approx(given["amt_focal/saliency"], rel=1e-5)
        on = Spectrogram(_settings(38), 16000)
        resized = placed(saliency, found.geometry, on, 31, "stretch")
        assert resized.numpy() == pytest.approx(given["amt_focal/saliency_resized"], rel=1e-4)
        edge = quantile_of(resized.flatten(1), 0.9)[:, 0]
        assert edge.numpy() == pytest.approx(given["amt_focal/threshold"], rel=1e-4)
        mask = mask_of(resized, "as-published")
        assert np.array_equal(mask.numpy(), given["amt_focal/mask"])
        assert mask.mean((1, 2)).numpy() == pytest.approx(given["amt_focal/kept_fraction"])

    def test_the_reference_attention(self, parity) -> None:
        given = parity("posthoc")
        weights = torch.from_numpy(given["amt_vit/last_attention"])
        tokens = Geometry("BNC", n_prefix=1, n_frequency=4, n_time=4, order="frequency-major")
        on = Spectrogram(_settings(38), 16000)
        resized = placed(cls_map(weights, tokens), tokens, on, 31, "stretch")
        mask = mask_of(resized, "as-published").numpy()
        assert np.array_equal(mask, given["amt_vit/mask"])
        assert mask * given["amt_vit/X"] == pytest.approx(given["amt_vit/X_int"])

    def test_attention_of_our_transformer_sums_to_one(self, sounds) -> None:
        network = transformer.build(
            ("a", "b"), depth=2, dim=16, hidden=16, heads=2, n_mels=32, clip_s=1.0
        ).eval()
        with torch.no_grad():
            weights = attention_weights(network, sounds)
        assert weights.shape[1] == 2 and torch.allclose(weights.sum(-1), torch.ones(1), atol=1e-5)
        found = explainer("amt", kind="attention")(network, sounds)
        assert (
            0.1 <= float(found.mask.mean()) < 0.3
        )  # two rows of patches: the edge is a plateau, and is kept

    def test_attention_of_a_network_of_transformers(self, tmp_path) -> None:
        network = _tiny_ast(tmp_path)
        sound = 0.1 * torch.randn(1, 1, 16000, generator=torch.Generator().manual_seed(0))
        before = network.net.inner.config._attn_implementation
        found = explainer("amt", kind="attention")(network, sound)
        assert network.net.inner.config._attn_implementation == before
        assert 0.05 < float(found.mask.mean()) < 0.2

    def test_a_network_without_attention_says_so(self, model, sounds) -> None:
        with pytest.raises(ModelError, match="no attention weights"):
            explainer("amt", kind="attention")(model, sounds)

    def test_a_layer_without_positions_says_so(self, model, sounds) -> None:
        with pytest.raises(HookError, match="none of the layers head has positions"):
            explainer("amt", layer="head")(model, sounds)
        with pytest.raises(LayerError, match=r"unknown layer 'block\.3'"):
            explainer("amt", layer="block.3")(model, sounds)


def _tiny_ast(folder):
    transformers = pytest.importorskip("transformers")
    from otoscope.models import open_model

    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, num_mel_bins=32,
        max_length=100, frequency_stride=10, time_stride=10,
    )  # fmt: skip
    transformers.ASTForAudioClassification(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=100).save_pretrained(folder)
    return open_model(f"hf:{folder}")


class TestAnyLength:
    """Explaining through windows."""

    def test_one_window_is_the_explainer(self, model, sounds) -> None:
        method = explainer("amt")
        assert torch.equal(explain(method, model, sounds).mask, method(model, sounds).mask)

    @pytest.mark.parametrize("n_samples", [4000, 16100, 24000, 50001])
    def test_every_length_has_its_frames(self, model, n_samples) -> None:
        sound = 0.1 * torch.randn(1, 1, n_samples, generator=torch.Generator().manual_seed(0))
        found = explain(explainer("amt"), model, sound)
        assert found.mask.shape[2] == found.spectrogram.n_frames(n_samples)
        assert float(found.mask.mean()) == pytest.approx(0.1, abs=0.03)  # of the sound, not of its padding

    def test_constant_masks_join_without_a_seam(self, model) -> None:
        from otoscope.explain.explanation import Explanation

        def constant(network, waveform, target=None):
            on = Spectrogram.of(network)
            return Explanation(
                torch.full((1, on.settings.n_frequencies, on.n_frames(waveform.shape[-1])), 0.4), on
            )

        found = explain(constant, model, torch.randn(1, 1, 40000))
        assert torch.allclose(found.mask, torch.tensor(0.4), atol=1e-5)

    def test_the_target_is_the_whole_sounds(self, model) -> None:
        asked = []

        def noting(network, waveform, target=None):
            asked.append(target)
            return explainer("amt")(network, waveform)

        sound = 0.1 * torch.randn(1, 1, 40000, generator=torch.Generator().manual_seed(0))
        explain(noting, model, sound)
        with torch.no_grad():
            named = outputs(model, sound).argmax(1)
        assert len(asked) > 2 and all(torch.equal(one, named) for one in asked)

    def test_parts_of_a_padded_sound_have_its_frames(self, model) -> None:
        found = explain(made("nmf-occlusion", model), model, 0.1 * torch.randn(1, 1, 8000))
        assert found.parts.mask(0).shape == found.mask.shape

    def test_errors(self, model) -> None:
        with pytest.raises(InputError, match="expected waveforms"):
            explain(explainer("amt"), model, torch.zeros(16000))


def test_errors(model, sounds, monkeypatch) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown explainer 'gradcam'\. Did you mean 'grad-cam'"):
        explainer("gradcam")
    with pytest.raises(InputError, match="quantile"):
        explainer("amt", quantile=1.5)
    with pytest.raises(UnknownNameError, match="quantil"):
        explainer("amt", quantil=0.5)
    with pytest.raises(UnknownNameError, match="unknown class 'cat'"):
        explainer("saliency")(model, sounds, "cat")
    with pytest.raises(InputError, match=r"targets lie in 0 .. 2, got 7"):
        explainer("saliency")(model, sounds, 7)
    with pytest.raises(InputError, match="one number a clip"):
        explainer("grad-cam")(model, sounds, lambda output: output)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"captum is not installed.*otoscope\[attribution\]"):
        explainer("saliency")(model, sounds)


def test_a_network_that_is_not_differentiable_says_what_to_use(model, sounds, monkeypatch) -> None:
    monkeypatch.setattr(model, "differentiable", False)
    with pytest.raises(ModelError, match="use occlusion or amt"):
        explainer("saliency", entry="sound")(model, sounds)
