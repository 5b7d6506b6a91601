"""Positions of a layer's output in seconds and hertz."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.errors import InputError
from otoscope.models.geometry import Geometry


def test_tokens_of_both_orders_land_in_the_same_grid():
    frequency, frame, neuron = 3, 4, 2
    wanted = torch.randn(5, neuron, frequency, frame)
    special = torch.full((5, 2, neuron), 9.0)
    time_major = torch.stack([wanted[:, :, f, t] for t in range(frame) for f in range(frequency)], dim=1)
    frequency_major = torch.stack([wanted[:, :, f, t] for f in range(frequency) for t in range(frame)], dim=1)
    for order, tokens in (("time-major", time_major), ("frequency-major", frequency_major)):
        geometry = Geometry("BNC", n_prefix=2, n_frequency=3, n_time=4, order=order)
        output = torch.cat([special, tokens], dim=1)
        assert torch.equal(geometry.grid(output), wanted)
        assert torch.equal(geometry.prefix(output), special.transpose(1, 2))


@pytest.mark.parametrize(
    "axes, shape, grid",
    [
        ("BCFT", (2, 5, 3, 4), (2, 5, 3, 4)),
        ("BCT", (2, 5, 4), (2, 5, 1, 4)),
        ("TBC", (4, 2, 5), (2, 5, 1, 4)),
        ("BTC", (2, 4, 5), (2, 5, 1, 4)),
        ("BC", (2, 5), (2, 5, 1, 1)),
        ("BT", (2, 4), (2, 1, 1, 4)),
    ],
)
def test_every_layout_becomes_clip_neuron_frequency_frame(axes, shape, grid):
    sizes = dict(zip(axes, shape))
    geometry = Geometry(axes, n_frequency=sizes.get("F", 1), n_time=sizes.get("T", 1))
    output = torch.randn(shape)
    assert geometry.grid(output).shape == grid
    assert geometry.grid(output).sum() == pytest.approx(float(output.sum()), abs=1e-4)
    assert geometry.n_neurons(shape) == sizes.get("C", 1)
    assert geometry.prefix(output).shape[2] == 0


def test_centres_and_the_frames_of_a_padded_clip():
    geometry = Geometry("BCT", n_time=10, stride_s=0.1, offset_s=0.05)
    np.testing.assert_allclose(geometry.times_s()[:3], [0.05, 0.15, 0.25])
    assert geometry.n_frames_within(1.0) == 10
    assert geometry.n_frames_within(0.25) == 2  # the third centre stands exactly at 0.25 s
    assert geometry.n_frames_within(0.26) == 3
    assert geometry.n_frames_within(0.0) == 1
    for duration_s in np.linspace(0, 1.2, 50):
        slow = max(1, sum(time_s < duration_s - 1e-9 for time_s in geometry.times_s()))
        assert geometry.n_frames_within(float(duration_s)) == slow


def test_json_gives_the_same_geometry_back():
    geometry = Geometry("BCFT", n_frequency=2, n_time=3, stride_s=0.5, frequency_hz=(100.0, 200.0))
    assert Geometry.from_json(geometry.to_json()) == geometry


def test_an_undeclared_layer_divides_its_input_evenly_and_says_so():
    geometry = Geometry.in_proportion("BNC", (2, 8, 16), 4.0)
    assert (geometry.axes, geometry.n_time, geometry.stride_s, geometry.offset_s) == ("BTC", 8, 0.5, 0.25)
    assert geometry.approximate


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Geometry("CT"), "expected B"),
        (lambda: Geometry("BNT"), "already stands for"),
        (lambda: Geometry("BC", order="snake"), "expected one of"),
        (lambda: Geometry("BCFT", n_frequency=2, frequency_hz=(1.0,)), "1 frequencies for 2"),
        (lambda: Geometry("BNC", n_time=3).grid(torch.zeros(1, 4, 2)), "does not fit"),
        (lambda: Geometry.in_proportion("BCT", (1, 2), 1.0), "name 3 dimensions"),
    ],
)
def test_what_cannot_be_a_geometry_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
