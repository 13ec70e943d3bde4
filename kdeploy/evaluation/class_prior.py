"""Biases that give a classifier another class prior (Saerens, Latinne and Decaestecker 2002).

    find b with   mean_x softmax(z(x) + b)_c = p_c   for every class c

A student whose transfer set lacks a class has never been told how often that class comes, and its logit is too low for
it (Hinton, Vinyals and Dean 2015, section 3, who tuned the bias on the test set). Here p is the teacher's own prior on
inputs without labels: p_c = mean_x softmax(t(x))_c. b is unique up to a constant, since it minimises the convex
mean_x logsumexp(z(x) + b) - p b; each round b_c += log p_c - log mean_x softmax(z(x) + b)_c lowers that.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 10_000
TOLERANCE = 1e-6  # of a probability


def class_prior(logits: np.ndarray) -> np.ndarray:
    """The mean of the softmax over inputs: float64 of shape (classes,) from (inputs, classes)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted)
    mean: np.ndarray = (probabilities / probabilities.sum(axis=1, keepdims=True)).mean(axis=0)
    return mean


def matching_bias(logits: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """What to add to logits so that their class prior is `prior`; its mean over the classes is 0.

    Args:
        logits: shape (inputs, classes).
        prior: shape (classes,), positive, with sum 1.
    Returns: float64 of shape (classes,).
    """
    bias = np.zeros(logits.shape[1])
    for _ in range(ROUNDS):
        estimate = class_prior(logits + bias)
        if np.abs(estimate - prior).max() < TOLERANCE:
            break
        bias += np.log(prior) - np.log(estimate)
    centred: np.ndarray = bias - bias.mean()
    return centred
