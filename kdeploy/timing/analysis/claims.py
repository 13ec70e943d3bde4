"""Claims: what may be said of a measured ratio, and in which words.

    refused              R01 the outputs are not those promised, R02 precision differs and the models are not called by
                         it (`student in int8`), R03 another setting differs, R05 the A/A null shows a difference or is
                         too wide, R09 too many void blocks, R13 wrong outputs while timed, R16 a time below what the
                         hardware needs (`roofline`), and every gate of `gates`
    no_difference_shown  R06 the interval contains 1, or the effect is smaller than the smallest that counts
    indicative           R04 quality was not compared, R05 there is no A/A null, R08 too few replicates
    supported            none of these

The strongest reason decides; all are listed. The headline uses the bound of the interval nearest to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kdeploy.errors import ClaimError
from kdeploy.formatting.numbers import fixed_milliseconds
from kdeploy.formatting.ratios import interval_text, low_bound, ratio_text
from kdeploy.records.bench import Claim, Comparison, Quality, Reason, Seen, Status
from kdeploy.timing.analysis.statistics import Estimate, relative_half_width

ENOUGH_REPLICATES = 12
MOST_VOID_FRACTION = 0.15
NO_NULL = "the baseline was not compared with itself"
NOT_COMPARED = frozenset(
    {"precision", "fixed_batch"}
)  # precision has its own rule, a fixed batch is a fact of the file

_WEIGHT: dict[Status, int] = {"supported": 0, "indicative": 1, "no_difference_shown": 2, "refused": 3}
_STATUS: dict[str, Status] = {"R04": "indicative", "R06": "no_difference_shown", "R08": "indicative"}


@dataclass(frozen=True)
class Side:
    """One arm, as far as a claim depends on it. `settings` are the effective ones, CPUs included."""

    model: str
    settings: Mapping[str, str]
    quality: Quality | None
    wrong_outputs: int
    not_as_promised: str = ""  # in which way the outputs are not those that were promised, if so


@dataclass(frozen=True)
class Evidence:
    """Everything a claim is judged on; `ratio` and `null` are None when no replicate could be used."""

    baseline: Side
    candidate: Side
    ratio: Estimate | None
    null: Estimate | None
    replicates: int
    void_fraction: float
    runtime: str
    version: str
    batch: int
    threads: int
    level: float
    min_effect: float
    most_void: float = MOST_VOID_FRACTION
    gates: tuple[Reason, ...] = ()
    with_null: bool = True
    seen: Seen | None = None


def judged(evidence: Evidence) -> Claim:
    """The claim with its status, its words and every reason that weakens it."""
    reasons = (
        *parity_reasons(evidence.baseline, evidence.candidate),
        *settings_reasons(evidence.baseline, evidence.candidate),
        *null_reasons(evidence),
        *void_reasons(evidence),
        *evidence.gates,
        *output_reasons(evidence.baseline, evidence.candidate),
        *effect_reasons(evidence),
        *size_reasons(evidence),
        *quality_reasons(evidence.baseline, evidence.candidate),
    )
    statuses: list[Status] = ["supported", *(weakened(reason) for reason in reasons)]
    status = max(statuses, key=_WEIGHT.__getitem__)
    return Claim(status=status, text=claim_text(evidence, status, reasons), reasons=reasons)


def weakened(reason: Reason) -> Status:
    """The best that a claim with this reason can be."""
    return "indicative" if reason.text == NO_NULL else _STATUS.get(reason.code, "refused")


def require_supported(comparisons: Sequence[Comparison]) -> None:
    """Require that the claim of every comparison is supported.

    Raises: ClaimError naming every comparison whose claim is not, and why.
    """
    require_claims([(comparison.runtime, comparison.claim) for comparison in comparisons])


def require_claims(named: Sequence[tuple[str, Claim]]) -> None:
    """Require that every claim is supported; each comes with its name for people.

    Raises: ClaimError naming every claim that is not, and why.
    """
    weak = [(where, claim) for where, claim in named if claim.status != "supported"]
    if weak:
        raise ClaimError(
            "bench",
            "must support a claim for every comparison",
            got="; ".join(f"{where}, {claim.status}: {_why(claim)}" for where, claim in weak),
            advice="Measure on a quieter machine or for longer, or leave out --require-claim.",
        )


def _why(claim: Claim) -> str:
    return ", ".join(f"{reason.code} {reason.text}" for reason in claim.reasons)


def parity_reasons(baseline: Side, candidate: Side) -> list[Reason]:
    """R01: a model must give the outputs that were promised."""
    reasons = []
    for side in (baseline, candidate):
        if side.not_as_promised:
            text = f"the outputs of {side.model} are not those promised: they {side.not_as_promised}"
            reasons.append(Reason(code="R01", text=text))
    return reasons


def settings_reasons(baseline: Side, candidate: Side) -> list[Reason]:
    """R02 and R03: the arms must have run in the same way."""
    reasons = []
    one, other = baseline.settings.get("precision"), candidate.settings.get("precision")
    if one != other and not (_called_by(baseline, one) and _called_by(candidate, other)):
        text = f"the precision differs: {one or 'unknown'} for the baseline, {other or 'unknown'} for the candidate"
        reasons.append(Reason(code="R02", text=text))
    for name in sorted({*baseline.settings, *candidate.settings} - NOT_COMPARED):
        one, other = baseline.settings.get(name), candidate.settings.get(name)
        if one != other:
            text = f"{name} differs: {one or 'unknown'} for the baseline, {other or 'unknown'} for the candidate"
            reasons.append(Reason(code="R03", text=text))
    return reasons


def _called_by(side: Side, precision: str | None) -> bool:
    """Does the model's name say it? Then a claim that quotes the name compares precisions on purpose."""
    return precision is not None and precision in side.model.split()


def null_reasons(evidence: Evidence) -> list[Reason]:
    """R05: the baseline against itself must show no difference, and say so clearly enough for this ratio."""
    null, ratio = evidence.null, evidence.ratio
    if not evidence.with_null:
        return [Reason(code="R05", text=NO_NULL)]
    if null is None or ratio is None or null.interval is None:
        return []
    if not null.contains(1.0):
        text = (
            f"the baseline differs from itself: {interval_text(*null.interval)}, so this machine makes up differences"
        )
        return [Reason(code="R05", text=text)]
    width = relative_half_width(null)
    if width is not None and not ratio.contains(1.0) and width > abs(math.log(ratio.value)) / 2:
        text = f"the baseline against itself varies by {width:.1%}, too much for a ratio of {ratio_text(ratio.value)}x"
        return [Reason(code="R05", text=text)]
    return []


def void_reasons(evidence: Evidence) -> list[Reason]:
    """R09: blocks that had to be thrown away."""
    if evidence.ratio is not None and evidence.void_fraction <= evidence.most_void:
        return []
    text = f"{evidence.void_fraction:.0%} of the blocks are void, at most {evidence.most_void:.0%} may be"
    return [Reason(code="R09", text=text)]


def output_reasons(baseline: Side, candidate: Side) -> list[Reason]:
    """R13: fast because broken."""
    wrong = [side for side in (baseline, candidate) if side.wrong_outputs]
    return [Reason(code="R13", text=f"{side.wrong_outputs} timed outputs of {side.model} are wrong") for side in wrong]


def effect_reasons(evidence: Evidence) -> list[Reason]:
    """R06: the interval must leave 1 out, and the effect must be worth naming."""
    ratio = evidence.ratio
    if ratio is None:
        return []
    if ratio.interval is not None and ratio.contains(1.0):
        return [Reason(code="R06", text=f"the interval {interval_text(*ratio.interval)} contains 1")]
    if abs(ratio.value - 1) < evidence.min_effect:
        text = (
            f"the difference of {abs(ratio.value - 1):.1%} is below the smallest that counts, {evidence.min_effect:.0%}"
        )
        return [Reason(code="R06", text=text)]
    return []


def size_reasons(evidence: Evidence) -> list[Reason]:
    """R08: fewer process pairs than a supported claim needs."""
    if evidence.replicates >= ENOUGH_REPLICATES:
        return []
    text = f"{counted(evidence.replicates, 'process pair')}, a supported claim needs {ENOUGH_REPLICATES}"
    return [Reason(code="R08", text=text)]


def quality_reasons(baseline: Side, candidate: Side) -> list[Reason]:
    """R04: a model may be fast because it knows less."""
    one, other = baseline.quality, candidate.quality
    if one is None or other is None:
        return [Reason(code="R04", text="quality was not compared")]
    if (one.metric, one.dataset_sha256) != (other.metric, other.dataset_sha256):
        return [Reason(code="R04", text="quality was not compared: the metrics or the data differ")]
    return []


def claim_text(evidence: Evidence, status: Status, reasons: tuple[Reason, ...]) -> str:
    """One sentence that can be quoted alone."""
    if status == "refused" or evidence.ratio is None:
        refusals = "; ".join(reason.text for reason in reasons if weakened(reason) == "refused")
        subject = f"{evidence.candidate.model} and {evidence.baseline.model} ({engine(evidence)})"
        return f"no claim about {subject}: {refusals}{seen_text(evidence)}"
    details = "; ".join((measured_text(evidence, evidence.ratio), circumstances(evidence), quality_text(evidence)))
    if status == "no_difference_shown":
        return f"no difference shown between {evidence.candidate.model} and {evidence.baseline.model} ({details})"
    prefix = "indication only: " if status == "indicative" else ""
    return f"{prefix}{evidence.candidate.model} {headline(evidence.ratio)} than {evidence.baseline.model} ({details})"


def seen_text(evidence: Evidence) -> str:
    """`; seen, with all that disturbed it: teacher 1.234 ms, student 0.181 ms, 6.8x`; nothing where nothing was."""
    seen = evidence.seen
    if seen is None:
        return ""
    baseline, candidate = fixed_milliseconds(seen.baseline_ns), fixed_milliseconds(seen.candidate_ns)
    times = f"{evidence.baseline.model} {baseline}, {evidence.candidate.model} {candidate}"
    return f"; seen, with all that disturbed it: {times}, {ratio_text(seen.ratio)}x"


def headline(ratio: Estimate) -> str:
    """`>= 6.5x faster`: the bound nearest to 1, rounded towards it."""
    faster = ratio.value >= 1
    word = "faster" if faster else "slower"
    if ratio.interval is None:
        return f"about {ratio_text(ratio.value if faster else 1 / ratio.value)}x {word}"
    return f">= {low_bound(ratio.interval[0] if faster else 1 / ratio.interval[1])}x {word}"


def measured_text(evidence: Evidence, ratio: Estimate) -> str:
    """`median latency 6.8x, 99 % interval 6.5 to 7.1`."""
    median = f"median latency {ratio_text(ratio.value)}x"
    if ratio.interval is None:
        return f"{median}, too few process pairs for an interval"
    return f"{median}, {evidence.level * 100:g} % interval {interval_text(*ratio.interval)}"


def circumstances(evidence: Evidence) -> str:
    """`batch 1, 1 thread, onnxruntime 1.32.0 CPU fp32, 12 process pairs`."""
    return f"{engine(evidence)}, {counted(evidence.replicates, 'process pair')}"


def engine(evidence: Evidence) -> str:
    """`batch 1, 1 thread, onnxruntime 1.32.0 CPU fp32`."""
    settings = evidence.candidate.settings
    provider = settings.get("provider", "").removesuffix("ExecutionProvider")
    release = evidence.version.partition("-")[0]  # OpenVINO adds its build and branch
    words = " ".join(filter(None, (evidence.runtime, release, provider, settings.get("precision"))))
    return f"batch {evidence.batch}, {counted(evidence.threads, 'thread')}, {words}"


def counted(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def quality_text(evidence: Evidence) -> str:
    """`accuracy -0.3 pt`: the candidate's quality less the baseline's, in points."""
    one, other = evidence.baseline.quality, evidence.candidate.quality
    if one is None or other is None or quality_reasons(evidence.baseline, evidence.candidate):
        return "quality was not compared"
    return f"{other.metric} {(other.value - one.value) * 100:+.1f} pt"
