"""`make isolated-test`: a command without network, with a home that is read-only, as is all but checkout and TMPDIR.

    unshare --map-root-user --mount --net python tests/isolated.py COMMAND

The loopback device goes up, since processes of one training meet at 127.0.0.1. HOME is a folder that nobody can write
into, and the variables that name places beside it are gone, so that a cache outside of the checkout is found by what
fails. It must be started in namespaces of its own, which end with the command.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# from <linux/sockios.h> and <linux/if.h>
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
REQUEST = "16sH14x"
PLACES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        _, flags = struct.unpack(REQUEST, fcntl.ioctl(device, SIOCGIFFLAGS, struct.pack(REQUEST, b"lo", 0)))
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack(REQUEST, b"lo", flags | IFF_UP))


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def read_only_but(*folders: Path) -> None:
    """Everything on the disk of `/` is read-only from now on, but these folders."""
    for folder in folders:
        mount("--bind", folder, folder)
    mount("-o", "remount,bind,ro", "/")
    os.chdir(Path.cwd())  # by its name: until then the working folder is the one under the mount


def main() -> None:
    temporary = Path(tempfile.gettempdir()).resolve()
    with tempfile.TemporaryDirectory(prefix="kdeploy-home-") as home:
        loopback_up()
        read_only_but(REPOSITORY, temporary)
        mount("-t", "tmpfs", "-o", "ro", "none", home)
        environment = {name: value for name, value in os.environ.items() if name not in PLACES} | {"HOME": home}
        # the folder stays until the command ends; its mount goes with the namespace
        code = subprocess.run(sys.argv[1:], env=environment, check=False).returncode
        subprocess.run(["umount", home], check=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
