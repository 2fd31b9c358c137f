# To be sourced: `pollux serve` and `pollux load` as two processes over a memif pair, a core for each.

# two_processes DIR [SERVER OPTION...] -- LOAD OPTION...: their results go to DIR/server.json and DIR/load.json.
two_processes() {
  local dir=$1 cores serve=()
  shift
  while [ "$1" != -- ]; do
    serve+=("$1")
    shift
  done
  shift
  read -ra cores < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
  "$POLLUX" serve http --port "memif:server,$dir/pair.sock" --cores "${cores[-1]}" --idle spin -q --json "$dir/server.json" "${serve[@]}" >&2 &
  local server=$!
  # A memif client looks for its server's socket once.
  while [ ! -S "$dir/pair.sock" ] && kill -0 $server; do sleep 0.05; done
  # An INVALID run ends with 4; its result says why.
  "$POLLUX" load http://198.18.0.2/ --port "memif:client,$dir/pair.sock" --cores "${cores[0]}" --idle spin -q --wait-target 60s --json "$dir/load.json" "$@" >&2 || true
  kill -INT $server
  wait $server || true
}
