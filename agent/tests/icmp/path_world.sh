#!/bin/sh
# A chain of routers for tests/icmp/path.rs: this namespace, r1, r2, r3 or r4, and the target 10.88.9.2 (fd88:9::2). The way
# goes over r3 until it is turned to r4. Started in fresh network and mount namespaces (`unshare -n -m`).
# Usage: path_world.sh PING_GROUP_RANGE COMMAND...
set -eu
mount -t tmpfs none /run
ip link set lo up
for name in r1 r2 r3 r4 target; do
    ip netns add $name
    ip -n $name link set lo up
    # Every packet without a hop left is told, not one a second.
    ip netns exec $name sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratemask=0 \
        net.ipv6.icmp.ratelimit=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
done
# link NUMBER NEAR FAR: 10.88.NUMBER.1 at the near end, .2 at the far one; `-` is this namespace.
link() {
    ip link add "n$1" type veth peer name "f$1" netns "$3"
    if [ "$2" = - ]; then near="ip"; else ip link set "n$1" netns "$2"; near="ip -n $2"; fi
    $near addr add "10.88.$1.1/24" dev "n$1"
    $near addr add "fd88:$1::1/64" dev "n$1" nodad
    $near link set "n$1" up
    ip -n "$3" addr add "10.88.$1.2/24" dev "f$1"
    ip -n "$3" addr add "fd88:$1::2/64" dev "f$1" nodad
    ip -n "$3" link set "f$1" up
}
link 1 - r1
link 2 r1 r2
link 3 r2 r3
link 4 r2 r4
link 9 r3 target
link 8 r4 target
route() { # NAMESPACE PREFIX4 VIA4 PREFIX6 VIA6
    ip -n "$1" route replace "$2" via "$3"
    ip -n "$1" -6 route replace "$4" via "$5"
}
ip route add default via 10.88.1.2
ip -6 route add default via fd88:1::2
route r1 default 10.88.2.2 default fd88:2::2
route r2 10.88.1.0/24 10.88.2.1 fd88:1::/64 fd88:2::1
route r2 10.88.9.0/24 10.88.3.2 fd88:9::/64 fd88:3::2
for router in r3:3 r4:4; do
    route "${router%:*}" default "10.88.${router#*:}.1" default "fd88:${router#*:}::1"
done
route r4 10.88.9.0/24 10.88.8.2 fd88:9::/64 fd88:8::2
route target default 10.88.9.1 default fd88:9::1
printf '%s' "$1" >/proc/sys/net/ipv4/ping_group_range
shift
exec "$@"
