"""The words of the command line in Czech, by their English text: terms of Czech metering practice, as in PPDS annex 5.

Rules: data only. What is shown for a status, a flag, an outcome or a state stands here whole (a test goes through the
enumerations); a template has the same names in braces in both languages. What is counted has three forms: of one, of
two to four, of more.
"""

STATUSES = {
    "true": "skutečná",
    "substitute": "náhradní",
    "provisional": "předběžná",
    "distorted": "narušená",
    "missing": "chybějící",
}
"""RawStatus: the five of PPDS annex 5, 2.12."""

FLAGS = {
    "power_down": "výpadek napájení",
    "recovered": "obnovená hodnota",
    "clock_adjusted": "seřízení hodin",
    "clock_invalid": "neplatný čas",
    "dst": "letní čas",
    "partial_interval": "neúplný interval",
    "reset": "reset měřidla",
    "config_changed": "změna parametrů",
    "manual": "ruční odečet",
    "tamper": "neoprávněný zásah",
    "overflow": "přetočení číselníku",
    "late": "opožděná",
    "duplicate": "dvojí záznam",
    "conflict": "rozpor s archivem",
    "control_mismatch": "rozdíl proti kontrolnímu měření",
    "ratio_mismatch": "jiný převod",
    "serial_mismatch": "jiné výrobní číslo",
    "bcc_failed": "chyba BCC",
    "crc_failed": "chyba CRC",
    "truncated": "neúplný přenos",
    "parity_error": "chyba parity",
    "undecodable": "nečitelná",
    "sentinel": "značka „bez hodnoty“",
    "no_value": "prázdná",
    "not_sent": "nezaslána",
    "time_ambiguous": "nejednoznačný čas",
    "backward": "pokles stavu",
    "gateway_clock": "hodiny brány",
    "disturbed": "rušené měření",
    "meter_error": "porucha měřidla",
    "status_unknown": "neznámý stav",
    "clock_deviation": "odchylka hodin",
    "not_read": "neodečtena",
}

OUTCOMES = {
    "done": "v pořádku",
    "check_failed": "chyba kontrolního znaku",
    "truncated": "neúplný přenos",
    "silent": "neodpovídá",
    "refused": "odmítnuto",
    "protocol_error": "chyba protokolu",
    "line_failed": "porucha linky",
    "deadline": "překročen čas",
    "cancelled": "přerušeno",
}
"""Outcome: how an exchange ended."""

LINES = {
    "closed": "v pořádku",
    "open": "porucha",
    "half-open": "zkouší se",
    "fails": "porucha",
    "fails, tried at {time}": "porucha, další pokus v {time}",
    "is tried": "zkouší se",
    "listens": "naslouchá",
    "talks": "čte",
    "lent": "zapůjčena",
    "lent: {what}": "zapůjčena: {what}",
    "ready": "připravena",
}
"""The breaker of a line (Condition), and what `status` calls it."""

SINKS = {
    "connected": "připojen",
    "connecting": "připojuje se",
    "stopped": "zastaven",
    "broken": "porucha",
    "not running": "neběží",
    "new": "nový",
}
"""SinkState, and the two of a gateway that does not run."""

CALLS = {
    "carrier lost": "spojení ztraceno",
    "busy": "obsazeno",
    "no answer": "nikdo nebere",
    "no carrier": "bez nosné",
    "no dialtone": "bez tónu",
    "line failed": "porucha linky",
    "delayed": "odloženo modemem",
    "blacklisted": "číslo blokováno modemem",
    "timeout": "vypršel čas",
    "not registered": "nepřihlášen v síti",
    "SIM": "SIM",
    "modem": "modem",
    "not_searching": "nepřihlášen",
    "home": "domácí síť",
    "searching": "hledá síť",
    "denied": "síť odmítla",
    "unknown": "neznámo",
    "roaming": "roaming",
    "other": "bez datových volání",
}
"""CallResult and Registration."""

REASONS = {
    "absent": "v archivu není",
    "the meter has no row": "měřidlo řádek nemá",
    "the meter has no row, its supply had failed": "měřidlo řádek nemá, bylo bez napájení",
    "the meter's clock is wrong": "hodiny měřidla jdou špatně",
    "the gateway was not running": "brána neběžela",
    "the meter was not asked": "měřidlo nebylo dotázáno",
    "the meter did not answer": "měřidlo neodpovědělo",
    "the line failed": "porucha linky",
    "the meter refused": "měřidlo odmítlo přístup",
    "reading took too long": "odečet trval příliš dlouho",
    "the meter is not the one that is configured": "odpovědělo jiné měřidlo",
    "the answers of the meter could not be understood": "odpovědi měřidla nejsou srozumitelné",
}
"""Why an interval has no value (gaps.Reason, closing.py)."""

SEVERITIES = {"warning": "varování", "error": "chyba", "critical": "kritická chyba"}
"""Of what is found on a reading by hand (manual/findings.py), in the words of the gas operator's portal."""

HELD = {"held": "Čeká na potvrzení", "released": "Vyřízen", "rejected": "Zamítnuto"}
"""Of a reading by hand that waits for another person (manual/held.py), in the words of the gas operator's portal."""

HEADINGS = {
    "": "",
    "alarm": "alarm",
    "author": "odečetl",
    "clock": "hodiny",
    "complete": "úplnost",
    "complete {minutes} min": "úplnost {minutes} min",
    "connected": "připojen",
    "day": "den",
    "days": "dnů",
    "delivered": "předáno",
    "entry": "záznam",
    "expected": "má být",
    "fault": "porucha",
    "flags": "příznaky",
    "gaps": "mezery",
    "handed in": "podáno",
    "interval to": "interval do",
    "intervals without a value, by their ends": "intervaly bez hodnoty, podle jejich konců",
    "last call": "poslední volání",
    "last delivered": "naposledy předáno",
    "last heard": "naposledy slyšen",
    "last read": "poslední odečet",
    "last session": "poslední relace",
    "line": "linka",
    "meter": "měřidlo",
    "method": "způsob",
    "metering type": "typ měření",
    "network": "síť",
    "newest": "nejnovější",
    "next": "příště",
    "next window": "další okno",
    "number": "číslo",
    "obis": "OBIS",
    "oldest due": "nejstarší úloha",
    "pool": "skupina",
    "present": "je",
    "profile": "profil",
    "pushing": "zasílá samo",
    "queue": "fronta",
    "raw": "zápis",
    "remarks": "poznámky",
    "result": "výsledek",
    "row": "řádek",
    "seconds": "sekund",
    "seq": "pořadí",
    "set aside": "odloženo",
    "signal": "signál",
    "since": "od",
    "sink": "příjemce",
    "state": "stav",
    "status": "status",
    "there": "je",
    "time": "čas",
    "to be asked for": "zbývá načíst",
    "total": "celkem",
    "type": "druh",
    "under way": "právě čte",
    "user": "uživatel",
    "unit": "jednotka",
    "value": "hodnota",
    "waiting": "čeká",
    "yesterday": "včera",
}
"""Of tables."""

SENTENCES = {
    # status
    "gateway {gateway}: running since {since}, version {version}, process {pid}": "brána {gateway}: běží od {since}, "
    "verze {version}, proces {pid}",
    "gateway {gateway}: not running": "brána {gateway}: neběží",
    "gateway {gateway}: not running; process {pid} ({process}) writes to the archive at present": "brána {gateway}: "
    "neběží; do archivu právě zapisuje proces {pid} ({process})",
    "gateway {gateway}: runs as process {pid} ({process}), and does not answer: it starts or stops, or hangs; if this "
    "stays: systemctl restart gatewayd": "brána {gateway}: běží jako proces {pid} ({process}) a neodpovídá: spouští "
    "se, končí, nebo uvázla; trvá-li to: systemctl restart gatewayd",
    "gateway {gateway}: runs as process {pid} ({process}), and its control socket is gone, so that nobody can ask it: "
    "somebody has removed it, or the gateway starts or stops; if this stays: systemctl restart gatewayd": "brána "
    "{gateway}: běží jako proces {pid} ({process}), ale její řídicí soket chybí, takže se jí nelze ptát: někdo jej "
    "smazal, nebo se brána spouští či končí; trvá-li to: systemctl restart gatewayd",
    "gateway {gateway}: runs as process {pid} ({process}), with another archive than the file names: archive.path was "
    "changed since it started; systemctl restart gatewayd, or set it back": "brána {gateway}: běží jako proces {pid} "
    "({process}) s jiným archivem, než uvádí soubor: archive.path se od jejího startu změnila; systemctl restart "
    "gatewayd, nebo ji vraťte",
    "metering: {points}, {place}": "odběrná místa: {points}, {place}",
    "all readings are derived": "všechny odečty jsou zpracovány",
    "how far they are derived is not known yet": "kam až jsou zpracována, zatím není známo",
    "derived up to reading {seq} of {head}, {behind} behind": "zpracováno po odečet {seq} z {head}, zbývá {behind}",
    "derived up to reading {seq} of {head}, {behind} behind, the first of {oldest}": "zpracováno po odečet {seq} z "
    "{head}, zbývá {behind}, první z {oldest}",
    "; {days} to be computed": "; k výpočtu {days}",
    "derived archive {path}: {values}, {size}": "odvozený archiv {path}: {values}, {size}",
    "nothing is derived: {fault}; {remedy}": "nic se neodvozuje: {fault}; {remedy}",
    "put that right, then: gatewayd reload": "odstraňte příčinu, pak: gatewayd reload",
    "put that right; it is tried again every 10 s": "odstraňte příčinu; opakuje se každých 10 s",
    "restart gatewayd (systemctl restart gatewayd), and report what its log says": "restartujte gatewayd (systemctl "
    "restart gatewayd) a ohlaste, co je v jeho logu",
    "it is tried again every 10 s; gatewayd doctor says what to do": "zkouší se znovu každých 10 s; co dělat, poví "
    "gatewayd doctor",
    "{sink}: points": "{sink}: místa",
    "{sink}: the first of what waits was archived {oldest}": "{sink}: první z čekajících je v archivu od {oldest}",
    "archive {path}: {readings}": "archiv {path}: {readings}",
    "{lines}; on all of them {sessions} under way, {jobs} due": "{lines}; na všech právě {sessions}, čeká {jobs}",
    "line {line}, last fault: {fault}": "linka {line}, poslední porucha: {fault}",
    "{faults}; --meters shows all": "{faults}; vše ukáže --meters",
    "{meters} of which there is something to tell; --meters shows all, --meter ID one in full": "{meters}, k nimž je "
    "co říci; vše ukáže --meters, jedno celé --meter ID",
    "{meters} without faults, alarms and gaps": "{meters} bez poruch, alarmů a mezer",
    "last read between {first} and {last}": "naposledy odečtena od {first} do {last}",
    "{count} not read yet": "dosud neodečteno: {count}",
    "{sink}: {readings} set aside; see gatewayd sink set-aside": "{sink}: {readings} odloženo; viz gatewayd sink "
    "set-aside",
    "{modem} is not used until gatewayd is restarted: {fault}": "{modem} se do restartu gatewayd nepoužívá: {fault}",
    "{modem} may be in a call that costs money: it has not confirmed that it hung up": "{modem} možná stále volá, což "
    "stojí peníze: zavěšení nepotvrdil",
    "archive takes nothing: {fault}": "archiv nic nepřijímá: {fault}",
    "{segments} put aside as damaged, in {path}/quarantine: what they hold is not read any more": "odloženo jako "
    "poškozené: {segments}, v {path}/quarantine; jejich obsah se už nečte",
    "nothing is derived of what cannot be read: {segments}; restore it from a copy: then it is derived": "z toho, co "
    "nelze číst, se nic neodvozuje: {segments}; obnovte to z kopie, pak se zpracuje",
    "metering, last fault, which is over: {fault}": "odběrná místa, poslední porucha, už pominula: {fault}",
    "the configuration file is not taken: {fault}": "konfigurační soubor nebyl přijat: {fault}",
    "clock: synchronised ({source})": "hodiny: seřízené ({source})",
    "clock: synchronised ({source}, at most {error} s off)": "hodiny: seřízené ({source}, odchylka nejvýše {error} s)",
    "clock: not synchronised ({source}); what the gateway stamps is flagged": "hodiny: neseřízené ({source}); časové "
    "údaje brány mají příznak",
    "clock: not known to be synchronised ({source}); what the gateway stamps is flagged": "hodiny: není známo, zda "
    "jsou seřízené ({source}); časové údaje brány mají příznak",
    "no sinks are configured": "není nastaven žádný příjemce",
    "not yet": "dosud ne",
    "not since the start": "od spuštění ne",
    "yes": "ano",
    "no": "ne",
    "meter {meter}": "měřidlo {meter}",
    "meter {meter} cannot be read: {fault}": "měřidlo {meter} nelze odečíst: {fault}",
    "cannot be read: {fault}": "nelze odečíst: {fault}",
    "cannot be read: {fault} (since {since})": "nelze odečíst: {fault} (od {since})",
    "alarm: {alarm}": "alarm: {alarm}",
    "back-fill {percent} %: back to {reached} of {goal}": "doplňování {percent} %: zpět do {reached}, cíl {goal}",
    "{code} of {day}: {present} of {expected} intervals are there": "{code} dne {day}: k dispozici {present} z "
    "{expected} intervalů",
    "{code} of {day}: {present} of {expected} intervals are there, {missing} told missing": "{code} dne {day}: k "
    "dispozici {present} z {expected} intervalů, {missing} označeno za chybějící",
    "so far": "zatím",
    # profile
    "{rows}, {first} to {last}": "{rows}, {first} až {last}",
    "nothing in this time": "v této době nic",
    "{present} of {intervals} of {minutes} min": "{present} z {intervals} po {minutes} min",
    "worst status {status}": "nejhorší status {status}",
    "clock: {clock}": "hodiny: {clock}",
    "no values": "žádné hodnoty",
    "max {value} at {end}": "max {value} v {end}",
    "in each interval": "v každém intervalu",
    "below: s substitute, p provisional, d distorted, m missing": "dole: s náhradní, p předběžná, d narušená, m "
    "chybějící",
    # archive gaps
    "not yet watched": "tehdy ještě nesledováno",
    "{part} of {whole}": "{part} z {whole}",
    "{first} to {last}": "{first} až {last}",
    "and {count} more": "a další: {count}",
    # clock
    "{seconds} s ahead": "jdou napřed o {seconds} s",
    "{seconds} s behind": "jdou pozadu o {seconds} s",
    "right": "jdou správně",
    "no time": "bez času",
    "nothing": "nic",
    "read {time}": "odečteno {time}",
    # reading
    "not archived": "není archivováno",
    "not archived; with --yes it is, as it stands": "není archivováno; s --yes bude, tak jak je",
    "the file is not loaded, nothing of it is archived": "soubor není načten, nic z něj není archivováno",
    "{file}: {readings} loaded, {faulty} with findings": "{file}: načteno {readings}, s nálezem {faulty}",
    "archived": "archivováno",
    "sound": "v pořádku",
    "doubtful": "pochybné",
    "doubtful and left out (--yes archives them)": "pochybné a vynechané (--yes je archivuje)",
    "refused": "odmítnuto",
    "held until another person releases it": "čeká, až jej potvrdí někdo jiný",
    "held until another person releases them (gatewayd reading waiting)": "čeká, až je potvrdí někdo jiný (gatewayd "
    "reading waiting)",
    "no reading waits for its release": "na potvrzení nečeká žádný odečet",
    "nothing was archived (--dry-run)": "nic není archivováno (--dry-run)",
    # tail
    "following the archive {path}; Ctrl-C ends": "sleduji archiv {path}; konec Ctrl-C",
}

METERING = {
    # layers
    "evaluation": "vyhodnocovací interval",
    "gas_day": "plynárenský den",
    "interval": "interval",
    "loss": "ztráty",
    "loss_day": "ztráty za den",
    "loss_month": "ztráty za měsíc",
    "maximum": "maximum",
    "month": "měsíc",
    # methods
    "aggregate": "součet intervalů",
    "comparable": "srovnatelné období",
    "control": "kontrolní měření",
    "estimate": "odhad",
    "interpolated": "interpolace",
    "netted": "saldo fází",
    "none": "žádné",
    "primary": "primární",
    "sum": "součet odběrných míst",
    # point, explain
    "at": "kdy",
    "because": "proč",
    "computed": "vypočteno",
    "coverage": "pokrytí",
    "and {findings} more of rule {rule}": "a dalších {findings} podle pravidla {rule}",
    "amount": "množství",
    "events": "události",
    "findings": "nálezy",
    "{registers} not in the raw archive any more (retention)": "{registers} už není v archivu (retence)",
    "exchange": "výměna",
    "highest": "nejvyšší",
    "highest day": "nejvyšší den",
    "instant": "okamžik",
    "load factor": "využití",
    "lowest": "nejnižší",
    "lowest day": "nejnižší den",
    "maximum demand": "maximum výkonu",
    "mean": "průměr",
    "no value": "bez hodnoty",
    "no: no rules were applied, or the value is not sound": "ne: bez pravidel, nebo hodnota není v pořádku",
    "no: found by {rules}": "ne: našla pravidla {rules}",
    "no: no rules have looked at it": "ne: žádné pravidlo ji neposoudilo",
    "no: no validation rules are configured for the point": "ne: odběrné místo nemá nastavena žádná pravidla",
    "no: not all of its days are validated": "ne: některé její dny nejsou ověřeny",
    "no: the value is distorted": "ne: hodnota je narušená",
    "no: the value is missing": "ne: hodnota chybí",
    "no: the value is provisional": "ne: hodnota je předběžná",
    "not true": "není skutečná",
    "outcome": "průběh",
    "parameters": "parametry",
    "read": "odečteno",
    "readings": "odečty",
    "readings that it is made of": "odečty, z nichž vznikla",
    "reason": "důvod",
    "request": "dotaz",
    "rules": "pravidla",
    "from": "od",
    "to": "do",
    "layer": "vrstva",
    "validated": "ověřena",
    "version": "verze",
    "versions": "verze",
    # compare
    "difference": "rozdíl",
    "intervals": "intervaly",
    "limit": "mez",
    "main": "hlavní měření",
    "not compared": "neporovnáno",
    "ok": "v mezi",
    "verdict": "výsledek",
    "{layer}: {main} against {control}, {obis}, class {accuracy}: {compared} compared, {outside} outside, "
    "{not_compared} not compared": "{layer}: {main} proti {control}, {obis}, třída {accuracy}: porovnáno {compared}, "
    "mimo mez {outside}, neporovnáno {not_compared}",
    "and {count} more intervals outside; --all shows all": "a dalších {count} intervalů mimo mez; vše ukáže --all",
    # losses
    "S_m at": "S_m kdy",
    "calculated": "výpočtem",
    "flat": "paušálně",
    "together": "dohromady",
    "transformer": "transformátor",
    # substitute
    "entered by": "zadal",
    "day or month": "den nebo měsíc",
    "no substitute values by hand": "žádné zadané náhradní hodnoty",
    "note": "poznámka",
    "point": "odběrné místo",
}
"""Of derived values: `point`, `explain`, `compare`, `substitute`."""

PLURALS = {
    "alarm": ("alarm", "alarmy", "alarmů"),
    "attempt": ("pokus", "pokusy", "pokusů"),
    "day": ("den", "dny", "dnů"),
    "register": ("registr", "registry", "registrů"),
    "entry": ("záznam", "záznamy", "záznamů"),
    "interval": ("interval", "intervaly", "intervalů"),
    "job": ("úloha", "úlohy", "úloh"),
    "line": ("linka", "linky", "linek"),
    "meter": ("měřidlo", "měřidla", "měřidel"),
    "more alarm": ("další alarm", "další alarmy", "dalších alarmů"),
    "more fault": ("další porucha", "další poruchy", "dalších poruch"),
    "more line": ("další linka", "další linky", "dalších linek"),
    "more meter": ("další měřidlo", "další měřidla", "dalších měřidel"),
    "piece of profiles": ("úsek profilů", "úseky profilů", "úseků profilů"),
    "point": ("místo", "místa", "míst"),
    "reading": ("odečet", "odečty", "odečtů"),
    "reading is": ("odečet je", "odečty jsou", "odečtů je"),
    "row": ("řádek", "řádky", "řádků"),
    "segment was": ("segment", "segmenty", "segmentů"),
    "session": ("relace", "relace", "relací"),
    "value": ("hodnota", "hodnoty", "hodnot"),
}

CZECH = {
    **METERING,
    **SENTENCES,
    **HEADINGS,
    **SEVERITIES,
    **HELD,
    **REASONS,
    **CALLS,
    **SINKS,
    **LINES,
    **OUTCOMES,
    **FLAGS,
    **STATUSES,
}
