"""Checks that every relative link in the Markdown documents leads somewhere; --list prints the documents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(ROOT / name for name in listed.stdout.splitlines())


def broken_links(document: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    return [target for target in local if not (document.parent / target).exists()]


def main() -> int:
    faults = [
        f"{doc.relative_to(ROOT)}: broken link {link}" for doc in documents() for link in broken_links(doc)
    ]
    if "--list" in sys.argv:
        for doc in documents():
            title = doc.read_text().splitlines()[0].lstrip("# ")
            print(f"{str(doc.relative_to(ROOT)):45} {title}")
    print("\n".join(faults) or f"{len(documents())} documents, every link leads somewhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
