"""The similarity functions once more, in plain numpy, one neuron and one concept at a time."""

from __future__ import annotations

import numpy as np


def membership(affinities, a):
    grown = np.exp(a * affinities)
    return grown / grown.sum(axis=1, keepdims=True)


def top(activations, neuron, k):
    return np.argsort(-activations[:, neuron], kind="stable")[:k]


def likelihood(activations, affinities, top_k, a, min_prob, p_start, p_end):
    s = membership(affinities, a)
    n_neurons, n_concepts = activations.shape[1], affinities.shape[1]
    found = np.zeros((n_neurons, n_concepts))
    for j in range(n_neurons):
        for r, clip in enumerate(top(activations, j, top_k)):
            p = p_start - r / top_k * (p_start - p_end)
            for m in range(n_concepts):
                found[j, m] += np.log(1 + p * (s[clip, m] - 1) + min_prob)
    return found


def marginal(found):
    return np.log(np.exp(found - found.max(axis=0)).mean(axis=0)) + found.max(axis=0)


def soft_wpmi(activations, affinities, top_k=100, a=10, lam=1, min_prob=1e-7, p_start=0.998, p_end=0.97):
    found = likelihood(activations, affinities, min(top_k, len(activations)), a, min_prob, p_start, p_end)
    return found - lam * marginal(found)


def wpmi(activations, affinities, top_k=28, a=2, lam=0.6, min_prob=1e-7):
    return soft_wpmi(activations, affinities, top_k, a, lam, min_prob, 1.0, 1.0)


def cos(activations, affinities):
    return np.array(
        [[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in affinities.T] for x in activations.T]
    )


def cos_cubed(activations, affinities, min_norm=1e-3):
    def ready(x):
        cubed = (x - x.mean()) ** 3
        return cubed / max(np.linalg.norm(cubed), min_norm)

    return np.array([[ready(x) @ ready(y) for y in affinities.T] for x in activations.T])


def rank_reorder(activations, affinities, permutations, p=3, top_fraction=0.05, scale_p=0.5):
    n = int(top_fraction * len(activations))
    found = np.zeros((activations.shape[1], affinities.shape[1]))
    for j in range(activations.shape[1]):
        clips = top(activations, j, n)
        t = activations[clips, j]
        s = t[::-1]
        base = np.mean([np.abs(s - s[q]) ** p for q in permutations])
        for m in range(affinities.shape[1]):
            x = affinities[clips, m]
            rank = np.array([(x < value).sum() for value in x])
            error = np.mean(np.abs(t - s[rank]) ** p) / base
            found[j, m] = -error / x.mean() ** scale_p
    return found
