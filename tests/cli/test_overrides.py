"""Options of commands as settings of a recipe."""

from __future__ import annotations

from kdeploy.cli.overrides import bench_overrides, export_overrides
from kdeploy.recipe.load import load
from tests.program import TINY


def test_options_of_a_benchmark_are_settings_of_the_recipe() -> None:
    assert list(bench_overrides(quick=False, cold_start=False, sustained_seconds=0.0, energy=False, wait=0.0)) == []
    settings = list(bench_overrides(quick=True, cold_start=True, sustained_seconds=90.0, energy=True, wait=30.0))
    assert settings == [
        *("bench.replicates=8", "bench.throughput=[]", "bench.cold_start=true", "bench.sustained=90"),
        "bench.energy=true",
        "bench.wait=30",
    ]
    bench = load(TINY, settings).recipe.bench
    assert (bench.replicates, bench.throughput, bench.cold_start) == (8, (), True)
    assert (bench.sustained, bench.energy, bench.wait) == (90, True, 30)


def test_options_of_an_export_are_settings_of_the_recipe() -> None:
    assert list(export_overrides(bottleneck=None, formats=None, preprocess=None, target=None)) == []
    settings = list(
        export_overrides(bottleneck="rank:32", formats="openvino", preprocess="graph", target="onnxruntime")
    )
    assert settings == [
        *("export.bottleneck={rank: 32}", "export.formats=[openvino]", "export.preprocess=graph"),
        "export.target=onnxruntime",
    ]
    export = load(TINY, settings).recipe.export
    assert (export.preprocess, export.target) == ("graph", "onnxruntime")
    assert list(export_overrides(bottleneck="fuse", formats=None, preprocess=None, target=None)) == [
        "export.bottleneck=fuse"
    ]
