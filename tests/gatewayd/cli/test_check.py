"""`gatewayd check`: what it counts, and that the whole of it can be loaded."""

from pathlib import Path

from click.testing import CliRunner

from gatewayd.cli.check import check

HEAD = """\
gateway: {id: gw}
archive: {path: /a}
lines: {l: {type: tcp, host: h, port: 1}}
meters:
  - id: m
    driver: dlms
    line: l
    dlms: {transport: wrapper}
    jobs: [{registers: all, every: 1h}%s]
"""
POINTS = """\
    points:
      - {id: p, channels: [1-1], jobs: [{profile: 1-1:99.1.0, at: "00:20"}]}
      - {id: q, channels: [1-2]}
"""


def checked(tmp_path: Path, text: str) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(check, obj=path)
    assert result.exit_code == 0, result.output
    return result.stdout.removeprefix(f"{path}: ").strip()


def test_without_profiles_and_points(tmp_path: Path) -> None:
    assert checked(tmp_path, HEAD % "") == "gateway gw: 1 line, 1 meter, 1 job, 0 sinks"


def test_profiles_and_points_are_counted(tmp_path: Path) -> None:
    text = HEAD % ", {profile: P.98, at: '00:30'}" + POINTS
    counted = "1 line, 1 meter with 2 metering points behind registrars, 3 jobs (2 load profiles), 0 sinks"
    assert checked(tmp_path, text) == f"gateway gw: {counted}"
