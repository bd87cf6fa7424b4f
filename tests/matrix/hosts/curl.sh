#!/bin/sh
# usage: curl.sh WAY   asks a web server in the working directory: by a socket file, or by loopback
# shellcheck source=/dev/null
. "${0%/*}/wait.sh"

case $1 in
file)
    python3 "${0%/*}/serve.py" s &
    appears s
    curl -s --unix-socket s http://x/ok
    curl -sS -f --unix-socket s http://x/fail
    echo "failed: $?"
    curl -s --unix-socket s http://x/end
    curl -s --unix-socket gone http://x/
    echo "gone: $?"
    ;;
loopback)
    python3 "${0%/*}/serve.py" >port &
    while ! [ -s port ]; do
        sleep 0.01
    done
    curl -s -o made "http://127.0.0.1:$(cat port)/ok"
    curl -s -w '%{http_code}\n' "http://127.0.0.1:$(cat port)/end"
    ;;
esac
wait
