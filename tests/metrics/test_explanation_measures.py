"""Label fidelity, separation, insertion and deletion curves, localisation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics import curves, label_fidelity, localisation, separation

RNG = np.random.default_rng(2)


class TestLabelFidelity:
    """Fidelity with several labels."""

    def test_reference_vectors(self, parity) -> None:
        given = parity("l2i")
        truth, scores = given["ml/target_bin"].astype(bool), given["ml/scores"]
        assert pytest.approx(given["ml/thresholds"]) == label_fidelity.THRESHOLDS
        for name, found in zip(("tp", "fp", "fn"), label_fidelity.counts(truth, scores)):
            assert np.array_equal(found, given[f"ml/s_{name}"])
        areas = label_fidelity.class_auprc(truth, scores)
        assert areas == pytest.approx(given["ml/s_macro_auprc_per_class"], abs=1e-12)
        area, best = label_fidelity.micro(truth, scores)
        assert area == pytest.approx(float(given["ml/s_micro_auprc"]), abs=1e-12)
        assert best == pytest.approx(float(given["ml/s_f1max"]), abs=1e-12)
        by_f = 1 / (1 + np.exp(-given["ml/f_logits"].astype(float)))
        found = label_fidelity.decision_thresholds(given["ml/y"] > 0.5, by_f)
        assert np.array_equal(found, given["ml/compute_multilabel_threshold"])

    def test_a_perfect_stand_in(self) -> None:
        truth = RNG.random((30, 3)) < 0.4
        found = label_fidelity.evaluate(truth, truth * 0.98)
        assert found["micro_auprc"] == pytest.approx(1) and found["max_f1"] == pytest.approx(1)
        assert found["macro_average_precision"] == 1

    def test_the_exact_area_is_scikit_learns(self) -> None:
        truth, scores = RNG.random((50, 4)) < 0.3, RNG.random((50, 4))
        expected = average_precision_score(truth, scores, average="macro")
        assert label_fidelity.evaluate(truth, scores)["macro_average_precision"] == pytest.approx(expected)

    def test_a_class_that_is_never_named_is_left_out(self) -> None:
        truth = np.array([[True, False], [False, False]])
        scores = np.array([[0.9, 0.1], [0.2, 0.3]])
        assert np.isnan(label_fidelity.class_auprc(truth, scores)).tolist() == [False, True]
        assert label_fidelity.evaluate(truth, scores)["macro_auprc"] == pytest.approx(1)
        nothing = label_fidelity.evaluate(np.zeros((2, 2), bool), scores)
        assert np.isnan(nothing["macro_auprc"])

    def test_intervals_draw_whole_groups(self) -> None:
        truth = RNG.random((40, 2)) < 0.4
        scores, groups = np.clip(truth * 0.3 + RNG.random((40, 2)) * 0.7, 0, 1), np.repeat(np.arange(8), 5)
        found = label_fidelity.with_intervals(truth, scores, groups, seed=1)
        plain = label_fidelity.evaluate(truth, scores)
        assert {name: found[name] for name in plain} == plain
        rng, areas = np.random.default_rng(5), []
        for _ in range(500):
            some = np.concatenate([np.flatnonzero(groups == one) for one in rng.integers(0, 8, 8)])
            areas.append(average_precision_score(truth[some], scores[some]))
        ends = found["macro_average_precision_low"], found["macro_average_precision_high"]
        assert ends == pytest.approx(np.quantile(areas, [0.025, 0.975]), abs=0.04)
        assert found["macro_auprc_low"] <= found["macro_auprc"] <= found["macro_auprc_high"]
        one = label_fidelity.with_intervals(truth, scores, np.zeros(40, int))
        assert one["macro_auprc_low"] == one["macro_auprc_high"] == pytest.approx(plain["macro_auprc"])

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="thresholds fall"):
            label_fidelity.counts(np.ones((1, 1), bool), np.ones((1, 1)), (0.1, 0.5))


class TestSeparation:
    """Whose energy passes."""

    def test_hand_number_and_control(self) -> None:
        gain, target, other = np.array([[1.0, 0.5]]), np.array([[1.0, 0.0]]), np.array([[0.0, 4.0]])
        found = separation.evaluate(gain, target, other)
        assert found["target_share"].tolist() == [0.5] and found["input_share"].tolist() == [0.2]
        assert found["target_kept"].tolist() == [1] and found["improvement_db"] == pytest.approx(
            [10 * np.log10(4)]
        )

    def test_all_pass_improves_nothing_and_an_ideal_mask_is_perfect(self) -> None:
        target, other = RNG.random((2, 4, 4, 5))
        ones = np.ones_like(target)
        assert separation.improvement_db(ones, target, other) == pytest.approx(np.zeros(4))
        ideal = (target > other).astype(float)
        assert (
            separation.target_share(ideal, target, other) > separation.target_share(ones, target, other)
        ).all()

    def test_nothing_passes(self) -> None:
        target = np.ones((1, 2, 2))
        found = separation.evaluate(0 * target, target, target)
        assert np.isnan(found["target_share"]).all() and np.isnan(found["improvement_db"]).all()
        assert found["target_kept"].tolist() == [0]

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="squared magnitudes"):
            separation.target_share(np.ones((1, 2)), -np.ones((1, 2)), np.ones((1, 2)))
        with pytest.raises(EmptyDataError, match="nothing to separate"):
            separation.target_share(*(np.ones((0, 2)) for _ in range(3)))


class TestCurves:
    """Insertion and deletion."""

    def test_hand_number(self) -> None:
        shares = np.array([0.0, 0.25, 1.0])
        assert curves.area(np.array([[0.0, 1.0, 1.0]]), shares) == pytest.approx([0.875])

    def test_a_constant_curve_has_its_height_at_any_shares(self) -> None:
        shares = np.sort(RNG.random(6))
        found = curves.evaluate(np.full((3, 6), 0.3), np.full((3, 6), 0.1), shares)
        assert found["area_difference"] == pytest.approx([0.2] * 3)

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="shares rise"):
            curves.area(np.ones((1, 2)), np.array([1.0, 0.0]))
        with pytest.raises(InputError, match="two or more shares"):
            curves.area(np.ones((1, 1)), np.array([1.0]))
        with pytest.raises(EmptyDataError, match="no clip"):
            curves.area(np.ones((0, 2)), np.array([0.0, 1.0]))


class TestLocalisation:
    """Known onsets."""

    def test_hand_numbers(self) -> None:
        active = localisation.active_frames(np.array([1.0]), np.array([2.0]), 6, 0.5)
        assert active.tolist() == [False, False, True, True, False, False]
        relevance = np.array([[0.0, 1, 3, 3, 1, 0]])
        found = localisation.evaluate(active[None], relevance)
        assert {name: values.tolist() for name, values in found.items()} == {
            "localisation_auroc": [1],
            "energy_in_events": [0.75],
            "pointing_game": [1],
        }

    def test_scikit_learn_says_the_same(self) -> None:
        active, relevance = RNG.random((5, 40)) < 0.3, RNG.random((5, 40))
        expected = [roc_auc_score(a, r) for a, r in zip(active, relevance)]
        assert localisation.localisation_auroc(active, relevance) == pytest.approx(expected)

    def test_a_flat_relevance_is_chance_and_no_event_is_no_value(self) -> None:
        active = np.array([[True, False, False, False], [False] * 4, [True] * 4])
        found = localisation.evaluate(active, np.ones((3, 4)))
        assert found["localisation_auroc"][0] == 0.5 and found["pointing_game"][0] == 0.25
        assert all(np.isnan(values[1:]).all() for values in found.values())

    def test_errors(self) -> None:
        with pytest.raises(InputError, match="ends after it begins"):
            localisation.active_frames(np.array([1.0]), np.array([0.5]), 4, 1.0)
