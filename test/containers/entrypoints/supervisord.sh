#!/bin/bash
# The same with a process manager in the background.
mkdir -p /pod/tree
supervisord -n -c /app/entrypoints/supervisord.conf &
wait $!
cp -a /pod/tree /store/
