#!/usr/bin/env bash
# Puts Mermaid for the browser into the user's cache, for the test that has it draw our flowcharts; does nothing when it is there.
set -euo pipefail

version=11.17.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/berth-test/mermaid"

if [ -e "$folder/.$version" ]; then
  echo "mermaid $version is in $folder"
  exit 0
fi
mkdir -p "$folder"
# Not an install: with its dependencies it is 150 MB, and the one file holds them all.
packed=$(mktemp -d "$folder/.packed-XXXXXX")
trap 'rm -rf "$packed"' EXIT
npm pack --silent --pack-destination "$packed" "mermaid@$version" >/dev/null
tar -xzf "$packed"/*.tgz -C "$packed" package/dist/mermaid.min.js
mv -f "$packed/package/dist/mermaid.min.js" "$folder/mermaid.min.js"
touch "$folder/.$version"
echo "mermaid $version was put into $folder"
