#!/bin/sh
# usage: nginx.sh WAY   an nginx with two workers in the working directory: asked, reloaded, ended
# shellcheck source=/dev/null
. "${0%/*}/wait.sh"

ask()
{
    curl -s --unix-socket s http://nginx/
}

# A reload is done when there are other workers.
workers()
{
    pgrep -P "$(cat p)" | tr '\n' ' '
}

reload()
{
    before=$(workers)
    kill -HUP "$(cat p)"
    tries=2000
    while [ "$(workers)" = "$before" ] && [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.01
    done
}

[ "$1" = daemon ] || [ "$1" = left-behind ] || daemon='daemon off;'
cat >c <<END
pid p; error_log e; worker_processes 2; $daemon
events {}
http {
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
    scgi_temp_path t5;
    server { listen unix:./s; location / { return 200 "served\n"; } }
}
END

case $1 in
foreground)
    {
        appears s
        appears p
        ask
        reload
        ask
        kill -QUIT $$
    } &
    exec nginx -p "$PWD" -c c -e e
    ;;
daemon)
    nginx -p "$PWD" -c c -e e
    appears p
    ask
    reload
    ask
    kill -TERM "$(cat p)"
    goes p
    ;;
left-behind)
    nginx -p "$PWD" -c c -e e
    appears p
    ask
    ;;
bad-config)
    echo bad >c
    nginx -p "$PWD" -c c -e e
    ;;
esac
