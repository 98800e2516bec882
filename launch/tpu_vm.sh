#!/usr/bin/env bash
# A TPU VM, or a slice of several, from nothing to a running job.
set -euo pipefail
# shellcheck source=launch/tpu_steps.sh
. "$(dirname "$0")/tpu_steps.sh"

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

main "$@"
