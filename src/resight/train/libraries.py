"""The libraries that training stands on: are they there, and in which version?"""

from __future__ import annotations

from importlib import import_module

from resight import __version__
from resight.errors import MissingExtraError

__all__ = ["require", "versions_of"]


def require(job: str, *modules: str) -> None:
    """Refuse to begin what needs libraries of the extra `train`, where one of them is absent.

    Args:
        job: what needs them.
        modules: by the names that they are imported by.

    Raises:
        MissingExtraError: names the first that is absent, and the command that installs it.

    Example:
        >>> require("counting", "json", "math")
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise MissingExtraError(module.replace("_", "-"), "train", job) from error


def versions_of(*modules: str) -> dict[str, str]:
    """The version of resight and of some libraries, as they tell it themselves; one that tells none is left out.

    Example:
        >>> sorted(versions_of("numpy", "math"))
        ['numpy', 'resight']
    """
    told = {name: getattr(import_module(name), "__version__", None) for name in modules}
    return {"resight": __version__, **{name: str(version) for name, version in told.items() if version}}
