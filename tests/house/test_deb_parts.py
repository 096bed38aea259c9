"""How the Debian package is put together: what goes in, where, and what is refused. system/test_deb.py installs it."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

from scripts import deb_control, deb_environment, deb_files, deb_pins, licences, lockfile

ROOT = Path(__file__).parents[2]


def test_it_holds_the_runtime_and_the_extras_at_their_pins_and_no_tool() -> None:
    chosen = {pin.name: pin for pin in deb_pins.pins()}
    runtime, everything = (lockfile.read(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock"))
    assert runtime.items() <= chosen.items()
    assert {"influxdb-client", "pg8000", "scramp", "xlsxwriter"} <= chosen.keys(), "an extra, and what it needs"
    assert all(everything[name] == pin for name, pin in chosen.items())
    assert not chosen.keys() & {"pytest", "mypy", "pip", "iotcore", "pyarrow", "tzdata"}


def test_a_library_that_may_not_be_passed_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert licences.finding(distribution("pyarrow")) is not None
    monkeypatch.setattr(deb_pins, "EXTRAS", ("parquet",))
    with pytest.raises(deb_pins.Unfit, match=r"pyarrow .*Apache-2\.0"):
        deb_pins.pins()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("systemd/gatewayd@.service", "usr/lib/systemd/system/gatewayd@.service"),
        ("systemd/sysusers.d/gatewayd.conf", "usr/lib/sysusers.d/gatewayd.conf"),
        ("systemd/tmpfiles.d/gatewayd.conf", "usr/lib/tmpfiles.d/gatewayd.conf"),
        ("systemd/udev/70-gatewayd.rules", "usr/lib/udev/rules.d/70-gatewayd.rules"),
        ("man/gatewayd.yaml.5", "usr/share/man/man5/gatewayd.yaml.5"),
        ("completion/gatewayd.bash", "usr/share/bash-completion/completions/gatewayd"),
        ("completion/_gatewayd", "usr/share/zsh/vendor-completions/_gatewayd"),
        ("deb/gatewayd.yaml", "etc/gatewayd/gatewayd.yaml"),
        ("deb/preinst", "None"),
        ("deb/postinst", "None"),
    ],
)
def test_each_file_has_its_place(source: str, target: str) -> None:
    assert str(deb_files.place(PurePosixPath(source))) == target


def test_a_file_that_nobody_has_given_a_place_is_refused() -> None:
    with pytest.raises(deb_pins.Unfit, match=r"packaging/systemd/gatewayd.socket: .*scripts/deb_files.py"):
        deb_files.place(PurePosixPath("systemd/gatewayd.socket"))


def test_every_file_of_packaging_is_installed_or_named(tmp_path: Path) -> None:
    deb_files.copy(ROOT, tmp_path)
    there = {f"{path.relative_to(tmp_path)}".removesuffix(".gz") for path in tmp_path.rglob("*") if path.is_file()}
    names = [PurePosixPath(file.relative_to(ROOT / "packaging")) for file in (ROOT / "packaging").rglob("*.*")]
    places = {str(deb_files.place(name)) for name in names if (ROOT / "packaging" / name).is_file()}
    assert places - {"None"} <= there


def test_only_a_python_of_debian_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--copies", own], check=True)
    with pytest.raises(deb_pins.Unfit, match="not a Python of Debian"):
        deb_environment.interpreter(str(own / "bin" / "python"))
    with pytest.raises(deb_pins.Unfit, match="apt-get install python3"):
        deb_environment.interpreter(str(tmp_path / "nothing"))
    path, version = deb_environment.interpreter("/usr/bin/python3")
    assert path == Path(f"/usr/bin/python{version[0]}.{version[1]}")


def test_the_oldest_c_library_is_that_of_the_most_demanding_wheel(tmp_path: Path) -> None:
    packages = tmp_path / deb_environment.HOME / "lib"
    for name, tags in (("a", ["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_31_x86_64"]), ("b", [])):
        info = packages / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "WHEEL").write_text("".join(f"Tag: {tag}\n" for tag in [*tags, *([] if tags else ["py3-none-any"])]))
    assert deb_environment.glibc(tmp_path) == (2, 28)


def test_the_changelog_is_the_newest_section_in_the_form_of_debian() -> None:
    text = deb_control.changelog("# Changelog\n\n## 2 (now)\n* One\n  more.\n* Two.\n\n## 1\n* Old.\n", "2.0", 0)
    assert text.startswith("gatewayd (2.0) stable; urgency=medium\n\n  * One more.\n  * Two.\n\n -- ")
    assert text.endswith(">  Thu, 01 Jan 1970 00:00:00 +0000\n") and "Old" not in text
    real = deb_control.changelog((ROOT / "CHANGELOG.md").read_text(), "0.1.0", 0)
    assert max(len(line) for line in real.splitlines()[2:-2]) <= 80


@pytest.mark.parametrize(
    ("python", "debian"),
    [
        ("0.1.0", "0.1.0"),
        ("1.0rc1", "1.0~rc1"),
        ("1.0a2", "1.0~a2"),
        ("1.0.dev3", "1.0~dev3"),
        ("1.0.post1", "1.0.post1"),
    ],
)
def test_versions_sort_as_they_came(python: str, debian: str) -> None:
    assert deb_control.debian_version(python) == debian
    if "~" in debian:
        assert subprocess.run(["dpkg", "--compare-versions", debian, "lt", "1.0"]).returncode == 0
