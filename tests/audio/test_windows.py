"""Cutting clips into windows, and merging them by time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from otoscope.audio.windows import ClipLength, Window, cut, fit, kept, plan
from otoscope.errors import InputError, UnknownNameError

RNG = np.random.default_rng(7)


def test_by_hand():
    windows = plan(50, 10, ClipLength(2.0, overlap=0.5))
    assert windows == [
        Window(0, 20, 20, 0.0, 1.5),
        Window(10, 20, 20, 1.5, 2.5),
        Window(20, 20, 20, 2.5, 3.5),
        Window(30, 20, 20, 3.5, 5.0),
    ]


def test_the_last_window_is_moved_back_to_end_with_the_clip():
    windows = plan(45, 10, ClipLength(2.0, overlap=0.0))
    assert [w.start_sample for w in windows] == [0, 20, 25]
    assert [(w.keep_start_s, w.keep_end_s) for w in windows] == [(0, 2), (2, 3.25), (3.25, 4.5)]


@pytest.mark.parametrize("short", ["pad", "repeat"])
def test_padding_is_answered_for_by_nobody(short):
    assert plan(30, 10, ClipLength(5.0, short=short)) == [Window(0, 50, 30, 0.0, 3.0)]


def test_crop_hears_the_beginning():
    assert plan(99, 10, ClipLength(5.0, long="crop")) == [Window(0, 50, 50, 0.0, 5.0)]


def test_no_length_takes_the_clip_as_it_is():
    assert plan(37, 10, ClipLength()) == [Window(0, 37, 37, 0.0, 3.7)]


def test_windows_partition_every_clip():
    for _ in range(300):
        n, rate = int(RNG.integers(1, 3000)), int(RNG.integers(1, 400))
        policy = ClipLength(float(RNG.uniform(0.01, 6)), overlap=float(RNG.uniform(0, 0.95)))
        windows = plan(n, rate, policy)
        assert windows[0].keep_start_s == 0 and windows[-1].keep_end_s == n / rate
        assert len({w.n_samples for w in windows}) == 1
        for window, later in pairwise(windows):
            assert window.keep_end_s == later.keep_start_s
            assert window.start_sample < later.start_sample <= window.start_sample + window.n_samples
        for window in windows:
            assert window.keep_start_s < window.keep_end_s
            assert window.start_sample <= window.keep_start_s * rate + 1e-9
            assert window.keep_end_s * rate <= window.start_sample + window.n_valid + 1e-9
            assert window.start_sample + window.n_valid <= n


@pytest.mark.parametrize("stride, offset", [(0.02, 0.0), (0.02, 0.01), (0.1, 0.05), (1.0, 0.5)])
@pytest.mark.parametrize("n_samples", [1600, 1599, 2400, 2777, 400])
def test_each_moment_of_a_clip_is_kept_once(stride, offset, n_samples):
    rate, policy = 100, ClipLength(8.0, overlap=0.5)
    n_positions = int((8.0 - offset) / stride) if offset else int(8.0 / stride)
    times = []
    for window in plan(n_samples, rate, policy):
        chosen = kept(window, rate, n_positions, stride_s=stride, offset_s=offset)
        assert chosen.any()
        times.extend(window.start_sample / rate + offset + np.flatnonzero(chosen) * stride)
    assert (np.diff(times) > 0).all() and np.diff(times).max() < 2 * stride
    assert len(times) == pytest.approx(n_samples / rate / stride, abs=2 + len(plan(n_samples, rate, policy)))


def test_a_coarse_layer_keeps_the_position_nearest_to_its_span():
    padded = Window(0, 800, 30, 0.0, 0.3)
    np.testing.assert_array_equal(kept(padded, 100, 3, stride_s=2.0, offset_s=1.0), [True, False, False])
    assert kept(padded, 100, 0, stride_s=1.0, offset_s=0.0).shape == (0,)


def test_fit_pads_repeats_and_crops():
    sound = np.arange(1, 4)
    np.testing.assert_array_equal(fit(sound, 5), [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(fit(sound, 8, "repeat"), [1, 2, 3, 1, 2, 3, 1, 2])
    np.testing.assert_array_equal(fit(sound[None, None], 2), [[[1, 2]]])
    with pytest.raises(InputError, match="cannot fill 5 samples from none"):
        fit(np.zeros((1, 0)), 5)
    with pytest.raises(UnknownNameError, match="policy for short clips"):
        fit(sound, 5, "loop")


def test_cut_gives_what_the_plan_says():
    sound = np.arange(2 * 45).reshape(2, 45)
    pieces = [cut(sound, window) for window in plan(45, 10, ClipLength(2.0, overlap=0.25))]
    assert [piece[0, 0] for piece in pieces] == [0, 15, 25] and all(p.shape == (2, 20) for p in pieces)
    (short,) = plan(45, 10, ClipLength(10.0))
    np.testing.assert_array_equal(cut(sound, short)[:, 45:], 0)
    np.testing.assert_array_equal(cut(sound, short, "repeat")[:, 45:90], sound)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"length_s": 0.0}, "length_s must be positive or None, got 0.0"),
        ({"length_s": float("nan")}, "length_s must be positive"),
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\), got 1.0"),
        ({"short": "loop"}, "unknown policy for short clips 'loop'"),
        ({"long": "cut"}, "unknown policy for long clips 'cut'"),
    ],
)
def test_settings_errors(options, message):
    with pytest.raises(InputError, match=message):
        ClipLength(**options)


def test_nothing_cannot_be_planned():
    with pytest.raises(InputError, match="expected samples at a positive rate, got 0 samples at 16000 Hz"):
        plan(0, 16000, ClipLength(1.0))
