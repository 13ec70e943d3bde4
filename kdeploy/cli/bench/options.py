"""The arguments and options of the subcommands of kdeploy bench."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

EXPORT = "pytest-benchmark"

Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL...",
        help="Two models: .onnx, bundle folders, or a file of the one --runtime; the baseline first.",
        show_default=False,
    ),
]
Against = Annotated[
    Path | None,
    typer.Option("--vs", metavar="MODEL", help="The baseline, when one model is given.", show_default=False),
]
Runtime = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime", metavar="NAME", help="A runtime; repeatable [default: all that are here].", show_default=False
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=1024, help="Threads of each model.")]
Batch = Annotated[int, typer.Option("--batch", min=1, max=65536, help="Samples a call.")]
MaxTime = Annotated[float, typer.Option("--max-time", min=1, max=86400, help="Seconds a comparison may take.")]
RequireClaim = Annotated[
    bool, typer.Option("--require-claim", help="Exit with 6 unless every comparison supports a claim.")
]
MinEffect = Annotated[
    float, typer.Option("--min-effect", min=0, max=10, help="The smallest difference from 1 worth a claim.")
]
NoNull = Annotated[
    bool, typer.Option("--no-null", help="Spare the baseline against itself, a third of the time: indicative at most.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the order in which the models take turns.")]
ColdStart = Annotated[
    bool, typer.Option("--cold-start", help="Also time the first answers of 10 fresh processes each.")
]


def _seconds(duration: str) -> float:
    """The seconds of a duration such as `90s`, `10m` or `1h`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", duration)
    if match is None:
        raise typer.BadParameter("must be a time as 90s, 10m or 1h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


Sustained = Annotated[
    float | None,
    typer.Option(
        "--sustained",
        metavar="10m",
        parser=_seconds,
        help="Also call each model without a pause, for 90s, 10m or 1h.",
        show_default=False,
    ),
]
Energy = Annotated[bool, typer.Option("--energy", help="Also read the energy of the processor, where that is shown.")]
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, max=86400, help="Wait, at most so long, for a quiet machine."),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="FOLDER",
        help="Real inputs for models: images, sounds, .npy or .npz; in a folder a class, accuracies are compared too.",
        show_default=False,
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="8 process pairs in place of 12: indicative at most.")]


def _known_export(name: str | None) -> str | None:
    if name not in (None, EXPORT):
        raise typer.BadParameter(f"must be {EXPORT} (got {name!r})")
    return name


Export = Annotated[
    str | None,
    typer.Option(
        "--export",
        metavar="FORMAT",
        callback=_known_export,
        help="Write the result for another tool too, beside its record: pytest-benchmark.",
        show_default=False,
    ),
]

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="That `kdeploy bench` filled.", show_default=False)]
FirstFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The first result.", show_default=False)]
SecondFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The second result.", show_default=False)]
