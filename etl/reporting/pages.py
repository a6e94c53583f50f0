"""What all pages share: templates that show every text from the data visible and escaped, and a content policy.

The policy allows a page its own style sheet and script, by their hashes, and nothing else.
"""

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from etl.core import text

_FILTERS = ("name", "number", "counted", "duration", "size", "moment")


def page_environment(package: str) -> Environment:
    """Jinja for the templates of `package`, with the filters that put numbers, sizes and times into words."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(text, name) for name in _FILTERS}
    return environment


def asset(environment: Environment, name: str) -> Markup:
    """A style sheet or script of the product's own, to stand in the page as it is."""
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    return Markup("\n" + source)


def policy(style: Markup, script: Markup | None = None) -> str:
    """The content security policy of a page with this style sheet and script."""
    allowed = f"style-src '{_hash(style)}'" + (f"; script-src '{_hash(script)}'" if script else "")
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _visible(value: object) -> object:
    """Jinja calls this for everything that a template prints, so that no text can miss it; escaping comes after."""
    return text.readable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
