#!/bin/sh
# A PostgreSQL cluster in the working directory: made, started, asked, reloaded, stopped.
PATH=$(echo /usr/lib/postgresql/*/bin | sed 's/.* //'):$PATH

ask()
{
    psql -h "$PWD" -d postgres -Atqc "$1"
}

initdb -N -D d --no-locale -E UTF8 -A trust >/dev/null || exit
pg_ctl -s -w -D d -l log -o "-k $PWD -h '' -F" start || exit
ask 'SELECT 1 + 1'
ask 'CREATE TABLE t AS SELECT generate_series(1, 1000) x'
ask 'SELECT sum(x) FROM t'
ask 'nonsense'
pg_ctl -s -D d reload
ask 'SELECT count(*) FROM t'
pg_ctl -s -w -D d stop
# A connection that is not quite closed when the server stops is told so, now and then.
grep -E 'PANIC|FATAL' log | grep -v 'administrator command'
test ! -e d/postmaster.pid
