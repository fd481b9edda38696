# ------------------------------------------------------------------ what awk planned

make_plan() {
  ask plan
  step=none
  eval "$plan"
}

run_plan() { # STEP
  step=$1
  changed=0
  left=
  digests=
  eval "$plan"
}

relocate_file() {
  file=$environment/$relative
  "${step}_file"
}

conda_meta() { # PATH
  relative=$1 file=$environment/$1 folder=conda-meta
  "${step}_conda_meta"
}

none_file() { :; }
none_conda_meta() { :; }

# ------------------------------------------------------------------ checking

check_file() { # whether a file there can be replaced
  is_within && [ -d "$environment/$folder" ] || return 0
  [ -w "$environment/$folder" ] && [ -x "$environment/$folder" ] || not_writable "$environment/$folder"
}

check_conda_meta() {
  check_file
}

not_writable() { # FOLDER
  fail 9 "$1 cannot be written, so nothing was changed. Let somebody run it who may, or copy the environment to where you may."
}

# ------------------------------------------------------------------ one file

# What awk knows of it is in variables: those of the prefix that it shall have end with 0, of former ones with 1 and
# so on, of what the archive has with s. p is the prefix, l its length, h what the file begins with, hl its length.
write_file() {
  wanted=0 size=$size_0 attempts=0
  [ -n "$fits0" ] || wanted=s size=$size_s
  if ! [ -e "$file" ] && ! [ -h "$file" ]; then
    leave 'is gone since it was packed'
    return
  fi
  while is_within && [ -f "$file" ] && [ ! -h "$file" ] && find_state; do
    if replace_file; then
      [ -n "$fits0" ] || leave 'holds a prefix too short for the new one and keeps the old'
      return
    fi
    # The disk is full; or another run, where there are no locks, has just put there what it should be.
    attempts=$((attempts + 1))
    [ "$attempts" -lt 3 ] || not_written
  done
  leave 'was changed since it was packed and is left as it is'
}

replace_file() {
  if [ "$state" = "$wanted" ]; then
    note_digest "$file"
  else
    new_file && convert "$state" "$wanted" <"$file" >"$workshop/new" || return 1
    note_digest "$workshop/new"
    put_new
    changed=$((changed + 1))
  fi
}

leave() { # REASON; two slashes are in no path
  left="$left$relative $1.//"
}

find_state() { # whose prefix it holds: which, exchanged, makes of it the file in the archive
  state=0
  while :; do
    eval "fits=\$fits$state"
    if [ -n "$fits" ] && convert "$state" s <"$file" 2>/dev/null | is_stored; then return 0; fi
    case $state in
      s) break ;;
      "$formers") state=s ;;
      *) state=$((state + 1)) ;;
    esac
  done
  state=0 # another run, where there are no locks, may have just put there what it should be
  [ -z "$locked" ] && [ -n "$fits0" ] && convert 0 s <"$file" 2>/dev/null | is_stored
}

is_stored() { # standard input; without a tool for digests by its size, for its places were compared
  if [ -n "$hash_tool" ]; then
    [ "$(digest)" = "$stored" ]
  else
    [ "$(wc -c)" -eq "$size_s" ]
  fi
}

note_digest() { # FILE: for conda-meta
  [ -z "$fields" ] || [ -z "$hash_tool" ] ||
    digests="$digests$number $(digest <"$1") $size $fields $name$newline"
}

convert() { # FROM TO: standard input to standard output; fails where the file does not hold what it should
  eval "from=\$p$1 from_length=\$l$1 from_head=\$h$1 from_head_length=\$hl$1
        to=\$p$2 to_length=\$l$2 to_head=\$h$2"
  shape
}

head() {
  expect "$from_head_length" "$from_head" && printf %s "$to_head"
}

prefix() {
  expect "$from_length" "$from" && printf %s "$to"
}

gap() { # PREFIXES: the zeros that keep a C string as long as it was
  [ "$from_length" = "$ls" ] ||
    [ "$(take $(((ls - from_length) * $1)) | tr -d '\000' && echo x)" = x ] || return 1
  [ "$to_length" = "$ls" ] || dd if=/dev/zero bs=$(((ls - to_length) * $1)) count=1 2>/dev/null
}

expect() { # LENGTH TEXT
  [ "$(take "$1" && echo x)" = "$2x" ]
}

keep() { # LENGTH
  if [ "$1" -gt 1048576 ]; then
    dd bs=1048576 count=$(($1 / 1048576)) 2>/dev/null && take $(($1 % 1048576))
  else
    take "$1"
  fi
}

take() { # LENGTH: by one read, because what reads ahead would take the next one's bytes
  [ "$1" -eq 0 ] || dd bs="$1" count=1 2>/dev/null
}

# ------------------------------------------------------------------ conda-meta

write_conda_meta() {
  changes=$digests
  digests=
  [ -n "$changes" ] || return 0
  if ! { is_within && [ -f "$file" ] && [ ! -h "$file" ] && text=$(updated); }; then
    leave 'was written anew since it was packed and is left as it is'
  elif [ "$text" != "$(cat "$file")" ]; then
    new_file || new_file || not_written
    updated >"$workshop/new" || not_written
    put_new
  fi
}

updated() { # with the digests of the files as they lie there
  {
    cat <<END
$changes
END
    cat "$file"
    echo x
  } | action=update awk "$program"
}

# ------------------------------------------------------------------ writing

new_file() { # to be written into, with the mode and the owner of the old one
  [ -n "$writing" ] || exit 111
  rm -f "$workshop/new"
  cp -p "$file" "$workshop/new" 2>/dev/null
  closed=
  [ -w "$workshop/new" ] || {
    closed=1
    chmod u+w "$workshop/new" 2>/dev/null # fails where cp has, because the file was replaced meanwhile
  }
}

put_new() { # in the place of the old one, whole
  [ -z "$closed" ] || chmod u-w "$workshop/new" || not_written
  mv -f "$workshop/new" "$file" || not_written
}

not_written() {
  fail 9 "$file cannot be written. Run it again when that is mended."
}

write_state() { # JSON
  file=$environment/$pack_folder/state.json
  closed=
  printf '%s\n' "$1" >"$workshop/new" || not_written
  put_new
}

lock() { # until this process ends. Without flock several runs do the same at once, which is safe and slower.
  locked=
  command -v flock >/dev/null 2>&1 || return 0
  exec 9< "$environment/$index" # an overlay would copy what is opened to be written
  flock -n 9 9<&9 2>/dev/null || { # named again, because ksh keeps it to itself
    # NFS locks only what could be written
    [ ! -w "$environment/$index" ] || exec 9<> "$environment/$index"
    flock -n 9 9<&9 2>/dev/null
  } || {
    say 'waiting for another conda-unpack.'
    flock 9 9<&9 2>/dev/null || return 0
  }
  locked=1
}

make_workshop() {
  if [ -n "$locked" ]; then
    rm -rf "$environment/$pack_folder"/*.conda-unpack~
  else # what was killed a day ago or earlier will not go on
    find "$environment/$pack_folder" -name '*.conda-unpack~' -prune -mtime +0 -exec rm -rf {} + 2>/dev/null
  fi
  serial=0
  until workshop=$environment/$pack_folder/$$-$serial.conda-unpack~ && mkdir "$workshop" 2>/dev/null; do
    [ -d "$workshop" ] || not_writable "$environment/$pack_folder"
    serial=$((serial + 1))
  done
}

# ------------------------------------------------------------------ preflight

check_machine() { # of what can be found out here
  uname=$(command -v uname)
  code=$(
    system=${uname:+$(uname -s)} machine=${uname:+$(uname -m)} release=${uname:+$(uname -r)} \
      glibc=$(glibc_here) macos=$(sw_vers -productVersion 2>/dev/null) \
      action=preflight go_on=$go_on environment=$environment awk "$program" </dev/null
  )
  eval "$code"
}

# ------------------------------------------------------------------ all of it

look() { # 0 if nothing is to be done, 111 if something is
  (
    run_plan write
    report
  )
}

report() {
  [ -n "$hash_tool" ] || left="${left}there is no sha256sum, shasum or openssl, so conda-meta keeps the digests it has.//"
  [ -z "$left" ] || [ -n "$quiet" ] || print_left '' >&2
  if [ -z "$for_prefix" ]; then
    say "$changed files changed; the environment is at $prefix."
  else
    say "$changed files changed; move the environment to $prefix now."
  fi
  [ -z "$json" ] || print_left 1
}

print_left() { # FOR_PROGRAMS
  action=outcome json=$1 changed=$changed prefix=$prefix awk "$program" <<END
$left
END
}

write() {
  run_plan check
  trap '[ -z "$workshop" ] || rm -rf "$workshop"' EXIT
  trap 'fail 130 "interrupted. Run it again to go on."' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  lock
  was_done=$is_done
  make_plan # again, for another run may have ended meanwhile
  [ -n "$was_done" ] || [ -z "$is_done" ] || return 0
  make_workshop
  write_state "$state_begun"
  writing=1
  run_plan write
  write_state "$state_done"
  report
  exit 0
}

relocation() {
  need dd mv cp rm mkdir
  find_hash_tool
  umask 022
  workshop=
  writing=
  closed=
  locked=
  [ -z "$for_prefix" ] || { prefix=$(normal "$for_prefix") && prefix=${prefix%x}; }
  check_machine
  make_plan
  while :; do
    if [ -n "$is_done" ]; then
      look && exit 0
      [ $? -eq 111 ] || exit 9
    fi
    write
  done
}
