"""The same network with weights drawn anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from otoscope.errors import InputError, ModelError
from otoscope.models import open_model
from otoscope.models.cnn import build
from otoscope.models.folder import save
from otoscope.models.weights import hash_weights


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A network that has learnt: every weight a hundredth larger, a front end with its own standardisation."""
    model = build(("a", "b", "c"), width=4, clip_s=1.0, n_mels=16, seed=2)
    with torch.no_grad():
        for one in model.net.parameters():
            one += 0.01
        for buffer in model.front_end.buffers():
            if buffer.is_floating_point():
                buffer *= 1.5
    save(model, tmp_path / "trained")
    return str(tmp_path / "trained")


def test_weights_are_those_before_training_and_the_front_end_is_kept(folder: str) -> None:
    trained, fresh = open_model(folder), open_model(f"untrained:{folder}")
    own = build(("a", "b", "c"), width=4, clip_s=1.0, n_mels=16, seed=2)
    for one, two in zip(fresh.net.parameters(), own.net.parameters(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(fresh.front_end.buffers(), trained.front_end.buffers(), strict=True):
        assert torch.equal(one, two)
    assert fresh.classes == trained.classes and not fresh.training and fresh.spec == f"untrained:{folder}"
    assert hash_weights(fresh) != hash_weights(trained)


def test_a_seed_draws_others_and_leaves_the_global_one_alone(folder: str) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (open_model(f"untrained:{folder}?seed={seed}") for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert hash_weights(one) == hash_weights(same) != hash_weights(other)
    with torch.no_grad():
        assert one(torch.zeros(1, 1, 16000)).shape == (1, 3)


def test_what_cannot_be_drawn_anew() -> None:
    with pytest.raises(InputError, match="expected untrained:MODEL"):
        open_model("untrained:")
    with pytest.raises(ModelError, match=r"planted: is none of cnn, .*py:module:factory"):
        open_model("untrained:planted:")
    with pytest.raises(InputError, match="is not a model"):
        open_model("untrained:nowhere")
