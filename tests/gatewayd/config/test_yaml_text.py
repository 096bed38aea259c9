"""From text to positioned texts: nothing is typed, everything has its line, and bad YAML is explained."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gatewayd import config
from gatewayd.config.composer import MAX_DEPTH, MAX_NODES, Unreadable, compose
from gatewayd.config.nodes import Mapping, Node, Scalar, Sequence
from gatewayd.errors import ConfigError
from tests.gatewayd.config.doubles import DRIVERS, EVERYTHING, HEAD, SINKS, faults, parse

LOADERS = [pytest.param(yaml.SafeLoader, id="pure"), pytest.param(yaml.CSafeLoader, id="libyaml")]


def plain(node: Node) -> Any:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node.entries.items()}


def lines(node: Node) -> Any:
    match node:
        case Scalar():
            return node.line
        case Sequence():
            return (node.line, [lines(item) for item in node.items])
        case Mapping():
            return (node.line, {key: (node.key_lines[key], lines(value)) for key, value in node.entries.items()})


@pytest.mark.parametrize("loader", LOADERS)
def test_a_plain_scalar_stays_what_it_is(loader: Any) -> None:
    texts = ["00123", "00:05", "10:05", "no", "yes", "true", "1-0:1.8.0", "859182400123456789", "1e3", "0x10", "012"]
    texts += ["2024-05-01", "7E1", "Null", "=", ".inf", "1_000", "200/5", "-5", "1.0"]
    tree = compose("\n".join(f"- {text}" for text in texts), loader)
    assert plain(tree.root) == texts
    assert plain(compose(f"[{', '.join(texts)}]", loader).root) == texts


@pytest.mark.parametrize("loader", LOADERS)
def test_empty_null_and_tilde_are_none_unless_quoted(loader: Any) -> None:
    tree = compose("[null, ~, 'null', \"~\", '', !!str null]\n", loader)
    assert plain(tree.root) == [None, None, "null", "~", "", "null"]
    assert tree.faults == ()
    assert plain(compose("a:\nb: ~\n", loader).root) == {"a": None, "b": None}


@pytest.mark.parametrize("loader", LOADERS)
def test_lines(loader: Any) -> None:
    text = "# c\na: 1\nb:\n  - x\n  -\n    y: |\n      t\n      t\n    z:\nc: {d: [1,\n  2]}\ne:\n  f\n"
    assert lines(compose(text, loader).root) == (
        2,
        {
            "a": (2, 2),
            "b": (3, (4, [4, (6, {"y": (6, 6), "z": (9, 9)})])),
            "c": (10, (10, {"d": (10, (10, [10, 11]))})),
            "e": (12, 13),
        },
    )


def test_both_parsers_agree() -> None:
    for text in (EVERYTHING, HEAD, "a: &x [1, {b: }]\nc: *x\n"):
        pure, fast = (compose(text, loader) for loader in (yaml.SafeLoader, yaml.CSafeLoader))
        assert pure == fast


@pytest.mark.parametrize("loader", LOADERS)
def test_aliases_repeat_what_they_stand_for(loader: Any) -> None:
    assert plain(compose("a: &x {b: [1]}\nc: [*x, *x]\nd: &y text\ne: *y\n", loader).root) == {
        "a": {"b": ["1"]},
        "c": [{"b": ["1"]}, {"b": ["1"]}],
        "d": "text",
        "e": "text",
    }


TAB = "a tab stands where blanks are expected; YAML is indented with blanks only"
SYNTAX: list[tuple[str, str]] = [
    ("", "f.yaml: is empty; expected at least the keys gateway and archive"),
    ("# only a comment\n", "f.yaml: is empty; expected at least the keys gateway and archive"),
    ("---\n", "f.yaml: is empty; expected at least the keys gateway and archive"),
    ("- a\n", "f.yaml:1: is not a configuration; expected keys such as gateway, archive, lines and meters"),
    ("hello\n", "f.yaml:1: is not a configuration; expected keys such as gateway, archive, lines and meters"),
    ("a: 1\n\tb: 2\n", f"f.yaml:2: is not valid YAML: {TAB}"),
    ("a:\n\tb: 2\n", f"f.yaml:2: is not valid YAML: {TAB}"),
    ("a:\n  b: 2\n\tc: 3\n", f"f.yaml:3: is not valid YAML: {TAB}"),
    (
        "a: b: c\n",
        "f.yaml:1: is not valid YAML: a ':' is not expected here; check the indentation, or put the text in quotes",
    ),
    ("a: 1\nb\n", "f.yaml:2: is not valid YAML: a ':' is missing after this key, or the indentation is wrong"),
    (
        "a:\n  b: 1\n c: 2\n",
        "f.yaml:3: is not valid YAML: the indentation does not fit the lines above, or a ':' is missing "
        "(it belongs to what begins in line 1)",
    ),
    (
        "a: [1, 2\nb: 3\n",
        "f.yaml:2: is not valid YAML: a list that was begun with [ lacks its ] or a comma "
        "(it belongs to what begins in line 1)",
    ),
    (
        "a: {b: 1\nc: 3\n",
        "f.yaml:2: is not valid YAML: a mapping that was begun with { lacks its } or a comma "
        "(it belongs to what begins in line 1)",
    ),
    ('a: 1\nb: "x\nc: 3\n', "f.yaml:2: is not valid YAML: a text that begins with a quotation mark here is not closed"),
    ("a: @x\n", "f.yaml:1: is not valid YAML: a text that begins with @ must stand in quotes"),
    (
        'a: "C:\\dir"\n',
        "f.yaml:1: is not valid YAML: an unknown escape after \\ in double quotes; use single quotes",
    ),
    ("a: 1\n---\nb: 2\n", "f.yaml:2: a second document begins here; write one only, without a line of ---"),
    (
        "a: 1\nb: *x\n",
        "f.yaml:2: b: there is no finished anchor (&) above that this alias (*) could mean; put a text in quotes",
    ),
    (
        "a: &x [*x]\n",
        "f.yaml:1: a[0]: there is no finished anchor (&) above that this alias (*) could mean; put a text in quotes",
    ),
    ("[a]: 1\n", "f.yaml:1: a key must be plain text, not a list or a mapping"),
    ("a: 1\nb: \x07\n", "f.yaml:2: the character U+0007 is not allowed in a YAML file; remove it"),
]


@pytest.mark.parametrize(("text", "expected"), SYNTAX)
def test_what_is_no_configuration_at_all(text: str, expected: str) -> None:
    assert faults(text) == [expected]


@pytest.mark.parametrize(("text", "expected"), [pair for pair in SYNTAX if "not valid YAML" in pair[1]])
def test_the_slow_parser_is_explained_in_the_same_words(text: str, expected: str) -> None:
    with pytest.raises(Unreadable) as caught:
        compose(text, yaml.SafeLoader)
    assert caught.value.finding.text("f.yaml") == expected


def test_a_key_that_stands_twice() -> None:
    text = "gateway: {id: g}\narchive: {path: a}\ngateway: {id: h}\n"
    assert faults(text) == ["f.yaml:3: gateway: this key stands in line 1 and again in line 3; keep one"]


def test_a_key_that_stands_twice_does_not_hide_other_findings() -> None:
    text = "gateway: {id: a b}\narchive: {path: a}\ngateway: {id: h}\n"
    assert [line.partition(" ")[0] for line in faults(text)] == ["f.yaml:1:", "f.yaml:3:"]


def test_merge_keys_are_refused() -> None:
    text = "gateway: {id: g}\narchive: &a {path: a}\nlines:\n  x:\n    <<: *a\n"
    assert faults(text) == [
        "f.yaml:5: lines.x.<<: merge keys are not used here; "
        "write the keys out, or repeat the whole mapping with an alias"
    ]
    assert faults("gateway: {id: g}\narchive:\n  <<: {}\n  path: a\n") == [
        "f.yaml:3: archive.<<: merge keys are not used here; "
        "write the keys out, or repeat the whole mapping with an alias"
    ]


@pytest.mark.parametrize("tag", ["!!int", "!!python/object/apply:os.system", "!secret", "!!python/name:os.system"])
def test_tags_are_refused_and_not_shown(tag: str) -> None:
    found = faults(f"gateway: {{id: {tag} g}}\narchive: {{path: a}}\n")
    assert found == [
        "f.yaml:1: gateway.id: tags (!) are not used here; leave it out, or put a text that begins with ! in quotes"
    ]
    assert faults(f"gateway: {tag} {{id: g}}\narchive: {{path: a}}\n")[0].startswith("f.yaml:1: gateway: tags (!)")


def test_depth_is_bounded() -> None:
    assert plain(compose("[" * MAX_DEPTH + "]" * MAX_DEPTH).root)
    with pytest.raises(Unreadable, match=f"deeper than {MAX_DEPTH} levels"):
        compose("[" * (MAX_DEPTH + 1))
    with pytest.raises(Unreadable, match=f"deeper than {MAX_DEPTH} levels"):
        compose("[" * 500_000)


def test_depth_is_bounded_through_aliases() -> None:
    text = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    with pytest.raises(Unreadable, match=f"deeper than {MAX_DEPTH} levels by this alias"):
        compose(text)


def test_alias_bombs_are_bounded() -> None:
    text = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    with pytest.raises(Unreadable, match=f"has more than {MAX_NODES} values after expanding the aliases"):
        compose(text)


def test_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1\n" + "#" * 2_000_000)
    expected = "is larger than 1024 KiB, the most that a configuration may have"
    with pytest.raises(ConfigError, match=expected):
        config.load(path, DRIVERS, SINKS)
    with pytest.raises(ConfigError, match=expected):
        parse(path.read_text())


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            config.load(path, DRIVERS, SINKS)
        return str(caught.value).replace(str(tmp_path), "")

    assert said(tmp_path / "no.yaml") == "/no.yaml: does not exist; give another file with -c, or write one"
    assert said(tmp_path) == ": is a folder; give the file in it with -c"
    (tmp_path / "latin.yaml").write_bytes("gateway:\n  id: m\u011b\u0159\n".encode("iso-8859-2"))
    assert said(tmp_path / "latin.yaml") == "/latin.yaml:2: is not UTF-8 text; save the file as UTF-8"
    (tmp_path / "empty.yaml").touch()
    assert said(tmp_path / "empty.yaml") == "/empty.yaml: is empty; expected at least the keys gateway and archive"
    assert said(Path("a\0b")) == "a\0b: cannot be read: no usable path"
    (tmp_path / "file").touch()
    assert said(tmp_path / "file" / "below") == "/file/below: cannot be read: Not a directory"


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # the tests may run as root, to whom nothing is denied
    with pytest.raises(ConfigError, match="may not be read by this user; run as another user, or change its mode"):
        config.load(Path("c.yaml"), DRIVERS, SINKS)
