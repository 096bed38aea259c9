"""What the gas operator's portal says of the same faults, word for word: for those who hand tables in there, too.

Rules: data only; what stands in braces is put in where it is said. Texts are those of the portal's manual (5.1, annex
3), capitals, full stops and all; what the portal knows nothing of has none.
"""

EIC = "Zadaný kód EIC OM nemá požadovanou délku (16 znaků)."
POINT = "Nesprávné EIC OM"
NUMBER = "Neplatné číslo měřidla (1-18 znaků)."
NO_NUMBER = "Vyplňte výrobní číslo měřidla."
OTHER_NUMBER = "Měřidlo č.{number} nepatří k OM EIC {eic}."
DATE = "Neplatné datum odečtu (DD.MM.RRRR)."
STATE = "Neplatný stav měřidla (celé kladné číslo, maximálně 7 číslic)."
TYPE = "Neplatný typ odečtu (F, K, Z, P, N, U)."
NO_REQUEST = "Pro odečet typu N není vyplněn povinný údaj číslo žádosti."
REQUEST = "Neplatné číslo žádosti (celé kladné číslo, maximálně 16 číslic)."
TYPE_DATE = "Odečet typu {type} musí být zadán k poslednímu dni v měsíci."
DUPLICATE = "Odečet je duplicitní k již připravenému záznamu, opravte zadání."
LOWER = "Hodnota odečtu je nižší než předchozí odečet ve výši {previous}."
ZERO = "Naměřená spotřeba je nulová."
TOLERANCE = "Odečet byl identifikován jako nevěrohodný, spotřeba je mimo toleranci."
MAXIMUM = "Přístroj {number} datum odečtu {day}: spotřeba nad maximální mezí tolerance. Předchozí stav {previous}."

TOO_LONG = "Velikost zvoleného souboru přesahuje hranici 4 MB."
EMPTY = "Importní soubor je prázdný."
STRUCTURE = (
    "Zvolený soubor {file} nemá požadovanou strukturu. Použijte vzor, který je k dispozici ke stažení na této stránce, "
    "viz odkaz „Stáhnout vzorový soubor“."
)
TOO_MANY = "Zvolený soubor {file} obsahuje více odečtů, než je povolený počet pro jednu dávku ({most} odečtů)."
NO_READING = "Nejsou zadány žádné odečty k odeslání."
