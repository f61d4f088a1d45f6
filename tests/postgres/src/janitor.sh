# Waits until whoever started the server has gone, however they went: its standard input ends then. Stops the server and
# takes away all that it left. A process of its own, because nobody tidies up after a `kill -9`.
#
# $1: the directory of PostgreSQL's programs; $2: the server's data; $3: the directory with its sockets and its log.
trap '' HUP INT TERM
read -r _

pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
# Line 7 names the shared memory by which a second server on the same data is refused. One that was killed leaves it.
memory=$(sed -n '7s/.* //p' "$2/postmaster.pid" 2>/dev/null)
# The number may be another process's by now: only a server stands in its data.
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$2" ]; then
    "$1/pg_ctl" --pgdata="$2" --mode=immediate --timeout=10 stop || kill -KILL "$pid"
fi
if [ -n "$memory" ]; then
    ipcrm -m "$memory"
fi
rm -rf -- "$2" "$3"
