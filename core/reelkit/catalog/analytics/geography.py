"""Which countries make up a continent (ISO 3166 and the contract's codes of continents)."""

from __future__ import annotations

from typing import Final

__all__ = ["CONTINENTS", "continent_of", "countries_of"]

# The contract has AZ where others write OC: Australia, New Zealand and the Pacific.
CONTINENTS: Final[dict[str, frozenset[str]]] = {
    code: frozenset(countries.split())
    for code, countries in {
        "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA"
        " NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
        "AN": "AQ BV GS HM TF",
        "AS": "AE AF AM AZ BD BH BN BT CC CN CX CY GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY"
        " NP OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
        "AZ": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
        "EU": "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK"
        " MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
        "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC"
        " TT US VC VG VI",
        "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
    }.items()
}

_OF = {country: code for code, countries in CONTINENTS.items() for country in countries}


def countries_of(continent: str) -> frozenset[str]:
    """Return the countries of a continent; none for an unknown code."""
    return CONTINENTS.get(continent, frozenset())


def continent_of(country: str) -> str:
    """Return the continent of a country; empty when it is not known."""
    return _OF.get(country, "")
