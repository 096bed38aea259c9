"""What the scripts of the Debian package would tell systemd and udev: a systemctl and an udevadm that note it.

Rules: they stand in a chroot (chroot.py) before the real ones; everything else (dpkg, the scripts, Debian's own tools)
is real. What runs, what has failed and what a unit starts is said by files in /var/told.
"""

import re

from tests.system.chroot import Chroot

_SYSTEMCTL = """\
#!/bin/sh
# active, disabled: files in /var/told; failed.UNIT, exec.UNIT: of one unit. One instance is known: two.
echo "$*" >>/var/told/log
cd /var/told
for unit; do :; done
case "$*" in
    *list-units*)
        case "$*" in *gatewayd.service*) [ ! -e active ] || echo "gatewayd.service loaded active running A" ;; esac
        echo "gatewayd@two.service loaded active running Meter reading gateway two" ;;
    *is-enabled*) if [ -e disabled ]; then echo disabled; else echo enabled; fi ;;
    *is-active*) [ -e active ] ;;
    *is-failed*) [ -e "failed.$unit" ] ;;
    *show*ExecStart*)
        name=${unit#gatewayd@}
        command="/usr/bin/gatewayd --config /etc/gatewayd/${name%.service}.yaml run"
        [ ! -e "exec.$unit" ] || command=$(cat "exec.$unit")
        echo "{ path=${command%% *} ; argv[]=$command ; ignore_errors=no ; start_time=[n/a] ; pid=0 }" ;;
esac
"""
_UDEVADM = """\
#!/bin/sh
echo "udevadm $*" >>/var/told/log
"""
_QUESTIONS = re.compile(r" is-|--root=|list-| show ")


class Told:
    """A box whose systemd and udev seem to run."""

    def __init__(self, box: Chroot) -> None:
        self._box = box
        for name, text in (("systemctl", _SYSTEMCTL), ("udevadm", _UDEVADM)):
            path = f"/usr/local/sbin/{name}"
            box.run(f"cat >{path} <<'END'\n{text}END\nchmod 755 {path}")
        box.run("mkdir -p /run/systemd/system /run/udev /var/told")
        box.run("rm -f /usr/sbin/policy-rc.d")  # images of containers forbid every start
        bind = "import socket; socket.socket(socket.AF_UNIX).bind('/run/udev/control')"
        box.run(f'/usr/bin/python3 -c "{bind}"')

    def by(self, command: str) -> tuple[list[str], str]:
        """The orders that a command gives, and what it says."""
        done = self._box.run(f"rm -f /var/told/log; touch /var/told/log; {command} </dev/null")
        lines = self._box.out("cat /var/told/log").splitlines()
        return [re.sub(r"--(system|quiet) ", "", line) for line in lines if not _QUESTIONS.search(line)], done.stderr

    def by_script(self, name: str, *arguments: str) -> tuple[list[str], str]:
        """The same of one of the installed scripts, called as dpkg calls it."""
        script = f"/var/lib/dpkg/info/gatewayd.{name}"
        return self.by(f"env DPKG_MAINTSCRIPT_PACKAGE=gatewayd {script} {' '.join(arguments)}")

    def when(self, **state: bool | str) -> None:
        """`active=True`, `disabled=False`: whether; a string is what stands in the file."""
        for name, value in state.items():
            path = f"/var/told/{name}"
            self._box.run(f"rm -f '{path}'" if value is False else f"echo '{'' if value is True else value}' >'{path}'")
