from __future__ import annotations

import numpy as np
import pytest

from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import open_data
from otoscope.errors import InputError, UnknownNameError
from otoscope.models import open_model
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run
from otoscope.study.last_layer import _evaluate, last_layer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    clips = open_data("sounds:96", seed=9)
    made = record(
        open_model("demo:"), clips, tmp_path_factory.mktemp("last") / "run", RecordConfig(layers=("logits",))
    )
    for spec in ("labels:kind", "acoustic"):
        caption(made, clips, CaptionConfig(captioner=spec))
    return made


def test_label_captions_are_the_ceiling_and_dealt_captions_the_floor(run: Run) -> None:
    found = last_layer(
        run,
        open_data("sounds:96", seed=9),
        captions=["labels"],
        functions=("wpmi",),
        concepts="labels+sounds",
    )
    row = found.row(0, named=True)
    assert row["neurons"] == 24 and row["concepts"] >= 200
    assert row["mrr"] > 0.5
    assert row["mrr"] > 3 * row["dealt_mrr"] and row["dealt_top1"] < 0.3
    assert row["chance_top1"] == pytest.approx(1 / row["concepts"])


def test_every_source_and_function_has_its_row(run: Run) -> None:
    found = last_layer(run, open_data("sounds:96", seed=9), functions=("cos", "rank_reorder"))
    assert found.height == 4
    with pytest.raises(UnknownNameError, match="Did you mean 'cos'"):
        last_layer(run, open_data("sounds:96", seed=9), functions=("coss",))


def test_hand_numbers_with_ties() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    spoken = np.eye(3, dtype=np.float32)
    found = _evaluate(scores, np.array([0, 1]), spoken)
    assert found["top1"] == 0.5, "a shared first place is no first place"
    assert found["cosine"] == pytest.approx((1 + 1) / 4), "tied concepts count by their mean"
    assert found["chance_mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_a_network_without_classes_has_no_known_truth(run: Run) -> None:
    other = Run(run.root)
    other.__dict__["manifest"] = {**run.manifest, "model": {**run.manifest["model"], "classes": []}}
    with pytest.raises(InputError, match="without class names"):
        last_layer(other, open_data("sounds:96", seed=9))
