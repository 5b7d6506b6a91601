from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.audio.windows import ClipLength
from otoscope.data.decode import Decoding, batches
from otoscope.errors import EmptyDataError, ModelError, StageError, StoreError
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.record.config import RecordConfig
from otoscope.record.hooks import intervening
from otoscope.record.layers import modules_of, resolve
from otoscope.record.probe import probe
from otoscope.record.ranks import Floors
from otoscope.record.stage import record
from otoscope.store import arrays
from otoscope.store.run import open_run
from tests.record.conftest import bytes_of, make_clips, make_model

CONFIG = RecordConfig(block=4, batch_size=3, workers=0, top_k=3, trace_bins=10)


def by_hand(model: AudioModel, clips) -> dict[str, np.ndarray]:
    """Return the mean over valid positions of each declared layer, one clip at a time."""
    decoding = Decoding(model.sample_rate, length=model.clip_length)
    found: dict[str, list[np.ndarray]] = {}
    for batch in batches(clips, decoding, batch_size=1):
        if not len(batch.rows):
            continue
        with torch.no_grad():
            frames = model.front_end(torch.from_numpy(batch.waveforms))
            first = model.net.first(frames)
            act = model.net.act(first)
            second = model.net.second(act)
            logits = model.net(frames)
        n = -(-int(batch.lengths[0]) // 10)
        for name, value in (("first", first), ("act", act), ("second", second)):
            found.setdefault(name, []).append(value[0, :, :n].mean(dim=1).numpy())
        found.setdefault("logits", []).append(logits[0].numpy())
    return {name: np.stack(rows) for name, rows in found.items()}


def test_pooled_counts_ranks_and_moments_are_right(tmp_path: Path, model: AudioModel) -> None:
    clips = make_clips(23, lengths_s=(1.0, 0.6, 1.0))
    run = record(model, clips, tmp_path / "run", CONFIG)
    expected = by_hand(model, clips)
    assert [one.name for one in run.layers] == ["first", "act", "second", "logits"]
    for name, values in expected.items():
        np.testing.assert_allclose(run.activations(name), values, atol=1e-6)
        evidence = run.evidence(name)
        top, bottom = np.sort(values, axis=0)[::-1][:3].T, np.sort(values, axis=0)[:3].T
        np.testing.assert_allclose(evidence["top_values"], top, atol=1e-6)
        np.testing.assert_allclose(evidence["bottom_values"], bottom, atol=1e-6)
        np.testing.assert_allclose(np.take_along_axis(values.T, evidence["top_rows"], axis=1), top, atol=1e-6)
        np.testing.assert_allclose(
            np.take_along_axis(values.T, evidence["bottom_rows"], axis=1), bottom, atol=1e-6
        )
        np.testing.assert_array_equal(evidence["histogram"].sum(axis=1), 23)
        own = run.neurons().filter(layer=name)
        np.testing.assert_allclose(own["mean"], values.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(own["std"], values.std(axis=0), atol=1e-6)
    counts, positions = run.counts("act"), run.positions("act")
    assert positions.tolist() == [100 if row % 3 != 1 else 60 for row in range(23)]
    np.testing.assert_allclose(
        counts.sum(axis=0) / positions.sum(), run.neurons().filter(layer="act")["share_positive"]
    )
    assert not run.neurons().filter(layer="act")["signed"].any()
    assert run.neurons()["neuron"].to_list() == list(range(19))


def test_damaged_clips_are_counted_and_keep_their_row(tmp_path: Path, model: AudioModel) -> None:
    clips = make_clips(13, broken=(0, 4, 5, 6, 7, 12))
    run = record(model, clips, tmp_path / "run", CONFIG)
    table = run.clips()
    failed = table.filter(status="failed")
    assert failed["row"].to_list() == [0, 4, 5, 6, 7, 12]
    assert failed["reason"][0] == "decode: clip 0 is damaged"
    values = run.activations("act")
    assert np.isnan(values[[0, 4, 5, 6, 7, 12]]).all() and np.isfinite(values[[1, 2, 3, 8]]).all()
    assert run.neurons()["n_clips"].unique().to_list() == [7]
    assert run.usable_rows().tolist() == [1, 2, 3, 8, 9, 10, 11]


def test_everything_damaged_is_an_error_that_says_why(tmp_path: Path, model: AudioModel) -> None:
    with pytest.raises(EmptyDataError, match=r"all 3 failed \(1 x clip"):
        record(model, make_clips(3, broken=(0, 1, 2)), tmp_path / "run", CONFIG)


def test_long_clips_are_heard_through_windows(tmp_path: Path) -> None:
    policy = ClipLength(1.0, long="windows", overlap=0.5)
    clips = make_clips(9, lengths_s=(1.0, 3.3, 0.4))
    run = record(make_model(policy), clips, tmp_path / "windows", CONFIG)
    whole = record(make_model(ClipLength(None)), clips, tmp_path / "whole", CONFIG)
    np.testing.assert_allclose(run.activations("act"), whole.activations("act"), atol=1e-6)
    np.testing.assert_array_equal(run.counts("act"), whole.counts("act"))
    np.testing.assert_array_equal(run.evidence("act")["top_rows"], whole.evidence("act")["top_rows"])
    np.testing.assert_allclose(
        run.evidence("act")["top_peak_s"], whole.evidence("act")["top_peak_s"], atol=1e-5
    )


@pytest.mark.parametrize("workers, batch_size", [(0, 3), (2, 3)])
def test_workers_do_not_change_a_byte(
    tmp_path: Path, model: AudioModel, workers: int, batch_size: int
) -> None:
    clips = make_clips(17, broken=(5,))
    plain = record(model, clips, tmp_path / "plain", CONFIG)
    other = CONFIG.model_copy(update={"workers": workers, "batch_size": batch_size})
    assert bytes_of(record(model, clips, tmp_path / "other", other).root) == bytes_of(plain.root)


def test_what_earlier_blocks_ask_for_changes_no_byte(tmp_path: Path, model: AudioModel, monkeypatch) -> None:
    clips, original, asked = make_clips(40, broken=(5,)), Floors.values, []
    few = CONFIG.model_copy(update={"top_k": 2, "block": 8})
    monkeypatch.setattr(Floors, "values", lambda self: asked.append(original(self)) or asked[-1])
    spared = record(model, clips, tmp_path / "spared", few)
    assert asked[0] is None and len(asked) == 5 and all(torch.isfinite(one.values).all() for one in asked[-1])
    monkeypatch.setattr(Floors, "values", lambda self: None)
    alone = record(model, clips, tmp_path / "alone", few)
    assert bytes_of(spared.root) == bytes_of(alone.root)


def test_killed_while_it_writes_sounds_a_run_is_not_recorded(
    tmp_path: Path, model: AudioModel, clips, monkeypatch
) -> None:
    def killed(*arguments: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("otoscope.record.stage.write_clips", killed)
        record(model, clips, tmp_path / "run", CONFIG)
    for read in (open_run(tmp_path / "run").clips, open_run(tmp_path / "run").neurons):
        with pytest.raises(StageError, match="is not recorded to its end"):
            read()
    again = record(model, clips, tmp_path / "run", CONFIG)
    assert bytes_of(again.root) == bytes_of(record(model, clips, tmp_path / "whole", CONFIG).root)


def test_second_call_does_nothing_another_config_is_refused(tmp_path: Path, model: AudioModel, clips) -> None:
    run = record(model, clips, tmp_path / "run", CONFIG)
    stamp = (run.root / "neurons.parquet").stat().st_mtime_ns
    record(model, clips, tmp_path / "run", CONFIG)
    assert (run.root / "neurons.parquet").stat().st_mtime_ns == stamp
    with pytest.raises(StageError, match=r"differs in layers, record"):
        record(model, clips, tmp_path / "run", CONFIG.model_copy(update={"pooling": "max"}))
    with pytest.raises(StageError, match=r"differs in data"):
        record(model, make_clips(22), tmp_path / "run", CONFIG)


class Failing(torch.nn.Module):
    """Raises from the n-th call on, for so many calls."""

    def __init__(self, inner: torch.nn.Module, first: int, calls: int) -> None:
        super().__init__()
        self.inner, self.first, self.calls, self.seen = inner, first, calls, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        if self.first <= self.seen < self.first + self.calls:
            raise RuntimeError("boom in the third batch")
        return self.inner(x)


def test_forward_that_fails_for_one_batch_loses_only_its_clips(tmp_path: Path, model: AudioModel) -> None:
    clips = make_clips(23)
    model.front_end = Failing(model.front_end, first=6, calls=4)  # two passes go to probing
    run = record(model, clips, tmp_path / "run", CONFIG)
    failed = run.clips().filter(status="failed")
    assert 1 <= failed.height <= 3
    assert "boom in the third batch" in failed["reason"][0] and failed["reason"][0].startswith(
        "forward: the network"
    )


def test_forward_that_keeps_failing_stops_and_keeps_finished_blocks(
    tmp_path: Path, model: AudioModel
) -> None:
    clips = make_clips(60)
    front_end = model.front_end
    model.front_end = Failing(front_end, first=8, calls=10**9)
    with pytest.raises(ModelError, match=r"17 clips in a row failed.*boom.*run the same command again"):
        record(model, clips, tmp_path / "run", CONFIG)
    assert list((tmp_path / "run" / "blocks").glob("*.safetensors"))
    model.front_end.calls = 0
    resumed = record(model, clips, tmp_path / "run", CONFIG)
    model.front_end.seen = 0
    straight = record(model, clips, tmp_path / "straight", CONFIG)
    assert bytes_of(resumed.root) == bytes_of(straight.root)


def test_nan_activations_are_a_failure_of_that_clip(tmp_path: Path, model: AudioModel, clips) -> None:
    class Poison(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            frames = x[:, 0].unflatten(1, (-1, 10)).transpose(1, 2)
            return torch.where(frames.amax(dim=(1, 2), keepdim=True) > 0.38, torch.nan, frames)

    model.front_end = Poison()
    run = record(model, clips, tmp_path / "run", CONFIG)
    failed = run.clips().filter(status="failed")
    assert 0 < failed.height < 23
    assert "NaN or infinite" in failed["reason"][0]
    assert np.isnan(run.activations("first")[failed["row"].to_numpy()]).all()
    assert run.neurons()["mean"].is_finite().all()


def test_a_clip_that_is_left_out_keeps_no_evidence_of_others_away(
    tmp_path: Path, model: AudioModel, clips
) -> None:
    class Poison(torch.nn.Module):
        """Good in the first layer, where the clip may be among the most extreme, and NaN from here on."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            largest = x.amax(dim=tuple(range(1, x.ndim)), keepdim=True)
            return torch.where(largest > largest.median(), torch.nan, x.relu())

    model.net.act = Poison()
    many = CONFIG.model_copy(update={"batch_size": 12, "block": 24, "top_k": 2})
    run = record(model, clips, tmp_path / "run", many)
    ranked = run.evidence("first")
    assert 2 < run.clips().filter(status="failed").height < 20
    for pole in ("top", "bottom"):
        assert (ranked[f"{pole}_rows"] >= 0).all()
        assert np.isfinite(ranked[f"{pole}_peak_s"]).all()


def test_full_disk_stops_with_a_sentence_and_the_run_continues(
    tmp_path: Path, model: AudioModel, clips, monkeypatch
) -> None:
    original, calls = arrays.write_rows, 0

    def full(path: Path, start: int, rows: np.ndarray, opened: object = None) -> None:
        nonlocal calls
        calls += 1
        if calls > 15:
            raise StoreError(f"cannot write {path}: No space left on device. Finished blocks are kept.")
        original(path, start, rows, opened)

    monkeypatch.setattr(arrays, "write_rows", full)
    with pytest.raises(StoreError, match="No space left"):
        record(model, clips, tmp_path / "run", CONFIG)
    monkeypatch.setattr(arrays, "write_rows", original)
    resumed = record(model, clips, tmp_path / "run", CONFIG)
    straight = record(model, clips, tmp_path / "straight", CONFIG)
    assert bytes_of(resumed.root) == bytes_of(straight.root)


def test_model_comes_back_as_it_was_lent_also_after_an_error(
    tmp_path: Path, model: AudioModel, clips
) -> None:
    model.net.act.train()
    model.net.first.weight.requires_grad_(False)
    before = hash_weights(model)
    modes = [module.training for module in model.modules()]

    def hooks() -> int:
        return sum(len(module._forward_hooks) for module in model.modules())

    record(model, clips, tmp_path / "good", CONFIG)
    front_end, model.front_end = model.front_end, Failing(model.front_end, first=4, calls=10**9)
    model.front_end.eval()
    with pytest.raises(ModelError):
        record(model, clips, tmp_path / "bad", CONFIG)
    model.front_end = front_end
    assert hash_weights(model) == before and hooks() == 0
    assert [module.training for module in model.modules()] == modes
    assert not model.net.first.weight.requires_grad and model.net.second.weight.requires_grad


def test_only_early_layers_wanted_means_the_rest_does_not_run(
    tmp_path: Path, model: AudioModel, clips
) -> None:
    ran: list[int] = []
    model.net.head.register_forward_hook(lambda *_: ran.append(1))
    probe(model, resolve(model, ("first",)))
    in_probe = len(ran)
    record(model, clips, tmp_path / "run", CONFIG.model_copy(update={"layers": ("first",)}))
    assert len(ran) == 2 * in_probe, "the head runs in the probe and never again"


def test_topk_store_keeps_ranks_and_moments_without_activations(
    tmp_path: Path, model: AudioModel, clips
) -> None:
    full = record(model, clips, tmp_path / "full", CONFIG)
    small = record(
        model, clips, tmp_path / "small", CONFIG.model_copy(update={"store": "topk", "counts": "none"})
    )
    assert small.neurons().select("mean", "std", "max").equals(full.neurons().select("mean", "std", "max"))
    np.testing.assert_array_equal(small.evidence("act")["top_rows"], full.evidence("act")["top_rows"])
    with pytest.raises(StageError, match="was not recorded"):
        small.activations("act")
    assert small.evidence("act")["histogram"].sum(axis=1).tolist() == [23] * 6


def test_intervention_changes_what_follows_and_nothing_else(model: AudioModel) -> None:
    waveform = torch.randn(2, 1, 1000, generator=torch.Generator().manual_seed(0))
    layer = resolve(model, ("pair[0]",))[0]
    with torch.no_grad():
        before = model(waveform)
        with intervening(modules_of(model), {layer: torch.zeros_like}):
            zeroed = model(waveform)
        after = model(waveform)
    torch.testing.assert_close(zeroed, model.net.head.bias.expand(2, 3))
    assert torch.equal(before, after)


SCRIPT = """
import sys
from pathlib import Path
from tests.record.conftest import make_clips, make_model
from tests.record.test_record import CONFIG
from otoscope.record.stage import record
record(make_model(), make_clips(200, lengths_s=(1.0, 0.7)), Path(sys.argv[1]), CONFIG)
print("finished")
"""


def test_killed_at_random_points_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    chance = random.Random(7)
    killed = 0
    for _ in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "killed")],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        blocks = tmp_path / "killed" / "blocks"
        deadline = time.monotonic() + 60
        while (
            process.poll() is None and time.monotonic() < deadline and not any(blocks.glob("*.safetensors"))
        ):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.25))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        if "finished" in output:
            break
        killed += 1
    assert killed >= 1, "the run was never interrupted"
    for name in (
        "killed",
        "straight",
    ):  # in processes of their own, with as many threads as those that were killed
        subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / name)], env=environment, check=True)
    assert bytes_of(open_run(tmp_path / "killed").root) == bytes_of(open_run(tmp_path / "straight").root)
