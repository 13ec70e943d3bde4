"""Which loss a student learns by: the one place that knows them all by name.

    L = 1 / B sum_i weight_i ((1 - w_i) ramp (loss_i + hint_i) + w_i hard_i) + ramp relational

over the B samples that are selected, with hints (`hints`) and relations among the samples (`relational`) where those
are asked for.

    several teachers -> mixture -> noise, if any -> selection -> standardisation, if asked for -> temperature -> loss_i

Standardisation is each loss's own: per class over the transfer set for logit-mse (`logit_matching`), per sample for
the others (`standardisation`). Hard labels, weights and selection read the student's logits as they are. A target
class that the teacher gives is that of the noisy teacher. The ramp is the warm-up of decoupled distillation (Zhao et
al. 2022, section 4): min(1, epoch / warm_up), the first epoch being 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from kdeploy.losses import uncertainty
from kdeploy.losses.binary import binary
from kdeploy.losses.correlation import correlation_loss
from kdeploy.losses.decoupled import decoupled, target_classes
from kdeploy.losses.hard_labels import mixed_with_labels
from kdeploy.losses.hints import hint_loss
from kdeploy.losses.hooks import Context, Hooks
from kdeploy.losses.huber import huber
from kdeploy.losses.logit_matching import class_spread, logit_mse
from kdeploy.losses.noisy_teacher import perturbed
from kdeploy.losses.options import LossOptions, Noise, Relations
from kdeploy.losses.own import own_loss
from kdeploy.losses.probability_matching import probability_mse
from kdeploy.losses.relational import angle_loss, distance_loss
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.losses.standardisation import standardised
from kdeploy.losses.temperature import Temperatures, dynamic, softened, temperature_at
from kdeploy.outputs.terms import OutputsName

Parts = Callable[[Context], Tensor]  # each sample's loss, shape (batch,)
Hard = Callable[[Tensor, Tensor, Tensor], Tensor]  # a loss, logits and labels in, the mixture out
Loss = Callable[[Context], Tensor]  # a scalar


def loss_of(options: LossOptions, *, seed: int, blocks: Iterable[Tensor], outputs: OutputsName = "classes") -> Loss:
    """The loss that options name.

    Args:
        seed: of the noise.
        blocks: the teacher's logits over the transfer set, (rows, classes) each; read by a standardised logit-mse only.
        outputs: the kind of outputs, by which the labels are learned.
    """
    hooks = hooks_of(options)
    hard = functools.partial(mixed_with_labels, hard_weight=options.hard_weight, kind=outputs)
    parts = _parts(options, hooks, blocks)
    return functools.partial(_loss, parts=parts, options=options, hooks=hooks, hard=hard, seed=seed)


def hooks_of(options: LossOptions) -> Hooks:
    """The hooks that a recipe asks for."""
    share = options.selection
    return Hooks(
        mixture=uncertainty.mix_by_certainty if options.mixture == "certainty" else None,
        temperature=functools.partial(_temperatures, options=options),
        weight=uncertainty.weight_by_entropy if options.weighting == "entropy" else None,
        selection=None if share is None else functools.partial(uncertainty.select_uncertain, share=share.uncertainty),
    )


def _loss(context: Context, *, parts: Parts, options: LossOptions, hooks: Hooks, hard: Hard, seed: int) -> Tensor:
    context = _with_targets(context, options.noise, hooks, seed)
    if hooks.selection is not None:
        context = context.rows(hooks.selection(context))
    ramp = min(1.0, (context.epoch + 1) / max(1, options.warm_up))
    losses = (parts(context) + _hinted(context, options.hint_weight)) * ramp  # (batch,)
    if options.hard_weight:
        losses = hard(losses, context.student, context.labels)
    if hooks.weight is not None:
        losses = losses * hooks.weight(context)
    return losses.mean() + ramp * _related(context, options.relational) if options.relational else losses.mean()


def _hinted(context: Context, weight: float) -> Tensor | float:
    if not weight:
        return 0.0
    assert context.features is not None
    assert context.features.projected is not None
    return weight * hint_loss(context.features.projected, context.features.teacher)


def _related(context: Context, weights: Relations) -> Tensor:
    losses = ((weights.distance, distance_loss), (weights.angle, angle_loss))
    # one without a weight is not computed: angles cost the most of a step
    student, teacher = context.student, context.teacher
    if weights.of == "features":
        assert context.features is not None
        student, _, teacher = context.features
    terms = [weight * loss(student, teacher) for weight, loss in losses if weight]
    return torch.stack(terms).sum()


def _with_targets(context: Context, noise: Noise | None, hooks: Hooks, seed: int) -> Context:
    """The context with the logits that the student is to learn in the place of the teacher's."""
    teacher = context.teacher
    if hooks.mixture is not None:
        weights = hooks.mixture(context)  # (batch, members)
        teacher = torch.einsum("bm,mbc->bc", weights, context.members)  # (batch, classes)
    if noise is not None:
        teacher = perturbed(teacher, noise, seed=seed, epoch=context.epoch, samples=context.samples)
    return replace(context, teacher=teacher)


def _parts(options: LossOptions, hooks: Hooks, blocks: Iterable[Tensor]) -> Parts:
    match options.loss:
        case "logit-mse":
            spread = class_spread(blocks) if options.standardize else torch.ones(())
            return lambda context: logit_mse(context.student, context.teacher, spread.to(context.teacher.device))
        case "probability-mse":
            return lambda context: _softened(probability_mse, context, options, hooks)
        case "soft-targets":
            return lambda context: _softened(soft_targets, context, options, hooks)
        case "correlation":
            loss = functools.partial(correlation_loss, inter=options.inter, intra=options.intra)
            return lambda context: _softened(loss, context, options, hooks)
        case "decoupled":
            return lambda context: _softened(_decoupled(context, options), context, options, hooks)
        case _:
            return _plain(options)


def _plain(options: LossOptions) -> Parts:
    """The losses of values and of several labels, and those of the user's own."""
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "squared": logit_mse,
        "huber": huber,
        "binary": functools.partial(binary, temperature=options.temperature),
    }
    loss = own_loss(options.loss) if ":" in options.loss else losses[options.loss]
    return lambda context: loss(context.student, context.teacher)


def _softened(loss: Callable[[Tensor, Tensor], Tensor], context: Context, options: LossOptions, hooks: Hooks) -> Tensor:
    if options.standardize:
        context = replace(context, student=standardised(context.student), teacher=standardised(context.teacher))
    losses = [softened(loss, context.student, context.teacher, at) for at in hooks.temperature(context)]
    return torch.stack(losses).sum(dim=0)  # (batch,)


def _decoupled(context: Context, options: LossOptions) -> Callable[[Tensor, Tensor], Tensor]:
    targets = target_classes(context.labels, context.teacher)
    return functools.partial(decoupled, targets=targets, alpha=options.alpha, beta=options.beta)


def _temperatures(context: Context, options: LossOptions) -> tuple[Temperatures, ...]:
    reference = options.temperature
    if options.temperature_end is not None:
        ends = options.temperature, options.temperature_end
        reference = temperature_at(context.progress, *ends, options.temperature_path)
    common = Temperatures(reference, reference)
    if not options.dynamic_temperature:
        return (common,)
    return common, dynamic(context.student, context.teacher, reference, options.dynamic_temperature)
