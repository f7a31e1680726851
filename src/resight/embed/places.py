"""Where bundles lie: those that ship with resight, those that a user added, and any path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from resight.bundle_files import INFO
from resight.errors import UnknownNameError

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
    return _names_in(added_folder())


def added_folder() -> Path:
    """The folder that holds the bundles that the user added; it need not be there.

    It is what the environment's RESIGHT_MODELS says, else the place for a user's data on this system.
    """
    said = os.environ.get(_FOLDER_VARIABLE, "").strip()
    return Path(said).expanduser() if said else _user_data() / "resight" / "models"


def bundle_path(name_or_path: str | Path = DEFAULT_BUNDLE) -> Path:
    """The folder or zip of a bundle: that of a shipped name, of an added name, else the path itself.

    Raises:
        UnknownNameError: when there is neither such a bundle nor such a path.
    """
    shipped, added = shipped_bundles(), added_bundles()
    if isinstance(name_or_path, str):
        for names, folder in ((shipped, shipped_folder()), (added, added_folder())):
            if name_or_path in names:
                return folder / name_or_path
    path = Path(name_or_path)
    if not path.exists():
        raise UnknownNameError("bundle", str(name_or_path), [*shipped, *added])
    return path


def _names_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{INFO}"))


def _user_data() -> Path:
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
