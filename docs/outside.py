"""The book's preprocessor: a link to a file outside of docs/ becomes the file's path, since the book is read where the repository is not."""

import json
import posixpath
import re
import sys

LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)")
# mdBook itself calls a page of this name index.
README = re.compile(r"(\]\([^)\s:]*)README\.md")


def without_links(text, folder):
    def path(match):
        words, target = match.groups()
        place = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
        if not place.startswith("../"):
            return match.group(0)
        place = place.removeprefix("../")
        return f"`{place}`" if words.strip("`") == place else f"{words} (`{place}`)"

    return README.sub(r"\1index.md", LINK.sub(path, text))


def visit(items):
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            folder = posixpath.dirname(chapter.get("path") or "")
            chapter["content"] = without_links(chapter["content"], folder)
            visit(chapter["sub_items"])


if sys.argv[1:2] == ["supports"]:
    sys.exit(0)
_, book = json.load(sys.stdin)
visit(book["items"] if "items" in book else book["sections"])
json.dump(book, sys.stdout)
