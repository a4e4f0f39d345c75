# Sourced by bin/quern, jmh/run and examples/search: finds a JDK and builds what they start.

readonly min_jdk=25

fail() {
  printf 'quern: %s\n' "$@" >&2
  exit 1
}

# Prints the feature release of the JDK in directory $1, or 0 when there is none.
jdk_feature() {
  local version=
  if [[ -x $1/bin/java && -x $1/bin/javac && -r $1/release ]]; then
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
  fi
  printf '%s\n' "${version:-0}"
}

# Prints the home of the first JDK that is new enough.
find_jdk() {
  local home path_java
  if [[ -n ${QUERN_JAVA_HOME:-} ]]; then
    (($(jdk_feature "$QUERN_JAVA_HOME") >= min_jdk)) ||
      fail "QUERN_JAVA_HOME=$QUERN_JAVA_HOME is not a JDK $min_jdk or newer"
    printf '%s\n' "$QUERN_JAVA_HOME"
    return
  fi
  path_java=$(readlink -f "$(command -v java)" || true)
  for home in \
    "${JAVA_HOME:-}" \
    "${path_java%/bin/java}" \
    /usr/lib/jvm/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "$HOME"/.sdkman/candidates/java/* \
    "$HOME"/.jdks/*; do
    if (($(jdk_feature "$home") >= min_jdk)); then
      printf '%s\n' "$home"
      return
    fi
  done
  fail "no JDK $min_jdk or newer found" \
    "install one, for example from https://adoptium.net, or point QUERN_JAVA_HOME at it"
}

# Runs Maven's -Dquick build with JDK $1 and the arguments that follow; what it says goes to a log.
quick_build() {
  local jdk=$1 log=$root/target/quick/build.log
  shift
  command -v mvn >/dev/null || fail "Maven is needed to build Quern: install Maven 3.8 or newer"
  mkdir -p "${log%/*}"
  (
    if command -v flock >/dev/null; then
      flock 9
    fi
    # shellcheck disable=SC2086
    JAVA_HOME=$jdk mvn -B -q -f "$root/pom.xml" -Dquick "$@" \
      ${MAVEN_ARGS:-} ${QUERN_MAVEN_ARGS:-} >"$log" 2>&1
  ) 9>"${log%/*}/lock" || fail "the build failed: $(grep -m 3 ERROR "$log" || true)" "see $log"
}
