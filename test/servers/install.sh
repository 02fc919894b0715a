#!/usr/bin/env bash
# Installs the real S3 server of the tests, versitygw, into the user's cache; does nothing when it is there. Needs Go.
set -euo pipefail

version=v1.8.0
bin="${XDG_CACHE_HOME:-$HOME/.cache}/berth-test/bin"
stamp="$bin/.versitygw-$version"

if [ -x "$bin/versitygw" ] && [ -e "$stamp" ]; then
  echo "versitygw $version is installed in $bin"
  exit 0
fi
command -v go >/dev/null || { echo 'could not install versitygw: there is no `go`' >&2; exit 1; }

mkdir -p "$bin"
# Built aside and moved, so that a test never starts half a program.
building=$(mktemp -d "$bin/.building-XXXXXX")
trap 'chmod -R u+w "$building"; rm -rf "$building"' EXIT
GOBIN="$building" go install "github.com/versity/versitygw/cmd/versitygw@$version"
mv -f "$building/versitygw" "$bin/versitygw"
rm -f "$bin"/.versitygw-*
touch "$stamp"
echo "versitygw $version was installed in $bin"
