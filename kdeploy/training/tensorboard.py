"""Loss and accuracy of a training for TensorBoard: `distill.tracker: tensorboard`.

    runs/distill/<fingerprint>/tensorboard/<network>/events.out.tfevents...       tensorboard --logdir runs/distill

A training that goes on from a checkpoint writes a file of its own, from which TensorBoard knows that the later steps of
the one before it do not count.
"""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class Tracker:
    """The events of one network.

    Args:
        folder: of the stage.
        name: of the network.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / FOLDER / name
        self.writer: SummaryWriter | None = None

    def write(self, title: str, value: float, step: int) -> None:
        """Note one number after so many steps."""
        if self.writer is None:
            # what an earlier process noted of this step and later ones was lost with its last checkpoint
            self.writer = SummaryWriter(str(self.folder), purge_step=step)
        self.writer.add_scalar(title, value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
