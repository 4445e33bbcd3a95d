"""One plugin as it is in this process: its module, its settings, its budget."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any

import msgspec

from reelkit.hookspecs import CLOSED, CONTAINED
from reelkit.plugins.budget import Budget
from reelkit.plugins.checking import Hook, hooks_of
from reelkit.plugins.discovery import Found
from reelkit.site import Site
from reelkit.site_check import Faults, check

__all__ = ["Plugin", "Section", "read_section", "read_settings"]


class Section(msgspec.Struct, frozen=True):
    """What every [plugins.NAME] may say, beside the plugin's own settings."""

    enabled: bool = True
    order: int = 0
    """Smaller is called earlier. Equal ones: third parties before reelkit's own, then by name."""
    time_limit: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Seconds that one contained call may take; by default what hookspecs.py says."""


class Plugin:
    """A plugin that fits. missing: why its settings do not suffice to call it, while nobody has configured it."""

    def __init__(self, found: Found, section: Section, module: ModuleType, settings: Any, missing: list[str]) -> None:
        self.name = found.name
        self.origin = found.origin
        self.version = found.version
        self.first_party = found.first_party
        self.section = section
        self.module = module
        self.settings = settings
        self.missing = missing
        self.hooks: dict[str, Hook] = hooks_of(module)
        self.provides: list[str] = []
        self.calls = 0
        self.budget = Budget()

    @property
    def rank(self) -> tuple[int, bool, str]:
        """The sort key of the order in which plugins are called."""
        return self.section.order, self.first_party, self.name

    def limit(self, hook: str) -> float:
        """Return how many seconds a contained or closed call may take."""
        return (CONTAINED | CLOSED)[hook] if self.section.time_limit is None else self.section.time_limit


def read_section(site: Site, name: str, faults: Faults) -> Section:
    """Read what reelkit itself wants of [plugins.NAME]; faults are added."""
    written = {key: value for key, value in site.plugins.get(name, {}).items() if key in Section.__struct_fields__}
    section = check(Section, written, ("plugins", name), faults)
    return section if isinstance(section, Section) else Section()


def read_settings(site: Site, name: str, module: ModuleType, faults: Faults) -> tuple[Any, list[str]]:
    """Read the plugin's own settings of [plugins.NAME] into its Settings; what is wrong is added to faults.

    Returns (settings, []); or (None, what is missing) for a plugin that needs settings and has no section at all: it is
    installed but not in use, which is no fault unless the site chooses it.
    """
    kind: type[msgspec.Struct] | None = getattr(module, "Settings", None)
    path = ("plugins", name)
    own = {key: value for key, value in site.plugins.get(name, {}).items() if key not in Section.__struct_fields__}
    if kind is None:
        for key in own:
            faults.unknown((*path, key), Section.__struct_fields__)
        return None, []
    for clash in set(kind.__struct_fields__) & set(Section.__struct_fields__):
        faults.add_text(f'plugin "{name}": its Settings must not have a field "{clash}", which reelkit reads itself.')
    if own:
        return check(kind, own, path, faults), []
    missing = Faults(site.origins)
    settings = check(kind, own, path, missing)
    return (None, missing.in_order()) if missing else (settings, [])
