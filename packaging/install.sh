#!/bin/sh
# Installs azimuth-agent or azimuth-collector on a Linux host from a directory of release files, or takes it away again.
#
#   install.sh agent|collector [--from DIR]        files are checked before anything of them is run or unpacked
#   install.sh agent --join TOKEN --vantage-point "NAME, COUNTRY, CITY, NETWORK, ASN, LATITUDE, LONGITUDE"
#                                                  the same, then this host joins, gets a configuration, and measures by the plan
#                                                  (TOKEN - is read from standard input, where nobody else sees it)
#   install.sh agent|collector --uninstall [--purge]
#
# Checks: the signature over SHA256SUMS by the key below, then the sum of the file that is installed. Where there is dpkg
# the deb is used, where there is rpm the rpm, else the tarball under /usr/local. It says each thing it does before it does it.
set -eu
VERSION='@VERSION@'
KEY='@KEY@'

say() { echo "azimuth: $*"; }
fail() { echo "azimuth: $*" >&2; exit 1; }

name=${1:-}
case $name in agent | collector) shift ;; *) fail "say which: $0 agent|collector [--from DIR] [--uninstall [--purge]]" ;; esac
from=$(dirname "$0") uninstall= purge= unsigned= token= place=
while [ $# -gt 0 ]; do
    case $1 in
        --from) from=$2; shift 2 ;;
        --uninstall) uninstall=1; shift ;;
        --purge) purge=1; shift ;;
        --unsigned) unsigned=1; shift ;;
        --join) token=$2; shift 2 ;;
        --vantage-point) place=$2; shift 2 ;;
        *) fail "what is $1?" ;;
    esac
done
[ "$(id -u)" = 0 ] || fail "run it as root: it installs a program and a service"
if [ -n "$token$place" ]; then
    [ "$name" = agent ] || fail "--join is for the agent"
    { [ -n "$token" ] && [ -n "$place" ]; } || fail "--join TOKEN and --vantage-point PLACE go together"
    [ ! -e /etc/azimuth/agent.toml ] || fail "/etc/azimuth/agent.toml is there: this host is set up. Install without --join"
    [ "$token" != - ] || read -r token
fi
package=azimuth-$name
list=/usr/local/share/azimuth/$package.files
units=$package.service data=/var/lib/azimuth
if [ "$name" = agent ]; then units="$units azimuth-reflector.service" data=/var/lib/azimuth-agent; fi
# systemctl where a systemd runs; its failure is no reason to stop half-way.
manage() { if [ -d /run/systemd/system ]; then systemctl "$@" || true; fi; }

# What no package owns, and rpm and the tarball therefore leave.
purge_data() {
    settings=/etc/azimuth/$name.toml
    [ "$name" = collector ] || settings="$settings /etc/default/azimuth-reflector"
    say "removing $data, $settings and the user $package"
    rm -rf "$data"
    for file in $settings; do rm -f "$file" "$file.rpmsave" "$file.rpmnew"; done
    rmdir /etc/azimuth 2>/dev/null || true
    if id "$package" >/dev/null 2>&1; then userdel "$package"; fi
    # Some hosts give a user a group and keep it.
    if grep -q "^$package:" /etc/group; then groupdel "$package"; fi
}

if [ -n "$uninstall" ]; then
    if command -v dpkg >/dev/null && dpkg -s "$package" >/dev/null 2>&1; then
        if [ -n "$purge" ]; then say "dpkg --purge $package"; dpkg --purge "$package"; else say "dpkg --remove $package"; dpkg --remove "$package"; fi
        say "done"
        exit 0
    fi
    if command -v rpm >/dev/null && rpm -q "$package" >/dev/null 2>&1; then
        say "rpm -e $package"; rpm -e "$package"
    elif [ -f "$list" ]; then
        for unit in $units; do manage disable --quiet --now "$unit"; done
        say "removing the files listed in $list"
        while read -r file; do rm -f "$file"; done <"$list"
        rm -f "$list"
        for folder in "doc/$package/examples" "doc/$package" azimuth; do rmdir "/usr/local/share/$folder" 2>/dev/null || true; done
        manage daemon-reload
    elif [ -z "$purge" ] || [ ! -e "$data" ]; then
        fail "$package is not installed"
    fi
    [ -z "$purge" ] || purge_data
    say "done"
    exit 0
fi

case $(uname -m) in
    x86_64) arch=amd64 machine=x86_64 ;;
    aarch64) arch=arm64 machine=aarch64 ;;
    *) fail "no program for $(uname -m); build it from source" ;;
esac
if command -v dpkg >/dev/null; then file=${package}_${VERSION}_$arch.deb
elif command -v rpm >/dev/null; then file=$package-$(echo "$VERSION" | tr '~-' '__')-1.$machine.rpm
else file=$package-$VERSION-linux-$arch.tar.gz; fi
[ -f "$from/$file" ] || fail "$from/$file is not there; put it beside this script, with SHA256SUMS and SHA256SUMS.sig"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What is checked and what is installed are the same bytes, whoever writes to the directory meanwhile.
cp "$from/$file" "$from/SHA256SUMS" "$work/"
if [ "$KEY" = none ]; then
    [ -n "$unsigned" ] || fail "these files carry no signature; --unsigned installs them all the same"
    say "not signed, as asked"
else
    command -v openssl >/dev/null || fail "openssl is missing, and the signature cannot be checked without it"
    cp "$from/SHA256SUMS.sig" "$work/" || fail "SHA256SUMS.sig is missing"
    printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$KEY" >"$work/key.pem"
    openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/SHA256SUMS" -sigfile "$work/SHA256SUMS.sig" >/dev/null 2>&1 ||
        fail "the signature over SHA256SUMS is wrong; nothing was installed"
    say "signature over SHA256SUMS: right"
fi
(cd "$work" && grep " $file\$" SHA256SUMS | sha256sum -c - >/dev/null 2>&1) || fail "$file is not the file that was signed; nothing was installed"
say "sum of $file: right"

case $file in
    *.deb) say "dpkg -i $file"; dpkg -i "$work/$file" ;;
    *.rpm) say "rpm -U $file"; rpm -U "$work/$file" ;;
    *.tar.gz)
        say "unpacking below /usr/local, units into /etc/systemd/system"
        tar -xzf "$work/$file" -C "$work"
        root=$work/$package-$VERSION-linux-$arch
        mkdir -p "${list%/*}"
        # A program that runs cannot be written over, but another can take its name.
        put() { mkdir -p "${2%/*}"; cp "$1" "$2.new"; mv -f "$2.new" "$2"; echo "$2" >>"$list"; }
        for unit in "$root"/systemd/*.service; do
            sed -i "s|/usr/bin/|/usr/local/bin/|; s|/usr/share/doc/|/usr/local/share/doc/|" "$unit"
            put "$unit" "/etc/systemd/system/${unit##*/}"
        done
        put "$root/bin/$package" "/usr/local/bin/$package"
        for shared in $(cd "$root/share" && find . -type f | sed -e 's|^\./||'); do
            case $shared in
                zsh/*) put "$root/share/$shared" "/usr/local/share/zsh/site-functions/${shared##*/}" ;;
                *) put "$root/share/$shared" "/usr/local/share/$shared" ;;
            esac
        done
        # The files of a version before stay in the list: they too are to go one day.
        sort -u "$list" >"$list.new"; mv -f "$list.new" "$list"
        (cd "$root/etc" && find . -type f) | sed 's|^\./||' | while read -r kept; do
            [ -e "/etc/$kept" ] || { mkdir -p "/etc/$(dirname "$kept")"; cp "$root/etc/$kept" "/etc/$kept"; }
        done
        id "$package" >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir "$data" --shell /usr/sbin/nologin "$package"
        manage daemon-reload
        manage try-restart $units
        ;;
esac
if [ -n "$token" ]; then
    home=$data program=$(command -v azimuth-agent || echo /usr/local/bin/azimuth-agent)
    say "joining, into $home/identity.json, and writing /etc/azimuth/agent.toml"
    install -d -m 755 /etc/azimuth
    install -d -m 750 "$home"
    printf '%s\n' "$token" | "$program" join - --identity "$home/identity.json" --write-config /etc/azimuth/agent.toml --vantage-point "$place" ||
        fail "installed, but not joined; the line above says why"
    chown -R "$package:$package" "$home"
    if [ -d /run/systemd/system ]; then
        say "systemctl enable and restart $package"
        systemctl daemon-reload; systemctl enable --quiet "$package.service"; systemctl restart "$package.service"
    else
        say "no systemd runs here; start it with: $program run --config /etc/azimuth/agent.toml"
    fi
    exit 0
fi
case $name in
    agent) say "installed. Write /etc/azimuth/agent.toml (an example is in the package), then: systemctl restart azimuth-agent" ;;
    collector) say "installed. systemctl enable --now azimuth-collector, then http://127.0.0.1:8360/" ;;
esac
