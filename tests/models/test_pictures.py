"""Networks for pictures: the picture, the grid of their maps, attention, folders, what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError
from otoscope.explain.amt import ActivationMap
from otoscope.models import focalnet, folder, open_model, pictures, vit_image
from otoscope.models.embedding import embedding
from otoscope.models.layer_presets import layer_preset
from otoscope.models.log_magnitude import LogMagnitude, speechbrain_stft
from otoscope.models.weights import hash_weights

pytest.importorskip("transformers")
SMALL = {
    "focalnet": lambda **more: focalnet.build(("a", "b"), width=4, side=64, **more).eval(),
    "vit-image": lambda **more: vit_image.build(
        ("a", "b"), width=8, depth=2, attention_heads=2, side=64, **more
    ).eval(),
}


def _noise(n: int = 40000) -> torch.Tensor:
    return 0.1 * torch.randn(2, 1, n, generator=torch.Generator().manual_seed(0))


def test_resizing_is_that_of_the_recipes(parity):
    vectors = parity("posthoc")
    found = pictures.picture(torch.from_numpy(vectors["resize/in"])[None], 22)
    np.testing.assert_allclose(found[0], vectors["resize/to_22x22"], atol=1e-6)


def test_a_picture_is_a_resized_spectrogram_and_magnitudes_re_enter():
    front_end = pictures.PictureFrontEnd(speechbrain_stft(16000), 64, "none")
    waveform = _noise()
    whole = LogMagnitude(speechbrain_stft(16000))(waveform)
    assert front_end(waveform).shape == (2, 1, 64, 64)
    assert float(front_end(waveform).mean() / whole.mean()) == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(front_end.from_magnitude(front_end.magnitude(waveform)), front_end(waveform))
    assert front_end.description["side"] == 64


@pytest.mark.parametrize("kind", SMALL)
def test_maps_have_places_in_time_and_frequency(layer_outputs, kind):
    model, n, at_s = SMALL[kind](), 64000, 2.9
    silence, click = torch.zeros(1, 1, n), torch.zeros(1, 1, n)
    click[..., round(16000 * at_s) : round(16000 * at_s) + 400] = 1.0
    tone = torch.sin(torch.arange(n) * 2 * torch.pi * 5000 / 16000)[None, None]
    first = "embeddings.patch_embeddings.projection"
    runs = [layer_outputs(model, one)[1] for one in (silence, click, tone)]
    maps = [one[f"backbone.{first}"] for one in runs]
    geometry = model.geometry(f"backbone.{first}", tuple(maps[0].shape), n)
    change = geometry.grid(maps[1] - maps[0])[0].abs().sum((0, 1)).numpy()
    assert abs((change * geometry.times_s()).sum() / change.sum() - at_s) <= geometry.stride_s / 2 + 0.05
    sounding = geometry.grid(maps[2] - maps[0])[0].abs().sum((0, 2)).numpy()
    step = geometry.frequency_hz[1] - geometry.frequency_hz[0]
    assert abs(geometry.frequency_hz[int(sounding.argmax())] - 5000) <= step
    for name in model.declared_layers:
        found = model.geometry(name, tuple(runs[0][name].shape), n)
        assert found.n_positions == (found.grid(runs[0][name]).shape[2] * found.n_time) > 1
        assert found.n_prefix == (kind == "vit-image")


def test_geometry_by_hand():
    model = SMALL["vit-image"]()
    # 345 frames in four rows; row 0 stands for frames 0 .. 85.25 of hops of 186 samples
    found = model.geometry("backbone.layers.1", (1, 17, 8), 64000)
    assert (found.axes, found.n_prefix, found.n_frequency, found.n_time, found.order) == (
        "BNC",
        1,
        4,
        4,
        "time-major",
    )
    assert found.stride_s == pytest.approx(345 / 4 * 186 / 16000)
    assert found.offset_s == pytest.approx((345 / 8 - 0.5) * 186 / 16000)
    assert found.frequency_hz[0] == pytest.approx((513 / 8 - 0.5) * 15.625)
    last = SMALL["focalnet"]().geometry("backbone.encoder.stages.1.layers.0.modulation", (1, 8, 8, 8), 64000)
    assert last.axes == "BTFC"


@pytest.mark.parametrize("kind", SMALL)
def test_the_head_takes_the_mean_of_the_last_map(layer_outputs, kind):
    model = SMALL[kind](head="linear", clip_s=2.5)
    waveform = _noise()
    logits, seen = layer_outputs(model, waveform)
    last = seen["backbone.encoder.stages.3.layers.0"] if kind == "focalnet" else seen["backbone.layernorm"]
    torch.testing.assert_close(embedding(model, waveform), last.mean(1))
    torch.testing.assert_close(model.net.head(last.mean(1)), logits)


@pytest.mark.parametrize(("kind", "how"), [("focalnet", "norm"), ("vit-image", "attention")])
def test_activation_maps_of_the_recipes_run_on_them(kind, how):
    model = SMALL[kind]()
    layer = "backbone.encoder.stages.3.layers.0.modulation.projection_context" if how == "norm" else None
    mask = ActivationMap(kind=how, layer=layer, placement="stretch")(model, _noise()).mask
    assert mask.shape == (2, 513, 216)
    assert float(mask.mean()) == pytest.approx(0.1, abs=0.02)


def test_aape_finds_the_hidden_neurons():
    for kind, path in {"focalnet": "mlp.activation", "vit-image": "mlp.activation_fn"}.items():
        layers = layer_preset("aape-2026", SMALL[kind]()).layers
        assert layers and all(one.endswith(path) for one in layers)


@pytest.mark.parametrize("kind", SMALL)
def test_a_folder_comes_back(tmp_path, kind):
    model = SMALL[kind](scale="none", level="max", clip_s=1.5)
    folder.save(model, tmp_path / "m")
    again = open_model(str(tmp_path / "m"))
    assert hash_weights(again) == hash_weights(model)
    assert torch.equal(again(_noise()), model(_noise()))


def test_what_goes_wrong():
    with pytest.raises(InputError, match="blocks for four stages"):
        focalnet.build(("a",), depths="1,2")
    with pytest.raises(InputError, match=r"depths are whole numbers such as 2,2,18,2, got 'a,b'"):
        focalnet.build(("a",), depths="a,b")
    with pytest.raises(InputError, match="a side that its patch divides"):
        vit_image.build(("a",), side=100)
