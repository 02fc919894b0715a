#!/usr/bin/env bash
# Installs what the tests in containers need on a Debian machine, and makes the root that stands for the images' bases where no registry
# can be reached; does nothing when it is all there.
set -euo pipefail

suite=bookworm
images="${XDG_CACHE_HOME:-$HOME/.cache}/berth-test/images"
base="$images/$suite-1.tar"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
for name in buildah podman runc debootstrap; do command -v "$name" >/dev/null || missing+=("$name"); done
if [ ${#missing[@]} -gt 0 ]; then
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -e "$base" ]; then
  mkdir -p "$images"
  building=$(mktemp -d "$images/.building-XXXXXX")
  trap 'as_root rm -rf "$building"' EXIT
  as_root debootstrap --variant=minbase --include=ca-certificates,git,libstdc++6,procps,python3,python3-venv,supervisor \
    "$suite" "$building/root" http://deb.debian.org/debian >"$building/log"
  as_root rm -rf "$building"/root/var/cache/apt/archives/*.deb "$building"/root/var/lib/apt/lists/*
  as_root tar -C "$building/root" -cf "$building/root.tar" .
  mv "$building/root.tar" "$base"
fi
# The schemas of Kubernetes, offline. Needs Go.
validate=v0.0.4
bin="${XDG_CACHE_HOME:-$HOME/.cache}/berth-test/bin"
if [ ! -e "$bin/.kubectl-validate-$validate" ]; then
  mkdir -p "$bin"
  GOBIN="$bin" go install "sigs.k8s.io/kubectl-validate@$validate" 2>"$bin/kubectl-validate.log"
  touch "$bin/.kubectl-validate-$validate"
fi
echo "the base of the images is $base"
