"""Readings that a person took and enters by hand: on the command line, or as a table of many.

Rules: what is entered is archived like any other reading, with the flag `manual`, its author and what was found on it;
nothing is corrected on the way. What is checked, and how severe it is, is one table (findings.py).

    text of a command or a cell -> fields, dates -> submission -> desk (what the archive knows: known) -> entries
    what is doubtful and waits for another person: held -> queue
    files: limits -> sheet | table_csv -> rows (table.py); back again: report
"""
