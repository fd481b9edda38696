#!/bin/sh
# A conda environment in one file. sh reads these lines; behind them, from byte @LENGTH@ on, is a tar archive:
#     { dd bs=@LENGTH@ count=1 of=/dev/null; cat; } < THIS_FILE > ARCHIVE
# Its own variables begin with _pack_ and none is exported: a command that is run gets the user's.
# shellcheck disable=SC1091,SC2034  # bin/activate is in the archive, and reads a variable
# shellcheck disable=SC2317  # functions are called by traps, and by the action's name
# shellcheck disable=SC2012  # ls is asked for one file's size

[ -z "${ZSH_VERSION-}" ] || emulate sh

_pack_name=@NAME@
_pack_identity=@IDENTITY@
_pack_platform=@PLATFORM@
_pack_glibc=@GLIBC@ # the version that it needs, empty for none
_pack_packed=@PACKED@ # bytes of this file, 0 if they are not known
_pack_needed=@NEEDED@ # KiB of the unpacked environment
_pack_root=@ARCROOT@ # the folder of the environment within the archive
_pack_fixed=@PREFIX@ # the only prefix it runs at; empty if it can be relocated
_pack_entry=@ENTRY@ # whether there is a command to run
_pack_quiet=
_pack_preflight=1
[ -z "${CONDA_PACK_NO_PREFLIGHT-}" ] || _pack_preflight=
_pack_work=
_pack_child=

case $0 in
    */*) _pack_file=$0 ;;
    *) if [ -f "./$0" ]; then _pack_file=./$0; else _pack_file=$(command -v -- "$0"); fi ;; # sh FILE
esac

archive() { # to standard output, uncompressed; dd leaves the file open at the place where the archive begins
    { dd bs=@LENGTH@ count=1 of=/dev/null 2>/dev/null && @DECOMPRESS@; } <"$_pack_file"
}

entry_point() { # ARGUMENTS: in place of this shell
    exec @COMMAND@ "$@"
}

# ------------------------------------------------------------------ telling, and leaving nothing behind

say() { # SENTENCE
    [ -n "$_pack_quiet" ] || printf '%s: %s\n' "${_pack_file##*/}" "$1" >&2
}

fail() { # EXIT_CODE SENTENCE
    printf '%s: error: %s\n' "${_pack_file##*/}" "$2" >&2
    clean_up
    exit "$1"
}

clean_up() {
    [ -z "$_pack_work" ] || rm -rf "$_pack_work"
}

listen() {
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    trap 'interrupted 129' HUP
}

interrupted() { # EXIT_CODE
    trap '' INT TERM HUP
    if [ -n "$_pack_child" ]; then
        kill "$_pack_child" 2>/dev/null
        wait "$_pack_child" 2>/dev/null
    fi
    clean_up
    exit "$1"
}

finish() { # waits for the command in the background. In the foreground no shell would hear a signal meanwhile.
    _pack_child=$!
    wait "$_pack_child" 2>/dev/null
    _pack_status=$?
    _pack_child=
    return "$_pack_status"
}

# ------------------------------------------------------------------ checks, before anything is written

check_tools() {
    for _pack_tool in @TOOLS@; do
        command -v "$_pack_tool" >/dev/null 2>&1 || fail 13 "$_pack_tool is needed and not there: install it."
    done
}

check_machine() {
    case $(uname -s)-$(uname -m) in
        @MACHINES@) ;;
        *)
            _pack_message="this environment is for $_pack_platform, and this machine is $(uname -s) $(uname -m)."
            [ -z "$_pack_preflight" ] || fail 14 "$_pack_message Pack one there."
            say "warning: $_pack_message"
            ;;
    esac
}

@machine.sh@

check_glibc() {
    [ -n "$_pack_glibc" ] || return 0
    _pack_has=$(glibc_here)
    case $_pack_has in
        '') return 0 ;;
        [0-9]*.[0-9]*)
            _pack_minor=${_pack_has#*.}
            _pack_needs=${_pack_glibc#*.}
            [ "${_pack_has%%.*}" -le "${_pack_glibc%%.*}" ] || return 0
            [ "${_pack_has%%.*}" -lt "${_pack_glibc%%.*}" ] ||
                [ "${_pack_minor%%.*}" -lt "${_pack_needs%%.*}" ] || return 0
            ;;
    esac
    _pack_message="it needs glibc $_pack_glibc, and this machine has $_pack_has."
    [ -z "$_pack_preflight" ] || fail 14 "this environment would not start here: $_pack_message"
    say "warning: this environment will not start here: $_pack_message"
}

check_file() {
    _pack_line=
    [ ! -r "$_pack_file" ] || read -r _pack_line <"$_pack_file"
    [ "$_pack_line" = '#!/bin/sh' ] || # it is the shell
        fail 1 'this script came through a pipe, without the archive behind it. Save it first, then run the file.'
    _pack_size=$(size)
    if [ "$_pack_packed" != 0 ] && [ "$_pack_packed" != "$_pack_size" ]; then
        fail 10 "it has $_pack_size of $_pack_packed bytes. Fetch it again."
    fi
}

size() { # of this file, in bytes; by ls, because wc may read it all
    ls -lnL "$_pack_file" | {
        read -r _pack_mode _pack_links _pack_user _pack_group _pack_size _pack_rest
        printf '%s\n' "$_pack_size"
    }
}

check_space() { # FOLDER
    # The number before the percentage, because a device's name may hold spaces.
    _pack_free=$(df -Pk "$1" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p')
    case $_pack_free in
        '' | ??????????*) return 0 ;; # not told; or a TiB, and some shells count in 32 bits
    esac
    [ "$_pack_free" -ge "$_pack_needed" ] ||
        fail 9 "the environment takes $_pack_needed KiB, and $1 has $_pack_free left. Make room or choose another disk."
}

absolute() { # FOLDER OPTION: without (-P) or with links (-L); prints nothing if there is no such folder
    case $1 in
        /*) cd "$2" -- "$1" && pwd "$2" ;;
        *) cd "$2" -- "./$1" && pwd "$2" ;; # so CDPATH has no say
    esac 2>/dev/null
}

# ------------------------------------------------------------------ unpacking, all or nothing

unpack() { # FOLDER HINT: into an absolute path, new or an empty folder; the hint tells what to do if that fails
    _pack_dest=$1
    _pack_hint=$2
    if [ -d "$_pack_dest" ]; then
        _pack_beside=$_pack_dest # for it may be a mount point, or its parent not ours
    else
        _pack_beside=${_pack_dest%/*}/
    fi
    check_tools
    check_machine
    check_glibc
    check_file
    check_space "$_pack_beside"
    make_work
    fill
    relocate
    publish
    clean_up
}

make_work() {
    _pack_number=0
    _pack_unique=.$_pack_name.$$.partial
    until mkdir "$_pack_beside/$_pack_unique" 2>/dev/null; do
        # Processes have the same number in different containers, and on machines that share a disk.
        [ -d "$_pack_beside/$_pack_unique" ] || fail 9 "nothing can be written in $_pack_beside. $_pack_hint"
        _pack_number=$((_pack_number + 1))
        _pack_unique=.$_pack_name.$$-$_pack_number.partial
    done
    _pack_work=$_pack_beside/$_pack_unique
}

fill() { # the hidden folder with the environment as it is in the archive
    mkdir "$_pack_work/tree"
    { archive && : >"$_pack_work/whole"; } 2>/dev/null | {
        cd "$_pack_work/tree" || exit 1 # tar -C would unquote the name
        unset TAR_OPTIONS
        LC_ALL=@LOCALE@ # bsdtar fails at a name that the locale has no letters for
        export LC_ALL
        exec tar -xof -
    } >/dev/null 2>"$_pack_work/messages" &
    finish
    _pack_code=$_pack_status
    # tar may end before what feeds it, and then that has not said yet that it was all
    if ! is_filled; then
        archive >/dev/null 2>&1 &
        finish || fail 10 'it is damaged. Fetch it again.'
    fi
    if ! is_filled; then
        _pack_message=$(sed 1q "$_pack_work/messages")
        [ "$_pack_code" -ne 0 ] || [ ! -f "$_pack_work/whole" ] || fail 10 'it was cut off. Fetch it again.'
        fail 9 "$_pack_dest cannot be written (${_pack_message:-the disk is full}). $_pack_hint"
    fi
    mv -f "$_pack_work/tree${_pack_root:+/$_pack_root}" "$_pack_work/$_pack_unique"
}

# All was read, and all written: the index is the archive's last file. Of tar's exit code ksh may know nothing more;
# where that is not 0 there is a message, or no room for one, and then none for the index.
is_filled() {
    [ -f "$_pack_work/whole" ] && { [ "$_pack_code" -eq 0 ] || [ ! -s "$_pack_work/messages" ]; } &&
        [ -s "$_pack_work/tree/${_pack_root:+$_pack_root/}conda-meta/conda-pack/index.json" ]
}

relocate() {
    [ -z "$_pack_fixed" ] || return 0
    set -- --prefix "$_pack_dest"
    [ -n "$_pack_preflight" ] || set -- --no-preflight "$@"
    "$_pack_work/$_pack_unique/bin/conda-unpack" "$@" </dev/null >/dev/null 2>"$_pack_work/messages" &
    if ! finish; then
        _pack_message=$(sed -n '$s/^conda-unpack: error: //p' "$_pack_work/messages")
        fail "$_pack_status" "${_pack_message:-the environment cannot be made for $_pack_dest.}"
    fi
    [ -n "$_pack_quiet" ] || sed -n '/^conda-unpack: warning: /p' "$_pack_work/messages" >&2
}

publish() {
    if [ "$_pack_beside" = "$_pack_dest" ]; then
        move_up
    elif ! mv -f "$_pack_work/$_pack_unique" "$_pack_dest" || [ -d "$_pack_dest/$_pack_unique" ]; then
        rm -rf "${_pack_dest:?}/$_pack_unique" # into it, not onto it: somebody else was first
        [ -n "$_pack_entry" ] || fail 4 "something was put at $_pack_dest meanwhile."
    fi
}

move_up() { # the children one by one, and last what makes the folder an environment
    trap '' INT TERM HUP
    mv -f "$_pack_work/$_pack_unique/conda-meta" "$_pack_work/conda-meta"
    set --
    for _pack_path in "$_pack_work/$_pack_unique"/* "$_pack_work/$_pack_unique"/.[!.]* \
        "$_pack_work/$_pack_unique"/..?* "$_pack_work/conda-meta"; do
        [ -e "$_pack_path" ] || [ -h "$_pack_path" ] || continue
        set -- "$@" "$_pack_dest/${_pack_path##*/}"
        if ! move "$_pack_path"; then
            rm -rf "$@"
            fail 9 "$_pack_dest cannot be written. $_pack_hint"
        fi
    done
}

move() { # PATH: up; a folder closed to its owner must be open on the way
    mv -f "$1" "$_pack_dest/" 2>/dev/null ||
        { chmod u+w "$1" && mv -f "$1" "$_pack_dest/" && chmod u-w "$_pack_dest/${1##*/}"; }
}

# ------------------------------------------------------------------ FILE [OPTIONS] [DEST]

command_line() { # ARGUMENTS
    _pack_action=extract
    _pack_given=
    _pack_place=${_pack_fixed:-$_pack_name}
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) _pack_action=usage ;;
            --info) _pack_action=info ;;
            --check) _pack_action=check ;;
            -q | --quiet) _pack_quiet=1 ;;
            --no-preflight) _pack_preflight= ;;
            --extract=*) place "${1#--extract=}" ;;
            --extract | --)
                [ $# -gt 1 ] || fail 2 "$1 needs a folder behind it."
                shift
                place "$1"
                ;;
            -*) fail 2 "there is no option $1: see --help." ;;
            *) place "$1" ;;
        esac
        shift
    done
    "$_pack_action" "$_pack_place"
}

place() { # DEST
    [ -n "$1" ] || fail 2 'the folder to unpack into has an empty name.'
    [ -z "$_pack_given" ] || fail 2 "it is unpacked into one folder, $_pack_given or $1."
    _pack_given=$1
    _pack_place=$1
}

extract() { # DEST
    if [ -d "$1" ]; then
        refuse_contents "$1"
        _pack_place=$(absolute "$1" -L)
    elif [ -e "$1" ] || [ -h "$1" ]; then
        fail 4 "$1 exists and is no folder. Choose another name."
    else
        while [ "$_pack_place" != "${_pack_place%/}" ]; do
            _pack_place=${_pack_place%/}
        done
        case $_pack_place in
            */*) _pack_parent=${_pack_place%/*}/ ;;
            *) _pack_parent=. ;;
        esac
        _pack_parent=$(absolute "$_pack_parent" -L) ||
            fail 5 "the folder $_pack_parent does not exist. Create it first."
        _pack_place=${_pack_parent%/}/${_pack_place##*/}
    fi
    if [ -n "$_pack_fixed" ] && [ "$_pack_fixed" != "$_pack_place" ]; then
        say "warning: this environment was packed for $_pack_fixed and runs as it should only there."
    fi
    listen
    unpack "$_pack_place" 'Choose another folder.'
    say "the environment is at $_pack_place"
}

refuse_contents() { # FOLDER
    for _pack_path in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        [ -e "$_pack_path" ] || [ -h "$_pack_path" ] || continue
        case $_pack_path in
            */lost+found) ;; # an empty file system has it
            */.*.partial) fail 4 "$1 is not empty: a run that was killed left ${_pack_path##*/}. Remove it." ;;
            *) fail 4 "$1 is not empty: it holds ${_pack_path##*/}. Choose another folder." ;;
        esac
    done
}

usage() {
    cat <<END
Usage: ${_pack_file##*/} [OPTIONS] [DEST]

Puts the conda environment $_pack_name at DEST, a new or an empty folder (default:
${_pack_fixed:-./$_pack_name}), exactly as if conda had installed it there.

  --extract DEST  the same as DEST
  --info          tell what this file holds
  --check         find out whether this file is whole; unpack nothing
  --no-preflight  unpack even what cannot start on this machine
  -q, --quiet     say nothing but errors
  -h, --help      show this
END
}

info() {
    cat <<END
name: $_pack_name
identity: $_pack_identity
platform: $_pack_platform
packed: $(size) bytes
unpacked: $_pack_needed KiB
END
    [ -z "$_pack_fixed" ] || printf 'prefix: %s\n' "$_pack_fixed"
}

check() {
    check_tools
    check_file
    listen
    archive >/dev/null 2>&1 &
    finish || fail 10 'it is damaged. Fetch it again.'
    say 'the file is whole.'
}

# ------------------------------------------------------------------ FILE [ARGUMENTS], with an entry point

start() { # ARGUMENTS
    if [ -n "${CONDA_PACK_CACHE-}" ]; then
        _pack_cache=$CONDA_PACK_CACHE
    elif [ -n "${XDG_CACHE_HOME-}" ]; then
        _pack_cache=$XDG_CACHE_HOME/conda-pack
    elif [ -n "${HOME-}" ]; then
        _pack_cache=$HOME/.cache/conda-pack
    else
        fail 5 'without HOME there is no place for the environment. Set CONDA_PACK_CACHE to a folder.'
    fi
    _pack_cache=$_pack_cache/@KEY@
    [ -d "$_pack_cache" ] || mkdir -p -- "$_pack_cache" 2>/dev/null
    # Without links, because some shells have to find bin/activate so, and all shall agree.
    _pack_prefix=$(absolute "$_pack_cache" -P)/$_pack_name
    [ "$_pack_prefix" != "/$_pack_name" ] ||
        fail 9 "the folder $_pack_cache cannot be made. Set CONDA_PACK_CACHE to one that can."
    is_there || first_start
    activate </dev/null >&2 || fail 1 "the environment at $_pack_prefix is not whole. Remove that folder and start again."
    entry_point "$@"
}

is_there() { # It came there by one renaming, so it is all there.
    [ -f "$_pack_prefix/conda-meta/conda-pack/index.json" ]
}

first_start() {
    _pack_cache=${_pack_prefix%/*}
    [ -w "$_pack_cache" ] || fail 9 "the folder $_pack_cache cannot be written. Set CONDA_PACK_CACHE to one that can."
    [ -t 2 ] && say "unpacking into $_pack_cache, this once"
    _pack_quiet=1
    listen
    # What was killed a day ago or earlier will not go on.
    find "$_pack_cache" -name '.*.partial' -prune -mtime +0 -exec rm -rf {} + 2>/dev/null
    # Where there is flock, one unpacks and the others wait; else each unpacks, and the first one's stays.
    if command -v flock >/dev/null 2>&1 && { [ ! -e "$_pack_cache/.lock" ] || [ -w "$_pack_cache/.lock" ]; }; then
        { flock 9 9>&9 & finish; is_there || unpack_once; } 9>"$_pack_cache/.lock"
    else
        unpack_once
    fi
}

unpack_once() {
    unpack "$_pack_prefix" 'Set CONDA_PACK_CACHE to another folder.'
    is_there || fail 9 "something else was put at $_pack_prefix. Remove it."
}

activate() { # without arguments, which a package's hook could change
    CONDA_PACK_ENV=$_pack_prefix # for a shell that cannot tell it, and has no /proc
    . "$_pack_prefix/bin/activate"
}

main() { # ARGUMENTS
    if [ -z "$_pack_entry" ]; then
        command_line "$@"
    elif [ -n "${CONDA_PACK_EXTRACT-}" ]; then
        command_line -- "$CONDA_PACK_EXTRACT"
    else
        start "$@"
    fi
}

main "$@"
exit
