from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from kdeploy.losses.by_name import hooks_of, loss_of
from kdeploy.losses.correlation import correlation_loss
from kdeploy.losses.decoupled import decoupled
from kdeploy.losses.hard_labels import mixed_with_labels
from kdeploy.losses.hooks import Context, Features, Hooks
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.noisy_teacher import perturbed
from kdeploy.losses.options import LossOptions, Noise, Relations, Selection
from kdeploy.losses.probability_matching import probability_mse
from kdeploy.losses.relational import angle_loss, distance_loss
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.losses.standardisation import standardised
from kdeploy.losses.temperature import Temperatures, dynamic, softened
from kdeploy.losses.uncertainty import entropy, select_uncertain
from kdeploy.outputs.terms import TERMS

STUDENT, TEACHER = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS, SAMPLES = torch.tensor([0, -1, 2, -1]), torch.tensor([5, 6, 9, 11])
TARGETS = torch.tensor([0, int(TEACHER[1].argmax()), 2, int(TEACHER[3].argmax())])
NOISE = Noise(0.5, 0.5)
HALF_WAY = Context(STUDENT, TEACHER, LABELS, SAMPLES, epoch=7, progress=0.5)
FEATURES = Features(*torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
GUIDED = replace(HALF_WAY, features=FEATURES)
NAMES: tuple[str, ...] = tuple(dict.fromkeys(name for terms in TERMS.values() for name in terms.losses))


def value(name: str, options: LossOptions, blocks: tuple[Tensor, ...] = (), context: Context = HALF_WAY) -> Tensor:
    return loss_of(replace(options, loss=name), seed=3, blocks=blocks)(context)


def at(temperature: float, loss=soft_targets) -> Tensor:
    return softened(loss, STUDENT, TEACHER, Temperatures(temperature, temperature))


def decoupled_by(alpha: float, beta: float):
    return partial(decoupled, targets=TARGETS, alpha=alpha, beta=beta)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("logit-mse", LossOptions(), logit_mse(STUDENT, TEACHER)),
        ("probability-mse", LossOptions(), probability_mse(STUDENT, TEACHER)),
        (
            "probability-mse",
            LossOptions(standardize=True),
            probability_mse(standardised(STUDENT), standardised(TEACHER)),
        ),
        ("soft-targets", LossOptions(temperature=3.0), at(3.0)),
        (
            "soft-targets",
            LossOptions(temperature=3.0, hard_weight=0.2, standardize=True),
            mixed_with_labels(
                9 * soft_targets(standardised(STUDENT) / 3, standardised(TEACHER) / 3), STUDENT, LABELS, 0.2
            ),
        ),
        ("decoupled", LossOptions(temperature=3.0, alpha=2.0, beta=5.0), at(3.0, decoupled_by(2.0, 5.0))),
        (
            "decoupled",
            LossOptions(standardize=True),
            decoupled(standardised(STUDENT), standardised(TEACHER), TARGETS, 1, 1),
        ),
        ("correlation", LossOptions(inter=2.0, intra=0.5), correlation_loss(STUDENT, TEACHER, 2.0, 0.5)),
        ("correlation", LossOptions(temperature=4.0), at(4.0, partial(correlation_loss, inter=1.0, intra=1.0))),
        # half way from 9 to 1
        ("soft-targets", LossOptions(temperature=9.0, temperature_end=1.0), at(5.0)),
        (
            "decoupled",
            LossOptions(temperature=9.0, temperature_end=1.0, temperature_path="cosine"),
            at(5.0, decoupled_by(1, 1)),
        ),
        (
            "soft-targets",
            LossOptions(temperature=9.0, temperature_end=1.0, dynamic_temperature=3.0),
            at(5.0) + 3 * softened(soft_targets, STUDENT, TEACHER, dynamic(STUDENT, TEACHER, 5.0)),
        ),
        (
            "logit-mse",
            LossOptions(noise=NOISE),
            logit_mse(STUDENT, perturbed(TEACHER, NOISE, seed=3, epoch=7, samples=SAMPLES)),
        ),
        # the eighth epoch of ten
        ("decoupled", LossOptions(warm_up=10), 0.8 * at(1.0, decoupled_by(1, 1))),
        ("soft-targets", LossOptions(warm_up=8), at(1.0)),
        (
            "logit-mse",
            LossOptions(warm_up=10, hard_weight=0.3),
            mixed_with_labels(0.8 * logit_mse(STUDENT, TEACHER), STUDENT, LABELS, 0.3),
        ),
        (
            "logit-mse",
            LossOptions(weighting="entropy", hard_weight=0.3),
            entropy(STUDENT)
            / torch.tensor(3.0).double().log()
            * mixed_with_labels(logit_mse(STUDENT, TEACHER), STUDENT, LABELS, 0.3),
        ),
    ],
)
def test_a_loss_is_chosen_by_its_name(name: str, options: LossOptions, expected: Tensor):
    torch.testing.assert_close(value(name, options), expected.mean(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_selected_is_learned_from(name: str):
    which = entropy(STUDENT) >= entropy(STUDENT).sort().values[2]
    assert which.sum() == 2
    found = value(name, LossOptions(selection=Selection(0.5), hard_weight=0.3))
    expected = value(name, LossOptions(hard_weight=0.3), context=HALF_WAY.rows(which))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options",
    [
        LossOptions(),
        LossOptions(hard_weight=0.3, warm_up=20),
        LossOptions(weighting="entropy", dynamic_temperature=3.0),
        LossOptions(selection=Selection(0.5), relational=Relations(25.0, 50.0)),
    ],
)
def test_a_batch_said_twice_has_the_same_loss(name: str, options: LossOptions):
    student = STUDENT.clone().requires_grad_()
    twice = Context(
        *(torch.cat([values] * 2) for values in (STUDENT, TEACHER, LABELS, SAMPLES)), HALF_WAY.epoch, HALF_WAY.progress
    )
    loss = value(name, options, context=replace(HALF_WAY, student=student))
    assert loss.shape == ()
    # the floor of the correlations is 1e-8
    torch.testing.assert_close(value(name, options, context=twice), loss.detach(), rtol=0, atol=1e-6)
    loss.backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad.any()


def test_neither_weight_nor_temperature_is_a_way_for_the_gradient():
    student = STUDENT.clone().requires_grad_()
    value(
        "soft-targets",
        LossOptions(weighting="entropy", dynamic_temperature=3.0),
        context=replace(HALF_WAY, student=student),
    ).backward()
    fixed = STUDENT.clone().requires_grad_()
    constant = entropy(STUDENT) / torch.tensor(3.0).double().log()
    own = softened(soft_targets, fixed, TEACHER, dynamic(STUDENT, TEACHER, 1.0))
    (constant * (soft_targets(fixed, TEACHER) + 3 * own)).mean().backward()
    torch.testing.assert_close(student.grad, fixed.grad, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_of_several_teachers_the_surer_says_more(name: str):
    other = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    members = torch.stack([TEACHER, other])
    shares = torch.exp(-entropy(members))
    mixed = ((shares / shares.sum(0))[:, :, None] * members).sum(0)
    options = LossOptions(mixture="certainty", selection=Selection(0.5), noise=NOISE)
    found = value(name, options, context=replace(HALF_WAY, members=members))
    expected = value(name, replace(options, mixture="mean"), context=replace(HALF_WAY, teacher=mixed))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_relations_are_added_to_the_loss(name: str):
    terms = {
        Relations(2.0, 0.0): 2 * distance_loss(STUDENT, TEACHER),
        Relations(0.0, 3.0): 3 * angle_loss(STUDENT, TEACHER),
    }
    terms[Relations(2.0, 3.0)] = sum(terms.values())
    for weights, term in terms.items():
        found = value(name, LossOptions(relational=weights, warm_up=10, weighting="entropy"))
        expected = value(name, LossOptions(warm_up=10, weighting="entropy")) + 0.8 * term
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_hints_are_part_of_what_the_teacher_says(name: str):
    found = value(
        name, LossOptions(hint_weight=2.0, warm_up=10, selection=Selection(0.5), hard_weight=0.3), context=GUIDED
    )
    plain = value(name, LossOptions(warm_up=10, selection=Selection(0.5), hard_weight=0.3))
    # a label takes its weight from the hint as well
    shares = 1 - 0.3 * (LABELS >= 0).double()
    hints = shares * 0.8 * 2 * (FEATURES.projected - FEATURES.teacher).square().mean(1)
    torch.testing.assert_close(found, plain + hints[select_uncertain(GUIDED, 0.5)].mean(), rtol=1e-12, atol=0)


def test_relations_may_be_those_of_features():
    found = value("logit-mse", LossOptions(relational=Relations(2.0, 3.0, "features")), context=GUIDED)
    relations = 2 * distance_loss(FEATURES.student, FEATURES.teacher) + 3 * angle_loss(
        FEATURES.student, FEATURES.teacher
    )
    torch.testing.assert_close(found, value("logit-mse", LossOptions()) + relations, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "reads"),
    [
        (LossOptions(relational=Relations(1.0, 1.0)), False),
        (LossOptions(relational=Relations(1.0, 1.0, "features")), True),
        (LossOptions(hint_weight=0.5), True),
        (LossOptions(), False),
    ],
)
def test_features_are_read_only_where_they_are_needed(options: LossOptions, reads: bool):
    assert options.reads_features == reads


def test_a_standardised_logit_mse_divides_by_the_spread_of_the_transfer_set():
    # deviations 1, 2 and, for a class that never changes, 1
    blocks = (torch.tensor([[1.0, 0.0, 5.0]]), torch.tensor([[3.0, 4.0, 5.0]]))
    expected = logit_mse(STUDENT, TEACHER, torch.tensor([1.0, 2.0, 1.0])).mean()
    torch.testing.assert_close(value("logit-mse", LossOptions(standardize=True), blocks), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_transfer_set_is_read_only_where_it_is_needed(name: str):
    def blocks() -> Iterator[Tensor]:
        raise AssertionError("the transfer set was read")
        yield TEACHER

    loss_of(LossOptions(name, standardize=name != "logit-mse"), seed=0, blocks=blocks())


def test_neutral_options_need_no_hook_but_the_temperature_1():
    hooks = hooks_of(LossOptions())
    assert (hooks.mixture, hooks.selection, hooks.weight) == (None, None, None)
    assert hooks.temperature(HALF_WAY) == Hooks().temperature(HALF_WAY) == (Temperatures(1.0, 1.0),)
