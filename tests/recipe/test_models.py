"""What a recipe says survives writing and reading; no value makes validation fail in words nobody chose."""

from __future__ import annotations

import string
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from kdeploy.errors import RecipeError
from kdeploy.recipe import load as load_module
from kdeploy.recipe.data import Data, Origin, Split, Transfer
from kdeploy.recipe.distill import Distill, Relational, Selection, TeacherNoise
from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.load import parse
from kdeploy.recipe.models import Bench, Export, Gate, Rank, Recipe
from kdeploy.recipe.student import Convolution, Student
from kdeploy.recipe.teacher import Ensemble, Labels, Teacher, TeacherPreprocess, TeacherTraining
from kdeploy.recipe.views import InputViews, Munge, Views
from tests.recipe.quoting import QuotingDumper

SEED = st.integers(0, 2**31 - 1)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(1, 1000)
# what YAML can hold as it is: no lone surrogates, no control characters that its readers refuse
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
FORMAT = st.one_of(st.just("all"), st.from_regex(r"[a-z]{4,9}(:(fp32|fp16|bf16|int8))?", fullmatch=True))
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True)
PRECISION = st.sampled_from(["auto", "bf16", "fp32"])


def _some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _many(strategy: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


SPLITS = st.builds(Split, labeled=_some(COUNT), unlabeled=_some(COUNT), held_out=_some(COUNT), test=_some(COUNT))
TRANSFERS = st.builds(Transfer, only=_some(_many(TEXT))) | st.builds(Transfer, without=_some(_many(TEXT)))
ORIGINS = st.builds(Origin, images=TEXT, size=_some(st.tuples(COUNT, COUNT))) | st.builds(
    Origin, audio=TEXT, seconds=_some(POSITIVE), sample_rate=_some(COUNT)
)
DROPOUTS = st.builds(Dropout, input=st.floats(0, 0.9), hidden=st.floats(0, 0.9))
SPEECH = {"context": _some(st.sampled_from([1, 15])), "targets": _some(st.sampled_from(["states", "phones"]))}
DATA = st.one_of(
    st.builds(Data, images=TEXT, unlabeled=_some(ORIGINS), held_out=_some(ORIGINS), test=_some(ORIGINS)),
    st.builds(Data, source=st.just("mnist-5k"), split=SPLITS, seed=SEED),
    st.builds(Data, parquet=TEXT, split=SPLITS, transfer=TRANSFERS, duplicates=st.sampled_from(["report", "drop"])),
    st.builds(Data, numpy=TEXT),
    st.builds(Data, phones=TEXT, groups=_some(TEXT), **SPEECH) | st.builds(Data, timit=TEXT, **SPEECH),
)
BOTTLENECKS = (
    st.sampled_from(["auto", "fuse", "factored"])
    | st.builds(Rank, rank=COUNT)
    | st.builds(Rank, tolerance=st.floats(0, 1, exclude_min=True, exclude_max=True))
)
INPUT_VIEWS = {
    "shift": st.integers(0, 64),
    "crop": st.integers(0, 64),
    "rotate": st.floats(0, 180),
    "zoom": st.floats(0, 0.9),
    "flip": st.booleans(),
    "color": st.floats(0, 1),
    "noise": st.floats(0, 1),
    "cutout": st.integers(0, 65_536),
    "munge": _some(
        st.builds(Munge, probability=st.floats(0, 1), variance=POSITIVE, nominal=_many(st.integers(0, 9), least=0))
    ),
}
VIEWS = st.builds(
    Views,
    count=COUNT,
    seed=SEED,
    mixup=st.floats(0, 100),
    inputs=st.dictionaries(TEXT, st.builds(InputViews, **INPUT_VIEWS), max_size=2),
    **INPUT_VIEWS,
)
TRAINING = st.builds(TeacherTraining, steps=COUNT, lr=POSITIVE, weight_decay=POSITIVE, seed=SEED, precision=PRECISION)
PREPROCESS = st.builds(
    TeacherPreprocess,
    scale=_some(POSITIVE),
    size=_some(st.tuples(COUNT, COUNT)),
    mean=_some(_many(FINITE, 0)),
    std=_some(_many(POSITIVE, 0)),
)
TEACHERS = st.one_of(
    st.builds(Teacher, model=st.just("deep-cnn"), train=TRAINING, count=st.integers(1, 3)),
    st.builds(Teacher, onnx=TEXT, preprocess=_some(PREPROCESS)),
    st.builds(Teacher, torch=st.just("pkg.mod:build"), weights=_some(TEXT), preprocess=_some(PREPROCESS)),
    st.builds(Teacher, timm=TEXT, pretrained=st.just(True), preprocess=_some(PREPROCESS)),
    st.builds(Teacher, huggingface=TEXT, weights=TEXT),
)
SHARE = st.floats(0, 1)
NOISE = st.builds(TeacherNoise, sigma=POSITIVE, share=SHARE)
DISTILL = st.one_of(
    st.builds(Distill, epochs=COUNT, lr=POSITIVE, baseline=st.booleans(), device=st.sampled_from(["cuda:1"])),
    st.builds(Distill, loss=st.just("soft-targets"), temperature=POSITIVE, hard_weight=SHARE),
    st.builds(Distill, loss=st.just("decoupled"), temperature=POSITIVE, alpha=POSITIVE, beta=SHARE),
    st.builds(Distill, loss=st.just("soft-targets"), temperature_end=POSITIVE, temperature_path=st.just("cosine")),
    st.builds(Distill, standardize=st.booleans(), noise=_some(NOISE)),
    st.builds(Distill, loss=st.just("correlation"), dynamic_temperature=SHARE, inter=POSITIVE),
    st.builds(
        Distill,
        warm_up=st.just(1),
        weighting=st.sampled_from(["none", "entropy"]),
        relational=_some(st.builds(Relational, distance=POSITIVE)),
        selection=_some(st.builds(Selection, uncertainty=st.just(0.5))),
    ),
)
CONVOLUTIONS = st.builds(Convolution, channels=COUNT, kernel=st.sampled_from([1, 3, 63]), pool=st.integers(1, 64))


LABELS = st.one_of(
    st.builds(Labels, dtype=st.sampled_from(["float16", "float32"]), precision=PRECISION),
    st.builds(Labels, kind=st.just("topk"), top=st.integers(1, 65_536)),
    st.builds(Labels, kind=st.just("probabilities")),
)


def _recipe_with(views, distill):
    return st.builds(
        Recipe,
        name=NAME,
        data=DATA,
        teacher=TEACHERS.map(lambda teacher: (teacher,)),
        views=st.just(views),
        labels=LABELS,
        student=st.builds(
            Student, conv=_many(CONVOLUTIONS, 0), bottleneck=_some(COUNT), hidden=_many(COUNT), dropout=_some(DROPOUTS)
        ),
        distill=st.just(distill),
        export=st.builds(
            Export,
            bottleneck=BOTTLENECKS,
            target=NAME,
            formats=_many(FORMAT),
            preprocess=st.just("graph"),
            layout=st.sampled_from(["nchw", "nhwc"]),
            max_int8_drop=st.floats(0, 100),
        ),
        bench=st.builds(Bench, runtimes=_many(TEXT), threads=_many(COUNT), batch=_many(COUNT), max_seconds=POSITIVE),
        gate=st.builds(Gate, max_drop=_some(st.floats(0, 100)), min_speedup=_some(POSITIVE)),
    )


def _mixes(views: Views) -> bool:
    return bool(views.mixup or views.munge or any(one.munge for one in views.inputs.values()))


# labels of mixtures are refused, by the recipe as a whole
RECIPES = (
    st.tuples(VIEWS, DISTILL)
    .filter(lambda pair: not (_mixes(pair[0]) and pair[1].hard_weight))
    .flatmap(lambda pair: _recipe_with(*pair))
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(RECIPES)
def test_a_recipe_written_as_yaml_is_read_back_equal(recipe):
    text = yaml.dump(recipe.model_dump(mode="json", exclude_unset=True), Dumper=QuotingDumper, allow_unicode=True)
    assert parse(text.encode(), "r.yaml").recipe == recipe


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(RECIPES)
def test_a_recipe_written_as_json_is_read_back_equal(recipe):
    assert parse(recipe.model_dump_json(exclude_unset=True).encode(), "r.yaml").recipe == recipe


WORDS = st.sampled_from(
    [None, True, 0, -1, 3, 10**29, 0.5, "", "a b", "mnist-5k", "auto", [], {}, [0], ["x"], {"a": 1}]
)


def _places(model: type[Any], place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, info in model.model_fields.items():
        found.append((*place, name))
        if inner := load_module._model_in(info.annotation):
            found += _places(inner, (*place, name))
    return found


def _nested(values: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    for step in place[:-1]:
        values = values.setdefault(step, {})
        if isinstance(values, list):
            values = values[0]
    values[place[-1]] = value


@pytest.mark.parametrize("place", _places(Recipe), ids=".".join)
@settings(max_examples=8, deadline=None)
@given(value=WORDS | st.lists(WORDS, max_size=3))
def test_no_value_is_refused_in_words_nobody_chose(place, value):
    values = {"name": "a", "data": {"source": "mnist-5k"}, "teacher": [{"model": "deep-cnn"}]}
    _nested(values, place, value)
    try:
        parse(yaml.dump(values, Dumper=QuotingDumper).encode(), "r.yaml")
    except RecipeError as exc:
        assert str(exc).count("must be valid") == 0
        assert [line for line in exc.problems if not line.endswith((".", "?"))] == []


def test_two_spellings_of_the_views_have_the_same_settings():
    short = Views.model_validate({"count": 2, "image": {"shift": 3}})
    long = Views.model_validate({"count": 2, "inputs": {"image": {"shift": 3}}})
    assert short.settings() == long.settings() == {"count": 2, "inputs": {"image": {"shift": 3}}}


def test_views_say_what_is_switched_on():
    assert Views().settings() == {}
    views = Views.model_validate({"noise": 0.5, "mixup": 0.2, "image": {"flip": True, "crop": 3, "shift": 0}})
    assert views.settings() == {"noise": 0.5, "mixup": 0.2, "inputs": {"image": {"flip": True, "crop": 3}}}


@given(VIEWS, VIEWS)
def test_views_that_differ_have_different_settings(one, other):
    assert (one.settings() == other.settings()) == (one == other)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shift", 2),
        ("crop", 2),
        ("rotate", 9.0),
        ("zoom", 0.1),
        ("flip", True),
        ("color", 0.5),
        ("noise", 0.5),
        ("cutout", 2),
    ],
)
def test_the_flat_form_is_shorthand_for_every_key_of_an_input(key, value):
    assert Views.model_validate({key: value}).of("image") == InputViews.model_validate({key: value})
    assert Views.model_validate({"image": {key: value}}).of("image") == InputViews.model_validate({key: value})
    assert Views.model_validate({"image": {}, key: value}).of("image") == InputViews()


def test_a_recipe_is_frozen():
    recipe = Recipe.model_validate({"name": "a", "data": {"source": "mnist-5k"}, "teacher": [{"model": "deep-cnn"}]})
    with pytest.raises(ValidationError, match="frozen"):
        recipe.name = "b"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "fast",
            "export.bottleneck must be auto, fuse, factored, or a mapping with rank or tolerance (got 'fast'). "
            "For example: auto, or {rank: 32}.",
        ),
        ("{rank: 0}", "export.bottleneck.rank must be at least 1 (got 0)."),
        ("{tolerance: 1}", "export.bottleneck.tolerance must be below 1 (got 1)."),
        ("{ranks: 3}", "export.bottleneck.ranks is not a known key. Did you mean 'rank'?"),
        (
            "{rank: 3, tolerance: 0.1}",
            "export.bottleneck must have one of rank and tolerance. For example: {rank: 32}, or {tolerance: 1e-3}.",
        ),
        (
            "{}",
            "export.bottleneck must have one of rank and tolerance. For example: {rank: 32}, or {tolerance: 1e-3}.",
        ),
    ],
)
def test_a_bottleneck_is_a_form_or_a_rank_or_a_tolerance(written: str, sentence: str):
    text = f"name: a\ndata: {{source: mnist-5k}}\nteacher: [{{model: mlp}}]\nexport: {{bottleneck: {written}}}\n"
    with pytest.raises(RecipeError) as caught:
        parse(text.encode(), "r.yaml")
    assert caught.value.problems == (f"r.yaml:4: {sentence}",)


def test_a_name_is_made_of_plain_letters():
    assert set("._-" + string.ascii_letters + string.digits) == {
        letter for letter in map(chr, range(1, 300)) if _is_valid_name("a" + letter)
    }


def _is_valid_name(name: str) -> bool:
    try:
        Recipe(name=name, data=Data(source="mnist-5k"), teacher=(Teacher(model="deep-cnn"),))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("views", [{"munge": {}}, {"x": {"munge": {"probability": 0.1}}}])
def test_labels_of_munged_rows_are_refused(views: dict[str, Any]):
    given = {
        "name": "munged",
        "data": {"numpy": "a.npz"},
        "teacher": [{"model": "deep-cnn"}],
        "views": views,
        "distill": {"loss": "soft-targets", "hard_weight": 0.1},
    }
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(given)
    assert caught.value.errors()[0]["msg"] == (
        "Value error, must not have distill.hard_weight above 0 beside views.munge (got 0.1). "
        "A row between two samples has no label: remove one of them."
    )


def test_labels_of_mixtures_are_refused():
    given = {
        "name": "mixed",
        "data": {"source": "mnist-5k"},
        "teacher": [{"model": "deep-cnn"}],
        "views": {"mixup": 0.2},
        "distill": {"loss": "soft-targets", "hard_weight": 0.1},
    }
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(given)
    assert caught.value.errors()[0]["msg"] == (
        "Value error, must not have distill.hard_weight above 0 beside views.mixup (got 0.1 and 0.2). "
        "A mixture of two samples has no label: remove one of them."
    )
    assert Recipe.model_validate(given | {"views": {"mixup": 0.0}}).distill.hard_weight == 0.1


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(TEACHERS, min_size=2, max_size=3), st.sampled_from(["logits", "probabilities"]), st.floats(1e-6, 1e6))
def test_a_recipe_with_several_teachers_is_read_back_equal(teachers, mean, weight):
    count = sum(teacher.count for teacher in teachers)
    ensemble = Ensemble(mean=mean, weights=(weight,) * count)
    recipe = Recipe(name="a", data=Data(source="mnist-5k"), teacher=tuple(teachers), ensemble=ensemble)
    assert len(recipe.members) == count
    assert parse(recipe.model_dump_json(exclude_unset=True).encode(), "r.yaml").recipe == recipe
