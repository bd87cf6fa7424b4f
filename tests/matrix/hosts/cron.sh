#!/bin/sh
# A cron daemon with nobody's tables but its own, in a mount namespace: runs a job, is ended.
if [ "$1" != inside ]; then
    exec unshare -m sh "$0" inside
fi
# shellcheck source=/dev/null
. "${0%/*}/wait.sh"
work=$PWD
mount -t tmpfs none /run
mount -t tmpfs none /etc/cron.d
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
mount --bind /dev/null /etc/crontab
echo "@reboot root echo ran >$work/ran.new && mv $work/ran.new $work/ran" >/etc/cron.d/job
cron
appears "$work/ran"
cat "$work/ran"
kill "$(cat /run/crond.pid)"
