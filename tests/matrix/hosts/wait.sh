# Helpers of the server scripts beside this one; each waits up to 20 s.
# shellcheck shell=sh

# appears FILE: until it is there. goes FILE: until it is not.
appears()
{
    tries=2000
    while ! [ -e "$1" ] && [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.01
    done
}

goes()
{
    tries=2000
    while [ -e "$1" ] && [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.01
    done
}
