"""Faithfulness: hand numbers, a loop in plain numpy, the published variants, edges, errors, reference vectors."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.metrics import faithfulness as ff

P = np.array([[0.6, 0.4], [0.5, 0.5], [0.9, 0.1]])
P_IN = np.array([[0.8, 0.2], [0.25, 0.75], [0.9, 0.1]])


def random_tables(n: int = 40, classes: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return tuple(ff.softmax(rng.normal(0, 2, (n, classes))) for _ in range(3))


def test_hand_numbers() -> None:
    assert ff.average_increase(P, P_IN).tolist() == [100, 0, 0]
    assert ff.average_drop(P, P_IN) == pytest.approx([0, 50, 0])
    assert ff.average_gain(P, P_IN) == pytest.approx([50, 0, 0])
    assert ff.faithfulness(P, P_IN) == pytest.approx([-0.2, 0.25, 0])
    assert ff.input_fidelity(P, P_IN).tolist() == [1, 0, 1]
    assert ff.average_gain(P, P_IN, target=1) == pytest.approx([0, 50, 0])


def test_a_loop_says_the_same() -> None:
    p, p_in, p_out = random_tables()
    measures = ff.evaluate(p, p_in, p_out)
    for clip in range(len(p)):
        c = max(range(p.shape[1]), key=lambda k: p[clip, k])
        whole, kept = p[clip, c], p_in[clip, c]
        assert measures["average_increase"][clip] == (100 if kept > whole else 0)
        assert measures["average_drop"][clip] == pytest.approx(100 * max(0, whole - kept) / whole)
        assert measures["average_gain"][clip] == pytest.approx(100 * max(0, kept - whole) / (1 - whole))
        assert measures["faithfulness"][clip] == pytest.approx(whole - p_out[clip, c])
        assert measures["input_fidelity"][clip] == (p_in[clip].argmax() == c)


def test_all_pass_costs_nothing_and_gains_nothing() -> None:
    p, _, p_out = random_tables()
    measures = ff.evaluate(p, p, p_out)
    for name in ("average_increase", "average_drop", "average_gain"):
        assert not measures[name].any()
    assert measures["input_fidelity"].all()


def test_rounding_is_no_increase_where_it_is_tolerated() -> None:
    nearly = P + np.array([[1e-7, -1e-7]])
    assert ff.average_increase(P, nearly).tolist() == [100, 100, 100]
    assert ff.average_increase(P, nearly, tolerance=1e-4).tolist() == [0, 0, 0]
    assert ff.evaluate(P, P_IN, P_IN, tolerance=1e-4)["average_increase"].tolist() == [100, 0, 0]


def test_drop_and_gain_exclude_one_another_and_stay_within_a_hundred() -> None:
    p, p_in, _ = random_tables()
    drop, gain = ff.average_drop(p, p_in), ff.average_gain(p, p_in)
    assert ((drop == 0) | (gain == 0)).all()
    assert drop.min() >= 0 and drop.max() <= 100 and gain.min() >= 0 and gain.max() <= 100
    assert ((gain > 0) == (ff.average_increase(p, p_in) > 0)).all()


def test_certainty_and_impossibility_have_values() -> None:
    sure, lost = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert ff.average_drop(sure, lost).tolist() == [100] and ff.average_gain(sure, lost).tolist() == [0]
    assert ff.average_drop(sure, lost, target=1).tolist() == [0]
    assert ff.average_gain(sure, lost, target=1).tolist() == [100]


def test_the_published_drop_has_a_ceiling_at_fifty_classes() -> None:
    sure, lost = np.eye(50)[:1], np.eye(50)[1:2]
    assert ff.average_drop(sure, lost).tolist() == [100]
    published = ff.average_drop(sure, lost, variant="double-softmax")
    assert published[0] == pytest.approx(100 * (1 - 1 / np.e), abs=1.0) and published[0] < 63.3


def test_a_failed_clip_is_counted_not_hidden() -> None:
    p = P.copy()
    p[1] = np.nan
    measures = ff.evaluate(p, P_IN, P_IN)
    assert all(np.isnan(values[1]) and np.isfinite(values[[0, 2]]).all() for values in measures.values())
    assert ff.summarise(measures["average_gain"]) == pytest.approx(
        {"mean": 25, "median": 25, "q25": 12.5, "q75": 37.5, "n": 2, "n_dropped": 1}
    )
    assert np.isnan(ff.summarise(np.array([np.nan]))["mean"])


def test_presets_differ_where_they_say() -> None:
    p, p_in, p_out = random_tables()
    default = ff.evaluate(p, p_in, p_out)
    amt = ff.evaluate(p, p_in, p_out, preset="amt-speechbrain")
    l2i = ff.evaluate(p, p_in, p_out, preset="l2i-speechbrain")
    assert np.array_equal(amt["faithfulness"], ff.faithfulness(p, p_in))
    assert np.array_equal(l2i["faithfulness"], default["faithfulness"])
    assert np.array_equal(l2i["input_fidelity"], p_in.argmax(1) == 0)
    assert not np.allclose(l2i["average_drop"], default["average_drop"])
    with pytest.raises(
        UnknownNameError, match=r"unknown preset of faithfulness 'lmac'\. Did you mean 'lmac-2024'"
    ):
        ff.evaluate(p, p_in, p_out, preset="lmac")


def test_one_clip_and_one_class() -> None:
    one = np.array([[1.0]])
    assert all(values.shape == (1,) for values in ff.evaluate(one, one, one).values())


def test_removal_drops() -> None:
    logits, left = np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]])
    found = ff.removal_drops(logits, left)
    before = 1 / (1 + np.exp(-2))
    assert found["logit"].tolist() == [2] and found["probability"] == pytest.approx([before - 0.5])
    assert found["relative"] == pytest.approx([(before - 0.5) / before])
    several = ff.removal_drops(logits, left, target=1, activation="sigmoid")
    assert several["probability"].tolist() == [0]


def test_top_k_fidelity_by_hand() -> None:
    reference, scores = np.array([[3.0, 1, 2], [0, 1, 2]]), np.array([[2.0, 3, 1], [3, 2, 1]])
    assert [ff.top_k_fidelity(reference, scores, k).tolist() for k in (1, 2, 3)] == [[0, 0], [1, 0], [1, 1]]


def test_errors() -> None:
    with pytest.raises(InputError, match=r"probabilities lie in \[0, 1\], got -3 .. 2; take the softmax"):
        ff.average_drop(np.array([[2.0, -3.0]]), np.array([[0.5, 0.5]]))
    with pytest.raises(InputError, match=r"of one shape, got \(3, 2\) and \(2, 2\)"):
        ff.faithfulness(P, P_IN[:2])
    with pytest.raises(InputError, match=r"targets lie in 0 .. 1, got 0 .. 2"):
        ff.average_gain(P, P_IN, np.array([0, 1, 2]))
    with pytest.raises(InputError, match="one class index a clip, 3 integers; got float64"):
        ff.average_gain(P, P_IN, np.zeros(3))
    with pytest.raises(EmptyDataError, match="no probabilities"):
        ff.average_increase(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(UnknownNameError, match="unknown activation 'relu'"):
        ff.removal_drops(P, P_IN, activation="relu")


def test_reference_vectors_of_the_recipes(parity) -> None:
    given = parity("posthoc")
    p, p_in, p_out = (
        ff.softmax(given[f"metric/{one}"]) for one in ("logits", "logits_maskin", "logits_maskout")
    )
    assert np.array_equal(ff.targets_of(p), given["metric/pred"])
    assert np.array_equal(ff.average_increase(p, p_in), given["metric/AI"])
    assert ff.average_drop(p, p_in) == pytest.approx(given["metric/AD_from_logits"], rel=1e-5, abs=5e-5)
    published = ff.average_drop(p, p_in, variant="double-softmax")
    assert published == pytest.approx(given["metric/AD_as_called_probs"], rel=1e-5, abs=5e-5)
    rest = np.arange(16) != 1  # row 1 is saturated: p is exactly 1 in float32 and not in float64
    assert ff.average_gain(p, p_in)[rest] == pytest.approx(given["metric/AG"][rest], rel=1e-4, abs=1e-4)
    assert ff.faithfulness(p, p_out) == pytest.approx(given["metric/FF"], abs=1e-6)
    assert np.array_equal(ff.input_fidelity(p, p_in), given["metric/FidIn"])
    by_mistake = ff.input_fidelity(p, p_in, reference="class-0")
    clear = (
        np.arange(16) != 3
    )  # mask-in of row 3 is uniform: which of five tied classes torch's top-1 takes is open
    assert np.array_equal(by_mistake[clear], given["metric/FidIn_L2I_bug_called_with_labels"][clear])
    right = ff.targets_of(p) == given["metric/labels"][:, 0]
    assert np.array_equal(right, given["metric/acc"])
    assert ff.average_drop(p[:1], p_in[:1]) == pytest.approx(given["metric/AD_batch1"], abs=1e-6)
    assert ff.average_gain(p[5:6], p_in[5:6]) == pytest.approx(given["metric/AG_batch1"], abs=1e-6)


def test_reference_vectors_of_the_authors_of_l2i(parity) -> None:
    given = parity("l2i")
    f, h = given["fid/data_f_logits"], given["fid/h_logits"]
    for k in (1, 3, 5):
        assert ff.top_k_fidelity(f, h, k).sum() == given[f"fid/top{k}"]
