#!/usr/bin/env bash
# Builds the Docker image jobs-test-celery:trixie: Debian 13 and its python3-celery, which is Celery 5.5. An image that
# is there already is left as it is. Needs Docker, and root or sudo, but no image registry: the packages come from the
# Debian mirror that the apt sources of this machine name.
set -euo pipefail
image=jobs-test-celery:trixie

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

if docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || fail "building $image needs root or sudo"
  exec sudo -n "${BASH_SOURCE[0]}"
fi

work=$(mktemp -d /var/tmp/jobs-celery.XXXXXX)
# The file system of its own that may be left in there is /proc.
trap 'umount "$work/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

command -v apt-get >/dev/null || fail "building $image needs apt"
mirror() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -1; }
if [ -z "$(mirror)" ] || ! command -v debootstrap >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; } \
    >"$work/log" 2>&1 || fail "cannot install debootstrap: $(tail -1 "$work/log")"
fi
[ -n "$(mirror)" ] || fail "the apt sources of this machine name no Debian mirror"

debootstrap --variant=minbase --include=python3-celery trixie "$work/root" "$(mirror)" >"$work/log" 2>&1 ||
  fail "cannot unpack Debian 13: $(tail -1 "$work/log")"
tar -C "$work/root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -c . |
  docker import - "$image" >/dev/null || fail "Docker did not take the image"
