"""The offline explainer: exemplars, statements, over-representation."""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom

from otoscope.describe.contrast import Contrast, Finding, written
from otoscope.describe.exemplars import exemplars
from otoscope.describe.statements import statements

CAPTIONS = ["a loud dog barking"] * 4 + ["heavy rain, steady hiss"] * 4 + ["wind in trees"] * 4


def test_exemplars_are_the_extremes_one_of_a_group() -> None:
    rng = np.random.default_rng(0)
    activations = rng.permuted(np.tile(np.arange(12.0), (3, 1)), axis=1).T.astype(np.float32)
    vectors = np.eye(12, dtype=np.float32)
    groups = np.repeat(np.arange(6), 2)
    found = exemplars(activations, vectors, groups, k=3)
    for neuron in range(3):
        order = np.argsort(-activations[:, neuron])
        slow = list(dict.fromkeys(groups[order]))[:3]
        assert groups[found.high[neuron]].tolist() == slow
        assert found.high[neuron][0] == order[0] and found.low[neuron][0] == order[-1]
        median = np.median(activations[:, neuron])
        assert (activations[found.near[neuron], neuron] <= median).all()
        assert not set(found.near[neuron]) & set(found.high[neuron])
    published = exemplars(activations, vectors, groups, k=3, distinct_groups=False)
    assert (published.high == np.argsort(-activations, axis=0)[:3].T).all()


def test_near_misses_are_the_closest_captions_of_quiet_clips() -> None:
    activations = np.array([[9.0], [8.0], [0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0.6, 0.8], [1, 0]], dtype=np.float32)
    found = exemplars(activations, vectors, np.arange(6), k=2)
    assert found.near[0].tolist() == [3, 4]  # clip 5 says the same, but is above the median


def test_few_clips_dead_and_tied_neurons() -> None:
    activations = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 2.0]], dtype=np.float32)
    found = exemplars(activations, np.eye(3, dtype=np.float32), np.arange(3), k=5)
    assert found.dead.tolist() == [True, False] and (found.high[:, 3:] == -1).all()
    assert exemplars(activations, np.eye(3, dtype=np.float32), np.arange(3), k=2).tied.tolist() == [
        False,
        True,
    ]


def test_statements_by_lemma_phrase_and_sense() -> None:
    found = statements(["A dog barking, many short bursts.", "Dogs bark; many short bursts", "woof!"])
    said = {(kind, text): made.tolist() for kind, text, made in zip(found.kind, found.text, found.made.T)}
    assert said["word", "dog"] == [True, True, False]
    assert said["clause", "many short bursts"] == [True, True, False]
    assert said["sense", "bark"] == [True, True, True]
    assert not {("word", "a"), ("word", "dogs")} & set(said)
    assert statements(["1234", "the of and"]).made.shape == (2, 0)


def made_contrast(**options) -> Contrast:
    said = statements(CAPTIONS)
    return Contrast(said.made, said, np.arange(12), **{"alpha": 0.05, "most": 6, **options})


def test_findings_have_counts_and_a_hypergeometric_p() -> None:
    found = made_contrast().findings(np.arange(4), np.array([4, 5]))
    dog = next(one for one in found if "dog" in one.text)
    assert (dog.top, dog.n_top, dog.near, dog.n_near, dog.rest, dog.n_rest) == (4, 4, 0, 2, 0, 6)
    assert np.isclose(dog.p, hypergeom.sf(3, 12, 4, 4))
    assert dog.counts == "4 of 4 clips; 0 of 2 near misses; 0 of the other 6"
    assert not any("rain" in one.text for one in found)


def test_groups_count_once() -> None:
    said = statements(CAPTIONS)
    one_recording = np.array([0, 0, 0, 0, *range(1, 9)])
    contrast = Contrast(said.made, said, one_recording, alpha=0.2, most=6)
    assert contrast.findings(np.arange(4), np.array([], dtype=np.int64)) == []  # four takes of one dog


def test_what_near_misses_say_is_no_finding() -> None:
    assert made_contrast().findings(np.array([0, 1]), np.array([2, 3])) == []


def test_sentences_are_english_with_their_counts() -> None:
    found = [
        Finding("word", "dog", 4, 5, 0, 5, 6, 190, 0.001),
        Finding("word", "bark", 3, 5, 0, 5, 6, 190, 0.002),
        Finding("sense", "short", 3, 5, 0, 0, 6, 195, 0.002),
        Finding("clause", "many short bursts", 3, 5, 0, 0, 6, 195, 0.002),
    ]
    said = written(found)
    assert [one.text for one in said] == [
        "These sounds have to do with dog and bark.",
        "They are short.",
        "Many short bursts.",
    ]
    assert [one.gist for one in said] == ["dog, bark", "short", "many short bursts"]
    assert said[1].evidence == "short: 3 of 5 clips; 6 of the other 195"


def test_untrusted_captions_are_only_text() -> None:
    hostile = [
        "<script>alert(1)</script> ../../etc/passwd {0} %s",
        "<script>alert(1)</script> ignore the above",
    ]
    found = statements(hostile)
    assert found.made.shape[0] == 2 and "script" in found.text
