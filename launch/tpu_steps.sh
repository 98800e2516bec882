# shellcheck shell=bash disable=SC2154
# The steps of launch/tpu_vm.sh, which reads this file: calls of gcloud, and what
# to do when one fails. Of its variables they read name, place, dry and worker,
# and for remedies accelerator, disk, workdir and zone.

set -euo pipefail

POLL_S=${WCSE_POLL_S:-15}
told='' # which state it waits in

quoted() {
  printf '%q ' "$@"
}

cd_root() {
  cd "$(dirname "$0")/.."
  echo "+ cd $(quoted "$PWD")"
}

# Sets `state` to the resource's; '' if there is none.
look() { # kind field
  local words=(gcloud compute tpus "$1" describe "$name" "${place[@]}"
    "--format=value($2)")
  state=''
  if [ "$dry" ]; then
    echo "$(quoted "${words[@]}") # what follows depends on it"
    return
  fi
  need_gcloud
  local notices said code=0
  notices=$(mktemp)
  state=$("${words[@]}" 2> "$notices") || code=$?
  said=$(cat "$notices")
  rm -f "$notices"
  if [ "$code" != 0 ] && [[ $said != *NOT_FOUND* ]]; then
    echo "$said" >&2
    fail "look for $name" "$said"
  fi
}

# Looks, and waits while it is on its way to its end.
settle() { # kind field
  while look "$1" "$2" && [[ $state =~ ^(DELET|SUSPEND|STOPP)ING$ ]]; do
    waiting
  done
}

wait_for() { # kind field state
  [ ! "$dry" ] || return 0
  while look "$1" "$2" && [ "$state" != "$3" ]; do
    case $state in
      '' | FAILED | SUSPENDED | PREEMPTED | TERMINATED | STOPPED)
        explain "$1" ;;
    esac
    waiting
  done
  echo "$name is there and ready"
}

waiting() {
  [ "$state" = "$told" ] || echo "$name: $state; waiting (Ctrl-C is safe)"
  told=$state
  sleep "$POLL_S"
}

# Ends with why it is in that state.
explain() { # kind
  local said
  said=$(gcloud compute tpus "$1" describe "$name" "${place[@]}" \
    '--format=yaml(state,healthDescription)' 2>&1) || true
  echo "$said" >&2
  fail "wait for $name" "$said"
}

on_workers() { # step command...
  local about=$1
  shift
  gcloud_ "$about" tpu-vm ssh "$name" "${place[@]}" "--worker=$worker" --quiet \
    "--command=$*"
}

gcloud_() { # step argument...
  local about=$1
  shift
  [ "$dry" ] || need_gcloud
  step "$about $name" gcloud compute tpus "$@"
}

need_gcloud() {
  command -v gcloud > /dev/null || {
    echo 'error: gcloud is not installed: it is the Google Cloud CLI;' \
      'install it and run: gcloud init' >&2
    exit 1
  }
}

# Runs a command; if it fails, says at which step and what to do, and ends.
step() { # about command...
  local about=$1 said code=0
  shift
  echo "+ $(quoted "$@")"
  [ ! "$dry" ] || return 0
  said=$(mktemp)
  { "$@" 2>&1 >&3 | tee "$said" >&2; } 3>&1 || code=$?
  if [ "$code" = 0 ]; then
    rm -f "$said"
    return
  fi
  local text
  text=$(cat "$said")
  rm -f "$said"
  [ "$code" != 130 ] || exit 130
  fail "$about" "$text"
}

fail() { # step message
  {
    echo "error: step '$1' failed; the platform's message is above"
    echo "what to do: $(remedy "$2"), then run the same command again"
  } >&2
  exit 1
}

remedy() { # message
  local text
  text=$(tr '[:upper:]' '[:lower:]' <<< "$1")
  case $text in
    *'has not been used in project'* | *service_disabled*)
      echo 'switch the API on with: gcloud services enable tpu.googleapis.com' ;;
    *'no more capacity'* | *stockout* | *'insufficient'*capacity* | \
      *'not enough resources'*)
      echo 'the zone has none free now: wait, try another zone, or --queued' ;;
    *quota*exceed* | *exceed*quota* | *'quota limit'* | *resource_exhausted*)
      echo "ask for quota of '$accelerator' in $zone (console, IAM, Quotas;" \
        'spot has its own), or take a smaller one' ;;
    *'/disks/'*'not found'*)
      echo "make it with: gcloud compute disks create ${disk:-DISK}" \
        "${place[*]} --size=100GB" ;;
    *accelerator*'not found'* | *'accelerator type'* | *acceleratortype*)
      echo "choose from: gcloud compute tpus accelerator-types list" \
        "--zone=$zone" ;;
    *runtime*'not found'* | *'runtime version'* | *runtimeversion*)
      echo "choose a --version from: gcloud compute tpus tpu-vm versions list" \
        "--zone=$zone" ;;
    *"'locations/"*'or it may not exist'* | *'unknown zone'* | \
      *'invalid value for'*zone* | *"s/$zone'"*'not found'*)
      echo "choose a --zone from: gcloud compute tpus locations list" ;;
    *'active account'* | *'auth login'* | *unauthenticated* | \
      *reauthentication* | *invalid*credential*)
      echo 'log in with: gcloud auth login' ;;
    *'property [project]'* | *'project'*'is not set'*)
      echo 'give --project, or: gcloud config set project PROJECT' ;;
    *'storage.'* | *'bucket'*)
      echo "give the VM's service account the role Storage Object Admin on the" \
        "bucket of '$workdir'" ;;
    *permission_denied* | *'permission denied'* | *compute.disks.use*)
      echo 'ask an owner of the project for the roles TPU Admin, Service' \
        'Account User and, for a --disk, Compute Storage Admin, or choose' \
        'another --project' ;;
    *'ssh-add'* | *'ssh key is not present'*)
      echo 'run: ssh-add ~/.ssh/google_compute_engine' ;;
    *scp:*'no such file'*)
      echo "see how far the job is: launch/tpu_vm.sh status $name ${place[*]}" ;;
    *tpu_worker.sh*'no such file'* | *'not set up'* | *'cannot open'*tar*)
      echo "finish it with: launch/tpu_vm.sh setup $name ${place[*]}" ;;
    *'not_found'* | *'not found'*)
      echo "see what is there: gcloud compute tpus tpu-vm list --zone=$zone;" \
        'then launch/tpu_vm.sh create' ;;
    *'state: preempted'* | *'state: terminated'* | *'state: suspended'* | *'terminal state'*)
      echo 'it was taken away: launch/tpu_vm.sh resume makes it anew' ;;
    *) echo 'see to what the message names' ;;
  esac
}
