"""`kdeploy init`: a recipe that runs, from a teacher's ONNX file and a place with data. It asks nothing.

    teacher -> inspect -> shape, classes, batch  \
                                                  fit -> preprocessing, student, views -> commented YAML
    data -> which source -> a look at some rows  /

What it had to assume stands in a comment next to the key that changes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from kdeploy.errors import InputError, UsageError
from kdeploy.formatting.untrusted import is_unicode
from kdeploy.recipe.load import parse
from kdeploy.records.draft import DraftRecord
from kdeploy.records.plan import PlannedTime
from kdeploy.system.files import commit_bytes
from kdeploy.system.outputs import must_be_writable
from kdeploy.system.progress import Progress
from kdeploy.verbs import external_work
from kdeploy.verbs.init import data as data_files
from kdeploy.verbs.init import teacher as teachers
from kdeploy.verbs.init import text
from kdeploy.verbs.plan import NOT_TIMED, plan
from kdeploy.verbs.prepare import Options, prepare

_NAMED = 6  # of the classes


def draft(
    teacher: Path,
    data: Path,
    *,
    name: str | None,
    out: Path,
    data_root: Path,
    overwrite: bool,
    timed: Progress | None = None,
) -> DraftRecord:
    """Write a recipe for an external teacher.

    Args:
        data: an .npz file, or a folder of parquet files, images or sounds.
        name: that of the recipe; None takes the teacher's file name.
        out: the file to write, which must not be there.
        overwrite: may it be there?
        data_root: what data paths are relative to; data outside of it get a root of their own.
        timed: do the run small, as a plan does, and tell this of it; None leaves that out.
    Raises: UsageError when `out` is there, IntegrityError when it is a link; InputError and ModelError when the data or
        the teacher cannot be used; what the inspector raises.
    """
    must_be_writable(out, overwrite=True)
    if out.exists() and not overwrite:
        advice = "Give another file with --out, or remove it."
        raise UsageError("--out", "must be a file that is not there yet", got=str(out), advice=advice)
    signature = teachers.look_at(teacher)
    sample = data_files.look_at(data, size=signature.size, mode=signature.mode)
    fit = teachers.Fit(**external_work.fit(teacher, asdict(signature), data, signature.size))
    if fit.classes:
        sample = _in_order(data, signature, fit.classes)
    for path in (teacher, data):
        if not is_unicode(str(path.resolve())):
            advice = "Rename it, or the folder that it is in."
            raise InputError(str(path), "must have a name in UTF-8, to stand in a recipe", advice=advice)
    inside = data.resolve().is_relative_to(data_root.resolve())
    root = data_root if inside else data.resolve().parent
    values = text.Values(
        name=name or _name(teacher),
        teacher=os.path.relpath(teacher.resolve(), out.resolve().parent),
        data=str(data.resolve().relative_to(root.resolve())),
        next_command=f"kdeploy run {out}" + ("" if inside else f" --data-root {root}"),
    )
    recipe = text.write(values, signature, sample, fit)
    parse(recipe.encode(), str(out))
    commit_bytes(out, recipe.encode())
    return DraftRecord(
        name=values.name,
        recipe=str(out),
        source=sample.key,
        classes=len(sample.class_names) or signature.classes,
        preprocessing=fit.words,
        teacher_accuracy=fit.accuracy,
        teacher_bits=fit.bits,
        looked_at=fit.rows,
        assumed=sample.assumed,
        time=PlannedTime(reason=NOT_TIMED) if timed is None else _time(out, root, timed),
        next=values.next_command,
    )


def _in_order(data: Path, signature: teachers.TeacherSignature, classes: Sequence[str]) -> data_files.Sample:
    """The data with their classes in the order of the teacher, which is said."""
    sample = data_files.look_at(data, size=signature.size, mode=signature.mode, classes=classes)
    more = f" and {len(classes) - _NAMED} more" if len(classes) > _NAMED else ""
    said = f"the teacher has the classes in another order than the data: {', '.join(classes[:_NAMED])}{more}"
    return replace(sample, assumed=(*sample.assumed, said))


def _time(recipe: Path, data_root: Path, progress: Progress) -> PlannedTime:
    """What a run of the recipe takes, which the plan finds out; what the run would refuse, this refuses."""
    return plan(prepare(recipe, Options(data_root=data_root, progress=progress), planned=True)[0]).time


def _name(teacher: Path) -> str:
    """A recipe's name from a file's: of letters, digits, dots, dashes and underscores."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", teacher.stem).strip("-._")[:100]
    return name or "mine"
