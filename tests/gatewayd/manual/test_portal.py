"""What the gas operator's portal says of the same faults, as its manual has it: in findings, reports, and Czech."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from gatewayd.cli import gatewayd, words
from gatewayd.manual.findings import Severity
from gatewayd.manual.plausible import Comparable, Past, Spot, examine
from gatewayd.manual.report import PORTAL
from gatewayd.manual.submission import Method
from gatewayd.manual.table import COLUMNS
from tests.gatewayd.manual.test_desk import EIC, NOW, USUAL, ago, handed, judged

ROW: dict[str, object] = {"meter": "", "eic": EIC, "number": "123", "type": "K", "method": Method.FILE}
STRUCTURE = (
    "Zvolený soubor jan.csv nemá požadovanou strukturu. Použijte vzor, který je k dispozici ke stažení na této "
    "stránce, viz odkaz „Stáhnout vzorový soubor“."
)


@pytest.mark.parametrize(
    ("other", "value", "check", "text"),
    [
        ({"eic": "27ZG"}, "1", "eic", "Zadaný kód EIC OM nemá požadovanou délku (16 znaků)."),
        ({"eic": "27ZG600Z0424987E"}, "1", "point", "Nesprávné EIC OM"),
        ({"number": "1" * 19}, "1", "number", "Neplatné číslo měřidla (1-18 znaků)."),
        ({"number": ""}, "1", "number", "Vyplňte výrobní číslo měřidla."),
        ({"number": "124"}, "1", "number-valid", f"Měřidlo č.124 nepatří k OM EIC {EIC}."),
        ({"day": "31.11.2026"}, "1", "date", "Neplatné datum odečtu (DD.MM.RRRR)."),
        ({}, "-1", "state", "Neplatný stav měřidla (celé kladné číslo, maximálně 7 číslic)."),
        ({}, "12345678", "digits", "Neplatný stav měřidla (celé kladné číslo, maximálně 7 číslic)."),
        ({"type": "X"}, "1", "type", "Neplatný typ odečtu (F, K, Z, P, N, U)."),
        ({"type": "N"}, "1", "request", "Pro odečet typu N není vyplněn povinný údaj číslo žádosti."),
        (
            {"type": "N", "request": "x"},
            "1",
            "request",
            "Neplatné číslo žádosti (celé kladné číslo, maximálně 16 číslic).",
        ),
        ({"type": "F"}, "1", "type-date", "Odečet typu F musí být zadán k poslednímu dni v měsíci."),
    ],
)
def test_what_is_wrong_with_a_row(other: dict[str, str], value: str, check: str, text: str, tmp_path: Path) -> None:
    row: dict[str, object] = {**ROW, **other}
    found = judged(tmp_path, handed(value, str(row.pop("day", "26.11.2026")), **row))
    assert [(one.check.text, one.portal) for one in found.findings if one.portal] == [(check, text)]


def test_what_is_implausible() -> None:
    """Against a comparable time in which ten a day were consumed."""
    first, last = Spot(ago(days=20), Decimal(900), "00123"), Spot(ago(days=10), Decimal(1000), "00123")
    past = Past(last, comparable=(Comparable(first, last, "in the time before"),))

    def said(value: int) -> list[str]:
        now = Spot(NOW, Decimal(value), "00123", when="27.11.2026 10:00 (by hand)")
        return [one.portal for one in examine(now, "m3", past, USUAL)[0]]

    assert said(1100) == []
    assert said(999) == ["Hodnota odečtu je nižší než předchozí odečet ve výši 1000."]
    assert said(1000) == ["Naměřená spotřeba je nulová."]
    assert said(1500) == ["Odečet byl identifikován jako nevěrohodný, spotřeba je mimo toleranci."]
    assert said(4000) == [
        "Přístroj 00123 datum odečtu 27.11.2026: spotřeba nad maximální mezí tolerance. Předchozí stav 1000."
    ]


def imported(folder: Path, content: str, *more: str) -> tuple[str, str]:
    """Standard output and error of an import of jan.csv."""
    config, table = folder / "gatewayd.yaml", folder / "jan.csv"
    config.write_text(
        f"gateway: {{id: gw}}\narchive: {{path: {folder}/archive}}\n"
        "lines: {a: {type: tcp, host: 127.0.0.1, port: 9}}\n"
        f"meters: [{{id: gm-1, driver: iec62056_21, line: a, point: {{eic: {EIC}}}}}]\n"
    )
    table.write_text(content, encoding="utf-8")
    done = CliRunner().invoke(gatewayd, ["-c", str(config), "reading", "import", str(table), *more])
    assert done.exit_code == 1
    return done.stdout, done.stderr


HEADING = ";".join(COLUMNS)
GOOD = f"{EIC};1;26.11.2026;7;K;"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "Importní soubor je prázdný."),
        ("x" * (4 * 1024 * 1024 + 1), "Velikost zvoleného souboru přesahuje hranici 4 MB."),
        (f"{HEADING};\n{GOOD}\n".replace("EIC OM", "EIC"), STRUCTURE),
        (f"{HEADING}\n", "Nejsou zadány žádné odečty k odeslání."),
        (
            "\n".join([HEADING, *[GOOD] * 501]),
            "Zvolený soubor jan.csv obsahuje více odečtů, než je povolený počet pro jednu dávku (500 odečtů).",
        ),
    ],
)
def test_what_is_wrong_with_a_file(content: str, text: str, tmp_path: Path) -> None:
    out, err = imported(tmp_path, content, "--lang", "cs", "--json", "--report", str(tmp_path / "out.xlsx"))
    (finding,) = json.loads(out)["findings"]
    assert (finding["severity"], finding["portal"]) == ("critical", text)
    assert f"jan.csv: kritická chyba: {text} ({finding['text']})" in err
    heading, line = load_workbook(tmp_path / "out.xlsx").active.iter_rows(values_only=True)  # type: ignore[union-attr]
    assert heading[-1] == PORTAL and line[-1] == text


def test_the_row_and_the_report_have_both(tmp_path: Path) -> None:
    content = f"{HEADING}\n{GOOD}\n{GOOD.replace('26.11', '1.1').replace(';7;', ';x;')}\n{GOOD}\n"
    report = tmp_path / "out.xlsx"
    english = imported(tmp_path, content, "--dry-run", "--report", str(report))[1]
    czech = imported(tmp_path, content, "--dry-run", "--lang", "cs")[1]
    assert "row 4: error: row 2 is of the same EIC and date already" in english and "chyba" not in english
    assert "řádek 4: chyba: Odečet je duplicitní k již připravenému záznamu, opravte zadání. (row 2 is" in czech
    rows = [*load_workbook(report).active.iter_rows(values_only=True)]  # type: ignore[union-attr]
    assert rows[3][-1] == "Odečet je duplicitní k již připravenému záznamu, opravte zadání."


def test_every_severity_has_a_word() -> None:
    assert words.SEVERITIES.keys() == {one.value for one in Severity}
