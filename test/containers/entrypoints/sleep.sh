#!/bin/bash
# The shape of many pod images: start what is wanted, then keep the container alive.
set -e
mkdir -p /pod/tree
python3 /app/app.py &
sleep infinity
cp -a /pod/tree /store/
