"""The user's own networks by ``py:``."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models import open_model, unwrap
from otoscope.models.python import from_module

SOURCE = """
import torch
from torch import nn
from beside import CLASSES

class Net(nn.Module):
    sample_rate = 8000
    classes = CLASSES
    clip_s = 0.5
    waveform_axes = "BT"
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 3, 5)
        self.head = nn.Linear(3, 2)
    def forward(self, waveform):
        assert waveform.ndim == 2
        return self.head(self.conv(waveform[:, None]).relu().mean(2))

ready = Net()
def pair():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), 16000
def triple():
    return nn.Flatten(), 16000, ["a", "b"]
def mute():
    return nn.Flatten()
def text():
    return "a net"
def fails():
    raise KeyError("weights")
def names():
    return nn.Flatten(), 8000, "ab"
class Wrong(nn.Module):
    sample_rate = 8000
    def forward(self, waveform):
        return waveform
class Tuple(Wrong):
    def forward(self, waveform):
        return (waveform,)
class Output:
    def __init__(self, logits):
        self.logits = logits
class WithLogits(Wrong):
    def forward(self, waveform):
        return Output(waveform[:, 0, :3])
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "beside.py").write_text("CLASSES = ('low', 'high')\n")
    (tmp_path / "mine.py").write_text(SOURCE)
    yield tmp_path / "mine.py"
    for name in ("beside", "mine"):
        sys.modules.pop(name, None)


def test_a_class_in_a_file_becomes_a_model(file):
    path = list(sys.path)
    model = open_model(f"py:{file}:Net")
    assert (model.sample_rate, model.classes, model.clip_length.length_s) == (8000, ("low", "high"), 0.5)
    assert model(torch.zeros(3, 1, 4000)).shape == (3, 2)
    assert model(torch.zeros(3, 2, 4000)).shape == (3, 2)
    assert [name for name, _ in unwrap(model.net).named_modules()] == ["", "conv", "head"]
    assert model.geometry("conv", (3, 3, 3996), 4000) is None
    assert model.spec == f"py:{file}:Net" and not model.training
    assert sys.path == path


def test_a_module_by_name_is_found_in_the_current_folder(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert open_model("py:mine:ready").classes == ("low", "high")


def test_tuples_and_objects_with_logits(file):
    assert open_model(f"py:{file}:pair").sample_rate == 16000
    assert open_model(f"py:{file}:triple").classes == ("a", "b")
    assert open_model(f"py:{file}:WithLogits")(torch.zeros(2, 1, 9)).shape == (2, 3)


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("mute", ModelError, "does not say at which sample rate.*sample_rate = 16000"),
        ("text", ModelError, "gave str; expected an AudioModel"),
        ("fails", ModelError, "failed: KeyError: 'weights'"),
        ("names", ModelError, "classes of .* are 'ab'"),
        ("Nett", UnknownNameError, "Did you mean 'Net'"),
    ],
)
def test_factories_that_give_no_model_say_why(file, name, error, message):
    with pytest.raises(error, match=message):
        open_model(f"py:{file}:{name}")


@pytest.mark.parametrize("name, message", [("Wrong", r"shape \(2, 1, 9\)"), ("Tuple", "returned tuple")])
def test_outputs_that_are_no_logits_say_what_came(file, name, message):
    model = open_model(f"py:{file}:{name}")
    with pytest.raises(ModelError, match=message):
        model(torch.zeros(2, 1, 9))


@pytest.mark.parametrize(
    "spec, error, message",
    [
        ("py:justaname", InputError, "expected py:module:factory"),
        ("py:no/such.py:Net", InputError, "no file no/such.py"),
        ("py:no_such_module:Net", InputError, "no module 'no_such_module'"),
    ],
)
def test_places_that_do_not_exist(spec, error, message):
    with pytest.raises(error, match=message):
        open_model(spec)


def test_a_file_that_does_not_import_is_named(tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ModelError, match=r"broken\.py cannot be imported: ModuleNotFoundError"):
        open_model(f"py:{tmp_path / 'broken.py'}:Net")


def test_a_wrong_layout_of_waveforms_is_refused():
    with pytest.raises(ModelError, match="waveform_axes"):
        from_module(nn.Flatten(), sample_rate=8000, waveform_axes="TB")


def test_an_unknown_scheme_lists_the_known():
    with pytest.raises(UnknownNameError, match="demo, planted, hf, py"):
        open_model("hff:x")
