#!/bin/sh
# usage: redis.sh WAY   a redis-server in the working directory: asked something, ended
# shellcheck source=/dev/null
. "${0%/*}/wait.sh"

ask()
{
    redis-cli -s s "$@"
}

set -- "$1" --port 0 --unixsocket "$PWD/s" --save '' --logfile "$PWD/log" --dir "$PWD"
way=$1
shift

case $way in
foreground)
    {
        appears s
        ask incr n
        ask incr n
        ask config set maxmemory 10mb
        ask bgsave >/dev/null
        appears dump.rdb
        ask shutdown nosave
    } &
    exec redis-server "$@"
    ;;
killed)
    {
        appears s
        ask ping
        kill -9 $$
    } &
    exec redis-server "$@"
    ;;
daemon)
    redis-server "$@" --daemonize yes --pidfile "$PWD/p"
    appears p
    appears s
    ask set key value
    ask get key
    ask shutdown nosave
    goes p
    # Its warnings, without process numbers and times.
    sed -n 's/^[0-9]*:[A-Z] .* # //p' log
    ;;
esac
