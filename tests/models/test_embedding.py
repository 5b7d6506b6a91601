"""One vector a clip, of any network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from otoscope.audio.windows import ClipLength
from otoscope.data import open_data
from otoscope.errors import ModelError
from otoscope.models import cnn, open_model
from otoscope.models.audio_model import AudioModel
from otoscope.models.embedding import clip_embeddings, embedding, positions_mean
from otoscope.models.evaluate import clip_logits


class Sequence(nn.Module):
    """A head after a hidden layer, token by token, then the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(1, 6), nn.Linear(6, 3)

    def forward(self, features):
        return self.last(torch.relu(self.hidden(features.mT))).mean(1)


def _model(net, **more):
    return AudioModel(nn.Identity(), net, sample_rate=8000, clip_length=ClipLength(None), **more).eval()


def test_our_networks_say_what_their_head_takes():
    model = cnn.build(("a", "b"), width=4).eval()
    waveform = torch.randn(2, 1, 80000, generator=torch.Generator().manual_seed(0))
    found = embedding(model, waveform)
    assert found.shape == (2, 32)
    torch.testing.assert_close(model.net.head(found), model(waveform))


def test_an_unknown_network_is_heard_before_its_last_linear():
    net = Sequence()
    model = _model(net, classes=("a", "b", "c"))
    waveform = torch.randn(2, 1, 50, generator=torch.Generator().manual_seed(1))
    found = embedding(model, waveform)
    assert found.shape == (2, 6)
    torch.testing.assert_close(net.last(found), model(waveform))  # the head is linear, so means commute
    assert not any(one._forward_hooks for one in net.modules())


def test_an_encoder_without_a_head_is_its_output_and_a_net_without_linear_is_refused():
    class Mean(nn.Module):
        def forward(self, features):
            return features.mean(2)

    waveform = torch.ones(2, 1, 50)
    assert embedding(_model(Mean(), has_logits=False), waveform).tolist() == [[1.0], [1.0]]
    with pytest.raises(ModelError, match=r"give its net a method embedding"):
        embedding(_model(Mean(), classes=("a",)), waveform)


@pytest.mark.parametrize("kind", ["ast", "wav2vec2-head", "whisper-head"])
def test_hugging_face_heads_read_what_we_return(checkpoint, kind):
    model = open_model(f"hf:{checkpoint(kind)}")
    waveform = 0.1 * torch.randn(2, 1, 16000, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found, logits = embedding(model, waveform), model(waveform)
    inner = model.net.inner
    head = inner.classifier.dense if kind == "ast" else inner.classifier
    torch.testing.assert_close(head(found), logits, atol=1e-5, rtol=1e-5)


def test_windows_are_averaged_by_seconds():
    clips = open_data("sounds:").take(np.arange(3))
    model = cnn.build(("a", "b"), width=2, clip_s=0.5).eval()
    found, failures = clip_embeddings(model, clips)
    logits, _ = clip_logits(model, clips)
    assert found.shape == (3, 16) and not failures
    with torch.no_grad():
        again = model.net.head(torch.from_numpy(found))
    np.testing.assert_allclose(again, logits, atol=1e-4)


def test_positions_between_the_first_and_the_last_axis_are_averaged():
    assert positions_mean(torch.arange(12.0).reshape(1, 2, 2, 3)).tolist() == [[4.5, 5.5, 6.5]]
