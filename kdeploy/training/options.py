"""Options of any training; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["one-cycle", "cosine", "linear", "constant"]
Optimizer = Literal["adamw", "sgd", "muon"]


@dataclass(frozen=True)
class TrainingOptions:
    """What may be chosen about a training besides its length; the values are what is usual here.

    Args:
        lr: the largest learning rate.
        batch: samples a step, over all processes.
        weight_decay: as the optimizer applies it; of AdamW and Muon it is decoupled.
        precision: "bf16", "fp16" (on CUDA) or "fp32", of the module's arithmetic.
        schedule: of the learning rate, by name; `kdeploy.training.schedules` has the formulas.
        lr_warm_up: the part of the steps in which the rate rises; None for the schedule's own.
        clip: gradients longer than this are shortened to it; None for no limit.
        ema: decay of the exponential moving average that becomes the weights at the end; 0 for none.
        compile: run the module through torch.compile?
        optimizer: by name; `kdeploy.training.optimizers` says what each does.
        threads: of the CPU, which decide the last bits; None for those that torch has.
        require_exact: refuse a checkpoint from which the same bits are not promised?
    """

    lr: float = 1e-3
    batch: int = 64
    weight_decay: float = 0.0
    precision: str = "fp32"
    schedule: ScheduleName = "one-cycle"
    lr_warm_up: float | None = None
    clip: float | None = 5.0
    ema: float = 0.0
    compile: bool = False
    optimizer: Optimizer = "adamw"
    threads: int | None = None
    require_exact: bool = False


USUAL = TrainingOptions()
