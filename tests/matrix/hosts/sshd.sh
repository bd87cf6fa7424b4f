#!/bin/sh
# sshd checks its configuration, in a mount namespace where its directory is there.
if [ "$1" != inside ]; then
    exec unshare -m sh "$0" inside
fi
mount -t tmpfs none /run
mkdir /run/sshd
ssh-keygen -q -t ed25519 -N '' -f key
printf 'HostKey %s/key\nPort 1\n' "$PWD" >good
/usr/sbin/sshd -t -f good
echo "good: $?"
echo nonsense >bad
/usr/sbin/sshd -t -f bad
echo "bad: $?"
/usr/sbin/sshd -T -f good | grep -c .
