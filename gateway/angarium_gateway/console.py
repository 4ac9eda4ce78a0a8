"""The page at /console, to send from by hand: files as they are, no build step, nothing from elsewhere.

It speaks to the API as any caller does, with a key that a person pastes and that no more than the page's memory holds;
so it may do what that key may do, and the gateway knows nothing of it.
"""

from importlib.resources import files

# Trusted types: a browser that knows them refuses to make HTML of a text, whatever the scripts try.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE = "console.html"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def parts() -> dict[str, tuple[str, bytes]]:
    """Content type and content of each file, the page's among them, by name."""
    folder = files("angarium_gateway").joinpath("static", "console")
    return {
        each.name: (TYPES["." + each.name.rpartition(".")[2]], each.read_bytes())
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
    }
