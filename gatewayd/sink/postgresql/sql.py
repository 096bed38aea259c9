"""Names and texts inside SQL, where no parameter can stand.

Rules: pure. Every name is quoted, so none can be a reserved word."""


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a constant; the session has standard_conforming_strings on, so that a backslash is a backslash."""
    return "'" + text.replace("'", "''") + "'"
