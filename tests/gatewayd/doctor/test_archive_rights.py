"""What keeps the gateway from its own archive, as doctor sees it: files of others, and a unit that does not open it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.doctor import archive, archive_rights, metering
from gatewayd.doctor.account import Account, account_of
from gatewayd.doctor.findings import Finding
from gatewayd.doctor.scene import Scene
from tests.crash.rig import Clock, seal, varied
from tests.gatewayd.archive.samples import append, opened
from tests.gatewayd.archive.test_owner import GROUP, NOBODY, as_service, folder
from tests.gatewayd.doctor.samples import ERROR, OK, only, told

__all__ = ["folder"]  # a fixture


def scene_of(place: Path, me: Account) -> Scene:
    text = f"gateway: {{id: gw-1}}\narchive: {{path: {place}}}\nlines: {{}}\nmeters: []\n"
    config = parse(text, "f.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    return Scene(config, Path("f.yaml"), me, account_of(NOBODY), running=False, derived=place / "derived")


def filled(place: Path) -> None:
    """A sealed segment and an open one."""
    with opened(place, now_us=Clock()) as store:
        append(store, varied(1))
        seal(store)
        append(store, varied(2))


def errors(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.level is ERROR]


def test_a_sound_archive_has_none(folder: Path) -> None:
    """What is no part of it (a file system of its own has its lost+found) does not matter; neither does what is only
    read."""
    filled(folder)
    (folder / "lost+found").mkdir(mode=0o700)
    os.chown(folder / "signing.pub", 0, 0)
    os.chown(folder / "segment-000001.sqlite", 0, 0)
    assert archive_rights.seen_foreign(folder) is None
    assert errors(archive.files(scene_of(folder, account_of(0)))) == []


def test_files_of_root_are_found_with_the_remedy(folder: Path) -> None:
    """By root, and by the gateway's own user, who cannot look into them."""
    filled(folder)
    filled(folder / "derived")
    (folder / "cursors").mkdir()
    for name in ("head", "signing.key", "segment-000002.sqlite", "cursors", "derived/writer.lock"):
        os.chown(folder / name, 0, 0)

    def look() -> None:
        scene = scene_of(folder, account_of(os.geteuid()))
        found = errors(archive.files(scene))
        words = "user nobody, whose the folder is, cannot read or write head, signing.key, cursors and 1 more"
        only(found, ERROR, words, f"chown -R nobody:dialout {folder};")
        (derived,) = errors(metering.derived_archive(scene))
        assert derived.subject == "derived archive: files of the archive"
        only(derived, ERROR, "cannot read or write writer.lock", f"chown -R nobody:dialout {folder}/derived;")

    look()
    assert as_service(look) == ""
    for name in ("head", "signing.key", "segment-000002.sqlite", "cursors"):
        os.chown(folder / name, NOBODY, GROUP)
    assert errors(archive.files(scene_of(folder, account_of(0)))) == []


UNIT = {"LoadState": "loaded", "ProtectSystem": "strict", "StateDirectory": "gatewayd", "ReadWritePaths": ""}


@pytest.mark.parametrize(
    ("place", "changed", "found"),
    [
        ("/var/lib/gatewayd", {}, False),
        ("/var/lib/gatewayd/north", {}, False),
        ("/var/lib/gatewayd-north", {}, True),
        ("/srv/meters", {}, True),
        ("/srv/meters", {"ReadWritePaths": "/mnt -/srv"}, False),
        ("/srv/meters", {"ReadWritePaths": "/srv/meters/a"}, True),
        ("/srv/meters", {"BindPaths": "/mnt/disk:/srv/meters:rbind"}, False),
        ("/srv/meters", {"ProtectSystem": "full"}, False),
        ("/srv/meters", {"LoadState": "not-found"}, False),
    ],
)
def test_a_unit_that_does_not_open_the_folder(place: str, changed: dict[str, str], *, found: bool) -> None:
    judged = archive_rights.judged_unit(Path(place), "gatewayd.service", {**UNIT, **changed})
    assert (judged is not None) == found
    if judged is not None:
        only(judged, ERROR, "the disk is read-only", f"ReadWritePaths={place}")


def test_the_unit_is_asked_where_no_gateway_runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that answers has its archive."""
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\nprintf 'LoadState=loaded\\nProtectSystem=strict\\nStateDirectory=gatewayd\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(archive_rights, "_BOOTED", tmp_path)
    monkeypatch.setattr(archive_rights, "_ALWAYS_OPEN", ())  # where this test has its files
    scene = scene_of(folder, account_of(0))
    assert [level for level, _ in told(archive.folder(scene, GROUP))] == [OK, ERROR]
    assert [level for level, _ in told(archive.folder(replace(scene, status={"pid": 1}), GROUP))] == [OK]
