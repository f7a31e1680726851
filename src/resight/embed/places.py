"""Where bundles lie: those that ship with resight, those that a user added, and any path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from resight.bundle_files import INFO
from resight.errors import ConfigError, UnknownNameError

__all__ = ["DEFAULT_BUNDLE", "added_bundles", "added_folder", "bundle_path", "shipped_bundles", "shipped_folder"]

DEFAULT_BUNDLE = "efficientnet-lite0"
"""The bundle that is used when none is named."""

_FOLDER_VARIABLE = "RESIGHT_MODELS"


def shipped_bundles() -> list[str]:
    """The names of the bundles that come with resight."""
    return _names_in(shipped_folder())


def shipped_folder() -> Path:
    """The folder that holds the bundles that come with resight."""
    return Path(__file__).resolve().parents[1] / "models"


def added_bundles() -> list[str]:
    """The names of the bundles that `resight models add` put into `added_folder`."""
    try:
        return _names_in(added_folder())
    except ConfigError:  # a process without a home has added none
        return []


def added_folder() -> Path:
    """The folder that holds the bundles that the user added; it need not be there.

    It is what the environment's RESIGHT_MODELS says, else the place for a user's data on this system.

    Raises:
        ConfigError: when neither is known.
    """
    said = os.environ.get(_FOLDER_VARIABLE, "").strip()
    try:
        return Path(said).expanduser() if said else _user_data() / "resight" / "models"
    except RuntimeError as error:
        raise ConfigError(
            f"expected the folder of your models in {_FOLDER_VARIABLE}, or a home folder, found neither: set the first",
            key=_FOLDER_VARIABLE,
        ) from error


def bundle_path(name_or_path: str | Path = DEFAULT_BUNDLE) -> Path:
    """The folder or zip of a bundle: that of a shipped name, of an added name, else the path itself.

    Raises:
        UnknownNameError: when there is neither such a bundle nor such a path.
    """
    if isinstance(name_or_path, str):
        if name_or_path in shipped_bundles():
            return shipped_folder() / name_or_path
        if name_or_path in added_bundles():
            return added_folder() / name_or_path
    path = Path(name_or_path)
    if not path.exists():
        raise UnknownNameError("bundle", str(name_or_path), [*shipped_bundles(), *added_bundles()])
    return path


def _names_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{INFO}"))


def _user_data() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    windows = sys.platform == "win32"
    said = os.environ.get("LOCALAPPDATA" if windows else "XDG_DATA_HOME", "").strip()
    below = Path("AppData", "Local") if windows else Path(".local", "share")
    return Path(said) if said else Path.home() / below
