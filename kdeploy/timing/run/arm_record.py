"""An arm as a record has it: its figures, and the facts that no sample holds: digests, sizes, what is in effect."""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy.records.bench import Arm, Artifact, ParityEvidence, RuntimeUse, Workload
from kdeploy.runtimes import artefacts
from kdeploy.timing.analysis.arm_result import ArmResult
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.summary import largest_error
from kdeploy.timing.messages import Loaded
from kdeploy.timing.raw import WorkerReport
from kdeploy.timing.request import ArmRequest, ComparisonRequest


def arm_record(measured: MeasuredComparison, result: ArmResult) -> Arm:
    """One arm as a record has it; reads the files that were measured."""
    request, arm, workers = measured.request, result.request, measured.workers(result.role)
    return Arm(
        artifact=_artifact(arm),
        runtime=_runtime(request, workers[0].loaded),
        workload=_workload(request, arm, workers[0].loaded),
        parity=_parity(arm, workers),
        **result.fields(),
    )


def _artifact(arm: ArmRequest) -> Artifact:
    return Artifact(
        path=arm.artefact.name,
        sha256=artefacts.digest(arm.artefact),
        bytes=artefacts.size_bytes(arm.artefact),
        format=arm.artefact.suffix.removeprefix(".") or "unknown",
    )


def _runtime(request: ComparisonRequest, loaded: Loaded) -> RuntimeUse:
    settings = dict(loaded["settings"])
    provider, spinning = settings.get("provider"), settings.get("spinning")
    return RuntimeUse(
        name=request.runtime,
        version=loaded["version"],
        provider_requested=(request.provider,),
        provider_effective=None if provider is None else tuple(provider.split(",")),
        precision_effective=settings.get("precision"),
        threads=int(settings.get("threads", request.threads)),
        optimization=settings.get("optimization"),
        allow_spinning=None if spinning is None else spinning == "on",
        options=settings,
    )


def _workload(request: ComparisonRequest, arm: ArmRequest, loaded: Loaded) -> Workload:
    return Workload(
        scenario="single_stream" if request.batch == 1 else "batch",
        batch=request.batch,
        input_set_sha256=artefacts.file_digest(arm.inputs),
        n_distinct_inputs=loaded["distinct_inputs"],
        input_shapes={name: tuple(shape) for name, shape in loaded["input_shapes"].items()},
    )


def _parity(arm: ArmRequest, workers: Sequence[WorkerReport]) -> ParityEvidence | None:
    if arm.expected is None:
        return None
    return ParityEvidence(
        evidence_sha256=artefacts.file_digest(arm.expected),
        passed=all(worker.loaded["passed"] for worker in workers),
        max_abs_err=largest_error(workers),
    )
