"""What a file of readings may be, before anybody parses it: size, kind, and what is inside of a workbook.

Rules: the file is somebody else's. It is read once and up to a limit; of a workbook the sizes that it states are the
most that are ever unpacked (zipfile stops there), no part may declare a document type, which is where entities come
from, and rows and columns are those that there are. Nothing is written, nothing is followed.
"""

import io
import re
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO
from xml.parsers import expat

from gatewayd.manual import portal
from gatewayd.manual.findings import Check
from gatewayd.manual.table import FileRefused

LONGEST = 4 * 1024 * 1024
_UNPACKED = 16 * 1024 * 1024
_PARTS = 200
_ELEMENTS, _ELEMENTS_OF_ROW, _DEPTH = 200_000, 40, 50
"""Elements of one part: of a row and its six cells there are 7 to 40, by the program that wrote them."""
_PLACES = 500_000
"""Cells of all rows up to the last one of each: so many would be made."""
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
_XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\0\s]*(?:<|\Z)")
"""How every part begins that an XML parser would take, in UTF-8 or UTF-16; pictures and the like do not."""
_PACKED = {b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_CHUNK = 1 << 16
_MACROS = "it holds macros; save it as a workbook without macros (.xlsx)"
_LINKS = "it is linked with other files; break the links (Data, Edit Links) or copy the values into a new workbook"
_FAR_MORE = "it holds far more than a table of {most} readings; copy the values into a new workbook"
_OBJECTS = "it holds embedded objects; copy the values into a new workbook"
_FORBIDDEN = (
    (re.compile(r"vbaproject|macrosheets|vbadata", re.IGNORECASE), _MACROS),
    (re.compile(r"externallinks?/|connections\.xml|querytables/", re.IGNORECASE), _LINKS),
    (re.compile(r"embeddings/|activex/|ctrlprops/", re.IGNORECASE), _OBJECTS),
)


def read_file(path: Path) -> bytes:
    """The whole file. FileRefused when it is none, or too long; OSError when it cannot be read."""
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
        raise _refused(f"{path} is no file")
    with path.open("rb") as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        text = f"{path} is longer than 4 MB; split it, or copy the values into a new workbook"
        raise FileRefused(Check.FILE, text, portal.TOO_LONG)
    if not data:
        raise FileRefused(Check.FILE, f"{path} is empty", portal.EMPTY)
    kind = next((kind for start, kind in _PACKED.items() if data.startswith(start)), None)
    if kind is not None:
        raise _refused(f"{path} is compressed ({kind}); unpack it first")
    return data


def check_workbook(data: bytes, most: int) -> None:
    """FileRefused unless it is a workbook that may be parsed: one of at most so many readings."""
    if data.startswith(_OLD_EXCEL):
        raise _refused("it is a workbook of Excel 97-2003, or one with a password; save it as .xlsx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            _check_parts(book, most)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise _refused(f"it is no XLSX, or a damaged one ({error}); save it again as .xlsx") from error


def _check_parts(book: zipfile.ZipFile, most: int) -> None:
    parts = book.infolist()
    names = [part.filename for part in parts]
    if "[Content_Types].xml" not in names:
        inside = next((name for name in names if name.lower().endswith((".xlsx", ".csv"))), None)
        if inside is not None:
            raise _refused(f"it is compressed (zip) and holds {inside[:80]!r}; unpack it first")
        raise _refused("it is a zip, but no XLSX")
    if len(parts) > _PARTS or sum(part.file_size for part in parts) > _UNPACKED or len(set(names)) != len(names):
        raise _refused(_FAR_MORE.format(most=most))
    for name in names:
        for pattern, text in _FORBIDDEN:
            if pattern.search(name):
                raise _refused(text)
    for part in parts:
        if part.flag_bits & 1:
            raise _refused("it is protected by a password; save it without one")
        with book.open(part) as stream:
            begin = stream.read(_CHUNK)
            if _XML.match(begin):  # whatever its name: a sheet is what the workbook says is one
                _Scan(part.filename, most).run(begin, stream)


class _Scan:
    """One part: well-formed, no document type, not too deep, its rows and cells in their order and within a sheet."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._far_more = _FAR_MORE.format(most=most)
        self._most_elements = max(_ELEMENTS, most * _ELEMENTS_OF_ROW)
        self._elements = self._depth = self._row = self._column = self._places = 0
        self._in_row = False
        self._types = name == "[Content_Types].xml"
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def run(self, chunk: bytes, stream: IO[bytes]) -> None:
        """`chunk` is the first of it."""
        try:
            while chunk:
                self._parser.Parse(chunk, False)
                chunk = stream.read(_CHUNK)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise _refused(f"its part {self._name[:80]} is damaged: {error}") from error

    def _doctype(self, *_declared: object) -> None:
        raise _refused(f"its part {self._name[:80]} declares a document type, which no workbook does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > self._most_elements or self._depth > _DEPTH:
            raise _refused(self._far_more)
        if self._types and "macroenabled" in "".join(attributes.values()).lower():
            raise _refused(_MACROS)
        kind = tag.rpartition(":")[2]
        if kind == "row":
            self._rise_row(attributes.get("r", ""))
        elif kind == "c" and self._in_row:  # the list of formulas has elements of this name as well
            self._rise_column(attributes.get("r", ""))

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag.rpartition(":")[2] == "row":
            self._in_row = False

    def _rise_row(self, text: str) -> None:
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else 0 if text else self._row + 1
        if not self._row < number <= _LAST_ROW:
            raise _refused(f"its part {self._name[:80]} has a row '{text[:20]}' behind row {self._row}")
        self._row, self._column, self._in_row = number, 0, True

    def _rise_column(self, text: str) -> None:
        match = _CELL.fullmatch(text)
        if text and match is None:
            raise _refused(f"its part {self._name[:80]} has a cell '{text[:20]}'")
        number = column_of(match[1]) if match is not None else self._column + 1
        if not self._column < number <= _LAST_COLUMN or (match is not None and int(match[2]) != self._row):
            raise _refused(f"its part {self._name[:80]} has cell '{text[:20]}' out of its place")
        self._places += number - self._column
        self._column = number
        if self._places > _PLACES:
            raise _refused(self._far_more)


def column_of(letters: str) -> int:
    """The number of a column, from 1."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _refused(text: str) -> FileRefused:
    return FileRefused(Check.FILE, text)
