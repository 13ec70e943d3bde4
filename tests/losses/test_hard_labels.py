from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.hard_labels import mixed_with_labels
from kdeploy.losses.soft_targets import soft_targets
from tests.losses.logits import pairs


@settings(deadline=None)
@given(pair=pairs(), weight=st.floats(0, 1), data=st.data())
def test_a_label_takes_its_weight_from_the_soft_part_of_its_sample(
    pair: tuple[Tensor, Tensor], weight: float, data: st.DataObject
):
    student, teacher = pair
    classes = st.integers(-1, student.shape[1] - 1)
    labels = data.draw(st.lists(classes, min_size=len(student), max_size=len(student)))
    soft = soft_targets(student, teacher)
    outputs = functional.log_softmax(student, 1)
    parts = [
        soft[row] if label == -1 else (1 - weight) * soft[row] - weight * outputs[row, label]
        for row, label in enumerate(labels)
    ]
    found = mixed_with_labels(soft, student, torch.tensor(labels), weight)
    torch.testing.assert_close(found, torch.stack(parts), rtol=1e-12, atol=1e-12)
