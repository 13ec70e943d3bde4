"""A disk of a few mebibytes for one test, a tmpfs in a user namespace of its own; and what lies on it in the end."""

from __future__ import annotations

from pathlib import Path

from tests.program import PROGRAM, Outcome, outcome

# DISK CONTENT SPARE COMMAND...: the content on a disk with so many KiB left, the command, more room, the command again
SCRIPT = """
set -e
disk=$1 content=$2 spare=$3
shift 3
mount -t tmpfs -o size=64m none "$disk"
cp -a "$content/." "$disk"
used=$(df -k --output=used "$disk" | tail -n 1)
mount -o "remount,size=$((used + spare))k" "$disk"
"$@" >"$content.full.out" 2>"$content.full.err" || echo $? >"$content.full.code"
cp -a "$disk" "$content.full"
mount -o remount,size=64m "$disk"
"$@" >"$content.roomy.out" 2>"$content.roomy.err" || echo $? >"$content.roomy.code"
rm -r "$content"
cp -a "$disk" "$content"
"""


def twice(content: Path, spare: int, *words: str | Path) -> tuple[Outcome, Outcome]:
    """How `kdeploy WORDS --runs DISK` ends on a disk with so many KiB left, and again with more room.

    `content` becomes the disk's at the end, and a folder `.full` beside it what there was in between. The fixture
    `own_mounts` skips where no disk can be mounted.
    """
    (disk := content.parent / "disk").mkdir()
    command = [PROGRAM, *words, "--runs", disk]
    done = outcome(["unshare", "-rm", "sh", "-c", SCRIPT, "sh", disk, content, str(spare), *command], content.parent)
    assert (done.code, done.stderr) == (0, "")
    return _kept(content, "full"), _kept(content, "roomy")


def _kept(content: Path, when: str) -> Outcome:
    code, out, err = (content.with_name(f"{content.name}.{when}.{part}") for part in ("code", "out", "err"))
    return Outcome(int(code.read_text()) if code.is_file() else 0, out.read_text(), err.read_text())
