"""Writes packaging/completion/: the scripts that `gatewayd completion` prints, under the names that shells look for."""

from pathlib import Path

from gatewayd.cli import gatewayd
from gatewayd.cli.completion_scripts import script

FOLDER = Path(__file__).resolve().parents[1] / "packaging" / "completion"
NAMES = {"bash": "gatewayd.bash", "zsh": "_gatewayd", "fish": "gatewayd.fish"}
"""Debian puts them into /usr/share: bash-completion/completions/gatewayd, zsh/vendor-completions/, and
fish/vendor_completions.d/."""


def scripts() -> dict[str, str]:
    """What the files hold."""
    return {name: script(shell, gatewayd) for shell, name in NAMES.items()}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in scripts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
