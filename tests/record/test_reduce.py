from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from otoscope.data.decode import Batch
from otoscope.errors import HookError
from otoscope.models.geometry import Geometry
from otoscope.record import pooling, ranking
from otoscope.record.merge_windows import merge, place
from otoscope.record.reduce import Reduction, Wanted, both_poles, reduce_batch, take, valid_frames

RATE = 100


def batch(
    lengths: list[int], n_samples: int = 100, rows: list[int] | None = None, starts: list[float] | None = None
):
    n = len(lengths)
    begin = np.array(starts or [0.0] * n)
    valid = np.array(lengths)
    sound = np.random.default_rng(0).standard_normal((n, 1, n_samples)).astype(np.float32)
    for i, length in enumerate(lengths):
        sound[i, :, length:] = 0
    return Batch(
        rows=np.array(rows if rows is not None else range(n)),
        starts_s=begin,
        keep_s=np.stack([begin, begin + valid / RATE], axis=1),
        durations_s=begin + valid / RATE,
        waveforms=sound,
        lengths=valid,
        source_rates=np.full(n, RATE),
    )


GRID = Geometry(
    "BCFT", n_frequency=3, n_time=10, stride_s=0.1, offset_s=0.05, frequency_hz=(100.0, 200.0, 400.0)
)


def wanted(kind: str = "mean", **changes: object) -> Wanted:
    return Wanted(**{"pooling": kind, "counts": True, "n_bins": 10, "skip_silence": False, **changes})  # type: ignore[arg-type]


def slow(output: np.ndarray, frames: int, kind: str) -> np.ndarray:
    """Pool each clip and neuron by itself, in plain numpy."""
    pooled = np.zeros(output.shape[:2])
    for clip in range(output.shape[0]):
        for neuron in range(output.shape[1]):
            flat = np.sort(output[clip, neuron, :, :frames].ravel())[::-1]
            tail = flat[: max(1, round(0.1 * flat.size))].mean()
            pooled[clip, neuron] = {
                "mean": flat.mean(),
                "max": flat[0],
                "tail": tail,
                "first": output[clip, neuron, 0, 0],
            }[kind]
    return pooled


@pytest.mark.parametrize("kind", sorted(pooling.GRID_POOLINGS))
def test_pooling_equals_a_slow_rederivation_and_skips_padding(kind: str) -> None:
    output = torch.randn(4, 5, 3, 10, generator=torch.Generator().manual_seed(0))
    found = reduce_batch(output, GRID, batch([100, 100, 60, 100]), RATE, wanted(kind))
    expected = slow(output.numpy(), 10, kind)
    expected[2] = slow(output.numpy(), 6, kind)[2]
    np.testing.assert_allclose(found.pooled.numpy(), expected, atol=1e-6)
    assert found.positions.tolist() == [30, 30, 18, 30]
    positive = (output.numpy() > 0).sum(axis=(2, 3)).astype(float)
    positive[2] = (output.numpy()[2, :, :, :6] > 0).sum(axis=(1, 2))
    np.testing.assert_array_equal(found.positives.numpy(), positive)


def test_tokens_in_both_orders_and_prefix() -> None:
    grid = torch.randn(2, 5, 3, 10, generator=torch.Generator().manual_seed(1))
    prefix = torch.full((2, 2, 5), 99.0)
    time_major = grid.permute(0, 3, 2, 1).flatten(1, 2)
    frequency_major = grid.permute(0, 2, 3, 1).flatten(1, 2)
    plain = reduce_batch(grid, GRID, batch([100, 70]), RATE, wanted("max"))
    for order, tokens in (("time-major", time_major), ("frequency-major", frequency_major)):
        geometry = Geometry("BNC", 2, 3, 10, order, 0.1, 0.05, (100.0, 200.0, 400.0))
        found = reduce_batch(
            torch.cat([prefix, tokens], dim=1), geometry, batch([100, 70]), RATE, wanted("max")
        )
        torch.testing.assert_close(found.pooled, plain.pooled)
        torch.testing.assert_close(found.evidence.peak_hz, plain.evidence.peak_hz)
        cls = reduce_batch(
            torch.cat([prefix, tokens], dim=1), geometry, batch([100, 70]), RATE, wanted("cls")
        )
        assert (cls.pooled == 99).all()
    with pytest.raises(HookError, match="special token"):
        reduce_batch(grid, GRID, batch([100, 70]), RATE, wanted("cls"))


def test_peaks_and_traces_stand_where_the_activation_is() -> None:
    output = torch.zeros(1, 2, 3, 10)
    output[0, 0, 2, 7] = 5.0
    output[0, 1, 1, 3] = -4.0
    found = reduce_batch(output, GRID, batch([100]), RATE, wanted())
    own = found.evidence
    assert own.clip.tolist() == [0] * 4 and own.pole_neuron.tolist() == [0, 1, 2, 3]
    assert own.peak_s[0] == pytest.approx(0.75) and own.peak_hz[0] == 400.0
    assert own.peak_s[3] == pytest.approx(0.35) and own.peak_hz[3] == 200.0, "the low pole of neuron 1"
    assert own.trace[0].argmax() == 7 and own.trace[3].argmax() == 3
    assert own.peak_value.tolist() == [5.0, 0.0, 0.0, 4.0]


def test_evidence_below_the_floor_is_left_out_and_above_it_is_the_same() -> None:
    output = torch.randn(4, 5, 3, 10, generator=torch.Generator().manual_seed(5))
    output[:, 2] = 0.0  # a dead neuron: all clips are equal, and the seed decides
    sounds = batch([100] * 4)
    everywhere = reduce_batch(output, GRID, sounds, RATE, wanted("max"))
    rows, columns = torch.from_numpy(sounds.rows), ranking.pole_neurons(10, 5)
    keys = ranking.keys(both_poles(everywhere.pooled), rows[:, None], columns, 3)
    last = keys.sort(dim=0).values[1]  # two of four exceed it
    some = reduce_batch(output, GRID, sounds, RATE, wanted("max"), ranking.Floor.of(last, columns, 3))
    reached = keys > last
    assert (reached.sum(dim=0) == 2).all()
    expected = everywhere.evidence.part(reached.flatten().nonzero()[:, 0])
    for one in fields(expected):
        torch.testing.assert_close(getattr(some.evidence, one.name), getattr(expected, one.name))
    assert torch.equal(some.pooled, everywhere.pooled)


def test_without_a_floor_a_batch_wants_evidence_of_its_own_best() -> None:
    output = torch.randn(4, 5, 3, 10, generator=torch.Generator().manual_seed(5))
    found = reduce_batch(output, GRID, batch([100] * 4), RATE, replace(wanted("max"), top_k=3))
    assert found.evidence.pole_neuron.bincount().tolist() == [3] * 10


@pytest.mark.parametrize("n_bins", [1, 4, 10, 25])
def test_bins_keep_the_extreme(n_bins: int) -> None:
    traces = torch.randn(2, 3, 10, generator=torch.Generator().manual_seed(2))
    binned = pooling.into_bins(traces, n_bins)
    assert binned.shape == (2, 3, n_bins)
    torch.testing.assert_close(binned.amax(dim=2), traces.amax(dim=2))
    assert (binned[..., 0] >= traces[..., 0]).all() and (binned[..., -1] >= traces[..., -1]).all()


@pytest.mark.parametrize("shape", [(3, 40, 16, 50), (1, 700, 12, 101), (20, 2, 1, 7)])
@pytest.mark.parametrize("layout", ["neurons first", "neurons last"])
def test_pieces_for_the_cache_change_nothing(shape: tuple[int, ...], layout: str) -> None:
    grid = torch.randn(shape, generator=torch.Generator().manual_seed(6))
    if layout == "neurons last":
        grid = grid.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    found = pooling.passes(grid, "max", counts=True)
    torch.testing.assert_close(found.pooled, grid.amax(dim=(2, 3)))
    assert found.positives is not None
    assert torch.equal(found.positives, (grid > 0).sum(dim=(2, 3)).float())
    true = torch.cat([grid.amax(dim=2), -grid.amin(dim=2)], dim=1)
    assert torch.equal(pooling.traces(grid), true)
    wanted = torch.rand(true.shape[:2], generator=torch.Generator().manual_seed(7))
    for share in (0.0, 0.02, 0.3, 1.0):
        clip, pole_neuron = (wanted < share).nonzero(as_tuple=True)
        assert torch.equal(pooling.traces_of(grid, clip, pole_neuron), true[clip, pole_neuron])


def test_one_sample_clip_keeps_one_frame() -> None:
    assert valid_frames(batch([1]), GRID, RATE) == [(0, 1)]


def test_vector_layers_have_one_position() -> None:
    found = reduce_batch(
        torch.tensor([[1.0, -1.0]]), Geometry.vector(1.0), batch([30]), RATE, wanted(n_bins=1)
    )
    assert found.pooled.tolist() == [[1.0, -1.0]] and found.positions.tolist() == [1]


def test_digital_silence_is_left_out_where_asked() -> None:
    sounds = batch([100, 100, 100])
    sounds.waveforms[0, :, 30:70] = 0
    sounds.waveforms[2] = 0
    output = torch.arange(10.0).expand(3, 1, 3, 10)
    plain = reduce_batch(output, GRID, sounds, RATE, wanted())
    skipped = reduce_batch(output, GRID, sounds, RATE, wanted(skip_silence=True))
    assert plain.pooled[0, 0] == 4.5
    assert skipped.pooled[0, 0] == pytest.approx(np.mean([0, 1, 2, 7, 8, 9]))
    assert skipped.positions.tolist() == [18, 30, 30], "a clip of nothing but silence keeps its frames"


def test_windows_merged_equal_the_whole_clip() -> None:
    """A layer whose frames do not depend on context: windows must give what one long pass gives."""
    long = Geometry("BCFT", n_frequency=3, n_time=30, stride_s=0.1, offset_s=0.05)
    output = torch.randn(1, 4, 3, 30, generator=torch.Generator().manual_seed(4))
    for kind in ("mean", "max", "first"):
        whole = reduce_batch(output, long, batch([300], 300), RATE, wanted(kind, n_bins=30))
        merged: Reduction | None = None
        for i, (begin, end) in enumerate([(0, 1.0), (1.0, 2.0), (2.0, 3.0)]):
            window = batch([100], starts=[begin])
            window.keep_s[:] = [[begin, end]]
            short = Geometry("BCFT", n_frequency=3, n_time=10, stride_s=0.1, offset_s=0.05)
            part = reduce_batch(
                output[..., 10 * i : 10 * i + 10], short, window, RATE, wanted(kind, n_bins=30)
            )
            piece = place(take(part, torch.tensor([0])), begin / 3, end / 3, 30)
            merged = piece if merged is None else merge(merged, piece, kind)
        assert merged is not None
        torch.testing.assert_close(merged.pooled, whole.pooled)
        assert torch.equal(merged.positions, whole.positions)
        assert merged.positives is not None and torch.equal(merged.positives, whole.positives)
        torch.testing.assert_close(merged.evidence.trace, whole.evidence.trace)
        torch.testing.assert_close(merged.evidence.peak_s, whole.evidence.peak_s)


def test_traces_of_some_frames_of_a_map() -> None:
    whole = torch.randn(3, 40, 16, 50, generator=torch.Generator().manual_seed(6))
    for grid in (whole[..., :49], whole[..., 1:], whole[:, :30], whole[1:]):
        true = torch.cat([grid.amax(dim=2), -grid.amin(dim=2)], dim=1)
        clip, pole_neuron = (
            (torch.arange(true[..., 0].numel()) % 7 == 0).view(true.shape[:2]).nonzero(as_tuple=True)
        )
        assert torch.equal(pooling.traces_of(grid, clip, pole_neuron), true[clip, pole_neuron])


@pytest.mark.parametrize("kind", sorted(pooling.GRID_POOLINGS))
@pytest.mark.parametrize("order", ["time-major", "frequency-major"])
def test_tokens_whose_last_frames_are_padding(kind: str, order: str) -> None:
    tokens = torch.randn(2, 30, 700, generator=torch.Generator().manual_seed(3))
    geometry = Geometry("BNC", 0, 3, 10, order, 0.1, 0.05)
    found = reduce_batch(tokens, geometry, batch([70, 70]), RATE, wanted(kind))
    grid = geometry.grid(tokens)[..., :7]
    assert pooling._has_gaps(grid) == (order == "frequency-major")
    np.testing.assert_allclose(found.pooled.numpy(), slow(grid.numpy(), 7, kind), atol=1e-6)
    assert found.positives is not None
    assert torch.equal(found.positives, (grid > 0).sum(dim=(2, 3)).float())
