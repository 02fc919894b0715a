#!/bin/bash
# The same with a log that is followed.
mkdir -p /pod/tree
python3 /app/app.py >/tmp/app.log 2>&1 &
tail -f /tmp/app.log
cp -a /pod/tree /store/
