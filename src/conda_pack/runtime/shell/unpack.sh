# Without any Python: awk reads JSON and writes code for sh, which calls dd and the like.

program='@unpack.awk@'
had_locale=${LC_ALL+1} locale=${LC_ALL-}
LC_ALL=C # so a character is a byte, for the shell and for awk
export LC_ALL

index=conda-meta/conda-pack/index.json
pack_folder=conda-meta/conda-pack
quiet=
json=
for_prefix=
go_on=
act=
format=
known_folder=/
newline='
'

say() { # SENTENCE
  [ -n "$quiet" ] || printf 'conda-unpack: %s\n' "$1" >&2
}

fail() { # EXIT_CODE SENTENCE
  printf 'conda-unpack: error: %s\n' "$2" >&2
  [ -z "$json" ] || tell_error "$1" "$2"
  exit "$1"
}

tell_error() { # EXIT_CODE SENTENCE: to programs
  case $1 in
    2) kind=UsageError ;;
    3) kind=EnvironmentNotFound ;;
    7) kind=CorruptMetadata ;;
    9) kind=WriteFailed ;;
    10) kind=DamagedArchive ;;
    12) kind=PrefixTooLong ;;
    13) kind=ToolMissing ;;
    14) kind=NotForThisMachine ;;
    *) kind=Interrupted ;;
  esac
  message=$(text=$2 action=quote awk "$program" </dev/null 2>/dev/null) || message="\"$2\""
  printf '{"error": "%s", "message": %s, "exit_code": %s}\n' "$kind" "$message" "$1"
}

usage() {
  cat <<'END'
usage: conda-unpack [-h] [-q] [--json]
                    [--prefix PATH | --verify | --status | --env {docker,dotenv,json,sh}]
                    [--no-preflight] [--version]

Make this unpacked environment exactly as if conda had installed it where it
lies. Run it once after extracting the archive, and again whenever the
environment was moved.

  -q, --quiet      say nothing but errors
  --json           print the result to standard output as JSON
  --prefix PATH    write the files for PATH, where this folder will be moved
                   next (default: where it lies)
  --verify         change nothing: compare every file with what was packed
  --status         change nothing: tell where the environment was relocated to,
                   and whether it was moved since
  --env FORMAT     change nothing: print the variables that activation would set
                   (docs/activation.md)
  --no-preflight   go on where this machine lacks what the environment needs
  --version        show the version
  -h, --help       show this

No Python from 3.6 on was found, so this is done by sh and awk. They cannot
relocate files for macOS or Windows, nor such as hold the prefix in UTF-16.
END
}

command_line() { # ARGUMENTS
  for_programs=
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix | --env)
        [ $# -gt 1 ] || fail 2 "$1 needs a word behind it."
        option=$1 value=$2
        shift
        ;;
      --prefix=* | --env=*) option=${1%%=*} value=${1#*=} ;;
      *) option=$1 value= ;;
    esac
    case $option in
      -q | --quiet) quiet=1 ;;
      --json) for_programs=1 ;;
      --no-preflight) go_on=1 ;;
      --prefix) choose relocation "$option" && for_prefix=$value/ ;;
      --verify | --status) choose "${option#--}" "$option" ;;
      --env) choose variables "$option" && format=$value ;;
      --version) echo 'conda-unpack @VERSION@' && exit 0 ;;
      -h | --help) usage && exit 0 ;;
      *) fail 2 "there is no option $option: see --help." ;;
    esac
    shift
  done
  case $act-$format in
    variables-sh | variables-dotenv | variables-docker | variables-json) ;;
    variables-*) fail 2 "there is no format $format: --env has docker, dotenv, json and sh." ;;
  esac
  json=$for_programs
  [ "$for_prefix" != / ] || fail 2 '--prefix is empty: name the folder that the environment will be moved to.'
}

choose() { # ACTION OPTION
  [ -z "$act" ] || [ "$chosen" = "$2" ] || fail 2 "$chosen and $2 exclude one another."
  act=$1 chosen=$2
}

# ------------------------------------------------------------------ where it lies

normal() { # PATH: absolute, without . and .. and doubled slashes; a letter behind it keeps its newlines
  case $1 in
    /*) given=$1 ;;
    *) given=$(pwd -P && echo x) && given=${given%"${newline}"x}/$1 ;;
  esac
  given=$given awk 'BEGIN {
    path = ENVIRON["given"]
    count = split(path, parts, "/")
    for (i = 1; i <= count; i++)
      if (parts[i] == "..") depth -= depth > 0
      else if (parts[i] != "" && parts[i] != ".") kept[++depth] = parts[i]
    for (i = 1; i <= depth; i++) normal = normal "/" kept[i]
    printf "%sx", (path ~ /^\/\/[^\/]/ ? "/" : "") (normal == "" ? "/" : normal)
  }'
}

find_environment() {
  for script in "$0" "$(readlink -f -- "$0" 2>/dev/null)"; do
    environment=$(normal "$script/../..") && environment=${environment%x}
    [ ! -e "$environment/$index" ] || return 0
  done
  fail 3 "$0 does not lie in an unpacked environment: no $index beside it."
}

is_within() { # no folder on the way is a link out of the environment; its real place is in $real, if there is any
  [ "$folder" = "$known_folder" ] || {
    known_folder=$folder
    real=
    cd -P -- "$environment/$folder" 2>/dev/null && real=$PWD
  }
  case $real/ in
    "${root%/}"/*) return 0 ;;
  esac
  return 1
}

# ------------------------------------------------------------------ tools

need() { # TOOLS
  for tool do
    command -v "$tool" >/dev/null 2>&1 ||
      fail 13 "it needs a Python from 3.6 on, or $tool: neither is in this environment or on PATH."
  done
}

find_hash_tool() {
  hash_tool=
  for tool in 'sha256sum' 'shasum -a 256' 'busybox sha256sum' 'openssl dgst -sha256'; do
    # shellcheck disable=SC2086  # words
    case $(printf '' | $tool 2>/dev/null) in
      *e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855*)
        hash_tool=$tool
        return
        ;;
    esac
  done
}

digest() { # of standard input
  digest=$($hash_tool)
  digest=${digest##*= }
  printf '%s\n' "${digest%% *}"
}

ask() { # ACTION: code that awk writes, in $plan
  plan=$(action=$1 environment=$environment prefix=$prefix awk "$program" </dev/null) || {
    case $plan in
      'fail '*) eval "$plan" ;;
    esac
    fail 10 "$environment/$index cannot be read without a Python from 3.6 on, and none is here."
  }
}

# ------------------------------------------------------------------ variables

variables() { # as activation would set them
  text=$(activation "$format")
  code=$?
  text=${text%x}
  case $code-$text in
    0-*) ;;
    2-?*) fail 2 "$text" ;;
    *) fail 7 "the hooks in $environment/etc/conda/activate.d ended with $code." ;;
  esac
  case $json-$format in
    -json | 1-json) ;;
    1-*) text=$(activation json) && text=${text%x} ;; # which its own format could hold
    *)
      print_text
      return
      ;;
  esac
  print_text | action=variables json=$json prefix=$prefix awk "$program"
}

activation() { # FORMAT; a letter behind it keeps its newlines
  if [ -n "$had_locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi
  /bin/sh "$environment/bin/activation-for" "$1" activate
  code=$?
  echo x
  exit "$code"
}

print_text() { # which ends with a newline, or is empty
  [ -z "$text" ] || cat <<END
${text%"$newline"}
END
}

@machine.sh@

@relocate.sh@

@verify.sh@

# ------------------------------------------------------------------ all of it

main() { # ARGUMENTS
  command_line "$@"
  need awk cat
  find_environment
  root=$(cd -P -- "$environment" && pwd -P)
  prefix=$environment
  "${act:-relocation}"
}

main "$@"
exit
