from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.errors import StageError
from otoscope.models import cnn, folder, open_model
from otoscope.models.reopen import reopen_model
from otoscope.models.weights import hash_weights
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run, open_run

ONE_LAYER = RecordConfig(layers=("logits",), evidence_clips=0)


@pytest.fixture
def moved(tmp_path: Path) -> tuple[Run, str]:
    """A run and its network's folder, both moved after recording."""
    clips = open_data("sounds:4", duration_s=0.5)
    folder.save(cnn.build(("a", "b"), width=4, clip_s=0.5), tmp_path / "old" / "network")
    network = open_model(str(tmp_path / "old" / "network"))
    record(network, clips, tmp_path / "old" / "run", ONE_LAYER)
    shutil.move(tmp_path / "old", tmp_path / "new")
    return open_run(tmp_path / "new" / "run"), hash_weights(network)


def test_a_network_that_moved_with_its_run_is_found(moved: tuple[Run, str]) -> None:
    run, weights = moved
    assert hash_weights(reopen_model(run)) == weights == run.manifest["model"]["weights_hash"]
    assert run.manifest["model"]["path"] == "../network"


def test_a_network_that_is_gone_is_asked_for(moved: tuple[Run, str]) -> None:
    run, _ = moved
    shutil.rmtree(run.root.parent / "network")
    with pytest.raises(StageError, match="has moved, or was an object"):
        reopen_model(run)


def test_a_named_network_is_opened_by_its_name(tmp_path: Path) -> None:
    run = record(open_model("demo:"), open_data("sounds:3"), tmp_path / "run", ONE_LAYER)
    assert reopen_model(run).spec == "demo:"
    assert "path" not in run.manifest["model"]


def test_an_object_without_a_name_cannot_be_opened_again(tmp_path: Path) -> None:
    network = cnn.build(("a", "b"), width=4, clip_s=0.5).eval()
    run = record(network, open_data("sounds:3", duration_s=0.5), tmp_path / "run", ONE_LAYER)
    with pytest.raises(StageError, match="was an object in memory"):
        reopen_model(run)
