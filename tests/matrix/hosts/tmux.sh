#!/bin/sh
# A tmux server in the working directory: a session with a command, asked, ended.
tmux()
{
    command tmux -S s -f /dev/null "$@"
}

tmux new-session -d -x 80 -y 24 'echo inside >made; tmux -S s wait-for -S finished; sleep 100'
tmux wait-for finished
tmux list-sessions -F '#{session_windows} #{window_panes}'
tmux kill-server
while tmux list-sessions >/dev/null 2>&1; do
    sleep 0.01
done
cat made
