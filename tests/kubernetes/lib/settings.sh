# Shared by the scripts of this folder: folders, names and addresses. Source it; it sets bash's strict mode.
# shellcheck shell=bash disable=SC2034 # used by those that source it
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
checkout=$(cd "$here/../.." && pwd)

# Everything that runs, and all its data: removed by `down`.
state=${SYNXDB_KUBERNETES_STATE:-/var/lib/kubectl-synxdb-kubernetes}
# Marks a state folder: no other folder is ever removed.
mark=$state/.kubectl-synxdb-kubernetes
# Builds, kept between runs.
cache=${SYNXDB_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-synxdb-kubernetes}

kubernetes_version=$(sed -nE 's/^(require)?\s*k8s\.io\/kubernetes (v[0-9.]+)$/\2/p' "$here/programs/go.mod")
node_name=node-1
# The cluster has a network of its own: one cable to this machine, and a bridge for its pods.
cable=synxdb-test0
machine_address=10.231.97.1
node_address=10.231.97.2
pod_network=10.231.98.0/24
service_network=10.231.99.0/24
# The folders of the manifests' object storage and the controller-manager's host-path volumes, as the cluster sees them.
objects_mount=/var/lib/synxdb
volumes_mount=/tmp/hostpath_pv
cgroup=kubectl-synxdb-kubernetes

kubeconfig=$state/kubeconfig
programs=$cache/kubernetes-$kubernetes_version

say() { echo "$*" >&2; }
fail() {
    echo "error: $*" >&2
    exit 1
}

# The roots of this machine's cgroups: one in total (version 2), or one per controller (version 1).
cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
    else
        for controller in /sys/fs/cgroup/*/cgroup.procs; do dirname "$controller"; done
    fi
}

# The PID of the first process of the cluster's namespaces on this machine, if it exists. The file has the PID of its parent,
# unshare, and the start time of that, because a PID may be reused.
holder() {
    local pid began
    read -r pid began 2>/dev/null <"$state/holder" || return 1
    [ "$(began_at "$pid")" = "$began" ] || return 1
    grep -o '[0-9]*' "/proc/$pid/task/$pid/children"
}
began_at() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }

# Runs a command inside the cluster's node: its processes, mounts, network and host name.
in_node() {
    local pid
    pid=$(holder) || fail "the cluster is not running: $here/up"
    nsenter --target "$pid" --mount --net --uts --pid -- "$@"
}

# Starts a program in the node, in the background, logging to its own file. Its PID is that inside the node.
start() {
    local name=$1
    shift
    printf '%q ' "$@" >"$state/run/$name.command"
    begin "$name"
}
# The program becomes a child of the node's first process: nsenter does not wait for it, and is not stopped with it.
begin() {
    # The program must not inherit the caller's open files, for example a lock.
    # shellcheck disable=SC2016 # for the inner shells
    in_node bash -c 'for fd in /proc/$$/fd/*; do
            [ "${fd##*/}" -le 2 ] || [ "${fd##*/}" -eq 255 ] || eval "exec ${fd##*/}>&-"
        done
        setsid bash -c "echo \$\$ >\"$1/run/$2.pid\"; exec $(cat "$1/run/$2.command")" \
        >>"$1/log/$2" 2>&1 </dev/null &' - "$state" "$1"
}

# Waits up to $1 seconds for a command to succeed; $2 describes it, $3 names the log to show if it fails.
await() {
    local seconds=$1 what=$2 service=$3 end
    shift 3
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            say "--- end of $state/log/$service"
            tail -n 20 "$state/log/$service" >&2 || true
            fail "$what: not within $seconds s"
        fi
        sleep 0.2
    done
}

# Builds the Go module in folder $1 as program $2, unless it is up to date; $3 are the linker's flags.
build() {
    local made_of
    command -v go >/dev/null 2>&1 || fail "Go is needed: https://go.dev/dl"
    made_of=$( (cd "$1" && go version && sha256sum ./*) | sha256sum | cut -d' ' -f1)
    [ "$(cat "$2.digest" 2>/dev/null)" != "$made_of" ] || return 0
    say "building $(basename "$2"), as $(basename "$1") says"
    mkdir -p "$(dirname "$2")"
    (cd "$1" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w $3" -o "$2.new" .)
    mv "$2.new" "$2"
    echo "$made_of" >"$2.digest"
}

# Builds the storage members' program as $1, static, unless it is up to date.
build_storage() {
    local made_of target
    command -v cargo >/dev/null 2>&1 || fail "Rust is needed: https://rustup.rs"
    made_of=$( (cd "$checkout" && rustc --version &&
        find crates/storage-stand-in Cargo.toml Cargo.lock -type f -print0 | sort -z | xargs -0 sha256sum) |
        sha256sum | cut -d' ' -f1)
    [ "$(cat "$1.digest" 2>/dev/null)" != "$made_of" ] || return 0
    say "building $(basename "$1")"
    target=$(uname -m)-unknown-linux-musl
    [ -d "$(rustc --print target-libdir --target "$target")" ] || rustup target add "$target" >&2
    mkdir -p "$(dirname "$1")"
    # In its own folder, and without optimizing the size. Rust includes musl and a linker for it; TLS has a few C files, for
    # which the machine's own compiler is enough.
    (cd "$checkout" && CARGO_TARGET_DIR=$cache/rust RUSTFLAGS=-Clinker=rust-lld CARGO_PROFILE_RELEASE_LTO=off \
        env "CC_${target//-/_}=cc" "CFLAGS_${target//-/_}=-U_FORTIFY_SOURCE" CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo build --locked --quiet --release --package storage-stand-in --target "$target" >&2)
    cp "$cache/rust/$target/release/storage-stand-in" "$1.new"
    mv "$1.new" "$1"
    echo "$made_of" >"$1.digest"
}

kubectl() { "$programs/kubectl" --kubeconfig "$kubeconfig" "$@"; }
