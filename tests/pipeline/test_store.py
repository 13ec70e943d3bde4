"""A crash never costs committed work; one folder has one writer; the same work has the same fingerprint."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import BusyError, InputError, ResourceError
from kdeploy.pipeline.store import Store
from kdeploy.records.base import Record
from kdeploy.system.files import TEMPORARY, commit_bytes, hash_file, sweep_temporary
from kdeploy.system.fingerprint import fingerprint
from tests.own_disk import on_own_disk

ROOT = Path(__file__).parents[2]
ADVICE = "Free some space, or raise the limit, and run the same command again; finished work is kept."


class Example(Record):
    SCHEMA: ClassVar[str] = "kdeploy.example/1"

    name: str


def _temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{TEMPORARY}*"))


# fingerprints


def test_a_fingerprint_is_the_same_for_ever():
    settings = {"lr": 1e-3, "hidden": [512], "name": "é", "cache": None}
    assert fingerprint("kdeploy.labels/1", settings, {"teacher": "ab"}) == "831a6c2aebac9a5c"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SETTINGS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)
READS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4)


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value


@given(st.text(), SETTINGS, READS)
def test_the_order_of_keys_does_not_matter(schema, settings, reads):
    assert fingerprint(schema, _reversed(settings), _reversed(reads)) == fingerprint(schema, settings, reads)


@given(st.text(), SETTINGS, READS, st.data())
def test_every_setting_read_and_schema_matters(schema, settings, reads, data):
    before = fingerprint(schema, settings, reads)
    key = data.draw(st.sampled_from(sorted(settings)) if settings else st.text())
    assert before != fingerprint(schema + "x", settings, reads)
    assert before != fingerprint(schema, settings | {key: [settings.get(key), "x"]}, reads)
    assert before != fingerprint(schema, settings, reads | {key: reads.get(key, "") + "x"})


def test_a_setting_is_not_a_read():
    assert fingerprint("s", {"a": "b"}, {}) != fingerprint("s", {}, {"a": "b"})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_has_no_fingerprint(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint("s", {"lr": number}, {})


def test_a_file_is_hashed_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


# one file


def test_bytes_are_committed(tmp_path):
    commit_bytes(tmp_path / "new" / "a", b"one")
    commit_bytes(tmp_path / "new" / "a", b"two")
    assert (tmp_path / "new" / "a").read_bytes() == b"two"
    assert _temporaries(tmp_path) == []


@pytest.mark.parametrize("point", ["mkstemp", "fchmod", "fsync", "replace"])
def test_a_crash_before_the_rename_leaves_the_old_content(tmp_path, monkeypatch, point):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        {"mkstemp": "tempfile.mkstemp", "replace": "pathlib.Path.replace"}.get(point, f"os.{point}"), crash
    )
    with pytest.raises(KeyboardInterrupt):
        commit_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    commit_bytes(tmp_path / "a", b"new")
    assert order == ["file", "rename", "folder"]


WRITE = """
import pathlib, sys
from kdeploy.pipeline.store import commit_bytes
print("ready", flush=True)
while True:
    for content in (b"\\1", b"\\2"):
        commit_bytes(pathlib.Path(sys.argv[1]), content * 300_000)
"""


@pytest.mark.timeout(120)
def test_a_killed_writer_leaves_the_old_content_or_the_new(tmp_path):
    path = tmp_path / "a"
    contents = [bytes([number]) * 300_000 for number in (1, 2)]
    path.write_bytes(contents[0])
    for number in range(4):
        with _child(WRITE, str(path)) as child:
            time.sleep(0.01 * number)
            child.kill()
            child.wait()
        assert path.read_bytes() in contents


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_of_the_file_is_kept(tmp_path, mode):
    path = tmp_path / "a"
    path.touch()
    path.chmod(mode)
    commit_bytes(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_has_the_mode_that_others_have(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        commit_bytes(tmp_path / "a", b"new")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/real")
    commit_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "real").read_bytes() == b"new"
    assert _temporaries(tmp_path) == []


COMMIT = """
import pathlib, shutil, sys
from kdeploy.errors import KdeployError
from kdeploy.pipeline.store import commit_bytes
folder = pathlib.Path(sys.argv[1])
commit_bytes(folder / "a", b"old")
try:
    commit_bytes(folder / "a", b"new" * (2 << 20))
except KdeployError as exc:
    assert (folder / "a").read_bytes() == b"old" and [one.name for one in folder.iterdir()] == ["a"]
    print(shutil.disk_usage(folder).free, exc.exit_code, exc)
"""


def _on_own_disk(options: str, script: str, folder: Path) -> str:
    """What a script prints that runs where a small disk is mounted on the folder."""
    found = on_own_disk(options, folder, [sys.executable, "-c", script, folder], ROOT)
    assert found.code == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.usefixtures("own_mounts")
def test_a_full_disk_keeps_the_old_content_and_says_so(tmp_path):
    free, code, message = _on_own_disk("size=2m", COMMIT, tmp_path).split(" ", 2)
    assert int(free) < 2 << 20
    assert (code, message) == (
        "8",
        f"{tmp_path / 'a'}: must have room on its disk (No space left on device, {free} bytes free). {ADVICE}",
    )


READ_ONLY = """
import pathlib, sys
from kdeploy.errors import KdeployError
from kdeploy.pipeline.store import commit_bytes
try:
    commit_bytes(pathlib.Path(sys.argv[1]) / "a", b"new")
except KdeployError as exc:
    print(exc.exit_code, exc)
"""


@pytest.mark.usefixtures("own_mounts")
def test_a_read_only_disk_is_named(tmp_path):
    assert _on_own_disk("ro", READ_ONLY, tmp_path) == (
        f"8 {tmp_path / 'a'}: must be writable (Read-only file system). Name another folder with --runs."
    )


FOREIGN = """
import pathlib, shutil, sys
from kdeploy.errors import KdeployError
from kdeploy.pipeline.store import Store
try:
    with Store(pathlib.Path(sys.argv[1])).work("labels", "ab") as work:
        try:
            (work / "block").write_bytes(b"x" * (4 << 20))
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534") from None
except KdeployError as exc:
    print(shutil.disk_usage(sys.argv[1]).free, exc.exit_code, exc)
"""


@pytest.mark.usefixtures("own_mounts")
def test_a_full_disk_is_known_by_its_free_space_when_a_library_hides_it(tmp_path):
    """torch.save raises such a RuntimeError, without an errno."""
    folder = tmp_path / ".work" / "labels" / "ab"
    free, _, message = _on_own_disk("size=2m", FOREIGN, tmp_path).partition(" ")
    assert message == f"8 {folder}: must have room on its disk ({free} bytes free). {ADVICE}"


FULL_LOCK = """
import pathlib, sys
from kdeploy.errors import KdeployError
from kdeploy.pipeline.store import Store
root = pathlib.Path(sys.argv[1])
with Store(root).work("labels", "ab"):
    pass
try:
    (root / "rest").write_bytes(b"x" * (4 << 20))
except OSError:
    pass
try:
    with Store(root).work("labels", "ab"):
        print("not reached")
except KdeployError as exc:
    print(exc.exit_code, exc)
"""


@pytest.mark.usefixtures("own_mounts")
def test_a_lock_on_a_full_disk_is_a_lack_of_room(tmp_path):
    folder = tmp_path / ".work" / "labels" / "ab"
    message = f"8 {folder}: must have room on its disk (No space left on device, 0 bytes free). {ADVICE}"
    assert _on_own_disk("size=2m", FULL_LOCK, tmp_path) == message


def test_a_limit_on_file_sizes_is_a_lack_of_room(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n" + COMMIT
    run = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    code, message = run.stdout.strip().split(" ", 2)[1:]
    before, after = message.split("large, ")[0] + "large, ", message.split(" bytes free")[1]
    assert code == "8"
    assert before + "N bytes free" + after == (
        f"{tmp_path / 'a'}: must have room on its disk (File too large, N bytes free). {ADVICE}"
    )


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_a_disk_that_cannot_be_written_is_named(tmp_path, monkeypatch, number):
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ResourceError) as caught:
        commit_bytes(tmp_path / "a", b"new")
    advice = "Name another folder with --runs."
    assert str(caught.value) == f"{tmp_path / 'a'}: must be writable ({os.strerror(number)}). {advice}"


def test_a_name_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / ("x" * 256)
    with pytest.raises(ResourceError) as caught:
        commit_bytes(path, b"new")
    assert str(caught.value) == f"{path}: must be writable (File name too long). Name another folder with --runs."
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    """The rename would put a file in the place of a device, as root even of /dev/zero."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with pytest.raises(InputError) as caught:
        commit_bytes(tmp_path / "link", b"new")
    assert str(caught.value) == f"{tmp_path / 'fifo'}: must be a regular file (a FIFO)."
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


# stage folders


def _finish(store: Store, name: str, *, replaces: tuple[str, ...] | None = None) -> Path:
    with store.work("labels", "ab") as work:
        (work / "part").mkdir(exist_ok=True)
        (work / "part" / "block").write_text(name)
        return store.commit("labels", "ab", Example(name=name), replaces=replaces)


def test_work_becomes_the_stage_folder(tmp_path):
    store = Store(tmp_path)
    assert not store.has("labels", "ab")
    assert _finish(store, "one") == tmp_path / "labels" / "ab" == store.folder("labels", "ab")
    assert store.has("labels", "ab")
    assert store.read("labels", "ab", Example) == Example(name="one")
    assert (tmp_path / "labels" / "ab" / "part" / "block").read_text() == "one"
    assert not (tmp_path / ".work" / "labels" / "ab").exists()


def test_unfinished_work_is_still_there_for_the_next_run(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.work("labels", "ab") as work:
        (work / "block").touch()
        raise KeyboardInterrupt
    assert not store.has("labels", "ab")
    with store.work("labels", "ab") as work:
        assert (work / "block").exists()


def test_discarded_work_is_gone(tmp_path):
    store = Store(tmp_path)
    with store.work("labels", "ab") as work:
        (work / "block").touch()
    store.discard_work("labels", "ab")
    with store.work("labels", "ab") as work:
        assert list(work.iterdir()) == []


def test_work_that_another_process_finished_first_stays(tmp_path):
    store = Store(tmp_path)
    _finish(store, "one")
    assert _finish(store, "two") == tmp_path / "labels" / "ab"
    assert store.read("labels", "ab", Example) == Example(name="one")
    assert not (tmp_path / ".work" / "labels" / "ab").exists()


def test_a_result_is_replaced_when_asked(tmp_path):
    store = Store(tmp_path)
    _finish(store, "one")
    _finish(store, "two", replaces=("12",))
    assert store.read("labels", "ab", Example) == Example(name="two")
    assert (tmp_path / "labels" / "ab" / "part" / "block").read_text() == "two"
    assert [one.name for one in (tmp_path / ".work").iterdir()] == ["labels"]


def test_a_stage_folder_without_a_record_is_replaced(tmp_path):
    (tmp_path / "labels" / "ab" / "rest").mkdir(parents=True)
    _finish(Store(tmp_path), "one")
    assert sorted(one.name for one in (tmp_path / "labels" / "ab").iterdir()) == ["part", "record.json"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_crash_at_any_rename_can_be_gone_on_from(tmp_path, monkeypatch, replace):
    store = Store(tmp_path)
    if replace:
        _finish(store, "old")
    rename, left = Path.rename, 0

    def crash_after(self: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return rename(self, target)

    for count in range(1 + replace):
        left = count
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", crash_after)
            with pytest.raises(KeyboardInterrupt):
                _finish(store, "new", replaces=() if replace else None)
        assert store.has("labels", "ab") == (replace and count == 0)
        assert (tmp_path / ".work" / "labels" / "ab" / "part" / "block").read_text() == "new"
    _finish(store, "new", replaces=() if replace else None)
    assert store.read("labels", "ab", Example) == Example(name="new")


def test_a_record_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        Store(tmp_path).read("labels", "ab", Example)
    path = tmp_path / "labels" / "ab" / "record.json"
    assert str(caught.value) == (
        f"{path}: must be the record of a finished stage (there is no such file). "
        "Finish the recipe first: kdeploy run RECIPE."
    )


@pytest.mark.parametrize("error", [ValueError("x"), PermissionError(errno.EACCES, "no", "/elsewhere/t.onnx")])
def test_an_error_that_is_not_of_the_store_stays_as_it_is(tmp_path, error):
    with pytest.raises(type(error)) as caught, Store(tmp_path).work("labels", "ab"):
        raise error
    assert caught.value is error


def test_a_file_of_the_work_that_cannot_be_written_is_named(tmp_path):
    folder = tmp_path / ".work" / "labels" / "ab"
    with pytest.raises(ResourceError) as caught, Store(tmp_path).work("labels", "ab") as work:
        raise PermissionError(errno.EACCES, "no", str(work / "block"))
    assert str(caught.value) == f"{folder}: must be writable (Permission denied). Name another folder with --runs."


# the lock

HOLD = """
import pathlib, sys, time
from kdeploy.pipeline.store import Store
with Store(pathlib.Path(sys.argv[1])).work("labels", "ab"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def _child(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs until the block ends; it prints a line when it is ready."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None and child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()


def test_a_second_process_is_told_who_works_there(tmp_path):
    with (
        _child(HOLD, str(tmp_path)) as child,
        pytest.raises(BusyError) as caught,
        Store(tmp_path).work("labels", "ab"),
    ):
        pass
    folder = tmp_path / ".work" / "labels" / "ab"
    assert (
        str(caught.value)
        == f"{folder}: must not be in use (in use by pid {child.pid}). Wait for it to end, or stop it."
    )


def test_a_holder_that_has_not_written_its_pid_yet_is_another_process(tmp_path):
    with _child(HOLD, str(tmp_path)):
        os.truncate(tmp_path / ".work" / "labels" / "ab.lock", 0)
        with pytest.raises(BusyError) as caught, Store(tmp_path).work("labels", "ab"):
            pass
    folder = tmp_path / ".work" / "labels" / "ab"
    assert (
        str(caught.value)
        == f"{folder}: must not be in use (in use by another process). Wait for it to end, or stop it."
    )


def test_other_work_is_not_locked(tmp_path):
    store = Store(tmp_path)
    with store.work("labels", "ab"), store.work("labels", "cd"), store.work("teacher", "ab"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_goes_with_its_holder(tmp_path, number):
    with _child(HOLD, str(tmp_path)) as child:
        child.send_signal(number)
        child.wait()
    with Store(tmp_path).work("labels", "ab") as work:
        assert work.is_dir()
    assert (tmp_path / ".work" / "labels" / "ab.lock").read_text() == ""


def test_a_pid_left_by_a_killed_holder_is_replaced(tmp_path):
    lock = tmp_path / ".work" / "labels" / "ab.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("123456789")
    with Store(tmp_path).work("labels", "ab"):
        assert lock.read_text() == str(os.getpid())


# the sweeper


def test_only_old_temporaries_of_ours_are_swept(tmp_path):
    old = time.time() - 3601
    kept = ["a", "labels/ab/record.json", ".work/labels/ab/block", ".work/labels/ab.lock", f"x{TEMPORARY}1"]
    swept = [f"{TEMPORARY}1", f"labels/ab/{TEMPORARY}2", f".work/labels/ab/{TEMPORARY}3"]
    for name in kept + swept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (old, old))
    (tmp_path / f"{TEMPORARY}young").touch()
    (tmp_path / f"{TEMPORARY}folder").mkdir()
    os.utime(tmp_path / f"{TEMPORARY}folder", (old, old))
    (tmp_path / f"{TEMPORARY}link").symlink_to(tmp_path / "a")
    os.utime(tmp_path / f"{TEMPORARY}link", (old, old), follow_symlinks=False)
    before = set(tmp_path.rglob("*"))
    sweep_temporary(tmp_path)
    assert before - set(tmp_path.rglob("*")) == {tmp_path / name for name in swept}


def test_sweeping_a_folder_that_is_not_there_is_nothing(tmp_path):
    sweep_temporary(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
