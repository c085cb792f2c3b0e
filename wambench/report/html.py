"""Self-contained HTML pages: one file, no request to anywhere, light and dark.

Every page of wambench extends `templates/base.html.j2`, which brings the style (`base.css`) and the
script (`page.js`) with it. Instructions, error messages and policy names come from third parties:
everything is escaped by the template engine, the script never builds markup from text, and the
page's content security policy admits the one script it came with, by its hash, and no other.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from wambench.results.run import explained


def render_page(template: str, **context: Any) -> str:
    """A page as text.

    Args:
        template: File name in `wambench/report/templates`, extending `base.html.j2`.
        context: Its variables; all text is escaped.
    """
    return _environment().get_template(template).render(**context)


def write_page(path: Path, template: str, **context: Any) -> Path:
    """Renders a page into a file and returns its path.

    Raises:
        RunDirectoryError: The file cannot be written.
    """
    page = render_page(template, **context)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Undecodable bytes of file names arrive here as lone surrogates.
        path.write_text(page, encoding="utf-8", errors="replace")
    return path


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@cache
def _environment() -> jinja2.Environment:
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wambench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup(_resource("base.css"))
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = f"sha256-{digest}"
    return environment


def _resource(name: str) -> str:
    return (resources.files("wambench.report") / "templates" / name).read_text(encoding="utf-8")
