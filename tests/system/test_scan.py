"""From a cabinet with an unknown meter to its registers: probe, scan, the block that was written, read."""

from pathlib import Path

import yaml

from tests.system.dlms_rig import Manner, is_total_now, one_meter


def test_the_block_of_a_scan_is_a_configuration_that_reads(tmp_path: Path) -> None:
    """The strictest meter: HLS with GMAC, everything ciphered. No secret is in what is printed or written."""
    target = tmp_path / "block.yaml"
    with one_meter(tmp_path, Manner("wrapper", "hls-gmac", "authenticated-encrypted")) as (site, meter):
        done = site.run("scan", "em-1", "--block", str(target))
        assert done.returncode == 0, done.stderr
        document = site.json("scan", "em-1")
        block = target.read_text(encoding="utf-8")
        assert document["block"] == block
        assert not any(secret in text for secret in meter.secrets.all for text in (block, done.stdout, done.stderr))

        config = tmp_path / "gatewayd.yaml"
        frame = config.read_text(encoding="utf-8").split("meters:")[0]
        config.write_text(frame + block, encoding="utf-8")
        checked = site.run("check")
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
        (entry,) = yaml.safe_load(block)["meters"]
        assert entry["serial"] == "35031234"
        profile, first, daily = entry["jobs"]
        assert profile == {"profile": "1-0:99.1.0", "at": "00:20"}
        assert first["registers"][:2] == ["1-0:1.8.0", "1-0:2.8.0"]
        assert daily["registers"] == ["1-0:1.6.0", "0-1:24.2.1"]
        read = site.json("read", "em-1", *first["registers"])["readings"]
    assert is_total_now(read)
    assert [one["obis"] for one in read[1:]] == [f"{code}*255" for code in first["registers"]]


def test_a_meter_behind_tcp_is_found_by_its_wrapper(tmp_path: Path) -> None:
    """It closes the connection when it hears anything else, so that this has to be asked first."""
    with one_meter(tmp_path, Manner("wrapper", "low")) as (site, _):
        document = site.json("probe", "em-1-line", "--listen", "0.1")
        assert [one["what"] for one in document["tried"]] == ["listening", "association in the wrapper"]
        (found,) = document["found"]
        assert (found["protocol"], found["driver"], found["notes"]) == ("DLMS in the wrapper", "dlms", ["connects"])
        config = tmp_path / "gatewayd.yaml"
        frame = config.read_text(encoding="utf-8").split("meters:")[0]
        config.write_text(frame + found["snippet"], encoding="utf-8")
        read = site.json("read", "meter-1", "0-0:42.0.0")["readings"]
    assert [one["raw"] for one in read if one["obis"] == "0-0:42.0.0*255"] == ["SIM35031234"]


def test_a_meter_with_a_lower_hdlc_address(tmp_path: Path) -> None:
    with one_meter(tmp_path, Manner("hdlc")) as (site, _):
        document = site.json("probe", "em-1-line", "--protocol", "dlms", "--address", "1/17")
    (found,) = document["found"]
    assert (found["address"], found["options"]["physical"]) == ("1/17", "17")
