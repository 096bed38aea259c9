"""EIC and EAN: published codes that are right and wrong (reference requirements 3.1 and 3.2)."""

import pytest

from gatewayd.config.identifiers import ean_check, ean_doubt, eic_check, eic_doubt

RIGHT_EIC = """10X1001A1001A46Z 10X1001A1001A450 10XCZ-CEPS-GRIDE 10YCZ-CEPS-----N 27XCEZ-INTRA---M 22XWATTPLUS----G
    10YDE-VE-------2 10YSK-SEPS-----K 27ZG600Z0424987D 27ZG600Z0414883V 27ZG700Z0652990R 27ZG700Z0395472V
    27ZG700Z0118223P 27ZG600Z07264929"""


@pytest.mark.parametrize("eic", RIGHT_EIC.split())
def test_right_eic(eic: str) -> None:
    assert eic_check(eic[:-1]) == eic[-1]
    assert eic_doubt(eic) is None


@pytest.mark.parametrize(
    ("eic", "check"),
    [("27ZG600Z0424987Q", "D"), ("22XWATTPLUS----X", "G"), ("27XPRAZSKAENERGA", "W"), ("1234567890123456", "P")],
)
def test_wrong_eic(eic: str, check: str) -> None:
    said = f"the check character of the EIC should be '{check}', not '{eic[-1]}'; copied wrongly?"
    assert eic_doubt(eic) == said


def test_an_eic_whose_check_character_would_be_a_dash_is_never_right() -> None:
    assert eic_check("23X--130302DLGW") == "-"
    said = "the EIC cannot be right: its check character would be '-', which is never given out"
    assert eic_doubt("23X--130302DLGW-") == said


@pytest.mark.parametrize(
    "ean", ["859182400123456789", "859182400700227603", "859182400306885078", "859182400300067890"]
)
def test_right_ean(ean: str) -> None:
    assert ean_doubt(ean) is None


@pytest.mark.parametrize("ean", ["859182400123456784", "859182400300012345", "859182400100366666"])
def test_wrong_ean(ean: str) -> None:
    assert (
        ean_doubt(ean) == f"the check digit of the EAN should be {ean_check(ean[:-1])}, not {ean[-1]}; copied wrongly?"
    )


@pytest.mark.parametrize("gln", ["8591824000007", "8591824071502"])
def test_participant_codes_have_the_same_check_digit(gln: str) -> None:
    assert ean_check(gln[:-1]) == gln[-1]


def test_what_has_another_form_is_not_judged() -> None:
    assert eic_doubt("") is None
    assert eic_doubt("27zg600z0424987q") is None
    assert ean_doubt("859182500123456784") is None
