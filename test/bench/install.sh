#!/usr/bin/env bash
# Installs the programs that the bench compares with, at pinned versions, into the user's cache; does nothing for those that are there.
# One that can't be had leaves its reason in `<name>.missing` and does not stop the others. Needs Go, and Python for the AWS command.
set -uo pipefail

go_programs=(
  s5cmd=github.com/peak/s5cmd/v2@v2.3.0
  restic=github.com/restic/restic/cmd/restic@v0.19.1
  rclone=github.com/rclone/rclone@v1.75.1
  desync=github.com/folbricht/desync/cmd/desync@v1.0.0
  task=github.com/go-task/task/v3/cmd/task@v3.40.1
)
aws_version=1.46.2

peers="${XDG_CACHE_HOME:-$HOME/.cache}/berth-test/peers"
mkdir -p "$peers"
log=$(mktemp)
trap 'rm -rf "$log" "$building"' EXIT
building=$(mktemp -d "$peers/.building-XXXXXX")

# Built aside and moved, so that the bench never starts half a program. In a module of its own rather than by `go install`, which asks
# for the list of all versions: not every mirror of the Go modules has one.
install_go() {
  local module package=${2%@*} version=${2##*@}
  module=${package%/cmd/*}
  printf 'module bench\n\ngo 1.25\n\nrequire %s %s\n' "$module" "$version" >"$building/go.mod"
  (cd "$building" && CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -ldflags='-s -w' -o "$1" "$package") &&
    mv -f "$building/$1" "$peers/$1"
}

install_aws() {
  local venv="$peers/aws-$aws_version"
  { [ -x "$venv/bin/aws" ] || python3 -m venv "$venv"; } &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "awscli==$aws_version" &&
    ln -sfn "$venv/bin/aws" "$peers/aws"
}

attempt() {
  local name=$1 version=$2 stamp="$peers/.$1-$2"
  shift 2
  if [ -x "$peers/$name" ] && [ -e "$stamp" ]; then return; fi
  rm -f "$peers/.$name-"* "$peers/$name.missing"
  if "$@" >"$log" 2>&1; then
    touch "$stamp"
    echo "$name $version was installed in $peers"
  else
    tail -n 1 "$log" | cut -c 1-300 >"$peers/$name.missing"
    echo "$name $version could not be installed: $(cat "$peers/$name.missing")" >&2
  fi
}

for program in "${go_programs[@]}"; do
  name=${program%%=*}
  attempt "$name" "${program##*@}" install_go "$name" "${program#*=}"
done
attempt aws "$aws_version" install_aws
