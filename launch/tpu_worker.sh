#!/usr/bin/env bash
# What launch/tpu_vm.sh does on a worker, from the copy of the project there.
# Usage: launch/tpu_worker.sh setup [--disk | --nfs=HOST:/SHARE]
#        launch/tpu_worker.sh run [--together] ARGUMENT...   (of launch/main.py)
#        launch/tpu_worker.sh {job | logs | status | stop | bucket GS_FOLDER}
set -euo pipefail
cd "$(dirname "$0")/.."

MOUNT=/mnt/wcse_jax
SERVICE=wcse_jax
LOG=runs/$SERVICE.log
COMMAND=runs/$SERVICE.command # what `run` was given, quoted

main() {
  local command=$1
  shift
  mkdir -p runs
  "do_$command" "$@"
}

die() {
  echo "error: worker $(hostname): $*" >&2
  exit 1
}

do_setup() {
  case ${1:-} in
    --disk) mount_disk ;;
    --nfs=*) mount_share "${1#*=}" ;;
  esac
  rm -f .venv/.ready*
  launch/setup.sh tpu
  touch .venv/.ready-tpu
  echo "worker $(hostname): set up"
}

# The first attached disk; made a file system only if it has none at all.
mount_disk() {
  local device=${WCSE_DISK:-/dev/disk/by-id/google-persistent-disk-1}
  [ -e "$device" ] || die "$device is not there: was the VM made with --disk?"
  mounted "$(readlink -f "$device")" && return
  sudo blkid "$device" > /dev/null || sudo mkfs.ext4 -q -m 0 "$device"
  mount_at "$device ext4 discard,nofail"
  sudo chown "$(id -un)" "$MOUNT"
}

mount_share() { # HOST:/SHARE
  mounted "$1" && return
  [ -e /sbin/mount.nfs ] ||
    { sudo apt-get -qq update && sudo apt-get -qq install -y nfs-common; }
  mount_at "$1 nfs hard,nofail"
}

# Whether this is mounted already, and nothing else.
mounted() { # SOURCE
  local found
  found=$(findmnt -no SOURCE -M "$MOUNT") || return
  [ "${found%/}" = "${1%/}" ] || die "$found is mounted at $MOUNT, not $1:" \
    "stop the job, and unmount it on every worker (sudo umount $MOUNT)"
}

# In fstab, so that it is there again after a reboot.
mount_at() { # 'SOURCE TYPE OPTIONS'
  local source type options
  read -r source type options <<< "$1"
  sudo mkdir -p "$MOUNT"
  sudo sed -i "\\# $MOUNT #d" /etc/fstab # what may be wrong
  echo "$source $MOUNT $type $options 0 2" | sudo tee -a /etc/fstab > /dev/null
  sudo mount "$MOUNT"
}

do_run() {
  [ -e .venv/.ready-tpu ] || die 'it is not set up, or only half'
  local asked argument replica workdir='' kept=''
  for argument; do
    [[ $argument != --workdir=* ]] || workdir=${argument#*=}
  done
  case $workdir/ in
    */../*) ;;
    "$MOUNT"/*)
      mountpoint -q "$MOUNT" ||
        die "nothing is mounted at $MOUNT: give setup --disk or --nfs"
      kept=yes
      ;;
  esac
  replica=$(.venv/bin/python -m wcse_jax.tpu.devices)
  [ ! "$replica" ] || [ "$kept" ] ||
    die "the workers of a slice do not share --workdir='$workdir': give setup" \
      "--nfs=HOST:/SHARE, and run a --workdir below $MOUNT"
  asked=$(printf '%q ' "$@")
  if [ "$asked" = "$(cat "$COMMAND" 2> /dev/null)" ] &&
    systemctl is-active -q "$SERVICE"; then
    echo "worker $(hostname): the job runs already"
    return
  fi
  echo "$asked" > "$COMMAND"
  sudo tee "/etc/systemd/system/$SERVICE.service" > /dev/null << UNIT
[Unit]
Description=$SERVICE
Wants=network-online.target
After=network-online.target remote-fs.target
${kept:+RequiresMountsFor=$MOUNT}
StartLimitIntervalSec=3600
StartLimitBurst=6

[Service]
User=$(id -un)
WorkingDirectory=$PWD
ExecStart=/bin/bash $PWD/launch/tpu_worker.sh job
StandardOutput=append:$PWD/$LOG
StandardError=inherit
KillSignal=SIGINT
TimeoutStopSec=120
Restart=on-failure
RestartSec=30
# Bad input stays bad; 130 is \`stop\`.
RestartPreventExitStatus=2 130

[Install]
WantedBy=multi-user.target
UNIT
  sudo systemctl daemon-reload
  sudo systemctl enable -q "$SERVICE"
  sudo systemctl reset-failed "$SERVICE" 2> /dev/null || true # its start limit
  sudo systemctl restart "$SERVICE"
  echo "worker $(hostname): started"
}

# The service itself: launch/main.py, as a replica where there are several. As
# one JAX they can only finetune, so that is a command of its own.
do_job() {
  local replica arguments
  replica=$(.venv/bin/python -m wcse_jax.tpu.devices)
  eval "arguments=($(cat "$COMMAND") $replica)"
  [ "${arguments[0]}" = --together ] || launch "${arguments[@]}"
  arguments=("${arguments[@]:1}")
  [ "$replica" ] || launch "${arguments[@]}"
  (launch "${arguments[@]}" --stages=prepare,plan,sample,verify,curate)
  (launch "${arguments[@]}" --stages=finetune --coordinator=auto)
  launch "${arguments[@]}" --stages=evaluate,report
}

launch() {
  echo "$(date -u +%FT%TZ) launch/main.py $*"
  exec .venv/bin/python launch/main.py "$@"
}

do_logs() {
  [ -e "$LOG" ] || die "there is no $LOG yet: nothing was run"
  exec tail -n 100 -F "$LOG"
}

do_status() {
  local state
  state=$(systemctl is-active "$SERVICE" || true)
  echo "worker $(hostname): $state: $(tail -n 1 "$LOG" 2> /dev/null || true)"
}

do_stop() {
  sudo systemctl disable -q --now "$SERVICE"
  echo "worker $(hostname): stopped; what is committed stays"
}

# Whether this worker may write there.
do_bucket() { # gs://bucket/folder
  local probe
  probe=$1/.probe-$(hostname)
  echo probe | gcloud storage cp - "$probe" && gcloud storage rm -q "$probe"
}

main "$@"
