#!/bin/sh
# A world of its own for tests/icmp: this namespace, and a router that answers pings at 10.77.0.2 and fd77::2 and has no way
# to 198.51.100.0/24. Started in fresh network and mount namespaces (`unshare -n -m`); all of it ends with this process.
# Usage: world.sh PING_GROUP_RANGE COMMAND...
set -eu
mount -t tmpfs none /run
ip link set lo up
ip netns add router
ip link add va address 02:00:00:00:00:01 type veth peer name vb address 02:00:00:00:00:02 netns router
ip addr add 10.77.0.1/24 dev va
ip addr add 10.77.0.9/24 dev va
ip addr add fd77::1/64 dev va nodad
ip -n router addr add 10.77.0.2/24 dev vb
ip -n router addr add fd77::2/64 dev vb nodad
ip -n router link set vb up
ip -n router link set lo up
ip link set va up
# Neighbours known from the start: the first probes must not wait for them to be found.
for at in 10.77.0.2 fd77::2; do ip neigh add $at lladdr 02:00:00:00:00:02 dev va nud permanent; done
for at in 10.77.0.1 10.77.0.9 fd77::1; do ip -n router neigh add $at lladdr 02:00:00:00:00:01 dev vb nud permanent; done
# Every undeliverable packet is told, not one a second.
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratemask=0
ip route add 198.51.100.0/24 via 10.77.0.2
printf '%s' "$1" >/proc/sys/net/ipv4/ping_group_range
shift
exec "$@"
