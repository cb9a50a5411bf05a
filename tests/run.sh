#!/usr/bin/env bash
# The one test command. Needs the .NET SDK; installs what else is missing, builds, runs every test, prints totals. The broker tests mostly
# wait. So the tests that need no broker, and then those on further brokers, run beside those on the first one; their output comes at their end.
#
#   tests/run.sh                                        everything, on the first broker there is
#   tests/run.sh --filter FullyQualifiedName~Retry      arguments go to 'dotnet test'; the packages are tested only without any
#
#   JOBS_TEST_BROKER=amqp://…               use this broker
#   JOBS_TEST_BROKER_KIND=docker|processes  use only this kind
#   JOBS_TEST_KINDS="docker processes"      run the broker tests once on each of these that is available
#   JOBS_TEST_TIMEOUT=1500                  seconds for one test project
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() { printf 'tests/run.sh: %s\n' "$*" >&2; }

results=$(mktemp -d)
mkdir "$results/tmp"
export JOBS_TEST_RUN="${results##*.}-$$"
compose_project="jobs-test-$(printf %s "$JOBS_TEST_RUN" | tr '[:upper:]' '[:lower:]')"
child= beside=
# end <process>: and wait until it has cleared up
end() { if [ -n "$1" ]; then kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; fi; }
cleanup() {
  end "$child"
  end "$beside"
  # Only containers that bear the label of this run: what a test host that was killed could not remove itself.
  if command -v docker >/dev/null; then
    docker compose --project-name "$compose_project" down --volumes --timeout 0 >/dev/null 2>&1 || true
    docker ps -aq --filter "label=jobs.test.run=$JOBS_TEST_RUN" 2>/dev/null | xargs -r docker rm -fv >/dev/null 2>&1 || true
  fi
  rm -rf "$results"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

install_packages() {
  local policy=/usr/sbin/policy-rc.d made_policy=0 status=0
  log "installing $*"
  # Debian starts a server when it is installed. This keeps it from doing so: the tests start nodes of their own.
  if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    made_policy=1
  fi
  {
    as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
  } >"$results/apt.log" 2>&1 || status=$?
  [ "$made_policy" = 0 ] || as_root rm -f "$policy"
  [ "$status" = 0 ] || { tail -5 "$results/apt.log" >&2; log "could not install $*"; }
  return "$status"
}

has_processes() { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null; }

has_image() {
  docker image inspect "$1" >/dev/null 2>&1 || timeout 180 docker pull -q "$1" >/dev/null 2>&1 || {
    log "Docker answers but has no image $1 and cannot pull it"
    return 1
  }
}

has_docker() { timeout 5 docker info >/dev/null 2>&1 && has_image rabbitmq:4-management; }

# What docker-compose.yml needs beyond that.
has_compose() { docker compose version >/dev/null 2>&1 && has_image haproxy:3.0; }

# --- What there is, and what is missing ---------------------------------------------------------

# Wanted even when there is Docker: the tests of clusters run their nodes as processes.
if ! has_processes; then
  if can_install; then install_packages rabbitmq-server || true; else log "rabbitmq-server is missing and cannot be installed from here"; fi
fi
# The tests that exchange messages with Celery run it. Debian's own python has it, which need not be the first on the PATH.
has_celery() { /usr/bin/python3 -c 'import celery' 2>/dev/null || python3 -c 'import celery' 2>/dev/null; }
if ! has_celery; then
  if can_install; then install_packages python3-celery || true; else log "python3-celery is missing and cannot be installed from here"; fi
fi

# The fault suite puts it between clients and nodes; no test of this script does.
if ! command -v haproxy >/dev/null && ! [ -x /usr/sbin/haproxy ]; then
  if can_install; then install_packages haproxy || true; fi
fi

# The tests of results run a second time with a newer Celery, in a container. Its image stays here for the next run.
celery55=no
if ! timeout 5 docker info >/dev/null 2>&1; then
  log "no tests with Celery 5.5: Docker does not answer"
elif reason=$(tests/celery-image.sh 2>&1); then
  celery55=yes
else
  log "no tests with Celery 5.5: $reason"
fi

# The tests of the dashboard look at it with a browser, and put a proxy in front of it.
has_any() { local name; for name in "$@"; do if command -v "$name" >/dev/null || [ -x "/usr/sbin/$name" ]; then return 0; fi; done; return 1; }
missing=()
has_any chromium chromium-browser google-chrome || missing+=(chromium)
has_any nginx || missing+=(nginx-light)
if [ ${#missing[@]} != 0 ]; then
  if can_install; then install_packages "${missing[@]}" || true; else log "${missing[*]} missing, and cannot be installed from here"; fi
fi

# What tests/packages.sh links native programs with.
if ! command -v clang >/dev/null || ! [ -e /usr/include/zlib.h ]; then
  if can_install; then install_packages clang zlib1g-dev || true; fi
fi

kinds=()
if [ -n "${JOBS_TEST_BROKER:-}" ]; then
  kinds=(uri)
else
  for kind in ${JOBS_TEST_KINDS:-${JOBS_TEST_BROKER_KIND:-docker processes}}; do
    case $kind in
      docker) if has_docker; then kinds+=(docker); fi ;;
      processes) if has_processes; then kinds+=(processes); fi ;;
      *) log "unknown kind of broker '$kind'; it must be 'docker' or 'processes'"; exit 2 ;;
    esac
    # Several only when asked for: without JOBS_TEST_KINDS the first that works is enough.
    [ -n "${JOBS_TEST_KINDS:-}" ] || [ ${#kinds[@]} = 0 ] || break
  done
fi
if [ ${#kinds[@]} = 0 ]; then
  # The tests say it too, and count as failed.
  log "no RabbitMQ broker: set JOBS_TEST_BROKER, start Docker, or install rabbitmq-server"
  kinds=("${JOBS_TEST_BROKER_KIND:-none}")
fi
log "broker: ${kinds[*]}"

# Testcontainers' reaper is an image of its own; the trap above does its work.
export TESTCONTAINERS_RYUK_DISABLED="${TESTCONTAINERS_RYUK_DISABLED-true}"
export TESTCONTAINERS_HOST_OVERRIDE="${TESTCONTAINERS_HOST_OVERRIDE-127.0.0.1}"

# --- Build and run ------------------------------------------------------------------------------

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
if ! dotnet build Jobs.sln -c Release --nologo -v quiet; then
  log "the build failed; counted as one failure"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi

filter=
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --filter) filter=$2; shift 2 ;;
    --filter=*) filter=${1#--filter=}; shift ;;
    *) rest+=("$1"); shift ;;
  esac
done

# failures <trx>: a line for each failed test, with the first 600 characters of its message, the lines of which stand side by side
failures() {
  awk '
    /<UnitTestResult / {
      name = message = ""; inside = 0
      if (/outcome="(Failed|Error|Timeout|Aborted)"/) { name = $0; sub(/.* testName="/, "", name); sub(/".*/, "", name) }
    }
    name != "" && sub(/.*<Message>/, "") { inside = 1 }
    inside {
      if (sub(/<\/Message>.*/, "")) inside = 0
      gsub(/&#xD;|^ +/, "")
      if ($0 != "") message = message (message == "" ? "" : " | ") $0
    }
    name != "" && /<\/UnitTestResult>/ { print "failed: " name (message == "" ? "" : ": " substr(message, 1, 600)); name = "" }' "$1"
}

counter() { sed -n "s/.*<Counters [^>]*\b$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -1; }

# patiently <command…>: in the background, because bash looks at a signal only while it waits
patiently() {
  local status=0
  # Nodes keep their data in TMPDIR; a test host that is killed cannot remove it.
  TMPDIR="$results/tmp" timeout --kill-after=30 "${JOBS_TEST_TIMEOUT:-1500}" "$@" </dev/null &
  child=$!
  wait "$child" || status=$?
  child=
  return "$status"
}

# count <name of the run> <passed> <failed> <skipped> <exit code>: runs may be processes of their own, so they write files
count() { echo "${*:2}" >"$results/$1.count"; }

# run_project <project file> <name of the run> <filter>
run_project() {
  local folder="$results/$2" trx="$results/$2/$2.trx" status=0 total good bad
  log "running $2"
  patiently dotnet test "$1" -c Release --no-build --nologo --results-directory "$folder" --logger "trx;LogFileName=$2.trx" \
    ${3:+--filter "$3"} ${rest[@]+"${rest[@]}"} || status=$?
  total=0 good=0 bad=0
  if [ -f "$trx" ]; then
    failures "$trx" | sed "s/^failed: /failed: $2: /" >"$results/$2.failed"
    total=$(counter "$trx" total) good=$(counter "$trx" passed)
    bad=$(($(counter "$trx" failed) + $(counter "$trx" error) + $(counter "$trx" timeout) + $(counter "$trx" aborted)))
  elif [ "$status" = 0 ] && [ -n "$filter${rest[*]-}" ]; then
    log "$2: no test matches the filter"
  elif [ "$status" = 0 ]; then
    log "$2: no test ran, for example because the solution does not build the project"
    status=1
  fi
  if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
    # A test host that crashed, hung or never started reports no failed test.
    log "$2: ended with $status and no failed test; counted as one failure"
    bad=1 total=$((total + 1))
  fi
  count "$2" "$good" "$bad" "$((total - good - bad))" "$status"
}

run_packages() {
  local status=0 good bad
  log "running packages"
  patiently tests/packages.sh >"$results/packages.log" 2>&1 || status=$?
  cat "$results/packages.log"
  read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, 0 skipped$/\1 \2/p' "$results/packages.log") || true
  [ "$status" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1 # it ended before it could count
  count packages "${good:-0}" "${bad:-0}" 0 "$status"
}

run_without_broker() {
  local project
  for project in tests/*Tests/*Tests.csproj; do
    case $project in */Jobs.BrokerTests.csproj) ;; *) run_project "$project" "$(basename "$project" .csproj)" "$filter" ;; esac
  done
  if [ -z "$filter" ] && [ ${#rest[@]} = 0 ]; then run_packages; fi
}

# run_on <kind> <filter>: the broker tests on one kind of broker
run_on() {
  local kind=$1 kind_filter="${filter:+($filter)}"
  case $kind in
    docker | processes) export JOBS_TEST_BROKER_KIND=$kind ;;
    *) unset JOBS_TEST_BROKER_KIND ;;
  esac
  if [ -n "$2" ]; then kind_filter="${kind_filter:+$kind_filter&}$2"; fi
  # Those of docker-compose.yml run where Docker is what is tested on.
  if [ "$kind" != docker ] || ! has_compose; then kind_filter="${kind_filter:+$kind_filter&}Needs!=docker"; fi
  if [ "$celery55" = no ]; then kind_filter="${kind_filter:+$kind_filter&}Needs!=celery55"; fi
  run_project tests/Jobs.BrokerTests/Jobs.BrokerTests.csproj "Jobs.BrokerTests-$kind" "$kind_filter"
}

run_beside() {
  local kind
  run_without_broker
  # Tests with a cluster of their own do not use the shared broker: once is enough. Others are slow on every broker.
  for kind in "${kinds[@]:1}"; do run_on "$kind" 'Needs!=cluster&Needs!=once'; done
}

{
  trap 'exit 143' TERM
  trap 'end "$child"; cat "$results/beside.log"' EXIT
  run_beside >"$results/beside.log" 2>&1
} &
beside=$!

run_on "${kinds[0]}" ''

passed=0 failed=0 skipped=0 broken=0
if ! wait "$beside"; then
  log "what ran beside the broker tests broke off; counted as one failure"
  failed=1 broken=1
fi
beside=
for counts in "$results"/*.count; do
  read -r good bad left ended <"$counts"
  [ "$ended" = 0 ] || broken=1
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
done

# At the end, where the reader of a long log looks first.
cat "$results"/*.failed 2>/dev/null || true

status=0
if [ $((passed + failed)) = 0 ]; then log "no test ran"; status=1; fi
if [ "$failed" != 0 ] || [ "$broken" != 0 ]; then status=1; fi
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
exit "$status"
