from __future__ import annotations

from kdeploy.recipe.load import load
from kdeploy.records.plan import PlannedStage, StageCost
from kdeploy.verbs.estimate.advice import shorter
from tests.program import REPOSITORY

RECIPE = load(REPOSITORY / "recipes" / "mnist-5k.yaml").recipe


def stages(**seconds: float) -> list[PlannedStage]:
    costs = {name: StageCost(seconds=value, memory_bytes=0, disk_bytes=0) for name, value in seconds.items()}
    return [PlannedStage(stage=name, fingerprint="0", done=False, cost=cost) for name, cost in costs.items()]


def test_an_hour_is_no_reason_to_say_anything():
    assert shorter(RECIPE, stages(distill=3000, bench=600)) == ()


def test_each_stage_that_takes_a_good_part_has_the_keys_that_make_it_shorter():
    assert shorter(RECIPE, stages(teacher=2500, distill=4000, export=30, bench=2000)) == (
        "distill takes 1 h 07 min: lower distill.epochs (32) or distill.seeds (3), or leave out the baseline "
        "(distill.baseline: false).",
        "teacher takes 42 min: lower teacher.train.steps (600), or give it a trained teacher.",
        "bench takes 33 min: lower bench.max_seconds (60) or bench.replicates (12), or time fewer bench.runtimes, "
        "bench.threads and bench.batch.",
    )


def test_labels_of_one_of_several_teachers_are_made_shorter_by_fewer_views():
    found = shorter(RECIPE, [*stages(export=3000), *stages(**{"labels-1": 4000, "samples": 3000})])
    assert found == (
        "labels-1 takes 1 h 07 min: lower views.count (32), or data.split for fewer samples.",
        "export takes 50 min: name fewer export.formats, or a form in export.bottleneck instead of auto.",
        "samples takes 50 min: lower data.split for fewer samples.",
    )


def test_a_teacher_with_epochs_names_those():
    recipe = load(REPOSITORY / "recipes" / "cifar10-quick.yaml").recipe
    [sentence] = shorter(recipe, stages(teacher=4000, distill=100))
    assert sentence == "teacher takes 1 h 07 min: lower teacher.train.epochs (3), or give it a trained teacher."
