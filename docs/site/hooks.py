"""What MkDocs does around the pages: adds the reference, written from the code; completes the navigation; keeps links within the site."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from mkdocs.exceptions import PluginError  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402

from docs.site import reference  # noqa: E402

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """The generated pages, and the navigation with ``FOLDER/*`` replaced by what it stands for."""
    for name, make in reference.PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=make()))
    pages = sorted(file.src_uri for file in files.documentation_pages())
    named = set(mentioned(config.nav))
    config.nav = completed(config.nav, [page for page in pages if page not in named])
    return files


def mentioned(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for item in (nav.values() if isinstance(nav, dict) else nav) for page in mentioned(item)]


def completed(nav: Any, others: list[str]) -> Any:
    if isinstance(nav, dict):
        return {title: completed(inner, others) for title, inner in nav.items()}
    if isinstance(nav, list):
        return [page for item in nav for page in expanded(item, others)]
    return nav


def expanded(item: Any, others: list[str]) -> list[Any]:
    if isinstance(item, str) and item.endswith("/*"):
        return [page for page in others if page.startswith(item[:-1])]
    return [completed(item, others)]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files of the repository outside the site become their names: an installed site has no such neighbours.

    Raises PluginError for one that leads nowhere.
    """
    here = (ROOT / "docs" / page.file.src_uri).parent

    def inside(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        outside = not target.is_relative_to(ROOT / "docs") or target.suffix == ".py" or (ROOT / "docs" / "deploy") in target.parents
        if not outside:
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_uri}: {link[2]} leads nowhere")
        name = target.relative_to(ROOT).as_posix()
        return link[1] if link[1].strip("`") == name else f"{link[1]} (`{name}`)"

    return LINK.sub(inside, markdown)
