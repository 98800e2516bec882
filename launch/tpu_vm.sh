#!/usr/bin/env bash
# A TPU VM, or a slice of several, from nothing to a running job.
set -euo pipefail

usage() {
  cat << 'TEXT'
Usage: launch/tpu_vm.sh COMMAND NAME --zone=ZONE [OPTION]... [-- ARGUMENT...]

Commands, each of which can be given again after a failure:
  create   makes the TPU VM, and waits until it is ready
  setup    copies this project to every worker and makes its environment
  run      starts launch/main.py ARGUMENT... on every worker, as a service that
           goes on after a reboot; several workers are --replicas
  logs     follows what a worker prints (--worker, by default 0)
  status   the VM's state, and each worker's job
  fetch    copies the report in -- --workdir=FOLDER to runs/NAME/ here
  stop     stops the job on every worker
  resume   create, setup and run, one after the other: after a preemption, a
           reboot or a failure, or from the start
  delete   deletes the VM; a disk, a share or a bucket stays

Options:
  --zone=ZONE          e.g. us-west4-a
  --project=PROJECT    default: gcloud's own
  --accelerator=TYPE   create: e.g. v5litepod-8, v6e-4, v5p-16
  --version=VERSION    create: of the VM's image; default: by the accelerator
  --spot               create: cheap, and may be taken away
  --queued             create: waits in the platform's queue for a free one
  --disk=DISK          a persistent disk of the zone, mounted at /mnt/wcse_jax
                       (one worker)
  --nfs=HOST:/SHARE    a share mounted there (several workers)
  --together           run, resume: the workers finetune each student together,
                       between sampling and evaluating
  --all                fetch: the whole workdir, checkpoints included
  --worker=WORKER      setup, run, stop, logs: 0, 1-3 or all
  --dry-run            prints every command and runs none

Whatever must outlive the VM belongs below /mnt/wcse_jax:

  gcloud compute disks create my-disk --zone=us-west4-a --size=100GB
  launch/tpu_vm.sh resume my-tpu --zone=us-west4-a --accelerator=v5litepod-8 \
    --spot --disk=my-disk -- --config=configs/wc_distill.py:nano_full \
    --workdir=/mnt/wcse_jax/nano_full
TEXT
}

MOUNT=/mnt/wcse_jax
POLL_S=${WCSE_POLL_S:-15}
told='' # which state it waits in

main() {
  command=${1:-}
  case $command in
    create | setup | run | logs | status | fetch | stop | resume | delete) ;;
    -h | --help) usage && exit ;;
    *) misuse "no command is called '$command'" ;;
  esac
  name=${2:-}
  [[ $name =~ ^[a-z][a-z0-9-]*$ ]] || misuse "'$name' cannot name a TPU VM"
  shift 2
  read_options "$@"
  check_options
  place=("--zone=$zone")
  [ -z "$project" ] || place+=("--project=$project")
  "do_$command"
}

misuse() {
  echo "error: $*; see launch/tpu_vm.sh --help" >&2
  exit 2
}

read_options() {
  zone='' project='' accelerator='' version='' spot='' queued='' disk='' nfs=''
  worker='' dry='' together='' all='' arguments=()
  while [ $# -gt 0 ]; do
    case $1 in
      --zone=* | --project=* | --accelerator=* | --version=* | --disk=* | \
        --nfs=* | --worker=*)
        local option=${1%%=*}
        printf -v "${option#--}" '%s' "${1#*=}"
        ;;
      --spot) spot=--spot ;;
      --queued) queued=yes ;;
      --together) together=--together ;;
      --all) all=yes ;;
      --dry-run) dry=yes ;;
      --)
        shift
        arguments=("$@")
        return
        ;;
      *) misuse "no option is called '$1' (flags of main.py go behind --)" ;;
    esac
    shift
  done
}

check_options() {
  [ "$zone" ] || misuse 'give --zone'
  case $command in create | resume)
    [ "$accelerator" ] || misuse 'give --accelerator, e.g. v5litepod-8' ;;
  esac
  case $command in run | resume)
    [ ${#arguments[@]} -gt 0 ] || misuse 'give -- --config=FILE ...' ;;
  esac
  [ -z "$disk" ] || [ -z "$nfs" ] || misuse 'give --disk or --nfs, not both'
  [[ ! $nfs || $nfs =~ ^[^[:space:]]+:/[^[:space:]]*$ ]] ||
    misuse "--nfs='$nfs' is not HOST:/SHARE"
  workdir=''
  local argument
  for argument in ${arguments[@]+"${arguments[@]}"}; do
    case $argument in
      --workdir=*) workdir=${argument#*=} ;;
      --workdir) misuse 'write --workdir=FOLDER as one word' ;;
      --replica*) misuse "$argument is given by the script" ;;
      --stages* | --coordinator* | --redo*)
        [ ! "$together" ] || misuse "$argument does not go with --together" ;;
    esac
  done
  if [ "$command" = fetch ]; then
    [ "$workdir" ] || misuse 'give -- --workdir=FOLDER'
    [[ $workdir != *://* ]] ||
      misuse "$workdir is not on the VM: run launch/main.py here, as the job," \
        'with --stages=report'
  fi
  [[ ! "$together" || $workdir != gs://* ]] ||
    misuse "--together needs a folder that the workers share (--nfs), not $workdir"
  if [ "$disk$nfs" ] && [ ${#arguments[@]} -gt 0 ]; then
    [[ $workdir == "$MOUNT"/* && $workdir/ != */../* ]] ||
      misuse "--workdir='$workdir' is not below $MOUNT, where the disk is"
  elif [ "$spot" ] && [[ $workdir != gs://* ]] && [ "$command" = resume ]; then
    echo "note: a preempted VM takes --workdir='$workdir' with it;" \
      'give --disk or --nfs to keep what is done' >&2
  fi
  if [ ! "$version" ]; then
    case $accelerator in
      v6e-*) version=v2-alpha-tpuv6e ;;
      v5p-*) version=v2-alpha-tpuv5 ;;
      v5lite*) version=v2-alpha-tpuv5-lite ;;
      *) version=tpu-ubuntu2204-base ;;
    esac
  fi
}

# --- the commands -------------------------------------------------------------

do_create() {
  if [ "$queued" ]; then
    create_queued
  else
    create_now
  fi
}

create_now() {
  settle tpu-vm state
  case $state in
    READY) echo "$name is there and ready" && return ;;
    '') ;;
    PREEMPTED | TERMINATED)
      echo "$name is $state: making it anew"
      gcloud_ delete tpu-vm delete "$name" "${place[@]}" --quiet
      ;;
    STOPPED) gcloud_ start tpu-vm start "$name" "${place[@]}" && return ;;
    *) wait_for tpu-vm state READY && return ;;
  esac
  find_disk
  gcloud_ create tpu-vm create "$name" "${place[@]}" \
    "--accelerator-type=$accelerator" "--version=$version" \
    ${spot:+"$spot"} ${disk:+"--data-disk=$disk_source"}
}

create_queued() {
  settle queued-resources state.state
  case $state in
    ACTIVE) echo "$name is there and ready" && return ;;
    SUSPENDED | FAILED)
      echo "$name is $state: asking anew"
      gcloud_ delete queued-resources delete "$name" "${place[@]}" --force \
        --quiet
      state=''
      ;;
  esac
  if [ ! "$state" ]; then
    find_disk
    gcloud_ create queued-resources create "$name" "--node-id=$name" \
      "${place[@]}" "--accelerator-type=$accelerator" \
      "--runtime-version=$version" \
      ${spot:+"$spot"} ${disk:+"--data-disk=$disk_source"}
  fi
  wait_for queued-resources state.state ACTIVE
}

# Sets `disk_source`: what --disk names.
find_disk() {
  [ "$disk" ] || return 0
  local owner=$project
  if [ ! "$owner" ]; then
    echo '+ gcloud config get-value project'
    [ "$dry" ] || owner=$(gcloud config get-value project 2> /dev/null) || true
  fi
  disk_source="source=projects/${owner:-PROJECT}/zones/$zone/disks/$disk"
  disk_source+=',mode=read-write'
}

do_setup() {
  worker=${worker:-all}
  local bundle=build/wcse_jax.tar.gz
  cd_root
  step 'pack the project' mkdir -p build
  # A Mac's tar would add a file ._NAME to each.
  step 'pack the project' env COPYFILE_DISABLE=1 tar -czf "$bundle" \
    --exclude=.git --exclude='./.venv*' --exclude='./.*_cache' --exclude=./runs \
    --exclude=./build --exclude=__pycache__ --exclude='*.egg-info' .
  gcloud_ copy tpu-vm scp "$bundle" "$name:wcse_jax.tar.gz" "${place[@]}" \
    "--worker=$worker" --quiet
  on_workers setup 'mkdir -p wcse_jax && tar -xzf wcse_jax.tar.gz -C wcse_jax' \
    "&& wcse_jax/launch/tpu_worker.sh setup" \
    "${disk:+--disk}${nfs:+$(quoted "--nfs=$nfs")}"
}

do_run() {
  worker=${worker:-all}
  case $workdir in gs://*)
    on_workers bucket "wcse_jax/launch/tpu_worker.sh bucket $(quoted "$workdir")"
    ;;
  esac
  on_workers run "wcse_jax/launch/tpu_worker.sh run" \
    "${together:+$together }$(quoted "${arguments[@]}")"
  [ "$dry" ] || echo "started; follow it with: launch/tpu_vm.sh logs $name ${place[*]}"
}

do_resume() {
  do_create
  do_setup
  do_run
}

do_logs() {
  worker=${worker:-0}
  on_workers logs 'wcse_jax/launch/tpu_worker.sh logs'
}

do_status() {
  worker=${worker:-all}
  look tpu-vm state
  [ "$dry" ] || echo "$name: ${state:-not there}"
  if [ "$dry" ] || [ "$state" = READY ]; then
    on_workers status 'wcse_jax/launch/tpu_worker.sh status'
  fi
}

do_fetch() {
  local from=${workdir%/} to=runs/$name
  to+=/${from##*/}
  [[ $from == /* ]] || from=wcse_jax/$from
  if [ "$all" ]; then to=${to%/*}; else from+=/report; fi
  cd_root
  step "make $to" mkdir -p "$to"
  gcloud_ fetch tpu-vm scp --recurse "$name:$from" "$to" "${place[@]}" \
    "--worker=${worker:-0}" --quiet
  [ "$dry" ] || echo "it is in $PWD/$to/${from##*/}"
}

do_stop() {
  worker=${worker:-all}
  on_workers stop 'wcse_jax/launch/tpu_worker.sh stop'
}

do_delete() {
  if [ -t 0 ] && [ ! "$dry" ]; then
    read -rp "delete $name and what is on its own disk? [y/N] " answer
    [ "$answer" = y ] || exit 1
  fi
  if [ "$queued" ]; then
    gcloud_ delete queued-resources delete "$name" "${place[@]}" --force \
      --quiet
  else
    gcloud_ delete tpu-vm delete "$name" "${place[@]}" --quiet
  fi
}

# --- steps, and what to do when one fails -------------------------------------

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

main "$@"
