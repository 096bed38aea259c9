"""A Debian system to install into that has been started: systemd is its first process (chroot.py has one without).

Rules: it has its own processes, network, hostname and control groups, and may set nothing in the kernel; only what
systemd needs to be up is started, not the services of this machine. Needs root.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.system.chroot import DEADLINE_S, Chroot

_START = """\
set -e
cd "$1"
umount -l proc
mount -t proc proc proc && mount --bind proc/sys proc/sys && mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys && mount -t tmpfs tmpfs sys/fs/cgroup && mkdir -p sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
umount -l dev && mount -t tmpfs -o mode=755 tmpfs dev && mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts && ln -s pts/ptmx dev/ptmx
for name in null zero full random urandom tty; do touch dev/$name && mount --bind /dev/$name dev/$name; done
rm -f usr/sbin/policy-rc.d etc/fstab && tr -d - <proc/sys/kernel/random/uuid >etc/machine-id
for waits in systemd-networkd-wait-online NetworkManager-wait-online ifupdown-wait-online; do
  ln -sf /dev/null etc/systemd/system/$waits.service  # for a network that does not come here
done
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  chroot . /lib/systemd/systemd --log-target=null --show-status=0 --unit=basic.target
"""
_APART = ("--pid", "--uts", "--ipc", "--net", "--cgroup")


class Booted(Chroot):
    """Entering starts it and waits until it is up; leaving kills all that runs in it."""

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            pytest.fail("a test that starts a system needs root: run it as root")
        super().__enter__()
        inside = ["nsenter", "--target", self._pid, "--mount"]
        apart = ["unshare", "--mount", "--propagation", "private", *_APART, "--fork", "--kill-child"]
        command = [*inside, *apart, "sh", "-c", _START, "sh", str(self._directory / "root")]
        self._first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._enter = ["--mount", *_APART]
        deadline = time.monotonic() + DEADLINE_S
        try:
            while not self._is_up():
                assert time.monotonic() < deadline, "systemd did not come up"
                time.sleep(0.05)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _is_up(self) -> bool:
        if self._first.poll() is not None:
            assert self._first.stderr is not None
            pytest.fail(f"systemd cannot be started here: {self._first.stderr.read()}")
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
        if not children:
            return False
        self._pid = children[0]
        state = self.run("systemctl is-active basic.target", check=False).stdout
        return state == "active\n"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._first.send_signal(signal.SIGKILL)  # and with it, by --kill-child, the first process and so all
        self._first.communicate(timeout=DEADLINE_S)
        super().__exit__(kind, error, traceback)
