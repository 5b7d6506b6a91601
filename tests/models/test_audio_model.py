"""The seam between sound and network: features, lengths, wrappers, the table of names."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError
from otoscope.models import ARCHITECTURES, MODELS, open_model, unwrap
from otoscope.models.audio_model import Adapter, AudioModel
from otoscope.models.weights import describe_front_end, hash_weights
from otoscope.registry import load


class Halves(nn.Module):
    """A front end that gives two features and notes what it was told."""

    told = None

    def forward(self, waveform, lengths=None):
        self.told = lengths
        half = waveform.shape[2] // 2
        return waveform[..., :half].mean(2), waveform[..., half:].mean(2)


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, first, second):
        return self.scale * (first + second)


class Quiet(Adapter):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *features):
        return self.inner(*features)


def made(net=None, **options):
    return AudioModel(
        Halves(),
        Sum() if net is None else net,
        sample_rate=8,
        clip_length=ClipLength(None),
        classes=("sum",),
        **options,
    )


def test_a_tuple_of_features_becomes_the_nets_arguments():
    logits = made()(torch.arange(8.0).reshape(1, 1, 8))
    assert logits.item() == 2 * (1.5 + 5.5)


@pytest.mark.parametrize("takes", [True, False])
def test_lengths_reach_only_a_front_end_that_takes_them(takes):
    model, lengths = made(takes_lengths=takes), torch.tensor([4])
    model(torch.zeros(1, 1, 8), lengths)
    assert (model.front_end.told is lengths) == takes


def test_all_wrappers_come_off_in_any_order():
    net = Sum()
    for wrapped in (
        Quiet(nn.DataParallel(net)),
        nn.DataParallel(Quiet(net)),
        torch.compile(Quiet(net), backend="eager"),
        Quiet(torch.compile(net, backend="eager")),
    ):
        assert unwrap(wrapped) is net
        assert hash_weights(made(wrapped)) == hash_weights(made(net))
    assert unwrap(net) is net


def test_the_front_end_belongs_to_the_identity():
    model = made()
    assert describe_front_end(model) == {"sample_rate": 8, "class": "Halves"}
    before = hash_weights(model)
    model.sample_rate = 16
    assert hash_weights(model) != before


def test_the_hash_knows_every_kind_of_number():
    hashes = {hash_weights(made(Sum().to(dtype))) for dtype in (torch.float32, torch.float64, torch.bfloat16)}
    assert len(hashes) == 3


def test_logits_have_a_geometry_of_their_own():
    geometry = made().geometry("logits", (3, 1), 8)
    assert (geometry.axes, geometry.stride_s, geometry.offset_s) == ("BC", 1.0, 0.5)
    assert made().geometry("anything", (3, 1), 8) is None


def test_every_row_of_the_tables_exists():
    for target in (*MODELS.values(), *ARCHITECTURES.values()):
        assert callable(load(target))


def test_importing_the_room_loads_no_torch():
    code = (
        "import sys, otoscope.models, otoscope.fit; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_demo_takes_nothing_after_its_name():
    with pytest.raises(InputError, match="named 'demo:' alone"):
        open_model("demo:large")
