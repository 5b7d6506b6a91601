"""A network written out without its neurons answers as the one with hooks does; what cannot be written is refused."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from otoscope.ablate import affine, checkpoint
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.export import write_ablated
from otoscope.ablate.hearing import Window
from otoscope.ablate.interventions import intervention
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.places import Place, masks_of
from otoscope.errors import InputError, ModelError
from otoscope.models import cnn, open_model
from otoscope.models.weights import hash_weights
from otoscope.record.layers import Layer, modules_of
from otoscope.store.run import Run
from tests.ablate.conftest import make_model
from tests.ablate.test_lesion import window_of


def cnn_and_places():
    network = cnn.build(("a", "b", "c"), width=3, n_mels=16, clip_s=1.0, seed=1)
    with torch.no_grad():  # as after training: statistics and weights of every norm differ
        for name, tensor in network.net.state_dict().items():
            if "norm" in name and tensor.is_floating_point():
                tensor.add_(torch.linspace(0.05, 0.4, tensor.numel()).reshape(tensor.shape))
    widths = [(f"blocks.{block}", 3 * 2**block) for block in range(4)]
    firsts = np.cumsum([0, *(width for _, width in widths)])
    places = [Place(Layer(name, name), int(at), width, "BCFT") for (name, width), at in zip(widths, firsts)]
    return network.eval(), tuple(places)


def windows(network, n: int = 3):
    rng = np.random.default_rng(0)
    return [
        window_of(network, rng.standard_normal((1, 1, 16000)).astype(np.float32), row) for row in range(n)
    ]


NEURONS = np.array([1, 4, 5, 12, 22, 40])


@pytest.mark.parametrize("how", ["zero", "mean", "gain"])
def test_a_folder_without_hooks_answers_as_hooks_do(tmp_path: Path, how: str) -> None:
    network, places = cnn_and_places()
    heard, means = windows(network), torch.rand(45, generator=torch.Generator().manual_seed(0))
    before = hash_weights(network)
    note = checkpoint.write(
        network, places, NEURONS, how, tmp_path / "out", windows=heard, n_neurons=45, gain=0.25, means=means
    )
    again = open_model(str(tmp_path / "out"))
    hooked = Lesion(network, places, intervention(how), gain=0.25, means=means)
    for one in heard:
        expected = hooked.logits(one, masks_of([NEURONS], 45))[0]
        found = again.net(*one.features).detach()[0]
        if how == "zero":
            assert torch.equal(found, expected)  # to the bit
        assert torch.allclose(found, expected, atol=1e-5)
        assert not torch.allclose(found, network.net(*one.features)[0], atol=1e-3)
    assert hash_weights(network) == before != note["weights_hash"] == hash_weights(again)
    said = json.loads((tmp_path / "out" / checkpoint.NOTE).read_text())
    assert said == note and said["neurons"] == {
        "blocks.0": [1],
        "blocks.1": [1, 2],
        "blocks.2": [3],
        "blocks.3": [1, 19],
    }
    assert note["largest_difference_from_hooks"] <= (0.0 if how == "zero" else 1e-5)


class Chain(nn.Module):
    """A linear layer, an activation called on its own, a residual sum, and a head."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.up, self.act, self.down, self.head = nn.Linear(10, 6), act, nn.Linear(6, 10), nn.Linear(10, 3)
        self.norm, self.sum = nn.LayerNorm(10), nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.transpose(1, 2)
        return self.head(self.sum(x + self.norm(self.down(self.act(self.up(x))))).mean(1))


def chain(act: nn.Module):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_model(Chain(act))


def place(name: str, width: int = 6) -> Place:
    return Place(Layer(name, name), 0, width, "BTC")


@pytest.mark.parametrize("act", [nn.GELU(), nn.SiLU(), nn.ReLU(), nn.Tanh()])
def test_a_mean_behind_an_activation(act: nn.Module) -> None:
    model, heard = (
        chain(act),
        [window_of(make_model(), np.random.default_rng(0).random((1, 1, 1000)).astype("f4"))],
    )
    means = torch.tensor([0.0, 0.3, 0.05, 0.7, 0.2, 0.1])
    chosen = np.array([1, 3])
    changed = checkpoint.edited(model, (place("act"),), chosen, "mean", means=means)
    worst = checkpoint.difference(model, changed, (place("act"),), chosen, "mean", heard, 6, means=means)
    assert worst < 1e-6


def test_layers_that_are_affine_themselves() -> None:
    model, heard = (
        chain(nn.GELU()),
        [window_of(make_model(), np.random.default_rng(0).random((1, 1, 1000)).astype("f4"))],
    )
    for name, width in (("up", 6), ("down", 10), ("norm", 10)):
        for how in ("zero", "mean", "gain"):
            given = {"means": torch.full((width,), 0.4), "gain": 1.7}
            changed = checkpoint.edited(model, (place(name, width),), np.array([2]), how, **given)
            found = checkpoint.difference(
                model, changed, (place(name, width),), np.array([2]), how, heard, width, **given
            )
            assert found < 1e-6


def test_what_cannot_be_written_is_refused_by_name() -> None:
    model, one = chain(nn.GELU()), np.array([0])
    with pytest.raises(ModelError, match=r"layer sum cannot .* comes from no linear"):
        checkpoint.edited(model, (place("sum", 10),), one, "zero")
    with pytest.raises(ModelError, match=r"layer act cannot .* GELU does not pass a factor on"):
        checkpoint.edited(model, (place("act"),), one, "gain", gain=0.5)
    with pytest.raises(ModelError, match=r"Sigmoid never gives 1.5"):
        checkpoint.edited(chain(nn.Sigmoid()), (place("act"),), one, "mean", means=torch.full((6,), 1.5))
    with pytest.raises(InputError, match="depends on the clip"):
        checkpoint.edited(model, (place("act"),), one, "resample")
    with pytest.raises(InputError, match="needs the neurons' means"):
        checkpoint.edited(model, (place("act"),), one, "mean")
    with pytest.raises(ModelError, match="no format of its own"):
        checkpoint.write(model, (place("act"),), one, "zero", "out", windows=[], n_neurons=6)
    bare = nn.Sequential(nn.Conv1d(1, 2, 1, bias=False), nn.ReLU())
    with pytest.raises(ModelError, match="no bias that could hold the mean"):
        affine.set_constant(bare[0], 0, 0.5, "layer")
    with pytest.raises(ModelError, match="no weights"):
        affine.set_constant(nn.BatchNorm1d(2, affine=False), 0, 0.5, "layer")
    with pytest.raises(ModelError, match="counts padding"):
        affine.constant_before([nn.AvgPool1d(3, padding=1)], 0.5, "layer")
    assert affine.constant_before([nn.ReLU(), nn.AvgPool1d(3, padding=1)], 0.0, "layer") == 0.0


class ReadTwice(nn.Module):
    """What the activation is given is also read beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.act, self.head = nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.up(frames.transpose(1, 2))
        return self.head((self.act(x) + x).mean(1))


def test_an_output_that_is_read_elsewhere_is_found_out() -> None:
    model, heard = (
        make_model(ReadTwice()),
        [window_of(make_model(), np.random.default_rng(0).random((1, 1, 1000)).astype("f4"))],
    )
    changed = checkpoint.edited(model, (place("act"),), np.array([1]), "zero")
    with pytest.raises(ModelError, match="read elsewhere"):
        checkpoint.difference(model, changed, (place("act"),), np.array([1]), "zero", heard, 6)


def test_a_run_is_written_out_by_concept(run: Run, clips, model, tmp_path: Path) -> None:
    config = AblateConfig(top_n=1, concepts=("dog",), intervention="zero", folds="1", layers=("act",))
    with pytest.raises(ModelError, match="no format of its own"):
        write_ablated(run, model, tmp_path / "out", config, clips)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    model.config["architecture"] = "cnn"
    with pytest.raises(InputError, match="not an empty folder"):
        write_ablated(run, model, tmp_path / "full", config, clips)
    note = write_ablated(run, model, tmp_path / "out", config, clips)
    assert note["neurons"] == {"act": [0, 1]} and note["concepts"] == ["dog"] and note["strategy"] == "db"


@pytest.fixture
def ast(tmp_path: Path, monkeypatch) -> str:
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = Path(__file__).parents[1] / "models" / "checkpoints.py"
    described = importlib.util.spec_from_file_location("checkpoints", path)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return f"hf:{module.write('ast', tmp_path)}"


def heard_by(model, row: int) -> Window:
    waveform = np.random.default_rng(row).standard_normal((1, 1, 16000)).astype(np.float32)
    given = model.features(torch.from_numpy(waveform), torch.tensor([16000]))
    return Window(row, 1.0, given if isinstance(given, tuple) else (given,))


@pytest.mark.parametrize(
    "suffix", [("mlp.fc1", "intermediate.dense"), ("mlp.activation_fn", "intermediate_act_fn")]
)
def test_a_hugging_face_network_is_saved_and_opened_again(
    ast: str, tmp_path: Path, suffix: tuple[str, ...]
) -> None:
    model = open_model(ast)
    names = [name for name in modules_of(model) if name.endswith(suffix)]
    places = tuple(Place(Layer(name, name), 24 * at, 24, "BNC") for at, name in enumerate(names))
    heard = [heard_by(model, row) for row in range(2)]
    chosen, means = np.array([0, 7, 30]), torch.linspace(0.0, 0.5, 48)
    with contextlib.redirect_stderr(io.StringIO()):
        checkpoint.write(
            model, places, chosen, "mean", tmp_path / "out", windows=heard, n_neurons=48, means=means
        )
        again = open_model(f"hf:{tmp_path / 'out'}")
    assert again.classes == model.classes and again.sample_rate == model.sample_rate
    lesion = Lesion(model, places, intervention("mean"), means=means)
    found = lesion.logits(heard[0], masks_of([np.array([], dtype=np.int64), chosen, chosen[:1]], 48))
    assert lesion.widens is True  # residual sums of one clip and many sets fit
    assert torch.allclose(again.net(*heard[0].features)[0], found[1], atol=1e-6)
    block = Layer(names[0].rsplit(".", 2)[0], names[0].rsplit(".", 2)[0])
    with pytest.raises(ModelError, match="cannot be ablated in a checkpoint"):
        checkpoint.edited(model, (Place(block, 0, 16, "BNC"),), np.array([0]), "zero")
    with pytest.raises(InputError, match="lie in none of the layers"):
        checkpoint.edited(model, places, np.array([48]), "zero")
