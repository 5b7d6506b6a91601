"""Released interpreters become explainers that say what the originals say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otoscope.cli.main import run as call
from otoscope.errors import FormatError, InputError
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.l2i_psi import LAYERS, AuthorsPsi
from otoscope.explain.l2i_released import import_l2i
from otoscope.explain.l2i_theta import Theta
from otoscope.explain.trained import open_explainer
from otoscope.models import conv2d, folder, open_model, vgg
from otoscope.store import tensors

K, CLASSES = 6, ("a", "b", "c")


@pytest.fixture(scope="module")
def sound() -> torch.Tensor:
    return 0.1 * torch.randn(2, 1, 32000, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def network():
    return vgg.build(CLASSES, width=4, clip_s=2.0).eval()


def authors(network, tmp_path, pooling: str = "attention"):
    """Write what the authors release, converted; return the file, Psi, Theta and W."""
    maps = HiddenMaps.of(network, LAYERS["authors"], 32000)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        psi, theta = AuthorsPsi(maps.shapes, K).eval(), Theta(pooling, K, 3, 1).eval()
    w = torch.randn(513, K, generator=torch.Generator().manual_seed(4))
    names = {
        "pooling.signal": "attention_V.0",
        "pooling.gate": "attention_U.0",
        "pooling.weight": "attention_weights",
    }
    arrays = {f"psi.{key}": one.numpy() for key, one in psi.state_dict().items()}
    for key, one in theta.state_dict().items():
        before, _, kind = key.rpartition(".")
        arrays["theta.fc1.weight" if before == "head" else f"theta.{names[before]}.{kind}"] = one.numpy()
    arrays["dictionary.W"] = w.numpy()
    tensors.write(tmp_path / "released.safetensors", arrays)
    return tmp_path / "released.safetensors", maps, psi, theta, w


@pytest.mark.parametrize("pooling", ["attention", "max"])
def test_the_authors(network, sound, tmp_path, pooling) -> None:
    file, maps, psi, theta, w = authors(network, tmp_path, pooling)
    found = import_l2i(network, [file], tmp_path / "e")
    assert (found.config.pooling, found.config.normaliser, found.config.top) == (pooling, "max", 5)
    with torch.no_grad():
        heard = maps(network, sound)
        expected = theta(psi(heard.maps, found.dictionary.spectrogram.n_frames(32000)))
    assert torch.allclose(found.copied(network, sound), expected, atol=1e-5)
    columns = w.clamp_min(0) / w.clamp_min(0).norm(dim=0)
    assert torch.allclose(found.dictionary.spectra, columns, atol=1e-6)
    again = open_explainer(tmp_path / "e", network)
    assert torch.equal(again(network, sound).mask, found(network, sound).mask)


def test_speechbrains_parts_keep_their_product(ruled, sound, tmp_path) -> None:
    network = conv2d.build(CLASSES, width=8, clip_s=2.0).eval()
    psi = ruled("sb_l2i_psi_conv2d_small")
    generator = torch.Generator().manual_seed(6)
    w = torch.randn(513, 10, generator=generator)
    parts = {
        "psi": {key: one.numpy() for key, one in psi.items()},
        "theta": {
            "hard_att.weight": torch.rand(1, 161, generator=generator).numpy(),
            "classifier.0.weight": torch.randn(3, 10, generator=generator).numpy(),
        },
        "w": {"W": w.numpy()},
    }
    for name, arrays in parts.items():
        tensors.write(tmp_path / f"{name}.safetensors", {key: np.asarray(one) for key, one in arrays.items()})
    files = [tmp_path / f"{name}.safetensors" for name in parts]
    if_frames = HiddenMaps.of(network, LAYERS["conv2d"], 32000).shapes[0][2]
    found = import_l2i(network, files, tmp_path / "e")
    heard = found.maps(network, sound)
    assert heard.maps[0].shape[3] == if_frames
    from otoscope.explain.l2i_psi import Conv2dPsi

    original = Conv2dPsi([tuple(heard.maps[0].shape[1:])], 10).eval()
    original.load_state_dict(psi)
    n_frames = found.dictionary.spectrogram.n_frames(32000)
    with torch.no_grad():
        h, ours = original(heard.maps, n_frames), found.net.activations(heard.maps, n_frames)
    width = min(h.shape[2], n_frames)
    expected = w.clamp_min(0) @ h[..., :width]
    assert torch.allclose((found.dictionary.spectra @ ours)[..., :width], expected, rtol=1e-4, atol=1e-5)
    assert (found.config.normaliser, found.config.eps, found.config.pooling) == (
        "absmax",
        1e-10,
        "frame-weights",
    )


def test_on_the_command_line(network, tmp_path, capsys) -> None:
    folder.save(network, tmp_path / "m")
    file, *_ = authors(open_model(str(tmp_path / "m")), tmp_path)
    order = ["train-explainer", "l2i", str(tmp_path / "m"), "--from", str(file), "--out", str(tmp_path / "e")]
    assert call([*order, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["from"] == [str(file)] and not (tmp_path / "e").exists()
    assert call(order) == 0
    assert open_explainer(tmp_path / "e", open_model(str(tmp_path / "m"))).net.theta.head.weight.shape == (
        3,
        K,
    )
    assert call(["train-explainer", "nmf", *order[2:]]) == 2
    assert "not of nmf" in capsys.readouterr().err
    assert call(["train-explainer", "l2i", str(tmp_path / "m"), "--out", str(tmp_path / "x")]) == 2
    assert "--data is needed" in capsys.readouterr().err


def test_what_does_not_fit_is_refused(network, tmp_path) -> None:
    file, *_ = authors(network, tmp_path)
    wider = vgg.build(CLASSES, width=8, clip_s=2.0).eval()
    with pytest.raises(FormatError, match="another interpreter than"):
        import_l2i(wider, [file], tmp_path / "e")
    arrays = tensors.read(file)
    tensors.write(tmp_path / "half.safetensors", {key: one for key, one in arrays.items() if key[0] != "t"})
    with pytest.raises(InputError, match="no theta of an interpreter"):
        import_l2i(network, [tmp_path / "half.safetensors"], tmp_path / "e")
    tensors.write(
        tmp_path / "odd.safetensors", {**arrays, "theta.attention_X.weight": np.zeros((1, 1), np.float32)}
    )
    with pytest.raises(FormatError, match="unknown weight"):
        import_l2i(network, [tmp_path / "odd.safetensors"], tmp_path / "e")
