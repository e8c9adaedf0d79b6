#!/usr/bin/env bash
# A tour of retune on a real Kubernetes control plane: a commit is applied, drift is corrected, a revert rolls back.
#
#   ./examples/quickstart.sh            the tour, then everything stays up until Ctrl-C
#   ./examples/quickstart.sh --once     the tour, each step asserted; ends with 0, or with 1 and the reason
#   ./examples/quickstart.sh --profile base
#
# It installs what a bare Debian machine lacks (git, openssl, a C compiler), builds retune and, once, the control plane's
# binaries (minutes the first time), and keeps to itself: own folder, own ports, never your KUBECONFIG. RETUNE_BIN names a
# retune that is built already. RETUNE_TEST_KUBECONFIG names another cluster to use: only one with the namespace
# `retune-disposable`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
once=no profile=aio
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=yes ;;
    --profile) profile=${2:?--profile needs a name}; shift ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "quickstart: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

bold="" dim="" green="" red="" off=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' off=$'\e[0m'; fi
step() { printf '\n%s%s%s\n' "$bold" "$1" "$off"; }
note() { printf '  %s\n' "$1"; }
good() { printf '  %s✓%s %s\n' "$green" "$off" "$1"; }
fail() {
  printf '  %s✗ %s%s\n' "$red" "$1" "$off" >&2
  [ ! -s "$home/retune.log" ] || { echo "  the end of retune's log:" >&2; tail -n 15 "$home/retune.log" | sed 's/^/    /' >&2; }
  echo "  logs are kept in $home" >&2
  keep=yes
  exit 1
}
now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); } # milliseconds
since() { local ms=$(($(now) - $1)); if [ $ms -lt 1000 ]; then echo "$ms ms"; else echo "$((ms / 1000)).$((ms % 1000 / 100)) s"; fi; }

home=$(mktemp -d "${TMPDIR:-/tmp}/retune-quickstart.XXXXXX")
plane=$home/controlplane repo=$home/cloud
retune_pid="" watch_pid="" players_pid="" keep=no
finish() {
  status=$?
  trap - EXIT INT TERM
  [ -z "$watch_pid" ] || kill "$watch_pid" 2>/dev/null || true
  [ -z "$players_pid" ] || kill "$players_pid" 2>/dev/null || true
  if [ -n "$retune_pid" ]; then
    kill -TERM "$retune_pid" 2>/dev/null || true
    wait "$retune_pid" 2>/dev/null || true
  fi
  [ ! -f "$plane/pid" ] || "$root/tests/controlplane/down" "$plane"
  [ $keep = yes ] || rm -rf "$home"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
started=$(now)

step "1. What it needs"
"$root/tests/prepare"
if [ -n "${RETUNE_BIN:-}" ]; then
  retune=$RETUNE_BIN
else
  note "building retune (the first time takes minutes)"
  (cd "$root" && cargo build --locked --quiet) || fail "retune did not build"
  retune=${CARGO_TARGET_DIR:-$root/target}/debug/retune
fi
[ -x "$retune" ] || fail "there is no retune at $retune"
good "$("$retune" --version)"
(cd "$root" && cargo build --locked --quiet --example operators) || fail "the players of the operators did not build"
players=${CARGO_TARGET_DIR:-$root/target}/debug/examples/operators

if [ -n "${RETUNE_TEST_KUBECONFIG:-}" ]; then
  tools=$("$root/tests/controlplane/build")
  export KUBECONFIG=$RETUNE_TEST_KUBECONFIG PATH=$tools:$PATH
  kubectl get namespace retune-disposable >/dev/null 2>&1 \
    || fail "RETUNE_TEST_KUBECONFIG names a cluster without the namespace retune-disposable: create it there if everything in it may be destroyed"
else
  "$root/tests/controlplane/up" --dir "$plane" --owner $$ --detach >/dev/null || fail "the control plane did not start"
  export KUBECONFIG=$plane/users/admin.kubeconfig PATH=$plane/bin:$PATH KUBECACHEDIR=$plane/cache
fi
good "Kubernetes $(kubectl version -o json | sed -n '/"serverVersion"/,$ s/.*"gitVersion": "\(.*\)".*/\1/p') with $(kubectl get nodes --no-headers | wc -l) nodes"

# No operator runs here: this answers for MariaDB's, RabbitMQ's, cert-manager's, as kwok answers for the kubelet.
"$players" 2>"$home/operators.log" &
players_pid=$!

step "2. A cloud in a Git repository"
git_() { git -C "$repo" -c user.name="${1}" -c user.email="${1,,}@example.com" -c commit.gpgsign=false -c gc.auto=0 "${@:2}"; }
mkdir "$repo"
"$root/examples/offline" "$repo"
git_ Ada init --quiet --initial-branch=main
git_ Ada add --all
git_ Ada commit --quiet --message "Begin"
good "$(ls "$repo/apps" | wc -l) apps in $repo"

step "3. retune run: the repository becomes the cluster"
from=$(now)
"$retune" run --repo "$repo" --branch main --profile "$profile" --cloud quickstart --state-dir "$home/state" >"$home/retune.log" 2>&1 &
retune_pid=$!
cloudsync=cloudsync/quickstart
alive() { kill -0 "$retune_pid" 2>/dev/null || fail "retune ended by itself"; }
for _ in $(seq 300); do
  alive
  kubectl get -n retune-system $cloudsync >/dev/null 2>&1 && break
  sleep 0.2
done
# What kubectl wait does, with an eye on retune.
await() { # CONDITION SECONDS WHAT
  kubectl wait -n retune-system $cloudsync --for="$1" --timeout="$2s" >/dev/null 2>"$home/wait.log" \
    || { alive; kubectl get -n retune-system $cloudsync -o yaml >"$home/cloudsync.yaml"; fail "$3 did not happen within $2 s: $(tail -n 1 "$home/wait.log")"; }
}
await "jsonpath={.status.syncedRevision}=$(git -C "$repo" rev-parse HEAD)" 120 "the first sync"
good "applied $(kubectl get -n retune-system $cloudsync -o jsonpath='{.status.objects}') objects in $(since "$from")"
await condition=Ready 180 "readiness of all apps"
good "all apps ready after $(since "$from")"

# One stream of the object that the tour changes: each line is "IMAGE REPLICAS", as a watch tells it.
exec {lines}< <(exec kubectl get statefulset memcached-memcached -n openstack --watch -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.replicas}{"\n"}')
watch_pid=$!
expect() { # LINE SECONDS WHAT: reads the stream until that line
  local line end=$((SECONDS + $2))
  while [ $SECONDS -lt $end ]; do
    if IFS= read -r -t 5 -u "$lines" line; then
      [ "$line" != "$1" ] || return 0
    else
      alive
    fi
  done
  fail "$3 did not happen within $2 s: expected \"$1\", last seen \"${line:-nothing}\""
}
file=$repo/helm-configs/memcached/memcached.yaml
image=$(kubectl get statefulset memcached-memcached -n openstack -o jsonpath='{.spec.template.spec.containers[0].image}')
replicas=$(kubectl get statefulset memcached-memcached -n openstack -o jsonpath='{.spec.replicas}')
grep -q "memcached: $image\$" "$file" || fail "$file does not name the image that runs ($image)"
expect "$image $replicas" 10 "the watch's first line"

step "4. A commit is applied"
newer=${image%:*}:1.6.40-quickstart
sed -i "s|memcached: $image\$|memcached: $newer|" "$file"
note "\$ git commit -m 'Upgrade memcached'      ${dim}$(basename "$image") -> $(basename "$newer")$off"
from=$(now)
git_ Ada commit --quiet --all --message "Upgrade memcached"
expect "$newer $replicas" 30 "the commit's change"
good "live $(since "$from") after git began to commit"

step "5. Drift is corrected"
note "\$ kubectl patch statefulset memcached-memcached --field-manager=night-shift -p '{\"spec\":{\"replicas\":0}}'"
kubectl patch statefulset memcached-memcached -n openstack --field-manager=night-shift --type=merge -p '{"spec":{"replicas":0}}' >/dev/null
from=$(now)
expect "$newer 0" 10 "the other writer's change"
expect "$newer $replicas" 30 "the correction"
good "back at $replicas $(since "$from") after kubectl's end"
blame=""
for _ in $(seq 50); do
  blame=$(kubectl get -n retune-system $cloudsync -o jsonpath='{range .status.drift[*]}{.object}: {.message}{"\n"}{end}' | grep night-shift | tail -n 1) && break
  sleep 0.2
done
[ -n "$blame" ] || fail "the culprit night-shift is not named in the CloudSync's status"
good "$blame"

step "6. A revert rolls back"
note "\$ git revert HEAD"
from=$(now)
git_ Ada revert --no-edit HEAD >/dev/null
expect "$image $replicas" 30 "the revert's change"
good "$(basename "$image") again, $(since "$from") after git began"
await "jsonpath={.status.syncedRevision}=$(git -C "$repo" rev-parse HEAD)" 60 "the end of the sync"

step "7. What retune says"
"$retune" status --cloud quickstart 2>&1 | sed 's/^/  /' || fail "retune status failed"
"$retune" history --cloud quickstart --state-dir "$home/state" 2>&1 | sed 's/^/  /' || fail "retune history failed"

printf '\n%sThe tour took %s.%s\n' "$bold" "$(since "$started")" "$off"
if [ $once = yes ]; then
  kill -TERM "$retune_pid"
  if wait "$retune_pid"; then good "retune ended cleanly"; else code=$?; retune_pid=""; fail "retune ended with $code after SIGTERM"; fi
  retune_pid=""
  exit 0
fi

cat <<END

It stays up until Ctrl-C. In another terminal:
  export KUBECONFIG=$KUBECONFIG PATH=$(dirname "$retune"):$([ -d "$plane/bin" ] && echo "$plane/bin" || echo "$tools"):\$PATH
  kubectl get cloudsync,inventory -n retune-system
  kubectl delete service memcached -n openstack           # it comes back
  cd $repo                                                # commit something
  retune diff --cloud quickstart
  retune history --cloud quickstart --state-dir $home/state
  retune rollback HEAD~2 --pin --cloud quickstart; retune status --cloud quickstart; retune resume --cloud quickstart
  tail -f $home/retune.log
END
wait "$retune_pid" || fail "retune ended by itself"
