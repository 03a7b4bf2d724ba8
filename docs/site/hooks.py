"""What the site needs beside the pages in docs/: pages from other files, and the library that draws Mermaid."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

CHECKOUT = Path(__file__).parents[2]
FILES_AT_THE_TOP = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
# Material would have the reader's browser fetch it from elsewhere.
MERMAID = "mermaid@11.17.2"
MERMAID_SHA256 = "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"
MERMAID_PAGE = "javascripts/mermaid.min.js"


def on_config(config: MkDocsConfig) -> None:
    """The navigation lists every decision."""
    (explanation,) = (section["Explanation"] for section in config.nav or [] if "Explanation" in section)
    numbered = sorted(path.name for path in (CHECKOUT / "docs/decisions").glob("[0-9]*.md"))
    explanation.append({"Decisions": ["decisions/README.md", *(f"decisions/{name}" for name in numbered)]})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that stand elsewhere. Diagrams are drawn where npm is; elsewhere their text is shown."""
    for page, name in FILES_AT_THE_TOP.items():
        text = (CHECKOUT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    notebook = json.loads((CHECKOUT / "docs/course.ipynb").read_text(encoding="utf-8"))
    files.append(File.generated(config, "course.md", content="\n".join(map(_cell, notebook["cells"]))))
    if shutil.which("npm"):
        files.append(File.generated(config, MERMAID_PAGE, content=_mermaid()))
        config.extra_javascript.append(MERMAID_PAGE)
    else:
        del config.mdx_configs["pymdownx.superfences"]
    return files


def _cell(cell: dict[str, Any]) -> str:
    """A notebook's cell as Markdown, with the texts and pictures that are stored of its output."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return f"{text}\n"
    blocks = [f"```python\n{text}\n```\n"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            blocks.append(
                f'<img alt="The cell\'s plot" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">\n'
            )
        elif said := "".join(output.get("text") or data.get("text/plain", [])):
            blocks.append(f"```text\n{said.rstrip()}\n```\n")
    return "\n".join(blocks)


def _mermaid() -> bytes:
    """The library's one file, out of its npm package. Raises PluginError where it can't be had, or is another."""
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["npm", "pack", MERMAID, "--silent"], cwd=folder, stdout=subprocess.DEVNULL).returncode:
            raise PluginError(f"npm could not fetch {MERMAID}")
        (archive,) = Path(folder).glob("mermaid-*.tgz")
        with tarfile.open(archive) as package:
            member = package.extractfile("package/dist/mermaid.min.js")
            script = member.read() if member else b""
    if hashlib.sha256(script).hexdigest() != MERMAID_SHA256:
        raise PluginError(f"npm gave another {MERMAID} than expected")
    return script
