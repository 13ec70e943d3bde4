from __future__ import annotations

from kdeploy.records.samples import InputInfo, SamplesRecord


def test_a_samples_record_reads_back_as_it_was_written():
    record = SamplesRecord(
        source={"parquet": "mnist"},
        content_sha256="ab",
        sample_hash="cd",
        inputs={"image": InputInfo(kind="image", shape=(1, 28, 28), dtype="uint8")},
        class_names=("0", "1"),
        counts={"labeled": 1, "unlabeled": 2, "held_out": 0, "test": 3},
        split_seed=7,
    )
    text = record.to_json()
    assert text.startswith('{\n "schema": "kdeploy.samples/2.1",')
    assert SamplesRecord.from_json(text, where="samples.json") == record
