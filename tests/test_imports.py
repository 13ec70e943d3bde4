"""What importing costs, and calls that kdeploy never makes: no foreign code runs because a file says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.program import REPOSITORY, TINY, python

# what would run code of a file, or write outside a folder, or start a shell
FORBIDDEN = re.compile(
    r"torch\.load\(|(?:import|from) (?:pickle|joblib|dill)|(?:pickle|joblib|dill)\.|yaml\.(?:unsafe_|full_)?load\("
    r"|(?<![\w.])eval\(|(?<![\w.])exec\(|shell=True|extractall|trust_remote_code|allow_pickle=True"
    r"|np\.load\((?!.*allow_pickle=False)"
)

# file:text of each line that may stand, and why
ALLOWED = {
    'bundles/programs/predict.py:exec(compile(source, str(CORE), "exec"), core.__dict__)': "its SHA-256 was checked",
    'bundles/programs/verify.py:exec(compile(source, str(CORE), "exec"), core.__dict__)': "its SHA-256 was checked",
    'models/weights.py:content = torch.load(path, map_location="cpu", weights_only=True)': "it makes tensors alone",
    'models/pretrained.py:_NO_CODE = {"trust_remote_code": False}': "it says no",
    "models/weights.py:import pickle": "for the name of its error",
    "models/weights.py:except pickle.UnpicklingError as exc:": "its error is what refuses code",
}

HELP = "import sys; from kdeploy.cli.main import main\ntry:\n main(['--help'])\nexcept SystemExit: pass\n"
FINGERPRINTS = f"""
import sys
from pathlib import Path
from kdeploy.pipeline.order import fingerprints
from kdeploy.verbs.prepare import Options, prepare
job, _ = prepare({str(TINY)!r}, Options(runs=Path({{runs!r}})))
assert len(fingerprints(job)) == 9
"""
AGAIN = """
import sys
from kdeploy.cli.main import main
sys.argv[1:] = ["run", "{recipe}", "--set", "gate.min_speedup=1000", "--runs", "{runs}"]
try:
    main()
except SystemExit as exc:
    assert exc.code == 5, exc.code
"""
SAY = "print('imported:', *{'torch', 'pydantic', 'onnx', 'numpy', 'onnxruntime', 'openvino'} & set(sys.modules))"


def _imported(program: str) -> set[str]:
    done = python("-c", f"{program}\n{SAY}")
    assert done.code == 0, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix("imported:").split())


def findings(root: Path) -> list[str]:
    """`file:text` of every forbidden call below a folder, comments left out."""
    return [
        f"{path.relative_to(root)}:{code.strip()}"
        for path in sorted(root.rglob("*.py"))
        for code in (line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines())
        if FORBIDDEN.search(code)
    ]


def test_help_imports_nothing_heavy():
    assert _imported(HELP) == set()


def test_importing_kdeploy_imports_nothing_heavy():
    assert _imported("import sys, kdeploy; assert kdeploy.__version__") == set()


def test_fingerprints_need_no_torch(tmp_path):
    assert "torch" not in _imported(FINGERPRINTS.format(runs=str(tmp_path)))


def test_a_finished_run_that_missed_its_gate_imports_nothing_heavy_when_it_is_asked_again(runs):
    again = AGAIN.format(recipe=TINY, runs=runs)
    _imported(again)  # which writes its report
    assert _imported(again) <= {"numpy", "pydantic"}


@pytest.mark.parametrize("module", ["worker", "peak_worker"])
def test_a_worker_is_pinned_before_anything_heavy_is_imported(module):
    assert _imported(f"import sys, kdeploy.timing.run.{module}") == set()


def test_the_check_of_imports_sees_torch():
    assert "torch" in _imported("import sys, torch")


def test_no_forbidden_call_is_in_the_package():
    assert sorted(findings(REPOSITORY / "kdeploy")) == sorted(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "import pickle",
        "yaml.load(text)",
        "value = eval(text)",
        "exec(code)",
        "subprocess.run(words, shell=True)",
        "archive.extractall(folder)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "import joblib",
    ],
)
def test_a_forbidden_call_is_seen(tmp_path, line):
    (tmp_path / "module.py").write_text(f"x = 1\n{line}\n")
    assert findings(tmp_path) == [f"module.py:{line}"]


def test_harmless_lines_are_not_forbidden(tmp_path):
    (tmp_path / "module.py").write_text(
        "module.eval()\nnp.load(path, allow_pickle=False)\nyaml.safe_load(text)\n# pickle is refused\n_exec(code)\n"
    )
    assert findings(tmp_path) == []
