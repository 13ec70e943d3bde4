"""The rules of the house: how many entries, how long, where code stands, and that every module has its test beside it.

Each rule is a function over a folder that gives what breaks it, so that it is seen to see a fault.
"""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import REPOSITORY

PACKAGE = REPOSITORY / "kdeploy"
TESTS = REPOSITORY / "tests"

MOST_ENTRIES = 27
MOST_LINES = 400
MEDIAN_BODY, TENTH_BODY, LONGEST_BODY = 5, 15, 40  # lines of a function from its first statement to its last
SILENCED = re.compile(r"#.*(?:type: ignore|\bnoqa\b)")

STANDS_ALONE = {"bundles/programs/bundle_core.py"}  # bundles carry it: it is one file whatever its length
NAMES_OF_THE_PACKAGE = {"__init__.py"}  # `import kdeploy` has the verbs, loaded on first use
MOST_SILENCED = 60

# modules without a file of their own in tests/: the reason, and which they are
TESTED_ELSEWHERE = {
    "a verb: it calls a function and prints; the tests of that function and test_end_to_end.py run it": """
        cli/bundle cli/clean cli/distill cli/doctor cli/init cli/label cli/run cli/show cli/stage_verb
    """,
    "options and lines of verbs, in the help of cli/golden and in what test_end_to_end.py reads": """
        cli/options cli/summary
    """,
    "starts a program: every test of that program goes through it": """
        __main__ cli/main graphs/inspector/__main__ timing/__main__
    """,
    "runs in a bundle: bundles/test_verify.py, bundles/programs/test_bundle_core.py": "bundles/programs/verify",
    "the golden run of what bundles/test_verify.py checks": "bundles/golden bundles/problems",
    "evaluation/test_logits.py and stages/export/test_precision.py": "evaluation/precision_cost",
    "one formula a kind of operator: graphs/counting/test_formulas.py, and test_torch.py against torch": """
        graphs/counting/attention graphs/counting/concrete graphs/counting/contributed graphs/counting/einsum
        graphs/counting/operators
    """,
    "a check on files that nobody trusts: graphs/inspector/test_table.py has a hostile file for each": """
        graphs/inspector/activations graphs/inspector/admit graphs/inspector/graph graphs/inspector/other_domains
        graphs/inspector/record
        graphs/inspector/shape_arithmetic graphs/inspector/side_files graphs/inspector/tensors
        graphs/inspector/unrepeatable graphs/inspector/wording
    """,
    "one check, which the test of each loss sees refuse": "losses/shapes",
    "a layer: the tests of the networks that have it": "models/batch_norm",
    "parity/test_compare.py, stages/test_verify.py": "parity/budget parity/made_families",
    "parity/test_sums.py": "parity/convolution",
    "parity/test_apart.py": "parity/steps",
    "opens the inputs of a stage and calls it: tests/stages, pipeline/test_inputs.py, test_end_to_end.py": """
        pipeline/bench pipeline/bundle pipeline/export pipeline/labels pipeline/outcome pipeline/report
    """,
    "pipeline/test_advance.py, test_store.py and test_prepare.py": """
        pipeline/job pipeline/order pipeline/stage
    """,
    "the keys of a section of a recipe: recipe/test_load.py has their problems, recipe/test_models.py their values": """
        recipe/data recipe/distill recipe/dropout recipe/teacher recipe/training recipe/views
    """,
    "fields alone: who fills them tests them, and records/test_base.py how they are written and read": """
        records/bench_compare records/bundle records/circumstances records/count records/decisions records/distill
        records/draft
        records/export records/labels records/plan records/precision records/preprocessing records/recipes
        records/report records/run records/software records/sweep records/teacher
    """,
    "a part of the page: reports/test_page.py and reports/test_bench_page.py": """
        reports/bench_headline reports/figures/distributions reports/figures/drawing reports/figures/losses
        reports/figures/roofline reports/figures/scores
        reports/figures/sustained reports/figures/throughput reports/figures/trade_off reports/headline
        reports/layers reports/plots reports/trainings reports/write
    """,
    "promises without code; runtimes/test_contract.py checks who keeps them": "runtimes/protocol",
    "a promise without code; system/test_known_hashes.py checks who keeps it": "samples/known",
    "samples/test_media_folder.py, samples/test_parquet.py": "samples/contents samples/pictures",
    "samples/test_meanings_of_folders.py": """
        samples/class_order samples/damage samples/decoded samples/split_folders samples/tree
    """,
    "outputs/test_contract.py": "outputs/by_name outputs/classes outputs/columns outputs/kind outputs/terms",
    "samples/test_meanings_of_parquet.py": "samples/parquet_columns samples/parquet_files",
    "samples/test_meanings_of_npz.py": """
        samples/arrays/labels samples/arrays/names samples/arrays/pixels
    """,
    "the test of each view, beside samples/views/test_views.py": "samples/views/cut samples/views/numbers",
    "stages/export/test_run.py": "stages/export/describe stages/export/forms transforms/outcome",
    "pipeline/test_store.py, where runs lock their work": "system/lock",
    "stages/test_verify.py, stages/export/test_with_preprocessing.py": "evaluation/raw_input",
    "values without code: training/test_loop.py, losses/test_by_name.py": "losses/options training/options",
    "says nothing by default; cli/test_progress.py has the one with bars": "system/progress",
    "timing/run/test_orchestrator.py, timing/test_recompute.py and records/test_bench.py, which read whole results": """
        timing/run/arm_record
    """,
    "promises without code: timing/run/test_worker_process.py sees each command answered": "timing/messages",
    "stages/test_distill.py": "training/tensorboard",
    "verbs/init/test_draft.py": "verbs/init/teacher verbs/init/text",
    "cli/test_sweep.py": "verbs/sweep",
    "parses and prints: cli/bench/test_bench.py, cli/verify and test_end_to_end.py run them": """
        cli/bench/compare cli/bench/group cli/bench/models cli/bench/recompute cli/bench/result cli/bench/run
        cli/precision_cost cli/settings cli/verify/bundle cli/verify/group cli/verify/models cli/verify/run
    """,
    "words of other formatters: reports/test_page.py and cli/test_output.py read them whole": "formatting/sentences",
    "each verb of it: test_api.py; verbs/test_external_models.py, verbs/test_bench_models.py, verbs/test_clean.py": """
        verbs/bench_settings verbs/benchmarks verbs/export_model verbs/models verbs/requirements verbs/run
        verbs/workspace
    """,
    "verbs/test_prepare.py, test_api.py": "verbs/runs",
    "test_given_teachers.py": "verbs/earlier_run",
    "stages/test_verify.py, stages/test_bench.py": "evaluation/exported_run parity/subject",
    "pipeline/test_store.py": "system/fingerprint",
    "reports/test_csv_table.py, reports/test_markdown.py": "reports/comparisons",
    "reports/test_pictures.py": "reports/differing",
    "reports/test_side_by_side.py": "reports/figures/runs reports/runs_headline",
    "cli/test_sweep.py, cli/test_report.py": "verbs/side_by_side",
}


def modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def entries(root: Path) -> list[str]:
    """What `ls` shows."""
    return [path.name for path in root.iterdir() if path.name[0] != "." and path.name != "__pycache__"]


def code_in_init(root: Path) -> set[str]:
    """The `__init__.py` that are more, or less, than a docstring."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("__init__.py")
        if (tree := ast.parse(path.read_text(encoding="utf-8"))).body[1:] or not ast.get_docstring(tree)
    }


def long_files(root: Path, most: int = MOST_LINES) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(root)}
    return [f"{path.relative_to(root)} has {length}" for path, length in lengths.items() if length > most]


def bodies(root: Path) -> Iterator[tuple[str, int]]:
    """Every function, `file: name`, and the lines from its first statement to its last; its docstring is none."""
    for path in modules(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                yield f"{path.relative_to(root)}: {node.name}", lines


def silenced(root: Path) -> list[str]:
    """Every line on which a check is switched off."""
    return [
        f"{path.relative_to(root)}:{number}"
        for path in modules(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if SILENCED.search(line)
    ]


def layers() -> list[str]:
    """The layers of the import contract, as `stages | reports`."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(contract["layers"] for contract in contracts if contract["type"] == "layers")


def classes(root: Path) -> Iterator[tuple[str, str, str]]:
    """Every class: its layer, its name, and its file."""
    layer_of = {module: layer for layer in layers() for module in layer.split(" | ")}
    for path in modules(root):
        where = path.relative_to(root)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield layer_of.get(where.parts[0].removesuffix(".py"), ""), node.name, str(where)


def twice(root: Path) -> dict[str, list[str]]:
    """Names that two classes of one layer have, and the files of these."""
    files: dict[tuple[str, str], list[str]] = {}
    for layer, name, where in classes(root):
        files.setdefault((layer, name), []).append(where)
    return {name: where for (_, name), where in files.items() if where[1:]}


def without_a_test(root: Path, tests: Path) -> set[str]:
    """Modules, as `cli/bundle`, without `tests/cli/test_bundle.py`."""
    named = [path.relative_to(root).with_suffix("") for path in modules(root) if path.name != "__init__.py"]
    return {str(module) for module in named if not (tests / module.with_name(f"test_{module.name}.py")).is_file()}


def test_the_package_is_taken_in_at_a_glance():
    assert len(entries(PACKAGE)) <= MOST_ENTRIES, sorted(entries(PACKAGE))


def test_the_init_of_every_folder_is_a_docstring():
    assert len(list(PACKAGE.rglob("__init__.py"))) > 20
    assert code_in_init(PACKAGE) <= NAMES_OF_THE_PACKAGE


def test_no_file_is_too_long():
    assert [found for found in long_files(PACKAGE) if found.split()[0] not in STANDS_ALONE] == []


def test_functions_are_short():
    lengths = [lines for _, lines in bodies(PACKAGE)]
    assert len(lengths) > 1000
    assert statistics.median(lengths) <= MEDIAN_BODY
    assert statistics.quantiles(lengths, n=10)[-1] <= TENTH_BODY
    assert {name: lines for name, lines in bodies(PACKAGE) if lines > LONGEST_BODY} == {}


def test_checks_are_rarely_switched_off():
    assert sum(len(silenced(REPOSITORY / folder)) for folder in ("kdeploy", "tests", "benchmarks")) <= MOST_SILENCED


def test_no_class_name_is_used_twice_in_a_layer():
    assert twice(PACKAGE) == {}


def test_every_module_has_its_test_beside_it_or_a_reason():
    listed = Counter(module for names in TESTED_ELSEWHERE.values() for module in names.split())
    assert [module for module, count in listed.items() if count > 1] == []
    assert sorted(without_a_test(PACKAGE, TESTS) ^ set(listed)) == []


def test_the_tests_that_a_reason_names_are_there():
    here = {path.name for path in TESTS.rglob("test_*.py")}
    named = re.findall(r"test_\w+\.py", " ".join(TESTED_ELSEWHERE))
    assert named
    assert set(named) <= here


ERRORS = '''\
def long():
    """Two
    lines."""
    x = 1
    return (
        x
    )


def none():
    """None."""


y = [] + 1  # type: ignore[operator]
z = 1  # noqa: X
noqa = 1
'''


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package with a fault of each kind."""
    root = tmp_path / "kdeploy"
    for name in ("stages", "reports"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text('"""What is here."""\n')
        (root / name / "one.py").write_text("class Same:\n    pass\n")
    (root / "__pycache__").mkdir()
    (root / "__init__.py").write_text('"""A package."""\n\nVALUE = 1\n')
    (root / "errors.py").write_text(ERRORS)
    return root


def test_a_fault_of_each_kind_is_seen(house, tmp_path):
    assert sorted(entries(house)) == ["__init__.py", "errors.py", "reports", "stages"]
    assert code_in_init(house) == {"__init__.py"}
    assert long_files(house, 10) == ["errors.py has 16"]
    assert dict(bodies(house)) == {"errors.py: long": 4, "errors.py: none": 0}
    assert silenced(house) == ["errors.py:14", "errors.py:15"]
    assert twice(house) == {"Same": ["reports/one.py", "stages/one.py"]}
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "test_one.py").touch()
    assert without_a_test(house, tmp_path) == {"errors", "reports/one"}
    (house / "stages" / "__init__.py").write_text("")
    assert code_in_init(house) == {"__init__.py", "stages/__init__.py"}
