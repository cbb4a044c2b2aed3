#!/usr/bin/env bash
# A Ray cluster of two nodes on this machine, for one command: tests/clusters/ray.sh COMMAND [ARG ...]
# Needs root. All of it lives in a network and a process namespace of its own, and ends with COMMAND.
# Inside: $RAY_ADDRESS; $CLUSTER_NODE2, the second node's process; $CLUSTER=ray.
set -euo pipefail
if [[ ${1:-} != --inside ]]; then
  exec unshare --net --pid --fork --mount-proc -- "$0" --inside "$@"
fi
shift
ip link set lo up
lab=$(mktemp -d)
# Ray keeps its token below HOME, and every process needs it.
export HOME=$lab RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
ray get-auth-token --generate > "$lab/token.log" 2>&1
options=(--node-ip-address=127.0.0.1 --num-cpus=1 --object-store-memory=200000000 --disable-usage-stats)
here=$(cd "$(dirname "$0")" && pwd)
start() {
  PYTHONPATH=$here/lethal${PYTHONPATH:+:$PYTHONPATH} ray start "$@" "${options[@]}" > "$lab/start.log" 2>&1 ||
    { cat "$lab/start.log" >&2; exit 1; }
}
raylets() { pgrep -f 'raylet/raylet ' | sort; }
start --head --port=6399 --include-dashboard=false --temp-dir="$lab/head"
raylets > "$lab/first"
start --address=127.0.0.1:6399
CLUSTER_NODE2=$(raylets | comm -13 "$lab/first" -)
export CLUSTER_NODE2 CLUSTER=ray RAY_ADDRESS=127.0.0.1:6399
status=0
"$@" || status=$?
rm -rf "$lab"
exit "$status"
