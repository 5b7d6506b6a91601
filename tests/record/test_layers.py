from __future__ import annotations

import pytest
import torch
from torch import nn

from otoscope.audio.windows import ClipLength
from otoscope.errors import HookError, LayerError
from otoscope.models.audio_model import AudioModel
from otoscope.record.axes import letters
from otoscope.record.layers import Layer, resolve
from otoscope.record.probe import probe
from otoscope.record.tree import layer_tree


def names(model: AudioModel, *patterns: str) -> list[str]:
    return [layer.name for layer in resolve(model, patterns)]


def test_names_globs_and_lists(model: AudioModel) -> None:
    assert names(model, "act") == ["act"]
    assert names(model, "second,first") == ["first", "second"]
    assert names(model, "*") == ["first", "act", "second", "logits"]
    assert names(model, "?ct", "logits") == ["act", "logits"]
    assert names(model, "pair[0]") == ["pair[0]"]
    assert names(model, "**") == ["first", "act", "second", "pair", "twice", "unused", "head", "logits"]
    assert names(model, "*d") == ["second", "unused", "head"]


@pytest.mark.parametrize("wrong", ["frist", "second.weight", "blocks.*", "pair[0", ""])
def test_unknown_name_lists_the_nearest_before_any_forward_pass(model: AudioModel, wrong: str) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the network ran")

    model.net.register_forward_pre_hook(forbidden)
    with pytest.raises(LayerError) as caught:
        resolve(model, (wrong,))
    assert "logits" in str(caught.value)
    if wrong == "frist":
        assert "Did you mean 'first'" in str(caught.value)


def test_tuple_output_gets_its_selector_on_disk(model: AudioModel) -> None:
    probed, _ = probe(model, resolve(model, ("pair",)))
    assert probed[0].name == "pair[0]"
    assert probed[0].n_neurons == 4
    assert probed[0].geometry.axes == "BCT"


def test_a_named_layer_that_never_fires_is_an_error_a_globbed_one_is_left_out(model: AudioModel) -> None:
    with pytest.raises(HookError, match="unused did not run"):
        probe(model, resolve(model, ("unused",)))
    with pytest.raises(HookError, match="twice ran 2 times"):
        probe(model, resolve(model, ("twice",)))
    probed, left_out = probe(model, resolve(model, ("**",)))
    assert set(left_out) == {"unused", "twice"}
    assert [one.name for one in probed] == ["first", "act", "second", "pair[0]", "head", "logits"]


def test_selector_that_leads_nowhere(model: AudioModel) -> None:
    with pytest.raises(HookError, match=r"pair\[5\]"):
        probe(model, (Layer("pair[5]", "pair", (5,)),))


def test_wrappers_are_stripped(model: AudioModel) -> None:
    plain = names(model, "*")
    model.net = nn.DataParallel(model.net)
    assert names(model, "*") == plain
    model.net = torch.compile(model.net.module)
    assert names(model, "*") == plain
    probed, _ = probe(model, resolve(model, ("*",)))
    assert [one.name for one in probed] == plain


def test_tree_marks_what_the_star_names_and_says_why_others_cannot_be_recorded(model: AudioModel) -> None:
    rows = {row.name: row for row in layer_tree(model)}
    assert [name for name, row in rows.items() if row.declared] == ["first", "act", "second", "logits"]
    assert rows["unused"].probed is None and "did not run" in rows["unused"].reason
    assert rows["logits"].probed is not None and rows["logits"].probed.n_neurons == 3
    assert [row.name for row in layer_tree(model, ("act",))] == ["act"]


@pytest.mark.parametrize(
    "shape, clip, time, module, expected",
    [
        ((1, 8, 5, 20), 0, 3, None, "BCFT"),
        ((1, 8, 20, 5), 0, 2, None, "BCTF"),
        ((20, 1, 8), 1, 0, nn.Linear(8, 8), "TBC"),
        ((1, 20, 8), 0, 1, nn.GELU(), "BTC"),
        ((1, 8, 20), 0, 2, nn.Conv1d(1, 8, 1), "BCT"),
        ((1, 8, 20), 0, 2, nn.ReLU(), "BCT"),
        ((1, 8), 0, None, nn.Linear(8, 8), "BC"),
        ((1, 20, 8), 0, None, nn.LayerNorm(8), "BTC"),
        ((1, 8, 5, 20), 0, None, nn.Conv2d(1, 8, 1), "BCFT"),
    ],
)
def test_axes_letters(shape, clip, time, module, expected) -> None:
    assert letters(shape, clip, time, module) == expected


class Recurrent(nn.Module):
    """Time first: ``(time, clip, neuron)``."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(10, 7)
        self.head = nn.Linear(7, 2)

    def forward(self, waveform):
        frames = waveform[:, 0].unflatten(1, (-1, 10)).transpose(0, 1)  # (time, clip, 10)
        return self.head(self.rnn(frames)[0].mean(dim=0))


def test_time_first_network_is_understood_from_three_passes() -> None:
    net = Recurrent()
    model = AudioModel(nn.Identity(), net, sample_rate=1000, clip_length=ClipLength(1.0)).eval()
    probed, _ = probe(model, resolve(model, ("rnn",)))
    assert probed[0].name == "rnn[0]"
    assert probed[0].geometry.axes == "TBC"
    assert probed[0].geometry.approximate
    assert probed[0].geometry.n_time == 100
    assert probed[0].geometry.stride_s == pytest.approx(0.01)
