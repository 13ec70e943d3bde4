"""What a model must answer is read as it was saved."""

from __future__ import annotations

import numpy as np

from kdeploy.outputs.values import VALUES
from kdeploy.parity.expected import Expected
from kdeploy.parity.made_families import MadeFamily
from kdeploy.parity.oracle import Oracle


def test_what_is_expected_is_read_as_it_was_saved(tmp_path):
    inputs, logits = np.zeros((2, 3), np.float32), np.ones((2, 5))
    family = MadeFamily("ones", inputs[:1] + 1, Oracle(logits[:1], 0.25, "a judge"))
    oracle = Oracle(logits, 0.5, "a judge", exact=False, kind=VALUES)
    saved = Expected(inputs, oracle, [family], ["a.npy", "b.npy"], "the truth")
    saved.save(tmp_path / "0.npz")
    found = Expected.read(tmp_path / "0.npz")
    assert found.oracle[1:] == (0.5, "a judge", False, VALUES)
    assert (found.names, found.against) == (["a.npy", "b.npy"], "the truth")
    assert (found.families[0].name, found.families[0].oracle.float32_error) == ("ones", 0.25)
    np.testing.assert_array_equal(found.families[0].inputs, family.inputs)
    np.testing.assert_array_equal(found.oracle.logits, logits)
