"""A recipe is read whole: every problem at once, each a sentence with its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdeploy.errors import InputError, RecipeError, UsageError
from kdeploy.recipe.load import LoadedRecipe, load, parse
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.views import InputViews
from kdeploy.recipe.yaml12 import MAX_BYTES

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "recipes").glob("*.yaml"))
SMALL = "name: a\ndata: {source: mnist-5k}\nteacher: [{model: deep-cnn}]\n"
ONE_TEACHER = "Give a list of teachers; one is enough."
SOURCES = "source, parquet, numpy, images, audio, hub, phones and timit"
ORIGINS = "model, onnx, torch, run, timm, torchvision and huggingface"
TOP = "bench, data, distill, ensemble, export, gate, labels, name, outputs, student, teacher, variants, views"

VIEW_KEYS = "color, count, crop, cutout, flip, inputs, mixup, munge, noise, rotate, seed, shift, zoom"


def _read(more: str = "", *overrides: str) -> LoadedRecipe:
    return parse((SMALL + more + "\n").encode(), "r.yaml", overrides)


def _recipe(more: str = "", *overrides: str) -> Recipe:
    return _read(more, *overrides).recipe


def _problems(text: str | bytes, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "r.yaml", overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_there_are_shipped_recipes():
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_recipe_is_valid_and_opens_with_its_command(path):
    loaded = load(path)
    assert loaded.recipe.name == path.stem
    assert loaded.base == ROOT / "recipes"
    verb = "sweep" if loaded.recipe.variants else "run"
    assert path.read_text(encoding="utf-8").startswith(f"# kdeploy {verb} {path.stem}\n")
    names = [load(path, variant=variant).recipe.name for variant in loaded.recipe.variants]
    assert names == [f"{path.stem}-{variant}" for variant in loaded.recipe.variants]


def test_three_keys_are_enough():
    assert _recipe().distill.epochs == 32


def test_numbers_and_words_are_those_of_yaml_1_2():
    distill = _recipe("distill: {lr: 1e-3, epochs: 017, baseline: FALSE}").distill
    assert (distill.lr, distill.epochs, distill.baseline) == (0.001, 17, False)
    assert _recipe("gate: {min_speedup: 1.10}").gate.min_speedup == 1.1


def test_views_can_be_set_for_each_input():
    views = _recipe("views: {count: 32, image: {shift: 2}}").views
    assert (views.count, views.of("image"), views.of("other")) == (32, InputViews(shift=2), InputViews(shift=0))
    assert _recipe("views: {inputs: {image: {shift: 2}}}").views.of("image") == InputViews(shift=2)
    assert _recipe("views: {shift: 3}").views.of("image") == InputViews(shift=3)


def test_one_convolution_needs_no_list():
    assert _recipe("student: {conv: {channels: 8}}") == _recipe("student: {conv: [{channels: 8}]}")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("learning_rat: 1", f"learning_rat is not a known key. Known keys: {TOP}."),
        ("distill: {learning_rat: 1}", "distill.learning_rat is not a known key. Did you mean 'learning_rate'?"),
        ("distill: {seed: 3}", "distill.seed is not a known key. Did you mean 'seeds'?"),
        ("distil: {}", "distil is not a known key. Did you mean 'distill'?"),
        ("lr: 1", "lr is not a known key. It belongs to distill or teacher[0].train."),
        ("batch: 3", "batch is not a known key. It belongs to bench, distill or teacher[0].train."),
        ("student: {gate: {}}", "student.gate is not a known key. It belongs to the top level."),
        ('"": 1', f"'' is not a known key. Known keys: {TOP}."),
        ('"a\\nb": 1', f"'a\\nb' is not a known key. Known keys: {TOP}."),
        ("<<: {a: 1}", f"<< is not a known key. Known keys: {TOP}."),
        ("views: {image: {shfit: 2}}", "views.image.shfit is not a known key. Did you mean 'shift'?"),
        ("views: {picture: 3}", f"views.picture is not a known key. Known keys: {VIEW_KEYS}."),
        ("views: {image: {shift: 65}}", "views.image.shift must be at most 64 (got 65)."),
        ("views: {inputs: {image: {shift: 65}}}", "views.inputs.image.shift must be at most 64 (got 65)."),
        ("views: {inputs: 3}", "views.inputs must be a mapping (got 3)."),
        ("views: {count: {shift: 2}}", "views.count must be a whole number (got {'shift': 2})."),
        ("views: {crop: 65}", "views.crop must be at most 64 (got 65)."),
        ("views: {image: {crop: 0.5}}", "views.image.crop must be a whole number (got 0.5)."),
        ("views: {flip: 1}", "views.flip must be true or false (got 1)."),
        ("views: {image: {flip: yes}}", "views.image.flip must be true or false (got 'yes')."),
        ("views: {color: 1.5}", "views.color must be at most 1 (got 1.5)."),
        ("views: {image: {color: -0.5}}", "views.image.color must be at least 0 (got -0.5)."),
        ("views: {noise: 2}", "views.noise must be at most 1 (got 2)."),
        ("views: {x: {noise: a lot}}", "views.x.noise must be a number (got 'a lot')."),
        ("views: {rotate: 181}", "views.rotate must be at most 180 (got 181)."),
        ("views: {zoom: 1}", "views.zoom must be below 1 (got 1)."),
        ("views: {cutout: -1}", "views.cutout must be at least 0 (got -1)."),
        ("views: {image: {cutout: 65537}}", "views.image.cutout must be at most 65536 (got 65537)."),
        ("views: {munge: {probability: 2}}", "views.munge.probability must be at most 1 (got 2)."),
        ("views: {munge: {variance: 0}}", "views.munge.variance must be above 0 (got 0)."),
        ("views: {munge: {nominal: [-1]}}", "views.munge.nominal[0] must be at least 0 (got -1)."),
        (
            "views: {x: {munge: {p: 1}}}",
            "views.x.munge.p is not a known key. Known keys: nominal, probability, variance.",
        ),
        ("views: {mixup: 101}", "views.mixup must be at most 100 (got 101)."),
        ("views: {mixup: -1}", "views.mixup must be at least 0 (got -1)."),
        ("views: {image: {mixup: 0.2}}", "views.image.mixup is not a known key. It belongs to views."),
        ("views: {count: 10001}", "views.count must be at most 10000 (got 10001)."),
        ("views: {seed: 2147483648}", "views.seed must be below 2147483648 (got 2147483648)."),
        ("distill: {lr: .nan}", "distill.lr must be a finite number (got nan)."),
        ("distill: {lr: .inf}", "distill.lr must be a finite number (got inf)."),
        ("distill: {lr: 1e999}", "distill.lr must be a finite number (got inf)."),
        ("distill: {lr: nan}", "distill.lr must be a number (got 'nan')."),
        ("distill: {lr: 0}", "distill.lr must be above 0 (got 0)."),
        ("distill: {lr: -1e-3}", "distill.lr must be above 0 (got -0.001)."),
        ("distill: {lr: yes}", "distill.lr must be a number (got 'yes')."),
        ("distill: {epochs: 0}", "distill.epochs must be at least 1 (got 0)."),
        ("distill: {epochs: -1}", "distill.epochs must be at least 1 (got -1)."),
        ("distill: {epochs: 1000000000}", "distill.epochs must be at most 1000000 (got 1000000000)."),
        ("distill: {epochs: 3.0}", "distill.epochs must be a whole number (got 3.0)."),
        ("distill: {epochs: true}", "distill.epochs must be a whole number (got true)."),
        ('distill: {epochs: "10"}', "distill.epochs must be a whole number (got '10')."),
        ("distill: {epochs: }", "distill.epochs must be a whole number (got nothing)."),
        ("distill: {batch: 0}", "distill.batch must be at least 1 (got 0)."),
        ("distill: {baseline: on}", "distill.baseline must be true or false (got 'on')."),
        ("distill: {baseline: 1}", "distill.baseline must be true or false (got 1)."),
        ("distill: {device: gpu}", "distill.device must be auto, cpu, mps, cuda or cuda:N (got 'gpu')."),
        ("distill: {precision: fp8}", "distill.precision must be 'auto', 'bf16', 'fp16' or 'fp32' (got 'fp8')."),
        (
            "distill: {loss: mse}",
            "distill.loss must be logit-mse, probability-mse, soft-targets, decoupled, correlation, squared, huber, "
            "binary, or package.module:function (got 'mse'). README says which are for which outputs.",
        ),
        ("distill: {loss: decoupled, temperature: 0}", "distill.temperature must be above 0 (got 0)."),
        ("distill: {loss: soft-targets, hard_weight: 1.5}", "distill.hard_weight must be at most 1 (got 1.5)."),
        ("distill: {loss: decoupled, alpha: -1}", "distill.alpha must be at least 0 (got -1)."),
        ("distill: {noise: {sigma: 0}}", "distill.noise.sigma must be above 0 (got 0)."),
        ("distill: {noise: {share: 2}}", "distill.noise.share must be at most 1 (got 2)."),
        (
            "distill: {temperature: 4}",
            "distill must not have temperature beside loss logit-mse. "
            "Remove temperature: it belongs to soft-targets, decoupled, correlation and binary.",
        ),
        (
            "distill: {loss: soft-targets, alpha: 1, beta: 8, temperature: 3}",
            "distill must not have alpha, beta beside loss soft-targets. "
            "Remove alpha: it belongs to decoupled. Remove beta: it belongs to decoupled.",
        ),
        (
            "distill: {loss: probability-mse, dynamic_temperature: 1}",
            "distill must not have dynamic_temperature beside loss probability-mse. "
            "Remove dynamic_temperature: it belongs to soft-targets, decoupled and correlation.",
        ),
        (
            "distill: {loss: decoupled, inter: 1}",
            "distill must not have inter beside loss decoupled. Remove inter: it belongs to correlation.",
        ),
        (
            "distill: {loss: correlation, inter: 0, intra: 0}",
            "distill must have inter or intra above 0 (got 0 for both). With neither, nothing is learned.",
        ),
        ("distill: {warm_up: -1}", "distill.warm_up must be at least 0 (got -1)."),
        (
            "export: {layout: nhwc}",
            "export must have preprocess graph for layout nhwc (got spec). Set preprocess: graph.",
        ),
        ("export: {max_int8_drop: -1}", "export.max_int8_drop must be at least 0 (got -1)."),
        (
            "distill: {warm_up: 20, epochs: 5}",
            "distill must have a warm_up within its epochs (got 20 of 5). Lower warm_up.",
        ),
        ("distill: {weighting: margin}", "distill.weighting must be 'none' or 'entropy' (got 'margin')."),
        ("distill: {selection: {uncertainty: 0}}", "distill.selection.uncertainty must be above 0 (got 0)."),
        ("distill: {selection: {uncertainty: 1.5}}", "distill.selection.uncertainty must be at most 1 (got 1.5)."),
        (
            "distill: {relational: {distance: 0, angle: 0}}",
            "distill.relational must have distance or angle above 0 (got 0 for both). "
            "Leave relational out for neither.",
        ),
        ("distill: {hint_weight: -1}", "distill.hint_weight must be at least 0 (got -1)."),
        (
            "distill: {relational: {of: outputs}}",
            "distill.relational.of must be 'logits' or 'features' (got 'outputs').",
        ),
        ("distill: {selection: {}}", "distill.selection.uncertainty must be given."),
        (
            "distill: {loss: decoupled, alpha: 0, beta: 0.0}",
            "distill must have alpha or beta above 0 (got 0 for both). With neither, nothing is learned.",
        ),
        (
            "distill: {loss: soft-targets, temperature_path: cosine}",
            "distill must not have temperature_path without temperature_end. Set temperature_end.",
        ),
        (
            "distill: {temperature_end: 1}",
            "distill must not have temperature_end beside loss logit-mse. "
            "Remove temperature_end: it belongs to soft-targets, decoupled and correlation.",
        ),
        ("distill: [1]", "distill must be a mapping (got [1])."),
        ("distill:", "distill must be a mapping (got nothing)."),
        ("gate: {max_drop: 101}", "gate.max_drop must be at most 100 (got 101)."),
        ("gate: {max_drop: -0.5}", "gate.max_drop must be at least 0 (got -0.5)."),
        (
            "student: {bottleneck: 0}",
            "student.bottleneck must be a whole number from 1 to 1,000,000, or a mapping with layer and rank (got 0). "
            "Leave it out for a student without a bottleneck.",
        ),
        ("student: {hidden: []}", "student.hidden must have at least 1 entry (got 0)."),
        ("student: {hidden: 512}", "student.hidden must be a list (got 512)."),
        ("student: {conv: {channels: 0}}", "student.conv.channels must be at least 1 (got 0)."),
        ("student: {conv: [{kernel: 5}]}", "student.conv[0].channels must be given."),
        ("student: {conv: [7]}", "student.conv[0] must be a mapping (got 7)."),
        (
            "student: {conv: {channels: 3, kernel: 4}}",
            "student.conv must have an odd kernel (got 4). Even kernels cannot keep height and width.",
        ),
        ("export: {target: a b}", "export.target must be the name of a runtime (got 'a b')."),
        ("export: {formats: onnx}", "export.formats must be a list (got 'onnx')."),
        ("export: {formats: [1]}", "export.formats[0] must be text (got 1)."),
        (
            "export: {formats: [onnx, openvino:fp8]}",
            "export.formats[1] must be of the precision fp32, fp16, bf16 or int8 (got 'openvino:fp8'). "
            "Without one it is fp32.",
        ),
    ],
)
def test_a_bad_setting_is_a_whole_sentence(more, problem):
    assert _problems(SMALL + more + "\n") == [f"r.yaml:4: {problem}"]


@pytest.mark.parametrize(
    ("teacher", "problem"),
    [
        ("[]", f"teacher must have at least 1 entry (got 0). {ONE_TEACHER}"),
        (f"[{', '.join(101 * ['{onnx: a}'])}]", f"teacher must have at most 100 entries (got 101). {ONE_TEACHER}"),
        (
            "[{onnx: a, count: 2}]",
            "teacher[0] must not have count beside onnx. Only a built-in model can be trained again.",
        ),
        ("{onnx: a}", f"teacher must be a list (got {{'onnx': 'a'}}). {ONE_TEACHER}"),
        ("[3]", f"teacher[0] must be a mapping (got 3). {ONE_TEACHER}"),
        ("[{}]", f"teacher[0] must have exactly one of {ORIGINS} (got none). Keep one of them."),
        (
            "[{model: deep-cnn, onnx: a}]",
            f"teacher[0] must have exactly one of {ORIGINS} (got model, onnx). Keep one of them.",
        ),
        ("[{onnx: a, train: {}}]", "teacher[0] must not have train beside onnx. Remove train."),
        ("[{onnx: a, weights: b}]", "teacher[0] must not have weights beside onnx. Remove weights."),
        (
            "[{model: deep-cnn, preprocess: {}}]",
            "teacher[0] must not have preprocess beside model. Remove preprocess.",
        ),
        ('[{onnx: ""}]', "teacher[0].onnx must not be empty (got '')."),
        ("[{model: big}]", "teacher[0].model must be 'deep-cnn', 'whitened-cnn' or 'mlp' (got 'big')."),
        (
            "[{model: deep-cnn, hidden: [8]}]",
            "teacher[0] must not have hidden beside deep-cnn. It belongs to model: mlp.",
        ),
        ("[{onnx: a, dropout: {}}]", "teacher[0] must not have dropout beside onnx. It belongs to model: mlp."),
        ("[{model: mlp, max_norm: 0}]", "teacher[0].max_norm must be above 0 (got 0)."),
        ("[{model: mlp, dropout: {input: 1}}]", "teacher[0].dropout.input must be below 1 (got 1)."),
        (
            "[{model: mlp, train: {steps: 1, epochs: 2}}]",
            "teacher[0].train must have steps or epochs (got 1 and 2). Keep one of them.",
        ),
        (
            "[{model: mlp, train: {views: {munge: {}}}}]",
            "teacher[0].train must not have munge among its views. The rows that it makes have no true label.",
        ),
        ("[{torch: a.b}]", "teacher[0].torch must be package.module:function (got 'a.b')."),
        ('[{torch: "../x.py:f"}]', "teacher[0].torch must be package.module:function (got '../x.py:f')."),
        ('[{torch: "a..b:f"}]', "teacher[0].torch must be package.module:function (got 'a..b:f')."),
        (
            "[{onnx: a, preprocess: {size: []}}]",
            "teacher[0].preprocess.size must have more entries (got 0). Give [height, width].",
        ),
        (
            "[{onnx: a, preprocess: {size: [1, 2, 3]}}]",
            "teacher[0].preprocess.size must have at most 2 entries (got 3). Give [height, width].",
        ),
        (
            "[{onnx: a, preprocess: {size: [28, 0]}}]",
            "teacher[0].preprocess.size[1] must be at least 1 (got 0). Give [height, width].",
        ),
        ("[{onnx: a, preprocess: {std: [1, 0]}}]", "teacher[0].preprocess.std[1] must be above 0 (got 0)."),
        ("[{onnx: a, preprocess: {mean: [.nan]}}]", "teacher[0].preprocess.mean[0] must be a finite number (got nan)."),
    ],
)
def test_a_bad_teacher_is_a_whole_sentence(teacher, problem):
    assert _problems(f"name: a\ndata: {{source: mnist-5k}}\nteacher: {teacher}\n") == [f"r.yaml:3: {problem}"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            "{}",
            f"data must have exactly one of {SOURCES} (got none). Keep one of them.",
        ),
        (
            "{source: mnist-5k, numpy: x.npz}",
            f"data must have exactly one of {SOURCES} (got source, numpy). Keep one of them.",
        ),
        ("{source: mnist}", "data.source must be 'mnist-5k' (got 'mnist')."),
        ('{parquet: ""}', "data.parquet must not be empty (got '')."),
        ("{numpy: 3}", "data.numpy must be text (got 3)."),
        ("{source: mnist-5k, split: {test: 0}}", "data.split.test must be at least 1 (got 0)."),
        ("{source: mnist-5k, seed: -1}", "data.seed must be at least 0 (got -1)."),
        ("{source: mnist-5k, size: [8, 8]}", "data must not have size beside source. Remove size."),
        ("{audio: a, size: [8, 8]}", "data must not have size beside audio. Remove size."),
        ("{hub: mnist}", "data.hub must be org/name, org/name/folder or org/name@revision (got 'mnist')."),
        ("{hub: a/../b}", "data.hub must be org/name, org/name/folder or org/name@revision (got 'a/../b')."),
        ("{images: a, size: [8]}", "data.size must have more entries (got 1). Give [height, width]."),
        ("{images: a, seconds: 1.0}", "data must not have seconds beside images. Remove seconds."),
        ("{audio: a, sample_rate: 0}", "data.sample_rate must be at least 1 (got 0)."),
        (
            "{images: a, unlabeled: {}}",
            f"data.unlabeled must have exactly one of {SOURCES} (got none). Keep one of them.",
        ),
        ("{images: a, test: {numpy: 3}}", "data.test.numpy must be text (got 3)."),
        ("{numpy: a, context: 15}", "data must not have context beside numpy. Remove context."),
        ("{timit: a, groups: b}", "data must not have groups beside timit. Remove groups."),
        ("{timit: a, context: 0}", "data.context must be at least 1 (got 0)."),
        ("{timit: a, context: 4}", "data must have an odd context (got 4). The frame is in the middle of it."),
        ("{phones: a, targets: folded}", "data must have timit for targets folded. Set targets to phones."),
        ("{phones: a, targets: words}", "data.targets must be 'states', 'phones' or 'folded' (got 'words')."),
        ("{source: mnist-5k, transfer: {only: []}}", "data.transfer.only must have at least 1 entry (got 0)."),
        ("{source: mnist-5k, transfer: {only: [2.5]}}", "data.transfer.only[0] must be text (got 2.5)."),
        (
            "{source: mnist-5k, transfer: {only: [7], without: [3]}}",
            "data.transfer must not have both only and without. Keep one of them.",
        ),
    ],
)
def test_bad_data_are_a_whole_sentence(data, problem):
    assert _problems(f"name: a\ndata: {data}\nteacher: [{{model: deep-cnn}}]\n") == [f"r.yaml:2: {problem}"]


@pytest.mark.parametrize("name", ["''", "a b", "../a", ".a", "a" * 101, '"a\\n"', "é"])
def test_a_name_must_be_fit_for_a_file(name):
    allowed = "1 to 100 letters, digits, dots, dashes and underscores, the first a letter or a digit"
    (problem,) = _problems(f"name: {name}\ndata: {{source: mnist-5k}}\nteacher: [{{model: deep-cnn}}]\n")
    assert problem.startswith(f"r.yaml:1: name must be {allowed} (got '")


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "an empty file"),
        ("# nothing\n", "an empty file"),
        ("- a\n", "a list"),
        ("hello\n", "'hello'"),
        ("12\n", "12"),
    ],
)
def test_a_recipe_must_be_a_mapping(text, got):
    see = "See one: kdeploy recipes show mnist-5k."
    assert _problems(text) == [f"r.yaml: a recipe must be a mapping (got {got}). {see}"]


def test_what_is_required_is_named():
    expected = ["name must be given.", "data must be given.", f"teacher must be given. {ONE_TEACHER}"]
    assert _problems("views: {count: 2}\n") == [f"r.yaml:1: {problem}" for problem in expected]


def test_a_long_value_is_cut():
    (problem,) = _problems(SMALL + f"distill: {{epochs: {'x' * 10_000}}}\n")
    assert problem == f"r.yaml:4: distill.epochs must be a whole number (got '{'x' * 76}...)."


def test_all_problems_come_at_once_in_the_order_of_their_lines():
    text = """\
nme: a
data: {source: mnist-5k}
teacher:
  - {model: deep-cnn, train: {steps: 0}}
distill:
  lr: 0
  epochs: !big 3
  lr: 1
  batch: no
gate: {max_drop: x}
"""
    assert _problems(text) == [
        "r.yaml:1: name must be given.",
        "r.yaml:1: nme is not a known key. Did you mean 'name'?",
        "r.yaml:4: teacher[0].train.steps must be at least 1 (got 0).",
        "r.yaml:6: distill.lr must be above 0 (got 0).",
        "r.yaml:7: tags are not allowed (got !big). Remove it.",
        "r.yaml:8: distill.lr must be given once (it is also on line 6). Remove one of them.",
        "r.yaml:9: distill.batch must be a whole number (got 'no').",
        "r.yaml:10: gate.max_drop must be a number (got 'x').",
    ]


def test_a_problem_of_the_whole_text_has_no_line():
    assert _problems(b"\xff") == [
        "r.yaml: the file must be UTF-8 (got invalid start byte at byte 0). Save it as UTF-8."
    ]


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("distill.epochs=3", {"distill": {"epochs": 3}}),
        ("distill.lr=1e-2", {"distill": {"lr": 0.01}}),
        ("gate.max_drop=2.5", {"gate": {"max_drop": 2.5}}),
        ("teacher.0.train.steps=700", {"teacher": ({"model": "deep-cnn", "train": {"steps": 700}},)}),
        ("student.hidden=[8, 9]", {"student": {"hidden": (8, 9)}}),
        ("views.image.shift=2", {"views": {"inputs": {"image": {"shift": 2}}}}),
        ("views={count: 2}", {"views": {"count": 2}}),
        ("name=b", {"name": "b"}),
        ("name='10'", {"name": "10"}),
        ("student.bottleneck=", {}),
        (" distill.epochs =3", {"distill": {"epochs": 3}}),
    ],
)
def test_an_override_changes_one_place(override, changed):
    assert _recipe("", override).model_dump(exclude_defaults=True) == _recipe().model_dump(exclude_defaults=True) | (
        changed
    )


def test_the_last_of_two_overrides_holds():
    assert _recipe("", "distill.epochs=3", "distill.epochs=4").distill.epochs == 4


def test_an_override_mends_what_the_file_says():
    assert _recipe("student: {hidden: [0, 8]}", "student.hidden.0=7").student.hidden == (7, 8)
    assert _recipe("", "data.source=", "data.numpy=x.npz").data.numpy == "x.npz"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("teacher.0.train.steps=0", "--set teacher.0.train.steps: teacher[0].train.steps must be at least 1 (got 0)."),
        ("gate.max_drop=-1", "--set gate.max_drop: gate.max_drop must be at least 0 (got -1)."),
        ("nme=x", "--set nme: nme is not a known key. Did you mean 'name'?"),
        ("name.x=1", "--set name.x: name must be text (got {'x': 1})."),
        ("teacher=[]", f"--set teacher: teacher must have at least 1 entry (got 0). {ONE_TEACHER}"),
        ("teacher=[{onnx: 3}]", "--set teacher: teacher[0].onnx must be text (got 3)."),
        (
            "data.numpy=x",
            f"--set data.numpy: data must have exactly one of {SOURCES} (got source, numpy). Keep one of them.",
        ),
        ("student.hidden.0=3", "--set student.hidden.0: student.hidden must be a list (got {'0': 3})."),
    ],
)
def test_a_bad_value_of_an_override_is_blamed_on_the_override(override, problem):
    assert _problems(SMALL, override) == [problem]


def test_two_overrides_of_one_place_are_both_named():
    assert _problems(SMALL, "student.hidden=[1, 2]", "student.hidden.1=x") == [
        "--set student.hidden and --set student.hidden.1: student.hidden[1] must be a whole number (got 'x')."
    ]


def test_an_override_does_not_take_the_blame_for_the_file():
    assert _problems(SMALL + "distill: {lr: 0}\n", "distill.epochs=3") == [
        "r.yaml:4: distill.lr must be above 0 (got 0)."
    ]


EXAMPLE = "For example: --set student.bottleneck=128."


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("x", f"--set: must be key=value (got 'x'). {EXAMPLE}"),
        ("=3", f"--set: must be key=value (got '=3'). {EXAMPLE}"),
        ("a..b=3", f"--set: must be key=value (got 'a..b=3'). {EXAMPLE}"),
        ("name=[1", "--set name: must be given a YAML value (got '[1'). Put text that is not plain in quotes."),
        ("name=&a 3", "--set name: must be given a YAML value (got '&a 3'). Put text that is not plain in quotes."),
        (
            "name=\udcff",
            "--set name: must be given a YAML value (got '\\udcff'). Put text that is not plain in quotes.",
        ),
        ("teacher.1.model=x", "--set teacher.1.model: must name an entry from 0 to 0 (got '1')."),
        ("teacher.-1.model=x", "--set teacher.-1.model: must name an entry from 0 to 0 (got '-1')."),
        (
            f"teacher.{'9' * 5000}=x",
            f"--set teacher.{'9' * 5000}: must name an entry from 0 to 0 (got '{'9' * 5000}').",
        ),
        ("teacher.²=x", "--set teacher.²: must name an entry from 0 to 0 (got '²')."),
        ("teacher.model=x", "--set teacher.model: must name an entry from 0 to 0 (got 'model')."),
        ("student.hidden.0=1", "--set student.hidden.0: must not go into an empty list (got '0')."),
    ],
)
def test_an_override_that_cannot_be_read_is_a_usage_error(override, message):
    with pytest.raises(UsageError) as caught:
        _read("student: {hidden: []}", override)
    assert str(caught.value) == message


def test_a_place_is_found_again_for_later_problems():
    loaded = _read("bench:\n  runtimes: [onnxruntime, openvino]", "gate.max_drop=1")
    assert loaded.where(("bench", "runtimes", 1)) == "r.yaml:5"
    assert loaded.where(("export", "target")) == "r.yaml:1"
    assert loaded.where(("gate", "max_drop")) == "--set gate.max_drop"


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value)


LIST = "Those that ship go by name: kdeploy recipes."


def test_a_path_that_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    expected = {
        tmp_path: "a folder",
        tmp_path / "none.yaml": "there is no such file",
        tmp_path / "fifo": "a FIFO",
        tmp_path / "broken": "a broken link",
        tmp_path / "loop": "Too many levels of symbolic links",
        tmp_path / "file" / "x.yaml": "Not a directory",
        tmp_path / ("x" * 256): "File name too long",
        tmp_path / "a\0b": "a name with a NUL in it",
        Path("/dev/zero"): "a device",
    }
    for path, got in expected.items():
        assert _refusal(path) == f"{path}: must be a recipe file ({got}). {LIST}"


def test_a_link_to_a_file_is_a_file(tmp_path):
    (tmp_path / "r.yaml").write_text(SMALL)
    (tmp_path / "link").symlink_to("r.yaml")
    assert load(tmp_path / "link").recipe.name == "a"


def test_a_recipe_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_text(SMALL)
    (tmp_path / "r.yaml").chmod(0)
    if os.access(tmp_path / "r.yaml", os.R_OK):
        pytest.skip("this user may read every file")
    assert _refusal(tmp_path / "r.yaml") == f"{tmp_path / 'r.yaml'}: must be a readable recipe (Permission denied)."


def test_no_more_is_read_than_a_recipe_may_have(tmp_path):
    path = tmp_path / "r.yaml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(RecipeError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: the file must have at most {MAX_BYTES} bytes (got more)."


def test_reading_a_recipe_imports_no_torch(tmp_path):
    code = "import json, sys, kdeploy.recipe.check; print(json.dumps([m for m in sys.modules if '.' not in m]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"torch", "numpy", "onnx", "onnxruntime"} & set(json.loads(out)) == set()


@pytest.mark.parametrize(
    ("teacher", "ensemble", "problem"),
    [
        (
            "[{onnx: a}]",
            "{mean: logits}",
            "must not have ensemble with one teacher. Remove ensemble, or give more teachers.",
        ),
        (
            "[{onnx: a}, {model: deep-cnn, count: 3}]",
            "{weights: [1, 2]}",
            "must have one of ensemble.weights for each of its 4 teachers (got 2). A teacher with a count has as many.",
        ),
    ],
)
def test_an_ensemble_that_does_not_fit_its_teachers_is_refused(teacher, ensemble, problem):
    text = f"name: a\ndata: {{source: mnist-5k}}\nteacher: {teacher}\nensemble: {ensemble}\n"
    assert _problems(text) == [f"r.yaml:1: the recipe {problem}"]


@pytest.mark.parametrize(
    ("teachers", "problem"),
    [
        (
            "teacher: [{onnx: a}]",
            "must not have distill.mixture certainty with one teacher. Remove mixture, or give more teachers.",
        ),
        (
            "teacher: [{onnx: a}, {onnx: b}]\nensemble: {mean: logits}",
            "must not have ensemble beside distill.mixture certainty. Each says how the teachers become one: "
            "remove one of them.",
        ),
    ],
)
def test_a_mixture_is_of_several_teachers_and_takes_the_place_of_the_ensemble(teachers, problem):
    text = f"name: a\ndata: {{source: mnist-5k}}\n{teachers}\ndistill: {{mixture: certainty}}\n"
    assert _problems(text) == [f"r.yaml:1: the recipe {problem}"]


@pytest.mark.parametrize(
    ("distill", "problem"),
    [
        (
            "{hint_weight: 0.5}",
            "must have labels.kind features for distill.hint_weight (got logits). "
            "The teacher's features must be stored.",
        ),
        (
            "{relational: {of: features}}",
            "must have labels.kind features for distill.relational.of features (got logits). "
            "The teacher's features must be stored.",
        ),
    ],
)
def test_features_are_learned_only_where_they_are_stored(distill, problem):
    text = f"{SMALL}distill: {distill}\n"
    assert _problems(text) == [f"r.yaml:1: the recipe {problem}"]
    assert parse((text + "labels: {kind: features}\n").encode(), "r.yaml").recipe.labels.kind == "features"


@pytest.mark.parametrize(
    ("distill", "problem"),
    [
        (
            "{hint_layer: 1}",
            "distill must not have hint_layer without hint_weight. Set hint_weight, or remove hint_layer.",
        ),
        (
            "{hint_weight: 1, hint_layer: 3}",
            "the recipe must have distill.hint_layer within the hidden layers of the student (got 3 of 2). They are "
            "counted from the input.",
        ),
        (
            "{hint_weight: 1, hint_layer: 0}",
            "distill.hint_layer must be a number from 1, or the name of a layer (got 0). Leave it out for the last "
            "one.",
        ),
    ],
)
def test_a_hint_is_learned_by_a_hidden_layer_that_there_is(distill, problem):
    text = f"{SMALL}labels: {{kind: features}}\nstudent: {{hidden: [8, 4]}}\ndistill: {distill}\n"
    assert [found.split(": ", 1)[1] for found in _problems(text)] == [problem]


def test_a_student_is_local_in_one_way():
    text = f"{SMALL}student: {{conv: {{channels: 4}}, locality: 3}}\n"
    assert _problems(text) == [
        "r.yaml:4: student must not have locality beside conv. A convolution sees what is near: remove locality."
    ]


def test_a_student_sees_more_than_between_two_pixels():
    text = f"{SMALL}student: {{locality: 0.3}}\n"
    assert _problems(text) == ["r.yaml:4: student.locality must be at least 0.5 (got 0.3)."]


def test_weights_of_an_ensemble_are_not_0():
    text = "name: a\ndata: {source: mnist-5k}\nteacher: [{onnx: a}, {onnx: b}]\nensemble: {weights: [1, 0]}\n"
    assert _problems(text) == ["r.yaml:4: ensemble.weights[1] must be at least 1e-06 (got 0)."]


def test_a_count_stands_for_teachers_from_seeds_of_their_own():
    text = b"name: a\ndata: {source: mnist-5k}\nteacher: [{onnx: a}, {model: deep-cnn, count: 3, train: {seed: 5}}]\n"
    members = parse(text, "r.yaml").recipe.members
    assert [member.onnx or member.train.seed for member in members] == ["a", 5, 6, 7]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("labels: {kind: topk}", "labels must have top beside kind topk. Set top to the number of logits to keep."),
        (
            "labels: {components: 3}",
            "labels must not have components beside kind logits. Remove components: it belongs to features.",
        ),
        ("labels: {top: 3}", "labels must not have top beside kind logits. Remove top: it belongs to topk."),
    ],
)
def test_a_key_of_one_kind_of_labels_belongs_to_it(more, problem):
    assert _problems(SMALL + more + "\n") == [f"r.yaml:4: {problem}"]


@pytest.mark.parametrize(
    ("teacher", "kind", "problem"),
    [
        (
            "{onnx: a}",
            "features",
            "must have features in teacher[0] for labels.kind features. Name what a node of the ONNX file gives, or "
            "set labels.kind to logits.",
        ),
        (
            "{onnx: a, features: b}",
            "logits",
            "must not have features in teacher[0] beside labels.kind logits. Remove features, or set labels.kind to "
            "features.",
        ),
    ],
)
def test_features_of_an_onnx_file_are_named_where_they_are_stored(teacher, kind, problem):
    text = f"name: a\ndata: {{source: mnist-5k}}\nteacher: [{teacher}]\nlabels: {{kind: {kind}}}\n"
    assert _problems(text) == [f"r.yaml:1: the recipe {problem}"]


def test_a_recipe_does_not_teach_itself():
    assert _problems("name: a\ndata: {source: mnist-5k}\nteacher: [{run: a}]\n") == [
        "r.yaml:1: the recipe must have another name than its teacher[0].run (got a for both). Rename the recipe: its "
        "own run would replace its teacher."
    ]


def test_the_name_of_a_run_is_no_path():
    assert _problems("name: a\ndata: {source: mnist-5k}\nteacher: [{run: ../b}]\n") == [
        "r.yaml:3: teacher[0].run must be the name of a run (got '../b')."
    ]


@pytest.mark.parametrize(("more", "got"), [("", "none"), (", pretrained: true, weights: w.pt", "both")])
def test_a_net_of_a_package_has_published_weights_or_the_users(more, got):
    assert _problems(f"name: a\ndata: {{source: mnist-5k}}\nteacher: [{{timm: resnet18{more}}}]\n") == [
        f"r.yaml:3: teacher[0] must have exactly one of weights and pretrained: true beside timm (got {got}). "
        "Without either it knows nothing."
    ]
