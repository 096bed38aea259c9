"""A Debian system to install into: the one at hand, seen through an overlay that is gone when the test is.

Rules: what is written in it lies in memory and in a mount namespace of its own; the tree under test, its interpreter
and everything else that a gateway box would not have are hidden; a service manager there is none, unless a test says
so. Mounting needs root, or a sudo that asks nothing; without it the test fails and says so.
"""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNT = """\
set -e
here=$1 packages=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" overlay "$here/root"
mount -t proc proc "$here/root/proc"
mount --rbind /dev "$here/root/dev"
mount --bind "$packages" "$here/root/mnt"
for hidden; do [ ! -d "$here/root$hidden" ] || mount -t tmpfs -o mode=755 tmpfs "$here/root$hidden"; done
mount -t tmpfs -o mode=1777 tmpfs "$here/root/tmp"
echo $$
read -r end || true
"""


def as_root() -> list[str]:
    """What has to stand before a command so that root runs it."""
    if os.geteuid() == 0:
        return []
    try:
        subprocess.run(["sudo", "-n", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.fail("a test that installs a package needs root, or sudo without a password: sudo -v, or run it as root")
    return ["sudo", "-n"]


class Chroot:
    """Entering mounts it; leaving ends the namespace, and with it everything that was written. `packages` is /mnt."""

    def __init__(self, directory: Path, packages: Path) -> None:
        self._directory = directory
        self._packages = packages
        self._before = as_root()
        self._pid = ""
        self._enter = ["--mount"]

    def __enter__(self) -> Self:
        self._directory.mkdir()
        hidden = ["/run", "/root", "/home", str(ROOT)]
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT, "sh"]
        command += [str(self._directory), str(self._packages), *hidden]
        self._holder = subprocess.Popen(
            [*self._before, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        self._pid = self._holder.stdout.readline().strip()
        if not self._pid:
            _, said = self._holder.communicate(timeout=DEADLINE_S)
            pytest.fail(f"no mount namespace with an overlay of / here: {said}")
        # This host's own gatewayd, and the rebuilding of its index of manual pages, which takes 20 s.
        own = "/etc/gatewayd /var/lib/gatewayd /var/lib/man-db/auto-update"
        self.run(f"dpkg --purge gatewayd; rm -rf {own}", check=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._holder.communicate("end\n", timeout=DEADLINE_S)

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root of the system in it; what it said is in the failure when it should succeed."""
        done = subprocess.run(self._inside(command), capture_output=True, text=True, timeout=DEADLINE_S, cwd="/")
        assert not check or done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def out(self, command: str) -> str:
        """What a command that succeeds prints, without the end of the last line."""
        return self.run(command).stdout.rstrip("\n")

    def start(self, command: str) -> subprocess.Popen[str]:
        """A shell command that runs on; its standard output can be read."""
        return subprocess.Popen(self._inside(command), stdout=subprocess.PIPE, text=True, cwd="/")

    def there(self, *paths: str) -> set[str]:
        """Those of the paths that exist."""
        done = self.run(f"for path in {' '.join(paths)}; do [ ! -e $path ] && [ ! -L $path ] || echo $path; done")
        return set(done.stdout.split())

    def _inside(self, command: str) -> list[str]:
        inside = ["nsenter", "--target", self._pid, *self._enter, "chroot", str(self._directory / "root")]
        environment = ["env", "-i", f"PATH={_PATH}", "DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8", "HOME=/root"]
        return [*self._before, *inside, *environment, "sh", "-c", command]
