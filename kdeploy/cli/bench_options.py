"""What kdeploy bench is asked: its arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXPORT = "pytest-benchmark"

Subjects = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|MODEL...",
        help="A run or recipe, or two models: .onnx, bundle folders, or a file of the one --runtime; baseline first.",
        show_default=False,
    ),
]
Versus = Annotated[
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
Sustained = Annotated[
    str | None,
    typer.Option(
        "--sustained",
        metavar="10m",
        help="Also call each model without a pause, for 90s, 10m or 1h.",
        show_default=False,
    ),
]
Energy = Annotated[bool, typer.Option("--energy", help="Also read the energy of the processor, where that is shown.")]
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

Export = Annotated[
    str | None,
    typer.Option(
        "--export",
        metavar="FORMAT",
        help="Write the result for another tool too, beside its record: pytest-benchmark.",
        show_default=False,
    ),
]
