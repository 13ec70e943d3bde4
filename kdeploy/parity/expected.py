"""What a model must answer, in a file: for the processes that compare it on one runtime each.

.npz    meta                               JSON: the names of the inputs and of the families, who computed the logits,
                                           and what kind of outputs they are
        0.inputs, 0.logits, 0.noise        the inputs, float32; the oracle's logits, float64, and its noise
        1.inputs, 1.logits, 1.noise, ...   the same of each made family
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdeploy.outputs.by_name import kind_of
from kdeploy.parity.made_families import MadeFamily
from kdeploy.parity.oracle import Oracle


class Expected(NamedTuple):
    """Inputs, float32 (inputs, *shape), and what must be answered to them.

    Args:
        families: made inputs, with the truth about them.
        names: of the inputs, where they have some.
        against: what messages call the truth.
    """

    inputs: np.ndarray
    oracle: Oracle
    families: Sequence[MadeFamily] = ()
    names: Sequence[str] = ()
    against: str = ""

    def save(self, path: Path) -> None:
        """Write them into a file."""
        meta: dict[str, Any] = {
            "names": [*self.names],
            "families": [one.name for one in self.families],
            "by": self.oracle.by,
        }
        meta |= {"against": self.against, "exact": self.oracle.exact, "outputs": self.oracle.kind.name}
        arrays = {"meta": np.array(json.dumps(meta))}
        for number, (inputs, oracle) in enumerate([(self.inputs, self.oracle), *(one[1:] for one in self.families)]):
            arrays |= {f"{number}.inputs": inputs, f"{number}.logits": oracle.logits}
            arrays[f"{number}.noise"] = np.array(oracle.float32_error)
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path) -> Expected:
        """What was saved in a file."""
        with np.load(path, allow_pickle=False) as arrays:
            meta = json.loads(str(arrays["meta"]))
            parts = [_part(arrays, number, meta) for number in range(1 + len(meta["families"]))]
        families = [MadeFamily(name, *part) for name, part in zip(meta["families"], parts[1:], strict=True)]
        return cls(*parts[0], families, meta["names"], meta["against"])


def _part(arrays: np.lib.npyio.NpzFile, number: int, meta: dict[str, Any]) -> tuple[np.ndarray, Oracle]:
    inputs, logits, noise = (arrays[f"{number}.{name}"] for name in ("inputs", "logits", "noise"))
    return inputs, Oracle(logits, float(noise), meta["by"], meta["exact"], kind_of(meta["outputs"]))
