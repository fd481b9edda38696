# ------------------------------------------------------------------ --status

status() {
  ask status
  eval "$plan"
  moved=false current=false
  # shellcheck disable=SC3013  # all of them have -ef
  [ -z "$former" ] || [ "$former" = "$prefix" ] || [ "$former" -ef "$prefix" ] || moved=true
  [ -z "$former" ] || [ "$moved" = true ] || [ -n "$killed" ] || current=true
  if [ -n "$killed" ]; then
    told="A run for $killed was killed, and files may be of several places. Run conda-unpack again."
  elif [ -z "$former" ]; then
    told='Not relocated yet: the files are as the archive has them. Run conda-unpack.'
  elif [ "$moved" = true ]; then
    told="Relocated to $former, and it lies at $prefix. Run conda-unpack."
  else
    told="Relocated to $former, where it lies."
  fi
  if [ -n "$json" ]; then
    told="$before_moved$moved$before_current$current}"
  elif [ -n "$quiet" ]; then
    told=
  fi
  text=${told:+$told$newline}
  print_text
  [ "$current" = true ] || exit 1
}

# ------------------------------------------------------------------ --verify

verify() { # as verifying.py
  need dd find readlink tr wc
  find_hash_tool
  [ -n "$hash_tool" ] || fail 13 'it needs a Python from 3.6 on, or sha256sum, shasum or openssl: none is on PATH.'
  locked=1
  step=verify
  batch=
  number_of=0
  compare_records
  bad=$missing changed=$altered
  export bad changed
  ask entries
  eval "${plan%%"$newline"*}"
  # A shell that breaks down on the way has not found everything to be right, so the end is told.
  text=$(
    {
      completed=
      eval "$plan"
      compare_batch
      [ -z "$completed" ] || printf '%s' "${found}end"
    } |
      action=findings json=$json paths=$paths prefix=$prefix awk "$program"
    echo x
  )
  text=${text%x}
  [ -n "$text" ] || fail 13 'the comparison broke off. Free some memory, or install a Python from 3.6 on.'
  count=${text%%"$newline"*}
  text=${text#*"$newline"}
  print_text
  [ -z "$uncompared" ] || say "warning: not compared, because that takes a Python from 3.6 on: $uncompared."
  if [ "$count" = 0 ]; then
    say "all $paths paths are as they were packed."
  else
    say "$count of $paths paths are not as they were packed."
    exit 10
  fi
}

find_fault() { # PROBLEM PATH: a fault that was found; two slashes are in no path
  printf '%s/%s//' "$1" "$2"
}

compare_records() { # and the index; the numbers of those of which nothing is to be read are told
  missing=' ' altered=' ' found=
  ask records
  eval "$plan"
  [ "$(action=content environment=$environment awk "$program" </dev/null | digest)" = "$identity" ] ||
    found=changed/$index//
}

check_record() { # NUMBER CONDA_META PATH SHA256
  if [ -n "$2" ] && [ ! -e "$environment/$2" ] && [ ! -h "$environment/$2" ]; then
    missing="$missing$1 "
    found="${found}missing/$2//"
  elif ! fault=$(is_regular "$3"); then
    altered="$altered$1 "
    found=$found$fault
  elif [ "$(digest <"$environment/$3")" != "$4" ]; then
    altered="$altered$1 "
    found="${found}changed/$3//"
  fi
}

is_regular() { # PATH: is a file, and within the environment; else what is wrong is told
  relative=$1 file=$environment/$1
  case $1 in
    */*) folder=${1%/*} ;;
    *) folder= ;;
  esac
  if is_within && [ -f "$file" ] && [ ! -h "$file" ]; then
    return 0
  elif [ -e "$file" ] || [ -h "$file" ] || { [ -n "$real" ] && ! is_within; }; then
    find_fault changed "$1"
  else
    find_fault missing "$1"
  fi
  return 1
}

# Files whose bytes never change, many at once; only where something is wrong one by one.
plain() { # PATH SHA256
  is_regular "$1" || return 0
  case $1 in
    *["$newline$carriage_return"]*) compare_one "$1" "$2" ;; # which the tools would write otherwise
    *)
      batch="$batch${batch:+$newline}$2  ./$1"
      number_of=$((number_of + 1))
      [ "$number_of" -lt 200 ] || compare_batch
      ;;
  esac
}
carriage_return=$(printf '\r')

compare_batch() {
  [ -n "$batch" ] || return 0
  whole=$batch batch='' number_of=0
  all_are_right && return 0
  while IFS= read -r line; do
    compare_one "${line#*  ./}" "${line%% *}"
  done <<END
$whole
END
}

all_are_right() {
  case $hash_tool in
    openssl*) return 1 ;;
  esac
  (cd -- "$environment" && $hash_tool -c >/dev/null 2>&1) <<END
$whole
END
}

compare_one() { # PATH SHA256
  [ "$(digest <"$environment/$1")" = "$2" ] || find_fault changed "$1"
} 2>/dev/null

verify_file() { # one that holds the prefix, or would
  is_regular "$relative" || return 0
  if ! find_state 2>/dev/null; then
    find_fault changed "$relative"
  elif [ "$state" = s ] && [ -n "$p0" ] && [ "$optional" = 0 ]; then
    find_fault 'not relocated' "$relative"
  fi
}

own_conda_meta() { # PATH SHA256 CHANGES: it tells the digests of files with prefixes; with the stored ones it is as stored
  is_regular "$1" || return 0
  changes=$3
  [ "$(updated | digest)" = "$2" ] || find_fault changed "$1"
} 2>/dev/null

executables() { # PATHS that their owner may execute
  [ -n "$(closed_ones "$@")" ] || return 0
  for one do
    [ -z "$(closed_ones "$one")" ] || find_fault 'not executable' "${one#./}"
  done
}

closed_ones() { # PATHS
  cd -- "$environment" && find "$@" -prune -type f ! -perm -0100 -print 2>/dev/null
}

links() { # TARGETS, one on a line; PATHS
  targets=$1
  shift
  actual=$(cd -- "$environment" && readlink "$@" 2>/dev/null) && [ "$actual" = "$targets" ] && return 0
  for one do
    link "${one#./}" "${targets%%"$newline"*}"
    targets=${targets#*"$newline"}
  done
}

link() { # PATH TARGET
  file=$environment/$1
  if [ ! -h "$file" ]; then
    is_something "$1" || return 0
    find_fault changed "$1"
  elif [ "$(readlink "$file" && echo x)" != "$2${newline}x" ]; then
    find_fault changed "$1"
  fi
}

directory() { # PATH
  file=$environment/$1
  if [ ! -d "$file" ] || [ -h "$file" ]; then
    is_something "$1" && find_fault changed "$1"
  fi
}

is_something() { # PATH of $file
  [ -e "$file" ] || [ -h "$file" ] || {
    find_fault missing "$1"
    return 1
  }
}
