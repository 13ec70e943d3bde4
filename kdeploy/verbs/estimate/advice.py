"""Which keys of a recipe make a long run shorter."""

from __future__ import annotations

from collections.abc import Iterable

from kdeploy.formatting import numbers
from kdeploy.recipe.models import Recipe
from kdeploy.records.plan import PlannedStage

LONG = 3600.0  # s
_SHARE = 0.2  # of the whole, from which a stage is worth a sentence


def shorter(recipe: Recipe, stages: Iterable[PlannedStage]) -> tuple[str, ...]:
    """A sentence for each stage that takes a good part of a run of more than an hour, the longest first."""
    seconds = {stage.stage: stage.cost.seconds for stage in stages if stage.cost is not None}
    whole = sum(seconds.values())
    if whole <= LONG:
        return ()
    long = sorted((name for name in seconds if seconds[name] >= _SHARE * whole), key=lambda name: -seconds[name])
    return tuple(f"{name} takes {numbers.duration(seconds[name])}: {_keys(recipe, name)}." for name in long)


def _keys(recipe: Recipe, name: str) -> str:
    stage, _, number = name.partition("-")
    match stage:
        case "teacher":
            train = recipe.members[int(number or 0)].train
            key, value = ("steps", train.steps) if train.epochs is None else ("epochs", train.epochs)
            return f"lower teacher.train.{key} ({value}), or give it a trained teacher"
        case "labels":
            return f"lower views.count ({recipe.views.count}), or data.split for fewer samples"
        case "distill":
            baseline = ", or leave out the baseline (distill.baseline: false)" if recipe.distill.baseline else ""
            epochs, seeds = recipe.distill.epochs, recipe.distill.seeds
            return f"lower distill.epochs ({epochs}) or distill.seeds ({seeds}){baseline}"
        case "bench":
            return (
                f"lower bench.max_seconds ({recipe.bench.max_seconds:g}) or bench.replicates "
                f"({recipe.bench.replicates}), or time fewer bench.runtimes, bench.threads and bench.batch"
            )
        case "export":
            return "name fewer export.formats, or a form in export.bottleneck instead of auto"
        case _:
            return "lower data.split for fewer samples"
