#!/usr/bin/env bash
# A SLURM of two nodes on this machine, for one command: tests/clusters/slurm.sh COMMAND [ARG ...]
# Needs root, and slurmctld, slurmd, slurm-client and munge, which Debian has. All of it lives in
# namespaces of its own and in one folder, and ends with COMMAND.
# Inside: $SLURM_CONF; $CLUSTER_NODE2, the second node's daemon; $CLUSTER=slurm.
set -euo pipefail
if [[ ${1:-} != --inside ]]; then
  exec unshare --net --uts --pid --fork --mount-proc -- "$0" --inside "$@"
fi
shift
ip link set lo up
ip addr add 10.99.0.1/32 dev lo # SLURM resolves its own name, and not over the loopback address alone
hostname localhost
lab=$(mktemp -d)
chmod 755 "$lab"
mkdir -p "$lab"/{log,state}
export SLURM_CONF=$lab/slurm.conf
cat > "$SLURM_CONF" << CONF
ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$lab/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool-%n
SlurmctldPidFile=$lab/slurmctld.pid
SlurmdPidFile=$lab/slurmd-%n.pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6818 CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6819 CPUs=1 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
mungekey -c -k "$lab/munge.key"
munged --force --key-file="$lab/munge.key" --socket="$lab/munge.socket" \
  --pid-file="$lab/munged.pid" --log-file="$lab/log/munged.log" --seed-file="$lab/munge.seed" 2> /dev/null
slurmctld -c
slurmd -N n1
slurmd -N n2
for _ in $(seq 40); do
  [[ $(sinfo -h -N -o %T 2> /dev/null | grep -c idle) == 2 ]] && break
  sleep 0.25
done
CLUSTER_NODE2=$(cat "$lab/slurmd-n2.pid")
export CLUSTER_NODE2 CLUSTER=slurm
status=0
"$@" || status=$?
rm -rf "$lab"
exit "$status"
