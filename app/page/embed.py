#!/usr/bin/env python3
"""embed.py OUT NAME=FILE...: a C++ source that defines the text of each FILE as pollux::app::NAME (assets.h)."""

import sys

DELIMITER = "pollux"


def main():
    out, *assets = sys.argv[1:]
    parts = ['#include "assets.h"\n\nnamespace pollux::app {\n']
    for asset in assets:
        name, path = asset.split("=", 1)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if f'){DELIMITER}"' in text or "\0" in text:
            sys.exit(f"embed.py: {path} cannot be a raw string")
        parts.append(f'const std::string_view {name} = R"{DELIMITER}({text}){DELIMITER}";\n')
    parts.append("}  // namespace pollux::app\n")
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


main()
